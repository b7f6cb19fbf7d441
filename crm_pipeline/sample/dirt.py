"""Plants a handful of every kind of dirt in the sample company's text rows, and counts it. No files.

Dirt is added, never taken away: a dirty row is a copy of a real one, spoiled, with an id of its own (``X…``) unless
the id is the point.
So what really happened, and the truth, stay as they are; a call without a customer is kept, and counts for nobody. Only
``whitespace_and_case`` changes real rows, without changing what they mean.
"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HANDFUL = 3
Row = dict[str, str | None]
Spoiler = Callable[[Row, int], None]
UNREADABLE_DATES = ("31.02.2026", "n/a", "2026-13-45 10:00:00")
ID = {
    "customers": "customer_id",
    "products": "product_id",
    "orders": "order_id",
    "messages": "message_id",
    "cases": "case_id",
    "calls": "call_id",
}


def _put(**values: str | None) -> Spoiler:
    def spoil(row: Row, _: int) -> None:
        row.update(values)

    return spoil


def _unreadable(column: str) -> Spoiler:
    def spoil(row: Row, i: int) -> None:
        row[column] = UNREADABLE_DATES[i % len(UNREADABLE_DATES)]

    return spoil


def _other_amount(row: Row, i: int) -> None:
    row["amount"] = str(Decimal(row["amount"] or "0") + i + 1)


def _negative(column: str) -> Spoiler:
    def spoil(row: Row, i: int) -> None:
        row[column] = f"-{i + 12}.50" if column == "amount" else f"-{i + 1}"

    return spoil


def _nothing(row: Row, i: int) -> None:
    """An exact duplicate needs no spoiling."""


KEEP_ID = {"exact_duplicate", "same_id_other_content", "missing_id", "orphan"}
KINDS: dict[str, dict[str, Spoiler]] = {
    "orders": {
        "exact_duplicate": _nothing,
        "same_id_other_content": _other_amount,
        "unreadable_date": _unreadable("ordered_at"),
        "missing_customer": _put(customer_id=None),
        "unknown_customer": _put(customer_id="C9999999"),
        "negative_amount": _negative("amount"),
        "absurd_amount": _put(amount="9999999999.00"),
        "blank_amount": _put(amount=None),
        "unreadable_amount": _put(amount="12,3O EUR"),
        "date_1900": _put(ordered_at="1900-01-01 00:00:00"),
        "date_2099": _put(ordered_at="2099-12-31 12:00:00"),
        "other_currency": _put(currency="USD"),
    },
    "order_lines": {
        "exact_duplicate": _nothing,
        "orphan": _put(order_id="O999999999"),
        "absurd_quantity": _put(quantity="10000000", line_no="97"),
        "unreadable_quantity": _put(quantity="two", line_no="98"),
        "blank_price": _put(unit_price=None, line_no="99"),
    },
    "customers": {
        "exact_duplicate": _nothing,
        "same_id_other_content": _put(region="elsewhere"),
        "missing_id": _put(customer_id=None),
        "unreadable_date": _unreadable("created_at"),
        "date_1900": _put(created_at="1900-01-01 00:00:00"),
        "date_2099": _put(created_at="2099-12-31 12:00:00"),
        "birth_year_1066": _put(birth_year="1066"),
    },
    "products": {"same_id_other_content": _put(category="misc"), "blank_category": _put(category=None)},
    "messages": {
        "exact_duplicate": _nothing,
        "unknown_customer": _put(customer_id="C9999999"),
        "unreadable_date": _unreadable("sent_at"),
        "blank_body": _put(body=None),
    },
    "cases": {"exact_duplicate": _nothing, "closed_before_opened": _put(closed_at="2001-01-01 09:00:00")},
    "calls": {"exact_duplicate": _nothing, "missing_customer": _put(customer_id=None)},
    "contacts": {"exact_duplicate": _nothing, "unknown_campaign": _put(campaign_id="W999")},
}
TIDY = {
    "orders": ("customer_id", "channel"),
    "customers": ("country", "customer_id"),
}  # columns that get spaces and capitals


def as_text(table: pa.Table) -> pa.Table:
    """Return the table with every column as text: ISO times, plain decimals, ``J``/``N`` for yes/no; null stays null."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        text = pc.if_else(column, "J", "N") if pa.types.is_boolean(column.type) else column.cast(pa.string())
        columns[name] = text
    return pa.table(columns)


def dirty_rows(table: str, text: pa.Table, rng: np.random.Generator) -> tuple[pa.Table, dict[str, int]]:
    """Return the dirty rows to add to ``table`` and how many there are of each kind.

    Parameters
    ----------
    text : Table
        Real rows as text, with canonical column names (further columns are copied along).
    """
    rows: list[Row] = []
    counts: dict[str, int] = {}
    for kind, spoil in KINDS.get(table, {}).items():
        chosen = rng.choice(len(text), min(HANDFUL, len(text)), replace=False)
        counts[kind] = len(chosen)
        for i, row in enumerate(text.take(pa.array(chosen)).to_pylist()):
            if kind not in KEEP_ID and table in ID:
                row[ID[table]] = f"X{len(rows):06d}"
            spoil(row, i)
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=text.schema), counts


def untidy(table: str, text: pa.Table, rng: np.random.Generator) -> tuple[pa.Table, dict[str, int]]:
    """Put spaces around and capitals into a handful of real cells; what they mean stays the same."""
    counts: dict[str, int] = {}
    for column in TIDY.get(table, ()):
        chosen = rng.choice(len(text), min(HANDFUL, len(text)), replace=False)
        mask = np.zeros(len(text), dtype=bool)
        mask[chosen] = True
        old = text.column(column)
        loud = pc.binary_join_element_wise(" ", pc.utf8_swapcase(old) if column != "customer_id" else old, "  ", "")
        text = text.set_column(text.column_names.index(column), column, pc.if_else(pa.array(mask), loud, old))
        counts[f"whitespace_and_case_{column}"] = len(chosen)
    return text, counts


def times_hundred(text: pa.Table, channel: str) -> pa.Table:
    """Return orders with the amounts of one channel a hundred times too high: someone exported cents."""
    hit = pc.equal(pc.utf8_lower(pc.utf8_trim_whitespace(text.column("channel"))), channel).to_pylist()
    amounts = text.column("amount").to_pylist()
    wrong = [_hundredfold(a) if h else a for a, h in zip(amounts, hit, strict=True)]
    return text.set_column(text.column_names.index("amount"), "amount", pa.array(wrong, pa.string()))


def _hundredfold(amount: str | None) -> str | None:
    if amount is None or not amount.lstrip("-").replace(".", "", 1).isdigit():
        return amount
    return str(Decimal(amount) * 100)
