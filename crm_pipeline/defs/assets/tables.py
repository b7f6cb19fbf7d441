"""Assets of the layers raw, clean and rejects: one step per canonical table. Mapping and rules live in sources and transforms."""

from __future__ import annotations

from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.defs.common import OWNERS, code_version, column_schema, described, partitions_of, reads
from crm_pipeline.defs.io import Adopted, LakeIOManager
from crm_pipeline.defs.project import Project
from crm_pipeline.transforms import cleaning

UNDATED = ("products",)
"""Tables without an event time: one partition for all periods."""

WHAT = {
    "raw": "{title} as the source gives them, mapped to the canonical columns and typed; nothing is left out.",
    "clean": "{title} that keep their contract: typed, deduplicated, as events in the period in which they became known.",
    "rejects": "{title} that were refused, each with its source file, line, content and every reason.",
}


def table_assets(project: Project, io: LakeIOManager) -> list[dg.AssetsDefinition]:
    """Return one step per table of the source, and the orders derived from their lines where there is no orders table."""
    assets = [_table(project, io, name) for name in project.source.tables]
    if "orders" not in project.source.tables and "order_lines" in project.source.tables:
        assets.append(_derived_orders(project))
    return assets


def _table(project: Project, io: LakeIOManager, name: str) -> dg.AssetsDefinition:
    contract = CANONICAL[name]
    dated = name not in UNDATED
    lines_of_orders = name == "order_lines" and "orders" in project.source.tables
    code = code_version(
        ["crm_pipeline.transforms.cleaning", "crm_pipeline.contracts.canonical", "crm_pipeline.contracts.core"],
        {
            "currency": project.source.currency,
            "money_unit": project.settings.money_unit,
            "columns": project.source.tables[name],
        },
        ["duckdb", "ibis-framework"],
    )
    keys = {layer: dg.AssetKey([layer, name]) for layer in ("raw", "clean", "rejects")}

    def out(layer: str) -> dg.AssetOut:
        shared = {"group_name": described(project, f"{layer}/{name}", code)["group_name"], "owners": OWNERS}
        return dg.AssetOut(
            key=keys[layer],
            description=WHAT[layer].format(title=contract.description.rstrip(".")),
            code_version=code,
            kinds={"duckdb", "parquet"},
            metadata=column_schema(project, f"{layer}/{name}"),
            dagster_type=dg.Any,
            **shared,
        )

    upstream = {dg.AssetKey(["clean", "orders"])} if lines_of_orders else set()

    @dg.multi_asset(
        name=f"table_{name}",
        ins={"orders": reads("clean/orders")} if lines_of_orders else {},
        outs={layer: out(layer) for layer in keys},
        internal_asset_deps={"raw": set(), "clean": {keys["raw"], *upstream}, "rejects": {keys["raw"], *upstream}},
        partitions_def=partitions_of(project) if dated else None,
    )
    def table(context: dg.AssetExecutionContext, **inputs: ibis.Table) -> Any:
        raw = io.read(context, f"raw/{name}")
        cleaned = cleaning.clean_table(
            raw,
            contract,
            currency=project.source.currency,
            orders=inputs.get("orders"),
            columns=project.source.tables[name],
        )
        return Adopted(), cleaned.clean, cleaned.rejects

    return table


def _derived_orders(project: Project) -> dg.AssetsDefinition:
    code = code_version(["crm_pipeline.transforms.cleaning"], {}, ["duckdb", "ibis-framework"])

    @dg.asset(
        **described(project, "clean/orders", code),
        ins={"lines": reads("clean/order_lines")},
        partitions_def=partitions_of(project),
    )
    def derived_orders(lines: ibis.Table) -> ibis.Table:
        """Orders and returns, added up from their lines, because the source has no table of orders."""
        return cleaning.derive_orders(lines)

    return derived_orders
