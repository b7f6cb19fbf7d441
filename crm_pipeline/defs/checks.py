"""One contract check per clean table: the audit that runs before publishing, and the same as a check to press in the UI."""

from collections.abc import Mapping

import dagster as dg
import ibis

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import audit
from crm_pipeline.defs.io import Audit
from crm_pipeline.defs.project import Project
from crm_pipeline.lake import ALL


def contract_audits(project: Project) -> dict[str, Audit]:
    """Return the audit of every clean table of the source, by asset name."""
    names = set(project.source.tables) | ({"orders"} if "order_lines" in project.source.tables else set())
    return {f"clean/{name}": _audit(project, name) for name in sorted(names)}


def contract_checks(project: Project, audits: Mapping[str, Audit]) -> list[dg.AssetChecksDefinition]:
    """Return one check per audited asset; run from the UI it audits every published partition."""
    return [_check(project, asset, audit) for asset, audit in audits.items()]


def _audit(project: Project, name: str) -> Audit:
    def contract_audit(table: ibis.Table, partition: str | None) -> list[str]:
        if partition in (None, ALL):
            return audit(table, CANONICAL[name])
        calendar = project.calendar
        return audit(table, CANONICAL[name], start=calendar.start(partition), end=calendar.as_of(partition))

    return contract_audit


def _check(project: Project, asset: str, run_audit: Audit) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(asset.split("/")),
        name="contract",
        description="Every row keeps the table's contract. The audit runs before a partition is published; what fails is not published.",
        metadata={"rules": dg.MetadataValue.md(CANONICAL[asset.split("/")[1]].rules_markdown())},
    )
    def contract(_: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake = project.lake
        failures = run_audit(lake.table(asset, lake.partitions(asset)), None)
        return dg.AssetCheckResult(passed=not failures, metadata={"failures": failures})

    return contract
