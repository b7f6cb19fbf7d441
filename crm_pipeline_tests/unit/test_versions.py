"""A step's version follows its code: a changed line on the way makes the right assets stale, a comment or an unrelated module none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import crm_pipeline
from crm_pipeline import versions
from crm_pipeline.defs.assets import features, models, scores, tables

SCRIPT = """
import json, pathlib
from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.defs.build import build_defs
from crm_pipeline.home.project import Project
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.state import SourceState
home = pathlib.Path("home")
columns = {name: tuple(c.name for c in contract.columns) for name, contract in CANONICAL.items()}
state = SourceState("test", "UTC", "EUR", columns, "2025-01-01", "2026-06-01", "2026-06-01", closed=True)
built = build_defs(Project(home, load_settings(home), state))
print(json.dumps({n.asset: n.code_version for n in built.graph.nodes.values()}))
"""


WORTH = ("evaluation/churn_ablation", "evaluation/demand_ablation")
EXPLAINED = tuple(f"evaluation/{task}_{what}" for task in ("churn", "demand") for what in ("reasons", "dependence"))
CATALOGUE = {
    "features/customers", "training/churn", "training/demand", "scores/customers", "reports/period",
}  # fmt: skip
"""What imports the catalogue of features beside the scores, whose reasons are told by its themes."""


def code_versions(folder: Path) -> dict[str, str]:
    """The version of every asset, by the package in a folder."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
    command = [sys.executable, "-c", SCRIPT]
    run = subprocess.run(
        command, cwd=folder, env=kept | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The package in a folder of its own, with the versions of its assets."""
    folder = tmp_path_factory.mktemp("code")
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(crm_pipeline.__file__).parent, folder / "crm_pipeline", ignore=without)
    return folder, code_versions(folder)


@pytest.mark.parametrize(
    ("module", "line", "stale"),
    [
        ("modeling/phrases.py", "NEW = 1", {"scores/churn", "scores/demand"}),
        (
            "transforms/features/entries.py",
            "NEW = 1",
            {
                *CATALOGUE,
                *WORTH,
                *EXPLAINED,
                "scores/churn",
                "scores/demand",
                "scores/categories",
                "scores/category_totals",
            },
        ),
        (
            "modeling/estimators/random_forest.py",
            "NEW = 1",
            {"models/churn/random_forest", "models/demand/random_forest"},
        ),
        ("transforms/quality.py", "NEW = 1", {"quality/rows"}),
        ("modeling/phrases.py", "# a comment", set()),
        ("serve.py", "NEW = 1", set()),
        ("lake/garbage.py", "NEW = 1", set()),
    ],
)
def test_a_changed_line_makes_what_it_reaches_stale_and_nothing_else(
    copy: tuple[Path, dict[str, str]], module: str, line: str, stale: set[str]
) -> None:
    folder, before = copy
    path = folder / "crm_pipeline" / module
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\n{line}\n", encoding="utf-8")
    try:
        after = code_versions(folder)
    finally:
        path.write_text(text, encoding="utf-8")
    changed = {asset for asset in before if before[asset] != after[asset]}
    assert changed == stale


def test_a_step_reaches_what_its_modules_import_and_no_further() -> None:
    assert "crm_pipeline.modeling.phrases" in versions.reached(scores._scores)
    assert "crm_pipeline.modeling.preprocessing" in versions.reached(models.estimator_asset)
    assert "crm_pipeline.transforms.columns" in versions.reached(features._activity)
    assert "crm_pipeline.contracts.core" in versions.reached(tables._table)
    assert not any(m.startswith("crm_pipeline.modeling") for m in versions.reached(features._activity))
    assert not any(m.startswith(("crm_pipeline.defs", "crm_pipeline.lake")) for m in versions.reached(scores._scores))


def test_settings_and_further_modules_count() -> None:
    plain = versions.code_version(features._lifetime, {})
    assert versions.code_version(features._lifetime, {"horizon": 3}) != plain
    assert versions.code_version(features._lifetime, {}, also=["crm_pipeline.periods"]) == plain, "it is reached anyhow"
    assert versions.code_version(features._lifetime, {}, also=["crm_pipeline.modeling.metrics"]) != plain
    with pytest.raises(ValueError, match="no module"):
        versions.code_version(features._lifetime, {}, also=["crm_pipeline.nowhere"])


def test_a_version_is_told_by_its_parts() -> None:
    one = versions.parts_of(versions.code_version(features._lifetime, {"horizon": 3}))
    two = versions.parts_of(versions.code_version(features._lifetime, {"horizon": 2}))
    assert one is not None
    assert two is not None
    assert (one.settings, two.settings) == ({"horizon": "3"}, {"horizon": "2"})
    assert one._replace(settings={}) == two._replace(settings={})
    assert one.libraries["ibis"]
    assert "crm_pipeline.transforms.lifetime" in one.modules
    assert versions.parts_of("no version") is None
