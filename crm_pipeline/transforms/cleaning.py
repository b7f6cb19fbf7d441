"""From raw rows to valid facts and refused rows, by a table's contract. Reading files and publishing do not belong here.

Pure Ibis: tables in, tables out, one period at a time, and nothing but that period.
"""

# pyright: reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# (Ibis gives a column of a table the widest type, which has no operators)

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

import ibis
from ibis import _

from crm_pipeline.contracts.canonical import CANONICAL, clean_names
from crm_pipeline.contracts.core import HEARD, IBIS_TYPES, MARKERS, MOVED, REPEATED, UNDONE, Rule, TableContract, rules
from crm_pipeline.transforms.columns import of_somebody, read_rows, whole

EXACT = "exact duplicate of an earlier row"

ORDER_OF_ROWS = ("entry", "source_file", "source_line")

SAID = ("unreadable", "repeat_", "wrong_")
"""Columns that hold a reason in their own words: of reading, of a marker, of the recording."""


class Cleaned(NamedTuple):
    """What cleaning gives: every raw row is in exactly one of the two.

    Attributes
    ----------
    clean : ibis.Table
        The contract's event log: the mapped canonical columns, event, event_at, source_file.
    rejects : ibis.Table
        source_file, source_line, reasons (joined by "; "), content (JSON), event_at.
    """

    clean: ibis.Table
    rejects: ibis.Table


def clean_table(
    raw: ibis.Table,
    contract: TableContract,
    *,
    currency: str = "",
    orders: ibis.Table | None = None,
    lines: ibis.Table | None = None,
    columns: Collection[str] | None = None,
    money_unit: float = 0.0001,
) -> Cleaned:
    """Split the raw rows of a period into valid facts and refused rows.

    Parameters
    ----------
    raw : ibis.Table
        ``raw/<table>`` of the period.
    contract : TableContract
    currency : str
        The source's; an order in another is refused. Empty: not checked.
    orders : ibis.Table or None
        For order_lines with an orders table: ``clean/orders`` of the same period.
    lines : ibis.Table or None
        For orders whose source has no (positive) amount: ``raw/order_lines`` of the same period; without them each counts as one.
    columns : collection of str or None
        The canonical columns that the source maps; None: all of them.
    money_unit : float
        Major units per stored unit.
    """
    mapped = set(columns) if columns is not None else {c.name for c in contract.columns}
    rows = _without_marked(raw)
    if contract.name == "order_lines" and orders is None:
        rows = _without_moved(rows, raw)
    if contract.name == "calls":
        rows = _with_recordings(rows, raw)
    if contract.name == "orders" and "amount" not in mapped:
        counted = ibis.literal(round(1 / money_unit), "int64")
        rows = (
            rows.mutate(amount=_unless_negative(rows, counted))
            if lines is None
            else _amounts_of_lines(rows, lines, money_unit)
        )
    rows = _with_states(_normalised(rows, contract), contract, orders)
    broken = [*_special_rules(rows, contract, currency), *rules(rows, contract, money_unit)]
    broken = [Rule(rule.reason, rule.broken.fill_null(False)) for rule in broken]
    refused = reduce(or_, (rule.broken for rule in broken))
    rows = rows.mutate(refused_=refused)
    rows = _with_duplicates(rows, contract, mapped)
    kept = ~rows.refused_ & rows.duplicate_.isnull()
    shown = [*clean_names(contract, mapped), *(("event", "event_at") if contract.main_time else ()), "source_file"]
    # in the order of the source, so that the same rows give the same file whatever the threads did
    order = [*ORDER_OF_ROWS, *(("event",) if contract.main_time else ())]
    clean = _absolute(rows.filter(kept), contract).order_by(order).select(shown)
    return Cleaned(clean, _rejects(rows.filter(~kept), contract, currency, money_unit))


def derive_orders(lines: ibis.Table) -> ibis.Table:
    """Add up orders from their clean lines, for a source without an orders table.

    Returns per (order_id, customer_id) at most two rows of ``clean/orders``: ``placed`` with the sum of the positive
    lines, ``returned`` with the sum of the returned ones; ``event_at`` is the earliest of its lines.
    """
    discount = {"discount": whole(_.discount.sum())} if "discount" in lines.columns else {}
    orders = lines.group_by("order_id", "customer_id", "event").aggregate(
        amount=whole(_.amount.sum()),
        **discount,
        event_at=_.event_at.min(),
        source_file=_.source_file.min(),
    )
    names = ["order_id", "customer_id", "amount", *discount, "event", "event_at", "source_file"]
    return orders.select(names).order_by("order_id", "customer_id", "event")


def unaccounted(raw: ibis.Table, clean: ibis.Table, rejects: ibis.Table) -> list[str]:
    """Return the source files of which rows were lost or made between reading and publishing, a sentence each; one query.

    Every row that was read is either clean or refused.
    """
    fates = {"read": read_rows(raw), "clean": clean, "refused": rejects}
    ones = [
        rows.select(
            "source_file", **{name: (rows.n_ if name == "read" else 1) if name == fate else 0 for name in fates}
        )
        for fate, rows in fates.items()
    ]
    each = ibis.union(*ones).group_by("source_file").aggregate(**{name: _[name].sum() for name in fates})
    broken = each.filter(each["read"] != each["clean"] + each["refused"]).order_by("source_file")
    return [
        f"of {row['source_file']} {row['read']} rows were read, but {row['clean']} are clean and {row['refused']} refused"
        for row in broken.to_pyarrow().to_pylist()
    ]


def unknown_customers(rows: ibis.Table, customers: ibis.Table) -> ibis.expr.types.IntegerScalar:
    """Return how many rows name a customer that ``customers`` does not have: kept, but worth a warning."""
    return of_somebody(rows).anti_join(customers, "customer_id").count()


def _without_marked(raw: ibis.Table) -> ibis.Table:
    """Take the marker rows out and note on the rows they point to why these do not hold, or that they are undone."""
    marked = raw.filter(raw.event.isin((REPEATED, UNDONE)))
    marks = marked.select(*ORDER_OF_ROWS, repeat_=raw.unreadable, undone_=raw.event == UNDONE).distinct()
    rows = raw.filter(raw.event.notin(MARKERS)).left_join(marks, ORDER_OF_ROWS)
    event = ibis.ifelse((rows.event == "placed") & rows.undone_.fill_null(False), "cancelled", rows.event)
    return rows.select(*(c for c in raw.columns if c != "event"), "repeat_", event=event)


def _without_moved(rows: ibis.Table, raw: ibis.Table) -> ibis.Table:
    """Take out the lines that stand in the period where their order began; those of this period's orders have come in return."""
    place = [*ORDER_OF_ROWS, "event_at"]
    return rows.anti_join(raw.filter(raw.event == MOVED).select(place), place)


def _with_recordings(calls: ibis.Table, raw: ibis.Table) -> ibis.Table:
    """Give calls the fingerprint of their recording, and what is wrong with it as a reason."""
    heard = raw.filter(raw.event == HEARD).select("audio_path", recording=raw.content, wrong_=raw.unreadable).distinct()
    return calls.left_join(heard, "audio_path").select(*calls.columns, "recording", "wrong_")


def _amounts_of_lines(orders: ibis.Table, lines: ibis.Table, money_unit: float) -> ibis.Table:
    """Give orders the sum of their valid positive lines, each line once."""
    lines = _without_marked(lines)
    broken = [
        r.broken.fill_null(False)
        for r in rules(lines, CANONICAL["order_lines"], money_unit)
        if "customer_id" not in r.reason
    ]
    good = lines.filter(lines.unreadable.isnull(), lines.repeat_.isnull(), lines.amount > 0, ~reduce(or_, broken))
    facts = [c for c in good.columns if c not in (*ORDER_OF_ROWS, "unreadable", "content", "repeat_")]
    good = _with_place(good, facts)
    good = good.mutate(place_=ibis.ifelse(good.line_no.isnull(), good.place_, 0))
    sums = good.select(*facts, "place_").distinct().group_by("order_id").aggregate(sum_=whole(_.amount.sum()))
    joined = orders.left_join(sums, "order_id")
    amount = _unless_negative(joined, joined.sum_.fill_null(0))
    return joined.select(*[c for c in orders.columns if c != "amount"], amount=amount)


def _unless_negative(orders: ibis.Table, amount: ibis.expr.types.IntegerValue) -> ibis.expr.types.IntegerValue:
    """Return the amount that orders are given, but of those that came back."""
    return ibis.ifelse((orders.amount < 0).fill_null(False), orders.amount, amount)


def _normalised(rows: ibis.Table, contract: TableContract) -> ibis.Table:
    """Bring other spellings of a short list of values to one."""
    changed = {}
    for column in contract.raw_columns:
        if column.lower or column.allowed:
            plain = rows[column.name].lower()
            changed[column.name] = plain.cases(*column.aliases.items(), else_=plain) if column.aliases else plain
    return rows.mutate(**changed) if changed else rows


def _with_states(rows: ibis.Table, contract: TableContract, orders: ibis.Table | None) -> ibis.Table:
    """Turn a negative amount or quantity into an event; a cancelled status without a date was not known at the time."""
    if contract.name == "orders":
        returned = ((rows.event == "placed") & (rows.amount < 0)).fill_null(False)
        return rows.mutate(event=ibis.ifelse(returned, "returned", rows.event))
    if contract.name == "order_lines":
        rows = _with_order_state(rows, orders)
        returned = ((rows.quantity < 0) | rows.undone_).fill_null(False)
        return rows.mutate(event=ibis.ifelse(returned, "returned", rows.event))
    return rows


def _absolute(rows: ibis.Table, contract: TableContract) -> ibis.Table:
    """Drop the sign of what came back: the event tells it."""
    signed = [c for c in contract.clean_columns if c.name in rows.columns and c.low is not None and c.low < 0]
    return rows.mutate(**{c.name: rows[c.name].abs().cast(IBIS_TYPES[c.kind]) for c in signed}) if signed else rows


def _with_order_state(lines: ibis.Table, orders: ibis.Table | None) -> ibis.Table:
    """Note on each line whether its order is unknown (``orphan_``) or was never placed (``undone_``: its amount is negative)."""
    if orders is None:
        return lines.mutate(orphan_=ibis.literal(False), undone_=ibis.literal(False))
    known = orders.group_by("order_id").aggregate(placed_=(orders.event == "placed").any())
    joined = lines.left_join(known, "order_id")
    return joined.select(*lines.columns, orphan_=joined.placed_.isnull(), undone_=~joined.placed_)


def _special_rules(rows: ibis.Table, contract: TableContract, currency: str) -> list[Rule]:
    """Return the rules that are not those of a column; the reason of `unreadable` is the row's own text."""
    found = [Rule("", rows[said].notnull()) for said in SAID if said in rows.columns]
    if contract.name == "orders" and currency:
        found.append(Rule(f"currency is not {currency}", rows.currency.upper() != currency.upper()))
    if contract.name in ("orders", "order_lines"):
        bought = rows.amount if contract.name == "orders" else rows.quantity
        found.append(Rule("discount is below 0", (rows.discount < 0) & ~(bought < 0).fill_null(False)))
    if contract.name == "order_lines":
        found.append(Rule("its order is not in orders, or was refused there", rows.orphan_))
    return found


def _with_duplicates(rows: ibis.Table, contract: TableContract, mapped: set[str]) -> ibis.Table:
    """Add ``duplicate_``: why a row is a duplicate of an earlier one, else null.

    Only rows that have something in common are put in order, which few have: the others cost a count.
    """
    facts = [c.name for c in contract.raw_columns if c.required or c.derived or c.name in mapped]
    event = ("event",) if contract.main_time else ()
    facts += [*event, *(("event_at",) if contract.main_time else ())]
    if all(name in mapped or contract.column(name).required for name in contract.key):
        key = [name if name in facts else "event_at" for name in contract.key]
        found = _repeating(_several(rows, [*key, *event]), contract, key, facts)
    else:
        found = _equal(_several(rows, facts), contract, facts)
    place = ["entry", "source_file", "source_line", *event]
    told = found.filter(found.duplicate_.notnull()).select(*place, "duplicate_")
    return rows.left_join(told, place).select(*rows.columns, "duplicate_")


def _several(rows: ibis.Table, names: Sequence[str]) -> ibis.Table:
    """Return the rows that are not alone in having their values of some columns, nulls among them."""
    counted = rows.group_by(names).aggregate(n_=rows.count())
    several = counted.filter(counted.n_ > 1)
    return rows.semi_join(several, [rows[name].identical_to(several[name]) for name in names])


def _equal(rows: ibis.Table, contract: TableContract, facts: Sequence[str]) -> ibis.Table:
    """Add ``duplicate_`` to rows of a table without a key: of those that say the same, the first holds."""
    if contract.name == "order_lines":  # two of a thing may stand in one basket: its place in the file tells a line
        rows, facts = _with_place(rows, facts), [*facts, "place_"]
    first = ibis.window(group_by=[*facts, "refused_"], order_by=list(ORDER_OF_ROWS))
    return rows.mutate(duplicate_=ibis.ifelse(ibis.row_number().over(first) > 0, EXACT, ibis.null("string")))


def _repeating(rows: ibis.Table, contract: TableContract, key: Sequence[str], facts: Sequence[str]) -> ibis.Table:
    """Add ``duplicate_`` to rows of a table with a key: of each the first that is not refused holds."""
    dated = contract.main_time is not None
    order = ["refused_", *(("event_at",) if dated else ()), *ORDER_OF_ROWS]
    same_key = ibis.window(group_by=[*key, *(("event",) if dated else ())], order_by=order)
    later = ibis.row_number().over(same_key) > 0
    equal = [rows[name].identical_to(rows[name].first(include_null=True).over(same_key)) for name in facts]
    whole_key = reduce(lambda a, b: a & b, (rows[name].notnull() for name in key))
    rows = rows.mutate(later_=later, equal_=reduce(lambda a, b: a & b, equal))
    reason = ibis.cases(
        (rows.later_ & rows.equal_ & rows.repeat_.isnull(), EXACT),
        (rows.later_ & whole_key & ~rows.refused_, f"{', '.join(contract.key)} repeats an earlier row"),
        else_=ibis.null("string"),
    )
    return rows.mutate(duplicate_=reason)


def _with_place(rows: ibis.Table, facts: Sequence[str]) -> ibis.Table:
    """Number the rows of a file that are equal in ``facts``, so that the files' rows can be united as multisets."""
    alike = ibis.window(group_by=[*facts, "entry", "source_file"], order_by="source_line")
    return rows.mutate(place_=ibis.row_number().over(alike))


def _rejects(rows: ibis.Table, contract: TableContract, currency: str, money_unit: float) -> ibis.Table:
    unread = rows.unreadable.fill_null("")
    broken = [*_special_rules(rows, contract, currency), *rules(rows, contract, money_unit)]
    broken = [
        Rule(r.reason, r.broken & ~unread.contains(r.reason.replace(" is missing", " ")))
        if "is missing" in r.reason
        else r
        for r in broken
    ]
    said = [*(rows[name] for name in SAID if name in rows.columns), rows.duplicate_]
    said += [
        ibis.ifelse(rule.broken.fill_null(False), rule.reason, ibis.null("string")) for rule in broken if rule.reason
    ]
    reasons = reduce(lambda text, one: text + one.fill_null(""), (_lead(s) for s in said), ibis.literal(""))
    shown = [c.name for c in contract.raw_columns if c.name in rows.columns]
    return rows.select(
        "source_file",
        "source_line",
        reasons=reasons.substr(2),
        content=ibis.coalesce(rows.content, _json(rows, shown)),
        event_at=rows.event_at,
    )


def _lead(text: ibis.expr.types.StringValue) -> ibis.expr.types.StringValue:
    return ibis.literal("; ") + text


def _json(rows: ibis.Table, names: Sequence[str]) -> ibis.expr.types.StringValue:
    """Return the named columns as a JSON object, in text functions that every engine has."""
    parts = []
    for name in names:
        text = rows[name].cast("string")
        if rows[name].type().is_string():
            text = ibis.literal('"') + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        elif rows[name].type().is_temporal():
            text = ibis.literal('"') + text + '"'
        parts.append(ibis.literal(f'"{name}":') + text.fill_null("null"))
    return ibis.literal("{") + ibis.literal(",").join(parts) + "}"
