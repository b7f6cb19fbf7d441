"""Assets of the layers raw, clean and rejects, one step per canonical table, and their counts. Rules live in transforms."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.texts import MASKING, WRITTEN
from crm_pipeline.defs.common import described, reads, together
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.home.project import Project
from crm_pipeline.transforms import cleaning, quality
from crm_pipeline.versions import code_version

WHAT = {
    "raw": "{title} as the source gives them, mapped to the canonical columns and typed; nothing is left out. {more}",
    "clean": "{title} that keep their contract: typed, without duplicates, in the period in which each became known. {more}",
    "rejects": "{title} that were refused, each with its source file, line, content and every reason.",
}


def table_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Return one step per table of the source, and the orders derived from their lines where there is no orders table."""
    assets = [_table(project, name) for name in project.source.tables]
    if "orders" not in project.source.tables and "order_lines" in project.source.tables:
        assets.append(_derived_orders(project))
    return [*assets, _counts(project)]


def _table(project: Project, name: str) -> dg.AssetsDefinition:
    contract, source, settings = CANONICAL[name], project.source, project.settings
    columns, dated = tuple(source.tables[name]), contract.main_time is not None
    ins = {"raw": reads(f"raw/{name}", (0,) if dated else None)}
    if name == "order_lines" and "orders" in source.tables:
        ins["orders"] = reads("clean/orders")
    if name == "orders" and "amount" not in columns and "order_lines" in source.tables:
        ins["lines"] = reads("raw/order_lines")
    used = {"currency": source.currency, "money_unit": settings.money_unit, "columns": columns, "inputs": sorted(ins)}
    masks = settings.mask_text and WRITTEN.get(name) in columns
    if masks:
        used |= {"phone_regions": settings.phone_regions}
    code = code_version(_table, used, also=[MASKING] if masks else ())

    def layer(of: str) -> dict[str, Any]:
        about = WHAT[of].format(title=contract.title, more=contract.description)
        reading, kinds = {} if of == "raw" else ins, ("duckdb", "parquet")
        return described(project, f"{of}/{name}", code, reading, kinds=kinds, description=about, dated=dated)

    @dg.multi_asset(**together(f"table_{name}", [layer("raw"), layer("clean"), layer("rejects")]))
    @publishes
    def table(context: dg.AssetExecutionContext, raw: ibis.Table, **others: ibis.Table) -> dict[str, Any]:
        if masks:
            masked = import_module(MASKING).masked(raw.to_pyarrow(), settings.phone_regions, settings.threads)
            raw = project.engine.given(masked, "masked")
        cleaned = project.engine.once(
            cleaning.clean_table,
            raw,
            contract,
            currency=source.currency,
            columns=columns,
            money_unit=float(settings.money_unit),
            **others,
        )

        rejects = cleaned.rejects
        if masks:  # what stands in its other columns too
            told = import_module(MASKING).masked(rejects.to_pyarrow(), settings.phone_regions)
            rejects = project.engine.given(told, "masked rejects")

        def accounted(made: Mapping[str, ibis.Table]) -> list[str]:
            # where one of the two is asked for alone, the other is what it would be
            return cleaning.unaccounted(
                raw, made.get(f"clean/{name}", cleaned.clean), made.get(f"rejects/{name}", rejects)
            )

        return {f"clean/{name}": Result(cleaned.clean, audit=accounted), f"rejects/{name}": rejects}

    return table


def _derived_orders(project: Project) -> dg.AssetsDefinition:
    ins = {"lines": reads("clean/order_lines")}

    @dg.asset(**described(project, "clean/orders", code_version(_derived_orders, {}), ins))
    @publishes
    def derived_orders(context: dg.AssetExecutionContext, lines: ibis.Table) -> ibis.Table:
        """Orders and returns, added up from their lines, because the source has no table of orders."""
        return cleaning.derive_orders(lines)

    return derived_orders


def _counts(project: Project) -> dg.AssetsDefinition:
    names = [name for name in project.source.tables if CANONICAL[name].main_time]
    layers = ("raw", "clean", "rejects")
    ins = {f"{layer}_{name}": reads(f"{layer}/{name}") for name in names for layer in layers}

    @dg.asset(**described(project, "quality/rows", code_version(_counts, {}), ins))
    @publishes
    def row_counts(context: dg.AssetExecutionContext, **tables: ibis.Table) -> ibis.Table:
        """How many rows of each source file were read, kept and refused, and for what reasons; the report adds them up."""
        return quality.count_rows({n: tuple(tables[f"{layer}_{n}"] for layer in layers) for n in names})

    return row_counts
