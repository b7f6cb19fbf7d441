"""Spark behind Ibis: what is written is computed by Spark. No table logic and no lake paths belong here.

Lazy tables are DuckDB's, and so is what is read into memory, hashed and counted; where a function is asked of many parts of a
table, Spark's workers read them (`spark_each`). Only when a lazy table is staged, its expression
is said in Spark's SQL over the same files and computed there, as many files at a time; DuckDB then puts them into one, with the
types that its own query would have given. So the files, and their content hashes, are those of `crm_pipeline.engine.duckdb`.
On a cluster every machine must see the home under the same path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import ibis
import ibis.expr.operations as ops

from crm_pipeline.engine.base import Made, Staged
from crm_pipeline.engine.duckdb import DuckDBEngine
from crm_pipeline.engine.sql import literal, quote
from crm_pipeline.engine.storage import storage_error
from crm_pipeline.errors import CrmError

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

# Spark is given no frame of pandas 3, which it warns of at every import. Not by catch_warnings: it puts back the filters of the whole
# process, and so must not be used beside threads, of which `in_order` has some
warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)

FIXED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.hadoop.fs.defaultFS": "file:///",
}
"""What the content of a file depends on, and where it lies: in the home, whatever the cluster's own store. No option overrules it."""

OLDEST_JAVA = 17
"""That Spark 4 runs on."""

USUAL = {
    "spark.app.name": "crm-pipeline",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


class SparkEngine(DuckDBEngine):
    """Spark for what is written, DuckDB for the rest; Spark starts when the first lazy table is staged.

    Parameters
    ----------
    memory_limit : str
        Of DuckDB; Spark's are its own options ``spark.driver.memory`` and ``spark.executor.memory``.
    threads : int
        Of DuckDB.
    temp_dir : Path
        Where DuckDB spills and rows in memory are put for Spark to read.
    master : str
        Spark's, such as ``local[4]`` or ``spark://host:7077``.
    options : mapping of str to str
        Spark's own, such as ``spark.executor.memory``.
    """

    def __init__(
        self, memory_limit: str, threads: int, temp_dir: Path, master: str, options: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(memory_limit, threads, temp_dir)
        usual = USUAL | {"spark.sql.shuffle.partitions": str(2 * threads)} if master.startswith("local") else USUAL
        self.master, self.options = master, usual | dict(options or {}) | FIXED
        self._files: dict[str, tuple[list[str], ibis.Schema]] = {}
        self._shown: set[str] = set()
        self._given = self.temp_dir / f"given-{uuid.uuid4().hex[:12]}"

    @cached_property
    def session(self) -> SparkSession:
        """Spark's session; there is one a process."""
        return start(self.master, self.options)

    @cached_property
    def _backend(self) -> Any:
        from crm_pipeline.engine.spark_sql import AsDuckDB

        backend = ibis.pyspark.connect(self.session)
        backend.compiler = AsDuckDB()
        return backend

    @property
    def at_once(self) -> int | None:
        """All customers: Spark divides them by itself."""
        return None

    def table(self, paths: Sequence[str], columns: dict[str, str], name: str = "staged") -> ibis.Table:
        """Return the rows of Parquet files as a lazy table, as `DuckDBEngine` does; its view is Spark's too when it is needed."""
        found = super().table(paths, columns, name)
        self._files[self._views[-1]] = (list(paths), found.schema())
        return found

    def stage(self, rows: ibis.Table | Any, path: Path) -> Staged:
        """Write what is to be computed by Spark, and rows as they are by DuckDB, to one Parquet file; raises as the other does."""
        if not isinstance(rows, ibis.Table) or isinstance(rows.op(), ops.DatabaseTable):
            return super().stage(rows, path)
        session = self.session  # says what is missing, where PySpark is
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        parts = path.with_suffix(".parts")
        try:
            self._show(rows)
            kinds = self._kinds(rows)
            session.sql(self._query(rows)).write.parquet(str(parts))
            files = sorted(map(str, parts.glob("part-*.parquet")))
            if not files:  # of no rows Spark writes a file too
                raise CrmError(
                    f"What Spark wrote is not seen under {parts}: every machine must see the home under the same path."
                )
            typed = (f"CAST({quote(name)} AS {kind}) AS {quote(name)}" for name, kind in kinds.items())
            return self.stage_query(
                f"SELECT {', '.join(typed)} FROM read_parquet([{', '.join(map(literal, files))}])", path
            )
        except (duckdb.Error, OSError, Py4JError, PySparkException) as error:
            if refused := re.search(r"\[INVALID_CONF_VALUE\S*\] (.+?)(?: SQLSTATE|$)", str(error), re.MULTILINE):
                raise CrmError(f"Spark refuses spark_options: {refused[1]}") from error
            raise storage_error(error, path.parent) from error
        finally:
            shutil.rmtree(
                parts, ignore_errors=True
            )  # lies in the staging directory, which is cleared with what is in it

    def each(self, work: Callable[[pd.DataFrame], Made], parts: Sequence[ibis.Table], threads: int) -> Iterator[Made]:
        """Yield what a function makes of the rows of each lazy table, in order: made by Spark's workers; of one table, here."""
        if len(parts) < 2:
            yield from super().each(work, parts, threads)
            return
        from crm_pipeline.engine.spark_each import Part, each

        session = self.session
        tables = {table.name for part in parts for table in part.op().find(ops.DatabaseTable)}
        views = tuple(map(self._definition, sorted(tables)))
        asked = [Part(views, str(self.ibis.compile(part)), part.schema()) for part in parts]
        yield from each(session, work, asked, self.temp_dir)

    def release(self) -> None:
        """Drop the views of the lazy tables there are, DuckDB's and Spark's."""
        super().release()
        for view in self._shown:
            self.session.catalog.dropTempView(view)
        self._shown.clear()
        self._files.clear()
        shutil.rmtree(self._given, ignore_errors=True)  # what cannot be removed lies among what is spilled

    def _kinds(self, rows: ibis.Table) -> dict[str, str]:
        """Return the columns with the types that DuckDB's own query would give them."""
        return {row[0]: row[1] for row in self.con.execute(f"DESCRIBE {self.ibis.compile(rows)}").fetchall()}

    def _query(self, rows: ibis.Table) -> str:
        return self._remember(("spark", rows.op()), lambda: self._backend.compile(rows))

    def _show(self, rows: ibis.Table) -> None:
        """Make Spark see the tables that an expression reads, under the names that DuckDB has for them."""
        for table in rows.op().find((ops.DatabaseTable, ops.InMemoryTable)):
            if isinstance(table, ops.InMemoryTable):
                self.con.register(table.name, table.data.to_pyarrow(table.schema))
                self._held.append(table.name)
            elif table.name in self._shown:
                continue
            paths, schema = self._files.get(table.name) or (self._written(table.name), table.schema)
            self._read(paths, schema).createOrReplaceTempView(f"`{table.name}`")
            self._shown.add(table.name)

    def _definition(self, view: str) -> str:
        """Return the statement that makes one of DuckDB's views in another process."""
        if view not in self._files:
            return f"CREATE VIEW {quote(view)} AS FROM read_parquet({literal(self._written(view)[0])})"
        found = self.con.execute("SELECT sql FROM duckdb_views() WHERE view_name = ?", [view]).fetchall()
        return str(found[0][0])

    def _written(self, view: str) -> list[str]:
        """Write the rows of one of DuckDB's views to a file for Spark."""
        self._given.mkdir(parents=True, exist_ok=True)
        path = self._given / f"{uuid.uuid4().hex}.parquet"
        self.con.execute(f"COPY (FROM {quote(view)}) TO {literal(path)} (FORMAT parquet)")
        return [str(path)]

    def _read(self, paths: Sequence[str], schema: ibis.Schema) -> DataFrame:
        from ibis.backends.pyspark.datatypes import PySparkSchema

        typed = PySparkSchema.from_ibis(schema)
        if not paths:
            return self.session.createDataFrame([], typed)
        return self.session.read.schema(typed).parquet(*paths)


def start(master: str, options: Mapping[str, str]) -> SparkSession:
    """Start Spark, or take the session that this process has.

    Raises
    ------
    CrmError
        When PySpark or Java is missing, or Spark does not start.
    """
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise CrmError(
            "The engine spark needs PySpark: pip install --editable '.[spark]' in the clone, or set engine: duckdb."
        ) from error
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else Spark's workers are the first Python on the path
    builder = SparkSession.builder.master(master)
    for name, value in options.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        if "JAVA_GATEWAY_EXITED" in str(error):
            raise CrmError(_why_no_java(options)) from error
        why = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = next((line for line in why[1:] if not line.startswith("at ")), why[0] if why else type(error).__name__)
        if "stopped SparkContext" in told:  # by itself, after it had asked for a minute
            told = "no master answers there; start it, or mend spark_master"
        raise CrmError(
            f"Spark did not start with spark_master {master}: {told.lstrip(': ').removesuffix('.')}."
        ) from error


def _why_no_java(options: Mapping[str, str]) -> str:
    """Say why Java ended at once: there is none that Spark runs on, or it does not take the options."""
    java = str(Path(home, "bin", "java")) if (home := os.environ.get("JAVA_HOME")) else shutil.which("java")
    there = java is not None and Path(java).is_file()
    said = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False).stderr if there else ""
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        return (
            f"Spark did not start: it needs Java {OLDEST_JAVA} or newer (java on the path, or JAVA_HOME); "
            "install it, or set engine: duckdb."
        )
    memory = options.get("spark.driver.memory", "none")
    return (
        f"Spark did not start, though there is Java {version[1]}, which says why above: "
        f"mend spark_options (spark.driver.memory is {memory}), or set engine: duckdb."
    )
