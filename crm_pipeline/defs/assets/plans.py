"""Assets of the layer plans: what a team does next. Joining lies in transforms, the order and its words in modeling."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import conform
from crm_pipeline.contracts.plans import SERVICE
from crm_pipeline.defs.common import described, reads
from crm_pipeline.defs.lake import publishes
from crm_pipeline.home.project import Project
from crm_pipeline.tracking import Tracker
from crm_pipeline.transforms.matters import matters
from crm_pipeline.versions import code_version

SHORTEST = {"month": 28, "week": 7}
"""Days of the shortest period."""


def plan_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer plans: the call queue, where calls have recordings."""
    return [_service(project, tracker)] if "recordings" in project.source.inputs else []


def _service(project: Project, tracker: Tracker) -> dg.AssetsDefinition:
    settings, days = project.settings, project.settings.queue_days
    code = code_version(_service, {"queue_days": days})
    periods = -(-days // SHORTEST[settings.grain])
    back, year = tuple(range(1 - periods, 1)), tuple(range(1 - settings.year, 1))
    ins = {
        "calls": reads("clean/calls", back),
        "heard": reads("audio/calls", back),
        "customers": reads("scores/customers"),
    }
    if "cases" in project.source.tables:
        ins["cases"] = reads("clean/cases", year)
    if "messages" in project.source.tables:
        ins["intent"] = reads("text/intent_model", None)

    @dg.asset(**described(project, "plans/service", code, ins, kinds=("pandas",)))
    @publishes
    def service(
        context: dg.AssetExecutionContext,
        calls: ibis.Table,
        heard: ibis.Table,
        customers: ibis.Table,
        cases: ibis.Table | None = None,
        intent: ibis.Table | None = None,
    ) -> Any:
        """The call queue as of the period's end: who needs a person first, why, and what to say; one row for each open matter."""
        from crm_pipeline.modeling.queue import queue

        end = project.calendar.as_of(context.partition_key)
        rows = matters(calls, heard, customers, cases, end, days).execute()
        about = _intents(tracker, intent, rows["transcript"])
        return conform(queue(rows, about, end)[[c.name for c in SERVICE]], SERVICE)

    return service


def _intents(tracker: Tracker, card: ibis.Table | None, transcripts: Any) -> Sequence[str | None]:
    """Return what each transcript is about, by the text room's model; null where there is nothing to tell by."""
    known = transcripts.notna()
    found = transcripts.astype("object").where(known, None)
    if card is None or not known.any():
        return [None] * len(found)
    model = tracker.load(card.execute()["model_uri"].iloc[0])
    told = iter(model.predict(found[known].tolist())["intent"])
    return [next(told) if one else None for one in known]
