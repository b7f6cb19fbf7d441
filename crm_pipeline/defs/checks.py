"""The one contract check of every asset: what its audit looks at before a partition is published, and its rules in words."""

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
import ibis

from crm_pipeline.contracts.audit import audit_output, key_of, rules_of_output
from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import audit
from crm_pipeline.defs.columns import columns_of, optional_columns_of
from crm_pipeline.defs.project import Project
from crm_pipeline.lake import ALL

CHECK = "contract"


@dataclass(frozen=True)
class Contract:
    """What a partition of an asset must keep: ``audit`` returns what a table of it breaks, ``rules`` is Markdown."""

    rules: str
    audit: Callable[[ibis.Table, str], list[str]]


def contract_of(project: Project, asset: str) -> Contract:
    """Return the contract of an asset: a clean table's own rules, or columns, key and ranges of what is made of it."""
    layer, _, name = asset.partition("/")
    if layer == "clean":
        return Contract(
            CANONICAL[name].rules_markdown(), lambda table, period: _audit_clean(project, name, table, period)
        )
    columns, optional, key = columns_of(project, asset), optional_columns_of(project, asset), key_of(asset)
    return Contract(rules_of_output(columns, key), lambda table, _: audit_output(table, columns, key, optional))


def check_spec(asset: str, contract: Contract, partitions: dg.PartitionsDefinition | None) -> dg.AssetCheckSpec:
    """Return the check as Dagster shows it; the asset's own step carries it out before it publishes."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=dg.AssetKey(asset.split("/")),
        partitions_def=partitions,
        description="Every row keeps the table's contract. The audit runs before a partition is published; what fails is not published.",
        metadata={"rules": dg.MetadataValue.md(contract.rules)},
    )


def _audit_clean(project: Project, name: str, table: ibis.Table, period: str) -> list[str]:
    if period == ALL:
        return audit(table, CANONICAL[name])
    return audit(table, CANONICAL[name], start=project.calendar.start(period), end=project.calendar.as_of(period))
