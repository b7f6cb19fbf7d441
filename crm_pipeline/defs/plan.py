"""The asset that shows the plan of a home in the UI. What is stale is decided in `home.planning`, what is done about it by the sensor."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from crm_pipeline.defs.common import OWNERS
from crm_pipeline.home.planning import plan_home
from crm_pipeline.lake import Stale

if TYPE_CHECKING:
    from crm_pipeline.defs.build import Built

PLAN = dg.AssetKey(["reports", "plan"])
SCHEMA = dg.TableSchema(
    [
        dg.TableColumn("asset", "string", description="what is stale"),
        dg.TableColumn("partition", "string", description="the period, by its first day"),
        dg.TableColumn("reason", "string", description="why"),
    ]
)
MOST = 500
"""Lines of the plan that its metadata hold."""


def plan_asset(built: "Built") -> dg.AssetsDefinition:
    """Return the asset: materialized it looks, and builds nothing; the sensor observes it at each of its looks too. In no job."""

    @dg.asset(
        key=PLAN,
        group_name="8_reports",
        owners=OWNERS,
        kinds={"table"},
        description=(
            "What is stale and why, in the order in which it would be built, and which source files are not read yet. Materialize it to "
            "look now; nothing else is built by it. The sensor after_a_data_fix shows here what it saw last."
        ),
    )
    def plan() -> dg.MaterializeResult:
        from crm_pipeline.home.source import pending_files

        files = [f"{file.name} is {file.what}" for file in pending_files(built.project)]
        built.take_over()
        found = plan_home(built.project, built.graph).plan
        return dg.MaterializeResult(metadata={**shown(found), "source_files": "\n".join(files) or "all read"})

    return plan


def shown(plan: Sequence[Stale]) -> Mapping[str, Any]:
    """Return a plan as metadata."""
    return {
        "stale": len(plan),
        "periods": ", ".join(sorted({item.partition for item in plan})) or "none",
        "plan": dg.MetadataValue.table([dg.TableRecord(item._asdict()) for item in plan[:MOST]], SCHEMA),
    }
