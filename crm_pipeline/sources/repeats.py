"""Which rows of a table repeat, replace or continue others, over all its files: told by marker rows. No cleaning happens here.

Of several rows of one key the latest version holds: by ``recorded_at`` where the source has it, else by the order of entries
and of the files' names; within one file the first row, as cleaning has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from crm_pipeline.contracts.core import MOVED, REPEATED, REPLACED, UNDONE, TableContract
from crm_pipeline.engine import literal, quote
from crm_pipeline.lake import Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.sources.extras import File, digest_of, keep, marker, of_extra, of_periods, parquet
from crm_pipeline.sources.index import TableIndex
from crm_pipeline.sources.lines import absolute
from crm_pipeline.sources.split import FIRST, raw_schema
from crm_pipeline.versions import modules_version

REPEATS, CROSSING = "repeats", "crossing"
"""Names of what is made here among a table's extras."""

ONE_INVOICE = timedelta(hours=24)
"""Lines of one order that stand on both sides of a period's end belong together where all are within this time."""

ALIKE = 0.7
"""Share of products that the baskets which two files share have in common, from which one file is a later export of the other
and no other part of the same baskets."""

BASKET = "order_id, customer_id, event_at, __kind"
"""What lines of one basket have in common; what came back of it is apart, because lines may have the time of their order."""

DIGITS = 20
"""Digits that a number in a file's name may have."""

MANY = 0.05
"""Share of a table's rows from which those that do not hold are worth a sentence."""

Pairs = Sequence[tuple[str, File]]


def repeats(lake: Lake, contract: TableContract, table: TableIndex, currency: str, money_unit: Decimal) -> None:
    """Mark the rows that another of their key replaces, or repeats, in each period they have events in.

    Parameters
    ----------
    currency : str
        The source's: an order in another is no version of an order. Empty: not asked.
    money_unit : Decimal
        Major units per stored unit, for the bounds of amounts.
    """
    files = [*of_periods(table.records.values()), *of_extra(table, FIRST)]
    mapped = {name for record in table.records.values() for name in record.columns} | {contract.main_time}
    keyed = contract.main_time is not None and mapped.issuperset(contract.key)
    key = digest_of(files, _version(), *contract.key, currency, str(keyed), str(money_unit))
    holding = may_hold(contract, currency, money_unit)
    if keyed and files:
        keep(table, REPEATS, key, lambda: _of_keys(lake, contract, files, holding))
    elif contract.name == "order_lines":
        keep(table, REPEATS, key, lambda: _of_baskets(lake, contract, table, holding))
    else:
        keep(table, REPEATS, key, dict)


def crossing(lake: Lake, contract: TableContract, table: TableIndex, calendar: Calendar) -> None:
    """Move the lines of an order that cross the end of a period into the period where the order began, as of its first line.

    For a source without orders: there an order is all of its lines, and one invoice is one order.
    """
    files, marks = of_periods(table.records.values()), of_extra(table, REPEATS)
    key = digest_of([*files, *marks], _version(), calendar.grain, calendar.timezone)
    several = len({bucket for bucket, _ in files}) > 1
    keep(table, CROSSING, key, lambda: _moved(lake, contract, files, marks, calendar) if several else {})


def _version() -> str:
    return modules_version([__name__])


def _of_keys(lake: Lake, contract: TableContract, files: Pairs, may_hold: str) -> dict[str, list[File]]:
    """Return the markers of a table whose rows have a key: of all rows of a key but the one that holds."""
    con, own = lake.engine.con, [name for name in contract.key if name != contract.main_time]
    at = ["event_at"] if len(own) < len(contract.key) else []
    main, hashed = f"event = {literal(contract.event)}", f"hash({', '.join([*own, '__kind'])})"
    # nearly all keys are of one row: a number tells so in half the time, and what the few others are is looked at later
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sync_several AS SELECT {', '.join(['h', *at])} FROM (SELECT {hashed} AS h, event_at FROM "
        f"({_kinds(lake, files, contract)}) WHERE {main}) GROUP BY ALL HAVING count(*) > 1"
    )
    if _none(lake):
        return {}
    numbered = ", ".join(f"({literal(str(absolute(lake, f)))}, {literal(bucket)})" for bucket, f in files)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sync_listed AS SELECT r.*, p.period FROM ({_kinds(lake, files, contract)}) r "
        f"JOIN (VALUES {numbered}) AS p(path, period) ON r.__path = p.path WHERE {hashed} IN (SELECT h FROM sync_several)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sync_several AS SELECT {', '.join([*own, '__kind', *at])}, count(*) AS n FROM sync_listed "
        f"WHERE {may_hold} AND {main} GROUP BY ALL HAVING count(*) > 1"
    )
    if _none(lake):
        return {}
    con.execute(f"CREATE OR REPLACE TEMP TABLE sync_repeats AS {_versions_query(contract, own, may_hold)}")
    return _staged_markers(lake, contract, own)


def _none(lake: Lake) -> bool:
    """Tell whether there is no key of several rows."""
    return not lake.engine.con.execute("SELECT count(*) FROM sync_several").fetchall()[0][0]


def may_hold(contract: TableContract, currency: str, money_unit: Decimal) -> str:
    """Return the SQL of whether a row keeps the contract: one that cleaning refuses replaces nothing."""
    asked = ["unreadable IS NULL"]
    for column in contract.raw_columns:
        scale = 1 / money_unit if column.kind == "money" else Decimal(1)
        if column.required:
            asked.append(f"{column.name} IS NOT NULL")
        if column.low is not None:
            asked.append(f"coalesce({column.name} >= {round(column.low * scale)}, true)")
        if column.high is not None:
            asked.append(f"coalesce({column.name} <= {round(column.high * scale)}, true)")
        if column.allowed:
            known = ", ".join(map(literal, (*column.allowed, *column.aliases)))
            asked.append(f"coalesce(lower({column.name}) IN ({known}), true)")
    if contract.name in ("orders", "order_lines"):
        bought = "amount" if contract.name == "orders" else "quantity"
        asked.append(f"(coalesce(discount >= 0, true) OR coalesce({bought} < 0, false))")
    if contract.name == "orders" and currency:
        asked.append(f"coalesce(upper(currency) = {literal(currency.upper())}, true)")
    return " AND ".join(asked)


def _usable(lake: Lake, contract: TableContract, files: Pairs, may_hold: str) -> str:
    """Return the query of the rows that may hold, as `_kinds` has them."""
    return f"{_kinds(lake, files, contract)} WHERE {may_hold}"


def _kinds(lake: Lake, files: Pairs, contract: TableContract) -> str:
    """Return the query of all rows, with ``__kind`` (a return is another thing) and ``__path``."""
    signed = {"orders": "amount", "order_lines": "quantity"}.get(contract.name)
    kind = f"coalesce({signed} < 0, false)" if signed else "false"
    return f"SELECT *, {kind} AS __kind FROM {parquet(lake, files, named=True)}"


def _by_name(side: str = "") -> str:
    """Return the SQL by which files are in order: as their names have it, numbers in them as numbers (9 before 10)."""
    padded = f"regexp_replace({side}source_file, '([0-9]+)', repeat('0', {DIGITS}) || '\\1', 'g')"
    return f"regexp_replace({padded}, '[0-9]*([0-9]{{{DIGITS}}})', '\\1', 'g'), {side}source_file"


def _versions_query(contract: TableContract, own: Sequence[str], may_hold: str) -> str:
    """Return the query of the rows to mark: period, mark, reason, place and key.

    ``told`` has a row per source row, ``version`` numbers them by what is later, ``same`` says that it is a version of the
    first row of its key and no other thing of the same name (another customer at another time), and ``holds`` what is said
    by the version that holds; the earliest row that says so is the one that stays.
    """
    main = f"event = {literal(contract.event)}"
    columns = raw_schema(contract)
    aside = {"recorded_at", "entry", "source_file", "source_line", "unreadable", "content"}
    facts = ", ".join(quote(name) for name in columns if name not in aside)
    dated_key = len(own) < len(contract.key)
    customer = "any_value(customer_id)" if "customer_id" in columns else "NULL"
    status = f"any_value(status) FILTER ({main})" if contract.name == "orders" else "NULL"
    keys = ", ".join([*own, "__kind", *(["main_at"] if dated_key else [])])
    place = "entry, source_file, source_line"
    several = " AND ".join(f"s.{name} = t.{name}" for name in [*own, "__kind"]) + (
        " AND s.event_at = t.main_at" if dated_key else ""
    )
    names = ", ".join([*own, "__kind"])
    reason = f"{', '.join(contract.key)} repeats"
    version = f"dense_rank() OVER (PARTITION BY {keys} ORDER BY recorded NULLS FIRST, entry, {_by_name()})"
    if not contract.later_holds:
        version = "0"
    return (
        f"WITH listed AS (SELECT * FROM sync_listed SEMI JOIN sync_several USING ({names}) WHERE {may_hold}), "
        f"every AS (SELECT {names}, {place}, any_value(period) FILTER ({main}) AS main_period, min(event_at) FILTER ({main}) AS main_at, "
        f"max(recorded_at) AS recorded, {customer} AS customer, {status} AS status, sum(hash({facts})) AS said "
        f"FROM listed GROUP BY {names}, {place}), "
        f"told AS (SELECT t.* FROM every t SEMI JOIN sync_several s ON {several} WHERE t.main_at IS NOT NULL), "
        f"ranked AS (SELECT *, {version} AS version, "
        "customer IS NOT DISTINCT FROM first(customer) OVER w OR main_at = first(main_at) OVER w AS same FROM told "
        f"WINDOW w AS (PARTITION BY {keys} ORDER BY main_at, {place})), "
        f"latest AS (SELECT {keys}, version AS latest, said AS holds, status AS latest_status FROM ranked WHERE same "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY version DESC, main_at, {place}) = 1), "
        "fates AS (SELECT r.*, latest, latest_status, same AND said = holds AS equal, row_number() OVER w = 1 AS holder, "
        "first(main_period) OVER w AS holder_period, "
        f"bool_or(same AND version < latest AND status IS NULL) OVER (PARTITION BY {keys}) AS was_placed "
        f"FROM ranked r JOIN latest USING ({keys}) "
        f"WINDOW w AS (PARTITION BY {keys} ORDER BY (same AND said = holds) DESC, main_at, {place})) "
        f"SELECT DISTINCT l.period, {literal(REPEATED)} AS mark, l.event_at, l.entry, l.source_file, l.source_line, "
        f"CASE WHEN f.same AND f.version < f.latest THEN {literal(REPLACED)} "
        f"WHEN l.period = f.holder_period THEN {literal(reason + ' an earlier row')} "
        f"ELSE {literal(reason + ' a row of an earlier period')} END AS reason, {', '.join('l.' + name for name in own)} "
        f"FROM listed l JOIN fates f USING ({place}) WHERE NOT f.holder AND NOT f.equal UNION ALL "
        f"SELECT main_period, {literal(UNDONE)}, main_at, {place}, NULL, {', '.join(own)} FROM fates "
        "WHERE (holder OR equal) AND latest_status = 'cancelled' AND was_placed"
    )


def _staged_markers(lake: Lake, contract: TableContract, own: Iterable[str]) -> dict[str, list[File]]:
    """Stage the rows of ``sync_repeats`` as marker rows, by period."""
    given = {name: name for name in (*own, "event_at", "entry", "source_file", "source_line")}
    selected = marker(contract, given | {"event": "mark", "unreadable": "reason"})
    return _by_period(lake, f"SELECT period, {selected} FROM sync_repeats ORDER BY ALL")


def _by_period(lake: Lake, query: str) -> dict[str, list[File]]:
    """Stage the rows of a query with a column ``period``, a file for each."""
    con = lake.engine.con
    con.execute(f"CREATE OR REPLACE TEMP TABLE sync_made AS {query}")
    periods = [p for (p,) in con.execute("SELECT DISTINCT period FROM sync_made ORDER BY 1").fetchall()]
    made: dict[str, list[File]] = {
        p: [lake.stage_query(f"SELECT * EXCLUDE (period) FROM sync_made WHERE period = {literal(p)}")] for p in periods
    }
    for name in ("sync_made", "sync_repeats", "sync_listed", "sync_several"):
        con.execute(f"DROP TABLE IF EXISTS {name}")
    return made


def _of_baskets(lake: Lake, contract: TableContract, table: TableIndex, may_hold: str) -> dict[str, list[File]]:
    """Return the markers of lines without a number: those of a basket that a later export has otherwise.

    A basket is an order's lines of one time. Two files may share one because the later repeats it, or because each has a part
    of it: by how many products the baskets have in common, over all that the two files share.
    """
    by_bucket: dict[str, list[File]] = {}
    for record in table.records.values():
        for bucket, file in of_periods([record]):
            by_bucket.setdefault(bucket, []).append(file)
    files = [(bucket, f) for bucket, found in by_bucket.items() if len(found) > 1 for f in found]
    if not files:
        return {}
    con, basket = lake.engine.con, BASKET
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sync_several AS SELECT {basket} FROM (SELECT DISTINCT {basket}, entry, source_file "
        f"FROM ({_usable(lake, contract, files, may_hold)})) GROUP BY ALL HAVING count(*) > 1"
    )
    if _none(lake):
        return {}
    con.execute(f"CREATE OR REPLACE TEMP TABLE sync_repeats AS {_baskets_query(lake, contract, files, may_hold)}")
    return _staged_markers(lake, contract, ["order_id"])


def _baskets_query(lake: Lake, contract: TableContract, files: Pairs, may_hold: str) -> str:
    """Return the query of the lines to mark, as `_versions_query` does."""
    numbered = ", ".join(f"({literal(str(absolute(lake, f)))}, {literal(bucket)})" for bucket, f in files)
    basket = BASKET
    facts = "product_id, quantity, unit_price, discount"

    def later(side: str) -> str:
        return f"(coalesce({side}.recorded, TIMESTAMP '0001-01-01'), {side}.entry, {_by_name(side + '.')})"

    return (
        f"WITH listed AS (SELECT r.*, p.period FROM ({_usable(lake, contract, files, may_hold)}) r "
        f"SEMI JOIN sync_several USING ({basket}) JOIN (VALUES {numbered}) AS p(path, period) ON r.__path = p.path), "
        f"baskets AS (SELECT {basket}, entry, source_file, max(recorded_at) AS recorded, list(DISTINCT product_id) AS products, "
        f"sum(hash({facts})) AS said FROM listed GROUP BY {basket}, entry, source_file), "
        f"pairs AS (SELECT a.*, b.entry AS entry_b, b.source_file AS file_b, a.said <> b.said AS other, "
        "len(list_intersect(a.products, b.products)) / greatest(len(a.products), len(b.products)) AS common "
        f"FROM baskets a JOIN baskets b USING ({basket}) WHERE {later('a')} < {later('b')}), "
        "exports AS (SELECT entry, source_file, entry_b, file_b FROM pairs GROUP BY ALL "
        f"HAVING avg(common) >= {ALIKE}), "
        f"replaced AS (SELECT DISTINCT {basket}, entry, source_file FROM pairs "
        "SEMI JOIN exports USING (entry, source_file, entry_b, file_b) WHERE other) "
        f"SELECT period, {literal(REPEATED)} AS mark, event_at, entry, source_file, source_line, {literal(REPLACED)} AS reason, "
        f"order_id FROM listed SEMI JOIN replaced USING ({basket}, entry, source_file)"
    )


def _moved(
    lake: Lake, contract: TableContract, files: Pairs, marks: Pairs, calendar: Calendar
) -> dict[str, list[File]]:
    """Return the lines that stand in the period before now, and the markers of where they stood."""
    bounds = {b: (calendar.start(b) + ONE_INVOICE, calendar.as_of(b) - ONE_INVOICE) for b, _ in files}
    numbered = ", ".join(
        f"({literal(str(absolute(lake, f)))}, {literal(b)}, TIMESTAMP '{bounds[b][0]}', TIMESTAMP '{bounds[b][1]}')"
        for b, f in files
    )
    order, names = "order_id, customer_id", ", ".join(quote(name) for name in raw_schema(contract))
    place = "entry, source_file, source_line"
    marked = f"(SELECT {place} FROM {parquet(lake, marks)} WHERE event = {literal(REPEATED)})" if marks else ""
    holding = f"ANTI JOIN {marked} USING ({place})" if marks else ""
    lake.engine.con.execute(
        f"CREATE OR REPLACE TEMP TABLE sync_repeats AS WITH near AS (SELECT r.*, p.period AS stood FROM "
        f"{parquet(lake, files, named=True)} r JOIN (VALUES {numbered}) AS p(path, period, early, late) ON r.__path = p.path "
        f"{holding} WHERE unreadable IS NULL AND order_id IS NOT NULL AND customer_id IS NOT NULL "
        "AND (event_at < early OR event_at >= late)), "
        f"orders AS (SELECT {order}, min(event_at) AS began, min(stood) AS period FROM near GROUP BY {order} "
        f"HAVING min(stood) <> max(stood) AND max(event_at) - min(event_at) < INTERVAL {int(ONE_INVOICE.total_seconds())} SECOND) "
        f"SELECT near.*, orders.began, orders.period FROM near JOIN orders USING ({order}) WHERE stood <> orders.period"
    )
    given = {name: name for name in ("order_id", "customer_id", "event_at", "entry", "source_file", "source_line")}
    stood = marker(contract, given | {"event": literal(MOVED)})
    return _by_period(
        lake,
        f"SELECT period, {names} FROM (SELECT * REPLACE (began AS event_at) FROM sync_repeats) "
        f"UNION ALL SELECT stood AS period, {stood} FROM sync_repeats ORDER BY ALL",
    )


def held(table: TableIndex | None) -> list[File]:
    """Return the files of a table's markers, for who must leave out the rows that do not hold."""
    return [file for _, file in of_extra(table, REPEATS)] if table is not None else []


def sentences(lake: Lake, contract: TableContract, table: TableIndex) -> list[str]:
    """Return what a person should know where many rows do not hold: two things may have been given one key."""
    rows, files = sum(r.rows for r in table.records.values()), of_extra(table, REPEATS)
    if not files or not contract.later_holds:
        return []
    name, said = ", ".join(contract.key), []
    for text, what in (
        (REPLACED, "are replaced by a later version"),
        ("%repeats%", "repeat one with other values, and are refused"),
    ):
        n, first = lake.engine.con.execute(
            "SELECT count(DISTINCT (entry, source_file, source_line)), min((source_file, source_line)) FROM "
            f"{parquet(lake, files)} WHERE event = {literal(REPEATED)} AND unreadable LIKE {literal(text)}"
        ).fetchall()[0]
        if n and n >= MANY * rows:
            where = ":".join(map(str, first.values() if isinstance(first, dict) else first))
            said.append(
                f"{contract.name}: {n:,} of {rows:,} rows {what} (by {name}; one is {where}). {_mend(contract)}"
            )
    return said


def _mend(contract: TableContract) -> str:
    told_apart = (
        "If they are others (two systems, or numbers that begin anew every year), tell them apart in the mapping"
    )
    if contract.name == "order_lines":
        return f"{told_apart} of order_id; if they are further lines, map line_no."
    lines = "; if they are the lines of an order, map them as order_lines" if contract.name == "orders" else ""
    return f"{told_apart} of {contract.key[0]}, such as \"'old-' || id\"{lines}."
