"""How a column that the pipeline makes is described. Which columns there are is in the contracts and the tasks."""

from __future__ import annotations

from typing import NamedTuple


class Output(NamedTuple):
    """A column that the pipeline makes; ``type`` is an Arrow type name, ``text`` for strings."""

    name: str
    type: str
    description: str
    unit: str = ""
