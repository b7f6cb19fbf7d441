"""Assets of the layers raw, clean and rejects, one step per canonical table, and their counts. Rules live in transforms."""

from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.defs.common import described, partitions_of, reads
from crm_pipeline.defs.io import Adopted, LakeIOManager
from crm_pipeline.defs.project import Project
from crm_pipeline.transforms import cleaning, quality
from crm_pipeline.versions import code_version

UNDATED = ("products",)
"""Tables without an event time: one partition for all periods."""

WHAT = {
    "raw": "{title} as the source gives them, mapped to the canonical columns and typed; nothing is left out. {more}",
    "clean": "{title} that keep their contract: typed, without duplicates, in the period in which each became known. {more}",
    "rejects": "{title} that were refused, each with its source file, line, content and every reason.",
}


def table_assets(project: Project, io: LakeIOManager) -> list[dg.AssetsDefinition]:
    """Return one step per table of the source, and the orders derived from their lines where there is no orders table."""
    assets = [_table(project, io, name) for name in project.source.tables]
    if "orders" not in project.source.tables and "order_lines" in project.source.tables:
        assets.append(_derived_orders(project))
    return [*assets, _counts(project)]


def _table(project: Project, io: LakeIOManager, name: str) -> dg.AssetsDefinition:
    contract, source, settings = CANONICAL[name], project.source, project.settings
    lines_of_orders = name == "order_lines" and "orders" in source.tables
    amount_of_lines = name == "orders" and "amount" not in source.tables[name] and "order_lines" in source.tables
    also = ["raw/order_lines"] if amount_of_lines else []
    used = {
        "currency": source.currency,
        "money_unit": settings.money_unit,
        "columns": source.tables[name],
        "also": also,
    }
    code = code_version(_table, used)
    keys = {layer: dg.AssetKey([layer, name]) for layer in ("raw", "clean", "rejects")}
    upstream = {dg.AssetKey(["clean", "orders"])} if lines_of_orders else set()

    def out(layer: str) -> dg.AssetOut:
        about = WHAT[layer].format(title=contract.title, more=contract.description)
        reading: dict[str, Any] = {"also_reads": also} if also else {}
        shared = described(project, f"{layer}/{name}", code, kinds=("duckdb", "parquet"), **reading)
        return dg.AssetOut(**shared, description=about, dagster_type=dg.Any)

    @dg.multi_asset(
        name=f"table_{name}",
        ins={"orders": reads("clean/orders")} if lines_of_orders else {},
        outs={layer: out(layer) for layer in keys},
        internal_asset_deps={"raw": set(), "clean": {keys["raw"], *upstream}, "rejects": {keys["raw"], *upstream}},
        partitions_def=partitions_of(project) if name not in UNDATED else None,
    )
    def table(context: dg.AssetExecutionContext, **inputs: ibis.Table):
        raw = io.read(context, f"raw/{name}")
        cleaned = project.engine.once(
            cleaning.clean_table,
            raw,
            contract,
            currency=source.currency,
            orders=inputs.get("orders"),
            lines=io.read(context, "raw/order_lines") if amount_of_lines else None,
            columns=tuple(source.tables[name]),
            money_unit=float(settings.money_unit),
        )
        return Adopted(), cleaned.clean, cleaned.rejects

    return table


def _derived_orders(project: Project) -> dg.AssetsDefinition:
    code = code_version(_derived_orders, {})

    @dg.asset(
        **described(project, "clean/orders", code),
        ins={"lines": reads("clean/order_lines")},
        partitions_def=partitions_of(project),
    )
    def derived_orders(lines: ibis.Table) -> ibis.Table:
        """Orders and returns, added up from their lines, because the source has no table of orders."""
        return cleaning.derive_orders(lines)

    return derived_orders


def _counts(project: Project) -> dg.AssetsDefinition:
    names = [name for name in project.source.tables if name not in UNDATED]
    layers = ("raw", "clean", "rejects")
    code = code_version(_counts, {})

    @dg.asset(
        **described(project, "quality/rows", code),
        ins={f"{layer}_{name}": reads(f"{layer}/{name}") for name in names for layer in layers},
        partitions_def=partitions_of(project),
    )
    def row_counts(**tables: ibis.Table) -> ibis.Table:
        """How many rows of each source file were read, kept and refused, and for what reasons; the report adds them up."""
        return quality.count_rows({n: tuple(tables[f"{layer}_{n}"] for layer in layers) for n in names})

    return row_counts
