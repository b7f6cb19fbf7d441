"""Which columns a table's columns are made of, read off its Ibis expression. No lake, no Dagster, and no rows are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import ibis
import ibis.expr.operations as ops
from ibis.common.graph import Graph


class Origin(NamedTuple):
    """A column of a table that is read."""

    table: str
    column: str


Origins = frozenset[Origin]
NOTHING: Origins = frozenset()


def column_origins(table: ibis.Table, leaves: Mapping[Any, str]) -> dict[str, Origins]:
    """Return the columns whose values make each column of a lazy table.

    Only what gives a value counts: arguments of functions, conditions of a case or of one aggregate, what a window is
    partitioned and ordered by. What decides which rows there are does not: filters, join predicates, the keys of a
    group-by (for its other columns), the rows that a count counts, whether a subquery finds any. A literal has no origin.

    Parameters
    ----------
    table : ibis.Table
    leaves : mapping of Ibis operation to str
        The operation of each table that is read (``read.op()``) to its name. Other leaves, such as the row of dates of a
        period, are no origin.

    Returns
    -------
    dict
        Every column of ``table``, in order.
    """
    whole = table.op()
    values: dict[Any, Origins] = {}
    relations: dict[Any, dict[str, Origins]] = {}
    for node in Graph.from_bfs(whole).toposort()[0]:
        if isinstance(node, ops.Relation):
            relations[node] = _relation(node, leaves, relations, values)
        elif isinstance(node, ops.Value):
            values[node] = _value(node, relations, values)
    return relations[whole]


def _relation(
    node: Any, leaves: Mapping[Any, str], relations: Mapping[Any, dict[str, Origins]], values: Mapping[Any, Origins]
) -> dict[str, Origins]:
    """Return the origins of the columns of a relation, from those of its children."""
    if node in leaves:
        return {name: frozenset({Origin(leaves[node], name)}) for name in node.schema}
    if isinstance(node, ops.Union):
        left, right = relations[node.left], relations[node.right]
        return {name: left[name] | right[name] for name in node.schema}
    if isinstance(node, ops.Set):
        return relations[node.left]
    if isinstance(node, ops.FillNull):
        return {name: found | _filled(node, name, values) for name, found in relations[node.parent].items()}
    if isinstance(node, ops.TableUnnest):
        made = dict.fromkeys((node.column_name, node.offset), values[node.column])
        return {name: made[name] if name in made else relations[node.parent][name] for name in node.schema}
    if isinstance(node, ops.SQLStringView):
        anything = NOTHING.union(*relations[node.parent].values())
        return dict.fromkeys(node.schema, anything)
    if isinstance(node, ops.Aggregate | ops.Project | ops.JoinChain | ops.DummyTable):
        return {name: values[value] for name, value in node.values.items()}
    parent = relations.get(getattr(node, "parent", None), {})
    return {name: parent.get(name, NOTHING) for name in node.schema}


def _filled(node: Any, name: str, values: Mapping[Any, Origins]) -> Origins:
    """Return what a null of this column is filled with."""
    given = node.replacements
    return values.get(given.get(name) if isinstance(given, Mapping) else given, NOTHING)


def _value(node: Any, relations: Mapping[Any, dict[str, Origins]], values: Mapping[Any, Origins]) -> Origins:
    """Return the origins of a value, from those of its children."""
    if isinstance(node, ops.Field):
        return relations[node.rel][node.name]
    found = NOTHING.union(*(values[child] for child in node.__children__ if child in values))
    if isinstance(node, ops.ScalarSubquery | ops.InSubquery):
        return found.union(*relations[node.rel].values())
    if isinstance(node, ops.CountDistinctStar):
        return found.union(*relations[node.arg].values())
    return found
