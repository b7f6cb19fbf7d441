"""Columns of every asset of the lake in one place, whatever layer makes them. Rules and values do not belong here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crm_pipeline.contracts.calls import AUDIO
from crm_pipeline.contracts.canonical import lake_columns
from crm_pipeline.contracts.outputs import Output, output_columns
from crm_pipeline.contracts.plans import PLANS
from crm_pipeline.contracts.texts import TEXT


def columns_of(asset: str, tables: Mapping[str, Sequence[str]]) -> tuple[Output, ...]:
    """Return the described columns of an asset, empty where they follow from its inputs.

    ``tables`` are the canonical tables of the source with the columns it maps.
    """
    layer, _, name = asset.partition("/")
    if layer in ("raw", "clean", "rejects"):
        return tuple(Output(*column) for column in lake_columns(layer, name, tables.get(name, ())))
    rooms = {"text": TEXT, "audio": AUDIO, "plans": PLANS}
    return rooms[layer].get(name, ()) if layer in rooms else output_columns(asset)
