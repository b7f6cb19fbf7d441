"""The whole run as one straight script, the yardstick of the orchestrated one: ``python -m benchmarks.straight_line SOURCE OUT RESULT``.

The same functions read, clean, aggregate, learn at the same cut-offs, judge, score, explain and write the report, over
plain Parquet files. Left out is what the program adds: Dagster and its events, plan, manifests, content hashes, contract
audits, locks, hard links, views for outsiders, MLflow, column schemas, track record, fairness, leaderboards, whether reasons
survive a refit; and what a customer buys next by category. A table is written once and never described; a training table is
read once for all its estimators; models stay in memory.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import pandas as pd

from benchmarks.meter import Meter
from benchmarks.straight_source import Folder, World, raw_rows, read_source
from benchmarks.straight_texts import Texts
from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.outputs import (
    CARD,
    EVALUATION,
    INTERVALS,
    SEGMENTS,
    VALUE,
    conform,
    conform_each,
    score_columns,
)
from crm_pipeline.engine import frame
from crm_pipeline.modeling.estimators import chosen as estimators_of
from crm_pipeline.modeling.tasks import SEASONS_BACK, chosen
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings, load_settings
from crm_pipeline.transforms import activity, cleaning, features, lifetime, scores, training
from crm_pipeline.transforms.features.catalogue import activity_tables, catalogue, history

EPOCH = date(1970, 1, 1)
UNDATED_TABLES = ("products",)


class Script(Texts):
    """One run; the files of a table and period lie at ``<out>/<table>/<period>.parquet``."""

    def __init__(self, source: Path, out: Path, meter: Meter) -> None:
        self.settings: Settings = load_settings(out)
        self.out, self.meter = out, meter
        self.folder = Folder(out, self.settings)
        self.world: World = read_source(source, self.folder, self.settings)
        meter.mark("raw/")
        self.calendar = Calendar(self.settings.grain, self.world.timezone)
        self.names = activity_tables(self.world.tables)
        self.tasks = chosen(self.settings)
        self.models: dict[tuple[str, str], dict[str, Any]] = {}
        self.training: dict[tuple[str, str], pd.DataFrame] = {}

    # -- files -------------------------------------------------------------------------------------

    def write(self, table: str, period: str, rows: Any) -> None:
        path = self.out / table / f"{period}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(rows, ibis.Table):
            self.folder.engine.ibis.to_parquet(rows, path, compression="zstd")
        else:
            self.folder.engine.stage(rows, path)
        self.meter.mark(f"{table}@{period}")

    def read(self, table: str, *periods: str) -> ibis.Table:
        paths = [str(self.out / table / f"{p}.parquet") for p in periods]
        said = f"DESCRIBE SELECT * FROM read_parquet({paths}, union_by_name = true)"
        columns = {name: kind for name, kind, *_ in self.folder.engine.con.execute(said).fetchall()}
        return self.folder.engine.table(paths, columns)

    def back(self, period: str, offsets: range | list[int]) -> list[str]:
        """Return the periods so far behind one, those before the source's first left out."""
        keys = sorted(self.calendar.shift(period, -i) for i in offsets)
        return [k for k in keys if k >= self.world.first]

    # -- what is made when -------------------------------------------------------------------------

    @cached_property
    def judged(self) -> list[str]:
        """The periods at which models are judged: on what followed a horizon before."""
        s = self.settings
        return self.back(self.world.last, [i * s.horizon for i in range(s.evaluation_cutoffs)])

    @cached_property
    def trained(self) -> list[str]:
        """The periods at which models are trained."""
        h = self.settings.horizon
        return sorted({self.world.last, *(k for p in self.judged for k in self.back(p, [h]))})

    def known(self, period: str) -> list[str]:
        """The periods whose outcomes a model of ``period`` learns from."""
        s = self.settings
        return self.back(period, [i * s.training_stride for i in range(s.training_cutoffs)])

    def run(self) -> None:
        h, last = self.settings.horizon, self.world.last
        told = sorted({k for p in self.trained for k in self.known(p)} | set(self.judged))
        scored = {last, *(k for p in told for k in self.back(p, [h]))}
        for name in UNDATED_TABLES:
            if name in self.world.tables:
                self.clean(name, "all")
        for period in self.calendar.range(self.world.first, last):
            self.folder.engine.release()
            self.tables(period)
            if period in scored:
                self.features(period)
            for task in self.tasks if period in told else ():
                self.outcomes(task, period)
            self.purchases(period)
            for task in self.tasks if period in self.trained else ():
                self.learn(task, period)
        if "texts" in self.names:
            self.topics(last)
        evaluated = {task: [self.judge(task, p) for p in self.judged] for task in self.tasks}
        champions = {task: self.score(task, evaluated[task]) for task in self.tasks}
        self.values()
        self.customers(champions)
        self.report(evaluated, champions)

    # -- tables ------------------------------------------------------------------------------------

    def clean(self, name: str, period: str, orders: ibis.Table | None = None) -> None:
        world = self.world
        no_amount = name == "orders" and "amount" not in world.tables[name] and "order_lines" in world.tables
        found = cleaning.clean_table(
            self.masked(name, raw_rows(self.folder, world, name, period)),
            CANONICAL[name],
            currency=world.currency,
            orders=orders,
            lines=raw_rows(self.folder, world, "order_lines", period) if no_amount else None,
            columns=world.tables[name],
            money_unit=float(self.settings.money_unit),
        )
        self.write(f"clean/{name}", period, found.clean)
        self.write(f"rejects/{name}", period, found.rejects)

    def tables(self, period: str) -> None:
        """Clean and aggregate one period, and bring what is known of customers forward."""
        for name in (n for n in self.world.tables if n not in UNDATED_TABLES):
            with_orders = name == "order_lines" and "orders" in self.world.tables
            self.clean(name, period, self.read("clean/orders", period) if with_orders else None)
        if "orders" not in self.world.tables:
            self.write("clean/orders", period, cleaning.derive_orders(self.read("clean/order_lines", period)))
        if "texts" in self.names:
            self.texts(period)
        for name in (n for n in self.names if n != "texts"):
            events = self.read("clean/order_lines" if name == "categories" else f"clean/{name}", period)
            if name == "orders":
                rows = activity.orders(events, period, self.calendar)
            elif name == "categories":
                rows = activity.categories(events, self.read("clean/products", "all"), period)
            else:
                rows = getattr(activity, name)(events, period)
            self.write(f"activity/{name}", period, rows)
        before = self.back(period, [1])
        others = {
            n: self.read(f"activity/{n}", period)
            for n in self.names
            if n not in ("orders", "categories", "order_lines", "texts")
        }
        made = lifetime.customers(
            self.read("lifetime/customers", *before) if before else None,
            self.read("activity/orders", period),
            self.read("clean/customers", period) if "customers" in self.world.tables else None,
            others,
            period,
        )
        self.write("lifetime/customers", period, made)

    def features(self, period: str) -> None:
        from crm_pipeline.modeling.purchase_process.features import purchase_process_features

        s, known = self.settings, self.read("lifetime/customers", period)
        days = known.select(
            "customer_id", first_order_day="first_day", last_order_day="last_day", n_order_days="order_days"
        )
        ahead = (0, s.horizon, s.year)
        now, end, year = ((self.calendar.end_date(self.calendar.shift(period, i)) - EPOCH).days for i in ahead)
        found = purchase_process_features(days.execute(), now, end - now, s.process_sample, s.seed, year - now)
        self.write("features/purchase_process", period, found.features)
        window = self.back(period, range(history(self.shape)))
        begins = dict.fromkeys(self.names, self.world.first)
        made = features.customers(
            {n: self.read(f"activity/{n}", *window) for n in self.names},
            known,
            self.read("features/purchase_process", period),
            self.folder.engine.given(features.dates(period, begins, self.calendar, self.shape), "dates"),
            shape=self.shape,
        )
        self.write("features/customers", period, made)

    def outcomes(self, task: str, period: str) -> None:
        h = self.settings.horizon
        then = self.back(period, [h])
        nobody = ibis.memtable([], schema={"customer_id": "string"})
        since = self.read("activity/orders", *self.back(period, range(h)))
        eligible = self.read("features/customers", *then) if then else nobody
        made = the_task(task).outcome(eligible, since, self.calendar.shift(period, -h))
        self.write(f"outcomes/{task}", period, made)

    def purchases(self, period: str) -> None:
        from crm_pipeline.contracts.derived import PURCHASES
        from crm_pipeline.modeling.purchases import purchases_table

        s, then = self.settings, self.back(period, [self.settings.horizon])
        made = purchases_table(
            self.read("lifetime/customers", *then) if then else None,
            self.read("activity/orders", *self.back(period, range(s.horizon))),
            self.calendar.shift(period, -s.horizon),
            calendar=self.calendar, horizon=s.horizon, eligibility=s.eligibility, sample=s.process_sample, seed=s.seed,
        )  # fmt: skip
        self.write("outcomes/purchases", period, conform(made, PURCHASES))

    # -- learning ----------------------------------------------------------------------------------

    def learn(self, task: str, period: str) -> None:
        from crm_pipeline.modeling.training import fit

        s, known = self.settings, self.known(period)
        seen = [k for p in known for k in self.back(p, [s.horizon])]
        made = training.design_matrix(
            self.read("features/customers", *seen),
            self.read(f"outcomes/{task}", *known),
            calendar=self.calendar,
            cap=s.training_rows,
            seed=s.seed,
        )
        self.write(f"training/{task}", period, made)
        rows = self.training[task, period] = frame(self.read(f"training/{task}", period))
        fitted: dict[str, Any] = {}
        for name in estimators_of(s, task):
            fitted[name] = fit(
                task, name, rows, horizon=s.horizon, seed=s.seed, threads=s.threads,
                money_unit=float(s.money_unit), members=fitted, trials=s.tuning_trials, grain=s.grain,
            )  # fmt: skip
            self.meter.mark(f"models/{task}/{name}@{period}")
        self.models[task, period] = fitted

    def level(self, task: str, period: str) -> Any:
        from crm_pipeline.modeling.level import season_level
        from crm_pipeline.modeling.purchases import EXPECTED_FROM, expected_of

        s = self.settings
        known = self.read("outcomes/purchases", *self.back(period, range((SEASONS_BACK + 1) * s.year + 1))).execute()
        now = expected_of(self.read("features/customers", period).select(*EXPECTED_FROM).execute())
        return season_level(known, now, period, first=self.world.first, horizon=s.horizon, year=s.year, grain=s.grain)

    def judge(self, task: str, period: str) -> pd.DataFrame:
        """Write predictions and metrics of the models of a horizon ago, and return the metrics."""
        from crm_pipeline.modeling.customers import Customers
        from crm_pipeline.modeling.evaluation import evaluate, foretold
        from crm_pipeline.modeling.training import Abstained

        s = self.settings
        cutoff = self.calendar.shift(period, -s.horizon)
        said = foretold(
            task,
            {n: m for n, m in self.models[task, cutoff].items() if not isinstance(m, Abstained)},
            Customers(self.read("features/customers", cutoff)),
            self.read(f"outcomes/{task}", period).execute(),
            self.training[task, cutoff],
            cutoff=cutoff,
            level=self.level(task, cutoff),
            horizon=s.horizon,
            money_unit=float(s.money_unit),
            threads=s.threads,
        )
        metrics = evaluate(task, said, cutoff, seed=s.seed)
        self.write(f"evaluation/{task}_predictions", period, said)
        self.write(f"evaluation/{task}", period, metrics)
        return metrics

    def cards(self, task: str) -> pd.DataFrame:
        """Return the cards of the models that may score."""
        from crm_pipeline.modeling.training import describe

        parts = []
        for name, model in self.models[task, self.world.last].items():
            card = describe(model) | {
                "task": task,
                "estimator": name,
                "model_version": "",
                "model_uri": name,
                "run_id": "",
                "trained_as_of": self.calendar.end_date(self.world.last),
            }
            card |= {k: json.dumps(card[k], default=str) for k in ("features", "parameters")}
            parts.append(card)
        frame = pd.DataFrame(parts)
        return conform(frame[[c.name for c in CARD]], CARD).to_pandas()

    def score(self, task: str, evaluated: list[pd.DataFrame]) -> pd.DataFrame:
        """Choose the champion, and score every eligible customer with it; return the decision."""
        from crm_pipeline.modeling.customers import Customers
        from crm_pipeline.modeling.explain import told_as
        from crm_pipeline.modeling.promotion import decide
        from crm_pipeline.modeling.scoring import Release, score

        s, last = self.settings, self.world.last
        judged = pd.concat(evaluated, ignore_index=True)
        whole = self.calendar.shift(self.world.first, s.year - 1)
        decision = decide(task, judged, self.cards(task), horizon=s.horizon, grain=s.grain, whole_from=whole)
        champion = decision.iloc[0]["champion"]
        release = Release(
            task=task, as_of=self.calendar.end_date(last), model=champion, model_version="", run_id="",
            horizon_end=self.calendar.end_date(self.calendar.shift(last, s.horizon)),
            label_definition=the_task(task).definition(s.horizon, s.grain), currency=self.world.currency,
            money_unit=float(s.money_unit), horizon=s.horizon, year=s.year, grain=s.grain,
        )  # fmt: skip
        customers = Customers(self.read("features/customers", last))
        themes = told_as(task, {f.name: f.theme for f in catalogue(self.world.tables, self.shape)})
        level, bands = self.level(task, last), self.bands(task, champion)
        rows = score(self.models[task, last][champion], customers, release, level, themes, bands, s.threads)
        self.write(f"scores/{task}", last, conform_each(rows, score_columns(the_task(task).answers)))
        return decision

    def bands(self, task: str, champion: str) -> Any:
        """Write how far outcomes lay from what was predicted; return the champion's intervals, None for a task without."""
        from crm_pipeline.modeling.conformal import SAMPLE, bands_of, intervals

        if not the_task(task).conformal:
            return None
        said = self.read(f"evaluation/{task}_predictions", *self.judged)
        made = intervals(task, training.sample_of_cutoffs(said, SAMPLE, self.settings.seed).execute())
        for name, rows, kind in zip(
            (f"intervals/{task}", f"evaluation/{task}_intervals"), made, (INTERVALS, EVALUATION), strict=True
        ):
            self.write(name, self.world.last, conform(rows, kind))
        return bands_of(made[0], champion)

    def values(self) -> None:
        """Write what customers are worth over a year, and which kinds of customers there are."""
        from crm_pipeline.modeling.segment_names import Yardsticks
        from crm_pipeline.modeling.segments import fit_beside_before, measures_of, segments_of_customers
        from crm_pipeline.modeling.value import fit_value_of_a_day, value_of_customers

        s, last, unit = self.settings, self.world.last, float(self.settings.money_unit)
        known = {k: self.read("lifetime/customers", k).execute() for k in self.back(last, [0, 1])}
        fitted = fit_value_of_a_day(known[last], unit, s.process_sample, s.seed)
        process = self.read("features/purchase_process", last).execute()
        self.write("scores/value", last, conform(value_of_customers(known[last], process, fitted, unit, ""), VALUE))
        days = {
            i: (self.calendar.end_date(self.calendar.shift(last, i)) - EPOCH).days for i in (-1, 0, s.horizon, s.year)
        }
        now, before = (measures_of(known[self.calendar.shift(last, i)], days[i], unit) for i in (0, -1))
        yard = Yardsticks(days[s.horizon] - days[0], days[s.year] - days[0])
        kinds = fit_beside_before(now, before, yard, s.seed)[0]
        rows = segments_of_customers(known[last]["customer_id"], now, kinds)
        self.write("scores/segments", last, conform(rows, SEGMENTS))

    def customers(self, champions: Mapping[str, pd.DataFrame]) -> None:
        """Write the table that the team acts on."""
        s, last, world = self.settings, self.world.last, self.world
        year = self.back(last, range(s.year))
        frame = scores.Frame(
            calendar=self.calendar,
            first=world.first,
            period=last,
            model_age=0,
            as_of=self.calendar.end_date(last),
            horizon_end=self.calendar.end_date(self.calendar.shift(last, s.horizon)),
            label_definition=the_task("churn").definition(s.horizon, s.grain),
            eligibility=f"{s.eligibility} {s.grain}s",
            unit=float(s.money_unit),
            has_cases="cases" in world.tables,
            has_opt_outs="opted_out_at" in world.tables.get("contacts", ()),
            run_id="",
            scored_at=datetime.now(UTC).replace(tzinfo=None, microsecond=0),
            release=",".join(f"{task}:{d.iloc[0]['champion']}" for task, d in champions.items()),
        )
        scored = {t: self.read(f"scores/{t}", last) for t in self.tasks}
        made = scores.customers(
            self.read("lifetime/customers", last),
            self.read("activity/orders", *year),
            scored.get("churn"),
            scored.get("demand"),
            frame,
            value=self.read("scores/value", last),
            segments=self.read("scores/segments", last),
            process=self.read("features/purchase_process", last),
            **{n: self.read(f"activity/{n}", *year) for n in ("categories", "contacts", "texts") if n in self.names},
        )
        self.write("scores/customers", last, made)

    def report(self, evaluated: Mapping[str, list[Any]], champions: Mapping[str, pd.DataFrame]) -> None:
        from benchmarks.straight_report import report_data
        from crm_pipeline.reports.report import render_report

        (self.out / "report.html").write_text(render_report(report_data(self, evaluated, champions)), encoding="utf-8")
        self.meter.mark(f"reports/period@{self.world.last}")


def main(source: Path, out: Path, result: Path) -> None:
    """Run the script, and write what it took as JSON."""
    meter = Meter(result.with_suffix(".log"))
    script = Script(source, out, meter)
    script.run()
    result.write_text(json.dumps(meter.result() | {"period": script.world.last}), encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
