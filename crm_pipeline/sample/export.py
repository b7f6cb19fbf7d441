"""Exports the company's tables: as text files with dirt in them, or as Parquet with the dirt beside. Draws no customers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from crm_pipeline.sample import dirt, files
from crm_pipeline.sample.grid import Grid

ERROR_AGE = 5  # the wrongly exported period is the fifth last
ERROR_CHANNEL = "app"
DIRT_FROM = 10_000  # of a big table, rows are spoiled among the first so many
Tables = dict[str, pa.Table]


class TextExport:
    """A small company's files: CSV (orders and lines one a period), a TSV and a JSON lines file.

    Attributes
    ----------
    dirt : dict
        Rows per table and kind of dirt.
    fix : str
        The wrongly exported file; its mend has the same name under ``truth/fix``.
    """

    def __init__(self, out: Path, grid: Grid, rng: np.random.Generator) -> None:
        self._out, self._grid, self._rng = out, grid, rng
        self.dirt: dict[str, dict[str, int]] = {}
        self.fix: str | None = None

    def write(self, tables: Tables, whole: Tables) -> None:
        """Write all tables; a small company is one chunk."""
        owner = self._grid.period_of(_days(tables["orders"].column("ordered_at"), self._grid))
        of_line = owner[_position(tables["order_lines"].column("line_no"))]
        period = {"orders": owner, "order_lines": of_line}
        for table, rows in (tables | whole).items():
            text = dirt.as_text(rows)
            if table in files.BY_PERIOD:
                self._by_period(table, text, period[table])
            else:
                files.write_text(self._out / files.file_pattern(table, True), table, self._mixed(table, text))

    def finish(self, labelled: bool = False) -> None:
        """Write source.yaml."""
        files.write_source(self._out, self._grid, text=True, labelled=labelled)

    def _by_period(self, table: str, text: pa.Table, period: np.ndarray) -> None:
        """A dirty row lies in the file of the row it was copied from, whatever its date says."""
        text = self._mixed(table, text.append_column("_period", pa.array(period).cast(pa.string())))
        owner = text.column("_period").to_numpy(zero_copy_only=False).astype(int)
        text = text.drop_columns("_period")
        for i, label in enumerate(self._grid.labels()):
            name, rows = f"{table}/{label}.csv", text.take(pa.array(np.flatnonzero(owner == i)))
            if table == "orders" and i == max(self._grid.periods - ERROR_AGE, 0):
                self.fix = name
                files.write_text(self._out / "truth" / "fix" / name, table, rows)
                rows = dirt.times_hundred(rows, ERROR_CHANNEL)
            files.write_text(self._out / name, table, rows)

    def _mixed(self, table: str, text: pa.Table) -> pa.Table:
        rows, added = dirt.dirty_rows(table, text, self._rng)
        text, changed = dirt.untidy(table, text, self._rng)
        if added or changed:
            self.dirt[table] = added | changed
        return pa.concat_tables([text, rows])


class TypedExport:
    """A big company's files: Parquet, one file per chunk and table, and the dirt in ``extra/*.csv``; attributes as `TextExport`."""

    def __init__(self, out: Path, grid: Grid, rng: np.random.Generator) -> None:
        self._out, self._grid, self._rng = out, grid, rng
        self._chunks = 0
        self.dirt: dict[str, dict[str, int]] = {}
        self.fix: str | None = None

    def write(self, tables: Tables, whole: Tables) -> None:
        """Write one chunk; with the first one the tables that are not cut into chunks, and the dirt."""
        for table, rows in tables.items():
            path = self._out / table / f"part-{self._chunks:03d}.parquet"
            files.write_parquet(path, files.own_names(table, rows))
        if self._chunks == 0:
            for table, rows in whole.items():
                files.write_parquet(self._out / f"{table}.parquet", files.own_names(table, rows))
            for table in dirt.KINDS:
                some = dirt.as_text((tables | whole)[table].slice(0, DIRT_FROM))
                rows, self.dirt[table] = dirt.dirty_rows(table, some, self._rng)
                files.write_text(self._out / "extra" / f"{table}.csv", table, rows)
        self._chunks += 1

    def finish(self, labelled: bool = False) -> None:
        """Write source.yaml."""
        files.write_source(self._out, self._grid, text=False, extra=tuple(self.dirt), labelled=labelled)


def _position(line_no: pa.ChunkedArray) -> np.ndarray:
    """Return for each line the position of its order: lines follow their orders, each starting at 1."""
    return np.cumsum(line_no.to_numpy() == 1) - 1


def _days(instants: pa.ChunkedArray, grid: Grid) -> np.ndarray:
    return (instants.to_numpy() - np.datetime64(grid.start, "s")).astype(float) / 86_400
