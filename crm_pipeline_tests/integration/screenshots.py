"""Makes the screenshots of docs/images from a home that `crm-pipeline ui` serves. No tests.

crm-pipeline ui --home data/home &
python -m crm_pipeline_tests.integration.screenshots --home data/home
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from crm_pipeline_tests.integration.browser import Page, chromium

LAYERS = ("1_raw", "2_clean", "2_text", "3_activity", "4_features", "5_models", "6_evaluation", "7_scores", "8_reports")
PLAIN = "document.querySelectorAll('[aria-label=Close], [aria-label=\"Close assistant\"]').forEach(b => b.click())"


def take(dagster: str, mlflow: str, home: Path, out: Path) -> None:
    """Write the pictures; each page is given time to draw itself."""
    out.mkdir(parents=True, exist_ok=True)
    with chromium(1400, 900) as page:
        _lineage(page, dagster, out)
        _asset(page, f"{dagster}/assets/activity/orders", "Row count", out / "asset.png")
        _asset(page, f"{dagster}/assets/models/churn/champion", "decision", out / "champion.png", "Metadata")
        page.open(f"{dagster}/assets/evaluation/churn")
        page.wait("[Show Markdown]")
        page.press("[Show Markdown]")
        _settle(page, out / "evaluation.png")
        page.open(f"{mlflow}/#/experiments/1/runs")
        page.wait("Training runs", "churn/")
        page.evaluate(PLAIN)
        _settle(page, out / "mlflow.png")
        newest = max((home / "reports").glob("*.html"))
        page.open(newest.absolute().as_uri())
        page.wait("rack record")
        page.scroll_to("Models against baselines")
        _settle(page, out / "report.png")


def _lineage(page: Page, dagster: str, out: Path) -> None:
    page.open(f"{dagster}/asset-groups")
    page.wait(*LAYERS, seconds=90)
    time.sleep(2)
    page.press("Skip")
    page.press("Hide navigation")
    time.sleep(1)
    page.resize(2200, 700)  # the graph fits itself to the window: wide enough to read
    page.open(f"{dagster}/asset-groups")
    page.wait(*LAYERS)
    _settle(page, out / "lineage.png")
    page.resize(1400, 900)


def _asset(page: Page, address: str, wanted: str, to: Path, heading: str = "") -> None:
    page.open(address)
    page.wait(wanted)
    time.sleep(2)
    if heading:
        page.scroll_to(heading)
    _settle(page, to)


def _settle(page: Page, to: Path) -> None:
    time.sleep(3)
    page.photograph(to)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("data/home"))
    parser.add_argument("--dagster", default="http://127.0.0.1:3000")
    parser.add_argument("--mlflow", default="http://127.0.0.1:5000")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    take(given.dagster, given.mlflow, given.home, given.out)


if __name__ == "__main__":
    main()
