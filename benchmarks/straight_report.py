"""Gathers what the report of the straight-line script says: the frames that the program's report asset gathers from the lake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.straight_source import raw_rows
from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.reports import reading
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.summary import theme_shares
from crm_pipeline.transforms.features.catalogue import catalogue

UNDATED_TABLES = ("products",)


def report_data(script: Any, evaluated: Mapping[str, list[Any]], champions: Mapping[str, pd.DataFrame]) -> ReportData:
    """Return the report's data of a `benchmarks.straight_line.Script` that has scored its last period."""
    s, world, calendar = script.settings, script.world, script.calendar
    last, h, tasks = world.last, s.horizon, script.tasks
    quality, refusals = _quality(script)
    before, scored = calendar.shift(last, -h), script.read("scores/customers", last)
    judged = {t: reading.predictions_of(script.read(f"evaluation/{t}_predictions", last)) for t in tasks}
    earlier, now = (
        reading.features_of(script.read("features/customers", p), str(calendar.end_date(p))) for p in (before, last)
    )
    return ReportData(
        source=world.name,
        period=last,
        as_of=calendar.end_date(last),
        horizon_end=calendar.end_date(calendar.shift(last, h)),
        currency=world.currency,
        scores=reading.with_reasons(scored, reading.scored(scored)),
        synthetic=world.synthetic,
        grain=s.grain,
        horizon=h,
        eligibility=s.eligibility,
        quality=quality,
        refusals=refusals,
        absent_tables=tuple(name for name in CANONICAL if name not in world.tables),
        evaluation={t: pd.concat(evaluated[t], ignore_index=True) for t in tasks},
        predictions={t: rows for t, (rows, _) in judged.items()},
        judged={t: customers for t, (_, customers) in judged.items()},
        champions=pd.concat(list(champions.values()), ignore_index=True),
        cards=pd.concat([script.cards(t) for t in tasks], ignore_index=True),
        features=now[0],
        previous_features=earlier[0],
        eligible=(earlier[1], now[1]),
        previous_period=before,
        descriptions={f.name: f.description for f in catalogue(world.tables, s)},
        reasons={t: theme_shares(reading.factors_of(script.read(f"scores/{t}", last))) for t in tasks},
        comebacks=_comebacks(script, before),
    )


def _quality(script: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    counts, reasons, last = [], [], script.world.last
    for name in (n for n in script.world.tables if n not in UNDATED_TABLES):
        raw, clean = raw_rows(script.folder, script.world, name, last), script.read(f"clean/{name}", last)
        refused = script.read(f"rejects/{name}", last)
        rows, kept = int(raw.filter(raw.event != "repeated").count().execute()), int(clean.count().execute())
        why = refused.group_by(reason=refused.reasons).aggregate(rows=refused.count()).execute()
        lost = int(why["rows"].sum()) if len(why) else 0
        counts.append({"table": name, "rows": rows, "clean": kept, "refused": lost, "conserved": rows == kept + lost})
        reasons.append(why.assign(table=name))
    return pd.DataFrame(counts), pd.concat(reasons, ignore_index=True)


def _comebacks(script: Any, before: str) -> pd.DataFrame:
    h, last = script.settings.horizon, script.world.last
    lapsed, since = script.read("outcomes/churn", before), script.read("activity/orders", *script.back(last, range(h)))
    gone = lapsed.filter(lapsed.churned == 1).select("customer_id")
    buyers = since.filter(since.n_orders > 0).select("customer_id").distinct()
    total, back = int(gone.count().execute()), int(gone.semi_join(buyers, "customer_id").count().execute())
    cutoff = script.calendar.shift(last, -2 * h)
    return pd.DataFrame([{"cutoff": cutoff, "lapsed": total, "returned": back, "periods": h}] if total else [])
