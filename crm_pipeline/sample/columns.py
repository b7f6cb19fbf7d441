"""Small makers of Arrow columns from NumPy arrays: ids, times, money, words. Nothing about the company belongs here."""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.sample.grid import Grid


def ids(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    """Return ids such as ``C0000017``; a negative number gives null."""
    digits = pc.utf8_lpad(pa.array(numbers, mask=numbers < 0).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def words(choices: Sequence[str], index: np.ndarray) -> pa.Array:
    """Return the chosen words; a negative index gives null."""
    return pa.array(list(choices)).take(pa.array(index, mask=index < 0))


def instants(grid: Grid, time: np.ndarray) -> pa.Array:
    """Return local timestamps of times in days; nan gives null."""
    missing = np.isnan(time)
    return seconds_to_instants(grid.seconds(np.where(missing, 0.0, time)), missing)


def seconds_to_instants(seconds: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Return timestamps of whole epoch seconds."""
    return pa.array(seconds.astype("datetime64[s]"), mask=missing)


def money(cents: np.ndarray) -> pa.Array:
    """Return exact DECIMAL(12, 2) amounts of whole cents."""
    low = np.ascontiguousarray(cents, dtype=np.int64)
    parts = np.stack([low, low >> 63], axis=1)
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(low), [None, pa.py_buffer(parts.tobytes())])


def join(*parts: pa.Array | str) -> pa.Array:
    """Join columns and fixed texts row by row, without a separator."""
    return pc.binary_join_element_wise(*parts, "")
