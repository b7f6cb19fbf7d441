"""Models at a million rows: explaining, scoring, training, what the row caps cost. ``python -m benchmarks.bench_models``.

The rows are customers of the made-up company at many cut-offs: real features with a signal, no row twice below the number that
there is. Ratios are taken in one process, one after the other.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import measure
from benchmarks.bench_messages import Memory
from benchmarks.meter import Meter
from benchmarks.straight_line import EPOCH, Script
from crm_pipeline.modeling.estimators import Context, entry
from crm_pipeline.modeling.estimators import chosen as estimators_of
from crm_pipeline.modeling.preprocessing import in_learning_order, usable_features
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Model
from crm_pipeline.transforms import training
from crm_pipeline.transforms.features.catalogue import catalogue

ROWS = 1_000_000
EXACT = {"shap.TreeExplainer": 2_000, "XGBoost, exact": 20_000}
"""Rows on which the slow ways are measured: rows a second do not depend on how many."""
CAPPED = ("svm", "neural_network", "recurrent_network", "random_forest", "gradient_boosting", "logistic")
SMALLER = (50_000, 200_000)
"""Row counts of a training table beside all there are: the default cap is the second."""


class World(Script):
    """The straight line up to the features of many cut-offs, without texts and audio; nothing is judged or scored."""

    def __init__(self, source: Path, out: Path, meter: Meter) -> None:
        super().__init__(source, out, meter)
        self.names = tuple(name for name in self.names if name not in ("texts", "audio"))

    def prepare(self) -> None:
        """Make tables, features, outcomes and purchases of every period that has a year before it or is learned from."""
        for name in ("products",):
            if name in self.world.tables:
                self.clean(name, "all")
        for period in self.periods:
            self.folder.engine.release()
            self.tables(period)
            self.features(period)
            for task in self.tasks:
                self.outcomes(task, period)
            self.purchases(period)

    @property
    def periods(self) -> list[str]:
        """All periods of the company."""
        return self.calendar.range(self.world.first, self.world.last)

    def customers(self, periods: list[str]) -> pd.DataFrame:  # type: ignore[override]
        """Return the features of these cut-offs, one below the other."""
        return self.read("features/customers", *periods).execute()

    def learned_from(self, task: str, through: str, cap: int) -> pd.DataFrame:
        """Return the training table of ``through`` over all earlier cut-offs, at most ``cap`` rows."""
        h = self.settings.horizon
        known = [p for p in self.periods if p <= through and self.back(p, [h])]
        seen = [k for p in known for k in self.back(p, [h])]
        return training.design_matrix(
            self.read("features/customers", *seen),
            self.read(f"outcomes/{task}", *known),
            calendar=self.calendar,
            cap=cap,
            seed=self.settings.seed,
        ).execute()


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_models", description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--result", type=Path, default=measure.OUT / "models.json")
    given = parser.parse_args()
    source, folder = measure.company(given.customers), measure.OUT / f"models_{given.customers}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    meter = Meter(given.result.with_suffix(".log"))
    world = World(source, folder, meter)
    world.prepare()
    found: dict[str, Any] = {"customers": given.customers, "rows": ROWS}
    parts: dict[str, Any] = {"processes": lambda: processes(world), "trainings": lambda: trainings(world)}

    def explained() -> dict[str, Any]:
        rows = world.customers(world.periods[-10:])
        found["distinct"] = min(ROWS, len(rows))
        return explanations(world, pd.concat([rows] * -(-ROWS // len(rows)), ignore_index=True).head(ROWS))

    for name, part in {**parts, "explanations": explained, "caps": lambda: caps(world)}.items():
        before, started = Memory(), time.perf_counter()
        found[name] = part()
        found[name] |= {"all_seconds": time.perf_counter() - started, "peak_mib": before.peak() / 2**20}
        given.result.write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(name, json.dumps(found[name], indent=1), flush=True)
    shutil.rmtree(folder)


def processes(world: World) -> dict[str, Any]:
    """Fit both purchase processes and predict a million customers."""
    from crm_pipeline.modeling.purchase_process.features import purchase_process_features

    periods = world.periods[-11:]
    known = world.read("lifetime/customers", *periods).select(
        "customer_id", "as_of_period", first_order_day="first_day", last_order_day="last_day", n_order_days="order_days"
    )
    days = known.execute()
    days = pd.concat([days] * -(-ROWS // len(days)), ignore_index=True).head(ROWS)
    now = (world.calendar.end_date(periods[-1]) - EPOCH).days
    started = time.perf_counter()
    purchase_process_features(days, now, 92, world.settings.process_sample, world.settings.seed)
    return {"rows": len(days), "seconds": time.perf_counter() - started}


def trainings(world: World) -> dict[str, Any]:
    """Fit every estimator of both tasks on the training table of the default cap, made from all cut-offs."""
    from crm_pipeline.modeling.training import Abstained, fit
    from crm_pipeline.settings import Settings

    s, cap, seconds = world.settings, Settings().training_rows, {}
    counted = {}
    for task in world.tasks:
        table = world.learned_from(task, world.world.last, cap)
        counted[task] = len(table)
        fitted: dict[str, Any] = {}
        for name in estimators_of(s, task):
            started = time.perf_counter()
            fitted[name] = fit(
                task, name, table, horizon=s.horizon, seed=s.seed, threads=s.threads,
                money_unit=float(s.money_unit), members=fitted,
            )  # fmt: skip
            seconds[f"{task}/{name}"] = time.perf_counter() - started
            if isinstance(fitted[name], Abstained):
                raise SystemExit(f"{task}/{name} abstained: {fitted[name].reason}")
        world.models[task, world.world.last] = fitted
    return {"table_rows": counted, "seconds": sum(seconds.values()), "each": seconds}


def explanations(world: World, rows: pd.DataFrame) -> dict[str, Any]:
    """Explain and score a million rows, and a few by the slow ways on the same boosting model."""
    from crm_pipeline.modeling.prediction import predict
    from crm_pipeline.modeling.preprocessing import matrix
    from crm_pipeline.modeling.reasons import top_reasons

    themes = {f.name: f.theme for f in catalogue(world.world.tables, world.settings)}
    models, speed = world.models, {}

    def timed(name: str, count: int, work: Any) -> Any:
        started = time.perf_counter()
        made = work()
        speed[name] = count / (time.perf_counter() - started)
        return made

    for task in world.tasks:
        fitted = models[task, world.world.last]
        for name in (the_task(task).fixed, "gradient_boosting"):
            by_theme = timed(
                f"explain {task}/{name}",
                len(rows),
                lambda t=task, m=fitted[name]: explain(t, m, rows, themes),
            )
        timed(f"reasons in words, {task}", len(rows), lambda t=task, b=by_theme: top_reasons(t, b, rows))
        timed(f"score {task}", len(rows), lambda t=task, m=fitted[the_task(task).fixed]: predict(t, m, rows))
    boosted = models["churn", world.world.last]["gradient_boosting"]
    values = matrix(rows, boosted.columns_)
    timed("boosting, approximate", len(values), lambda: boosted.attributions(rows))
    few = values[: EXACT["XGBoost, exact"]]
    exact, _ = timed("XGBoost, exact", len(few), lambda: boosted.exact_terms(few))
    few = values[: EXACT["shap.TreeExplainer"]]
    import shap

    explainer = shap.TreeExplainer(boosted.model_)
    by_shap = timed("shap.TreeExplainer", len(few), lambda: explainer.shap_values(few))
    together = 1 / sum(1 / speed[f"score {task}"] for task in world.tasks)
    return {
        "rows_per_second": speed,
        "score_all_tasks": together,
        "shap_differs": float(np.abs(by_shap - exact[: len(few)]).max()),
    }


def explain(task: str, model: Model, rows: pd.DataFrame, themes: Mapping[str, str]) -> pd.DataFrame:
    """Return what moves the model's score of every row, by theme."""
    from crm_pipeline.modeling.explain import contributions, theme_contributions, told_as

    return theme_contributions(contributions(model, rows), told_as(task, themes))


def caps(world: World) -> dict[str, Any]:
    """Judge models fitted on samples, and on all rows with no cap of their own, on the next cut-off.

    All earlier cut-offs are learned from, those without a year of history too: what is asked is what more rows give.
    """
    from sklearn.metrics import roc_auc_score

    s, last = world.settings, world.world.last
    cutoff = world.calendar.shift(last, -s.horizon)
    table = in_learning_order(world.learned_from("churn", cutoff, 10**9))
    judged = world.customers([cutoff]).sort_values("customer_id", ignore_index=True)
    happened = world.read("outcomes/churn", last).execute().set_index("customer_id").reindex(judged["customer_id"])
    outcome = the_task("churn").actual(happened, float(s.money_unit))
    order = np.random.default_rng(s.seed).permutation(len(table))
    found: dict[str, dict[str, float]] = {}
    for name in CAPPED:
        learner: Any = resolve_name(entry("churn", name).learner)
        found[name] = {}
        for count in sorted({*SMALLER, len(table)} - {n for n in SMALLER if n > len(table)}):
            part = table.iloc[np.sort(order[:count])]
            columns, _ = usable_features(part)
            model = learner.build(Context(columns, s.seed, s.threads, float(s.money_unit), {}, cores=s.threads))
            if count == len(table) and "rows" in model.get_params():
                model.set_params(rows=count)
            labels = the_task("churn").actual(part, float(s.money_unit))
            started = time.perf_counter()
            model.fit(part[columns].set_index([part["cutoff"], part["customer_id"]]), labels)
            taken = time.perf_counter() - started
            auc = roc_auc_score(outcome, model.predict_proba(judged[columns])[:, 1])
            found[name] |= {f"auc_{count}": float(auc), f"seconds_{count}": taken}
    return {"table_rows": len(table), "judged": len(judged), "auc": found}


if __name__ == "__main__":
    main()
