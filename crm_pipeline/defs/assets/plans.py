"""Assets of the layer plans: what a team does next. Joining lies in transforms, the order and its words in modeling."""

from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import conform
from crm_pipeline.contracts.plans import SERVICE
from crm_pipeline.defs.common import described, reads
from crm_pipeline.defs.lake import publishes
from crm_pipeline.home.project import Project
from crm_pipeline.settings import Settings
from crm_pipeline.transforms.matters import matters
from crm_pipeline.versions import code_version

SHORTEST = {"month": 28, "week": 7}
"""Days of the shortest period."""


def plan_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer plans: the call queue, where calls have recordings."""
    return [_service(project)] if "recordings" in project.source.inputs else []


def looking_back(settings: Settings) -> tuple[int, ...]:
    """Return the offsets of the periods in which the calls of the queue lie."""
    return tuple(range(1 - -(-settings.queue_days // SHORTEST[settings.grain]), 1))


def _service(project: Project) -> dg.AssetsDefinition:
    settings, days = project.settings, project.settings.queue_days
    code = code_version(_service, {"queue_days": days, "watched": settings.watched_words})
    back, year = looking_back(settings), tuple(range(1 - settings.year, 1))
    ins = {
        "calls": reads("clean/calls", back),
        "heard": reads("audio/calls", back),
        "customers": reads("scores/customers"),
    }
    if "cases" in project.source.tables:
        ins["cases"] = reads("clean/cases", year)
    if "messages" in project.source.tables:
        ins["texts"] = reads("text/messages", back)

    @dg.asset(**described(project, "plans/service", code, ins, kinds=("pandas",)))
    @publishes
    def service(
        context: dg.AssetExecutionContext,
        calls: ibis.Table,
        heard: ibis.Table,
        customers: ibis.Table,
        cases: ibis.Table | None = None,
        texts: ibis.Table | None = None,
    ) -> Any:
        """The call queue as of the period's end: who needs a person first, why, and what to say; one row for each open matter."""
        from crm_pipeline.modeling.queue import queue

        end = project.calendar.as_of(context.partition_key)
        rows = matters(calls, heard, customers, cases, texts, end, days, settings.watched_words).execute()
        return conform(queue(rows, end)[[c.name for c in SERVICE]], SERVICE)

    return service
