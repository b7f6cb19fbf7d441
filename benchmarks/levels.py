"""How the level was chosen and how it does: ``python -m benchmarks.levels``. Writes the generated part of docs/results.md.

Two tables. First, the rule of `crm_pipeline.modeling.level` beside what else was tried: by how much the forecast of purchase days misses
what happened, in the median over a data set's cut-offs. Then the made companies, learned and judged at six cut-offs each: total,
WAPE and Brier score, beside last spend and a constant. Data sets that are absent are left out; the test period of a figure
reported elsewhere (Online Retail from 2011-08 on) is not looked at.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.meter import Meter
from benchmarks.straight_line import Script
from crm_pipeline.modeling.level import _History
from crm_pipeline_tests import made_companies

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- made by python -m benchmarks.levels -->", "<!-- end of what it made -->"
CUTOFFS = ["2022-04-01", "2022-07-01", "2022-10-01", "2023-01-01", "2023-04-01", "2023-07-01"]
SETTINGS = (
    "churn_estimators: [logistic, gradient_boosting, purchase_process, average]\n"
    "demand_estimators: [linear, gradient_boosting, two_part, purchase_process, average]\n"
)
REAL = {"Online Retail": ("online_retail", "2011-05-01"), "CDNOW": ("cdnow", "1998-03-01")}
"""Public data: recipe and folder, and the last cut-off that may be looked at."""

FIRST = 7
"""Periods before the first cut-off of the first table."""


def _first_proposed(past: _History, at: int) -> float:
    """Season shrunk by k/(k+1), and half the drift of the newest cut-offs with their season left in."""
    mean, _, years = past.season(at)
    season = years / (years + 1) * (mean - past.ratio(past.before(at, past.year))) if years else 0.0
    return season + past.trend(at, with_season=False)


def _last_year(past: _History, at: int) -> float:
    """As many days as a year ago, where that is known."""
    ago = at - past.year
    return float(np.log(past.actual[ago] / past.expected[at])) if ago >= 0 and past.known[ago] else 0.0


def _rule(past: _History, at: int) -> float:
    season, trend, _ = past.judged(at)
    return past.said(at, season, trend)


RULES: dict[str, Callable[[_History, int], float]] = {
    "last year's total": _last_year,
    "what is expected, alone": lambda past, at: 0.0,
    "season k/(k+1) and drift": _first_proposed,
    "the rule, not judged": lambda past, at: past.said(at, True, True),
    "**the rule**": _rule,
}


def data_sets(work: Path) -> Iterator[tuple[str, Path, str]]:
    """Write and name the sources: (name, folder, last cut-off that may be looked at)."""
    for kind in made_companies.KINDS:
        yield kind, made_companies.write_source(work / kind.replace(" ", "_"), kind), "2023-09-01"
    data = Path(os.environ.get("CRM_REAL_DATA", ROOT.parent / "shared" / "data"))
    for name, (recipe, last) in REAL.items():
        if (data / recipe).is_dir():
            folder = work / recipe
            folder.mkdir()
            shutil.copy(ROOT / "data" / "recipes" / f"{recipe}.yaml", folder / "source.yaml")
            for path in (data / recipe).iterdir():
                (folder / path.name).symlink_to(path)
            yield name, folder, last


def script(source: Path, work: Path) -> Script:
    """Open a straight-line script on a source, with the fixed models and their members only."""
    out = Path(tempfile.mkdtemp(dir=work))
    (out / "crm.yaml").write_text(SETTINGS, encoding="utf-8")
    return Script(source, out, Meter(out / "meter.log"))


def misses(source: Path, last: str, work: Path) -> dict[str, float]:
    """Return for each rule the median of |forecast / days that followed - 1| over the cut-offs of a source."""
    run = script(source, work)
    keys = run.calendar.range(run.world.first, run.world.last)
    for period in keys:
        run.folder.engine.release()
        run.tables(period)
        run.purchases(period)
    rows = run.read("outcomes/purchases", *keys).execute().sort_values("cutoff")
    rows = rows[[str(c)[:10] <= last for c in rows["cutoff"]]]
    s = run.settings
    past = _History(rows["expected_days"].to_numpy(), rows["days"].to_numpy("float64"), s.year // 2, s.horizon, s.year)
    found = {}
    for name, rule in RULES.items():
        gaps = [past.expected[i] / past.actual[i] * np.exp(rule(past, i)) - 1 for i in range(FIRST, len(rows))]
        found[name] = float(np.median(np.abs(gaps)))
    return found


def company(source: Path, work: Path) -> pd.DataFrame:
    """Learn and judge a made company at `CUTOFFS`: one row of figures per cut-off."""
    run = script(source, work)
    h = run.settings.horizon
    judged = [run.calendar.shift(c, h) for c in CUTOFFS]
    for period in run.calendar.range(run.world.first, judged[-1]):
        run.folder.engine.release()
        run.tables(period)
        run.features(period)
        run.purchases(period)
        for task in run.tasks:
            run.outcomes(task, period)
            if period in CUTOFFS:
                run.learn(task, period)
    rows = []
    for cutoff, period in zip(CUTOFFS, judged, strict=True):
        figures = {}
        for task, names in (("churn", ("average",)), ("demand", ("average", "baseline_last_spend"))):
            metrics = run.judge(task, period)
            for name in names:
                own = metrics[metrics["model"] == name].set_index("metric")["value"]
                figures |= {f"{task}_{name}_{m}": float(own[m]) for m in ("brier", "wape", "bias") if m in own}
            if task == "churn":
                rate = float(run.read("evaluation/churn_predictions", period).outcome.mean().execute())
                figures["churn_constant"] = rate * (1 - rate)
        rows.append({"cutoff": cutoff, **figures})
    return pd.DataFrame(rows)


def tables(work: Path) -> str:
    """Return both tables as Markdown."""
    sets = list(data_sets(work))
    found = {name: misses(source, last, work) for name, source, last in sets}
    lines = [
        "Miss of the forecast of purchase days, median over the cut-offs (every month from the eighth on) of each data set:",
        "",
        "| | " + " | ".join(found) + " | mean |",
        "|---|" + "---|" * (len(found) + 1),
    ]
    for rule in RULES:
        own = [found[name][rule] for name in found]
        lines.append(f"| {rule} | " + " | ".join(f"{m:.1%}" for m in [*own, np.mean(own)]) + " |")
    lines += [
        "",
        f"The made companies, the fixed averages at six quarterly cut-offs ({CUTOFFS[0][:7]} to {CUTOFFS[-1][:7]}), means unless named:",
        "",
        "| company | total off by (median) | worst | WAPE | WAPE of last spend | Brier | Brier of a constant |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, source, _ in sets:
        if name in made_companies.KINDS:
            t = company(source, work)
            off, mean = t["demand_average_bias"], t.mean(numeric_only=True)
            worst = off.iloc[int(off.abs().argmax())]
            lines.append(
                f"| {name} | {off.abs().median():.1%} | {worst:+.1%} | {mean['demand_average_wape']:.3f} "
                f"| {mean['demand_baseline_last_spend_wape']:.3f} | {mean['churn_average_brier']:.4f} | {mean['churn_constant']:.4f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levels", description=__doc__)
    parser.add_argument("--no-docs", action="store_true", help="Leave docs/results.md as it is.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        text = tables(Path(work))
    print(text)
    if not given.no_docs:
        page = RESULTS.read_text(encoding="utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        RESULTS.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
