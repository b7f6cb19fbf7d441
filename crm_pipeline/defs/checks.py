"""What Dagster shows of an asset's contract: its columns, and its checks, which the asset's own step carries out."""

import dagster as dg

from crm_pipeline.contracts.column import Output
from crm_pipeline.home.contract import Contract, columns_of, optional_columns_of
from crm_pipeline.home.project import Project
from crm_pipeline.home.watch import Watch

CHECK = "contract"


def check_spec(asset: str, contract: Contract, partitions: dg.PartitionsDefinition | None) -> dg.AssetCheckSpec:
    """Return the check as Dagster shows it; the asset's own step carries it out before it publishes."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=dg.AssetKey(asset.split("/")),
        partitions_def=partitions,
        description=(
            "Every row keeps the table's contract: its columns and their types, what identifies a row, ranges; and of a clean table "
            "that no row read was lost. An error: it is audited before a partition is published, what fails is not published, and "
            "the last good partition stays."
        ),
        metadata={"rules": dg.MetadataValue.md(contract.rules)},
    )


def watch_spec(asset: str, watch: Watch | None, partitions: dg.PartitionsDefinition | None) -> list[dg.AssetCheckSpec]:
    """Return the check that warns, as Dagster shows it; none for most assets, because each costs a step time."""
    if watch is None:
        return []
    key = dg.AssetKey(asset.split("/"))
    return [dg.AssetCheckSpec(watch.name, asset=key, partitions_def=partitions, description=watch.description)]


def column_schema(project: Project, asset: str) -> dg.TableSchema:
    """Return the columns as the UI shows them."""
    columns = (*columns_of(project, asset), *optional_columns_of(project, asset))
    return dg.TableSchema([dg.TableColumn(c.name, c.type, description=_with_unit(c)) for c in columns])


def _with_unit(column: Output) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description
