"""How a column that the pipeline makes is described. Which columns there are is in the contracts and the tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Output(NamedTuple):
    """A column that the pipeline makes; ``type`` is an Arrow type name, ``text`` for strings."""

    name: str
    type: str
    description: str
    unit: str = ""


def arrow_schema(columns: Iterable[Output]) -> Any:
    """Return the Arrow schema of columns, for what is made as an Arrow table and not by Ibis or pandas."""
    import pyarrow as pa

    named = {"text": pa.string(), "timestamp": pa.timestamp("us")}
    return pa.schema([(c.name, named.get(c.type) or pa.type_for_alias(c.type)) for c in columns])
