"""Column lineage of a published table as Dagster shows it. What a column is made of is found in `provenance.columns`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.engine import InRanges
from crm_pipeline.provenance.columns import column_origins

LINEAGE = "dagster/column_lineage"
"""Metadata of a materialization; the UI reads the newest one's."""

REMEMBERED = 500
"""How many lineages are kept; a run of all assets asks for about fifty."""


class Lineages:
    """The lineage of lazy tables, each found once: an asset's is the same for every period that reads the same columns."""

    def __init__(self) -> None:
        self._known: dict[Any, dg.TableColumnLineage] = {}

    def told(self, asset: str, code: str, rows: Any, inputs: Mapping[str, ibis.Table | None]) -> dict[str, Any]:
        """Return the metadata of a table; nothing for rows that are no expression (a model's, an Arrow table).

        Parameters
        ----------
        asset, code : str
            What is published, and its code version.
        rows : Any
            What the asset function returned.
        inputs : mapping of asset to ibis.Table or None
            What it was given to read.
        """
        if isinstance(rows, InRanges):
            rows = rows.rows
        if not isinstance(rows, ibis.Table):
            return {}
        given = {source: table for source, table in inputs.items() if table is not None}
        key = (asset, code, tuple((source, table.columns) for source, table in sorted(given.items())), rows.columns)
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = _lineage(rows, given)
        return {LINEAGE: self._known[key]}


def _lineage(rows: ibis.Table, given: Mapping[str, ibis.Table]) -> dg.TableColumnLineage:
    """Return the lineage of the columns that have any."""
    found = column_origins(rows, {table.op(): source for source, table in given.items()})
    keys = {source: dg.AssetKey(source.split("/")) for source in given}
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(keys[origin.table], origin.column) for origin in sorted(origins)]
            for column, origins in found.items()
            if origins
        }
    )
