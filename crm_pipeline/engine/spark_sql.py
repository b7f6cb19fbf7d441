"""Where Ibis says for Spark something else than for DuckDB, and what is said instead. No session and no files belong here."""

from __future__ import annotations

from typing import Any

from ibis.backends.sql.compilers.base import NULL
from ibis.backends.sql.compilers.pyspark import PySparkCompiler


class AsDuckDB(PySparkCompiler):
    """Spark's SQL with DuckDB's results."""

    __slots__ = ()

    def visit_CountStar(self, op: Any, *, arg: Any, where: Any) -> Any:
        """Count 0 where a condition is null in all rows, and not null."""
        if where is None:
            return super().visit_CountStar(op, arg=arg, where=where)
        return self.f.count(self.if_(where, 1, NULL))

    def visit_ExtractEpochSeconds(self, op: Any, *, arg: Any) -> Any:
        """Keep the fraction of a second, as DuckDB does."""
        return self.f.unix_micros(self.f.anon.to_timestamp_ltz(arg)) / 1e6

    def visit_FirstValue(self, op: Any, *, arg: Any) -> Any:
        """Take the first of a window even where it is null."""
        return self.f.first(arg)

    def visit_LastValue(self, op: Any, *, arg: Any) -> Any:
        """Take the last of a window even where it is null."""
        return self.f.last(arg)
