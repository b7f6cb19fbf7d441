"""Asks a function of many parts of a table by Spark's Python workers. What is asked, and of what, is not decided here.

A worker reads its part by DuckDB from the files of the home, as this machine would, so that it has the same rows in the same
order; what the function makes of it comes back by a file in the home. Every machine needs this package and sees the home.
"""

from __future__ import annotations

import pickle
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from crm_pipeline.engine.base import Made
from crm_pipeline.engine.frames import framed
from crm_pipeline.errors import CrmError

if TYPE_CHECKING:
    import ibis
    import pandas as pd
    from pyspark.sql import SparkSession

MEMORY = "1GB"
"""Of DuckDB in a worker: it reads some hundred megabytes of rows, sorted by what they are cut by."""


class Part(NamedTuple):
    """Some rows, as DuckDB is asked for them in any process.

    Attributes
    ----------
    views : tuple of str
        The statements that make the views which the query reads.
    query : str
    schema : ibis.Schema
        Of the rows.
    """

    views: tuple[str, ...]
    query: str
    schema: ibis.Schema

    def rows(self) -> pd.DataFrame:
        """Read them."""
        import duckdb
        from ibis.formats.pyarrow import PyArrowData

        with duckdb.connect(config={"memory_limit": MEMORY, "threads": 1}) as con:
            con.execute("SET TimeZone = 'UTC'")
            for view in self.views:
                con.execute(view)
            return framed(PyArrowData.convert_table(con.sql(self.query).to_arrow_table(), self.schema))


def each(
    session: SparkSession, work: Callable[[pd.DataFrame], Made], parts: Sequence[Part], folder: Path
) -> Iterator[Made]:
    """Yield what a function makes of each part, in order; each is a task of Spark. ``folder`` is seen by all machines.

    Raises
    ------
    CrmError
        When the workers' Python lacks a package, or what they wrote is not seen here.
    """
    from pyspark.errors import PySparkException

    made, left = folder / f"made-{uuid.uuid4().hex[:12]}", len(parts)

    def asked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for place in batch.column(0).to_pylist():
                yield pa.record_batch({"made": [pickle.dumps(work(parts[place].rows()))]})

    try:
        places = session.range(0, len(parts), 1, len(parts))  # one to a task, whose files are numbered as they are
        rows = places.mapInArrow(asked, "made binary")
        rows.write.parquet(str(made))
        for file in sorted(made.glob("part-*.parquet")):
            for said in parquet.read_table(file).column("made"):
                yield pickle.loads(said.as_py())
                left -= 1
        if left:
            raise CrmError(
                f"Of {len(parts)} answers of Spark's workers {left} are not seen under {made}: "
                "every machine must see the home under the same path."
            )
    except PySparkException as error:
        if missing := re.search(r"No module named '([\w.]+)'", str(error)):
            raise CrmError(
                f"Spark's workers have a Python without {missing[1]}: install this package for it on every machine, "
                "or name a Python that has it (PYSPARK_PYTHON)."
            ) from error
        raise
    finally:
        shutil.rmtree(made, ignore_errors=True)  # what cannot be removed lies among what is spilled
