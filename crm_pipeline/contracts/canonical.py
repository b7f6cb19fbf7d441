"""The contracts of the canonical CRM tables: their columns, units, bounds, events and keys. No code that applies them.

A new table is one more entry of `CANONICAL`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from crm_pipeline.contracts.core import ARROW_NAMES, MONEY_LIMIT, Column, Described, TableContract

CUSTOMER = Column("customer_id", "string", "who", required=True)
CUSTOMER_IF_KNOWN = Column(
    "customer_id", "string", "who; a row of nobody known is kept, and counted for nobody", always=True
)
RECORDED = Column("recorded_at", "timestamp", "when the row became known, UTC", raw_only=True)
CHANNEL = Column("channel", "string", "where or how, such as web, store, e-mail", lower=True)
LANGUAGE = Column("language", "string", "language, as the source names it", lower=True)
DIRECTION = Column(
    "direction",
    "string",
    "in: from the customer; out: to the customer",
    allowed=("in", "out"),
    aliases={
        "inbound": "in", "incoming": "in", "received": "in", "i": "in",
        "outbound": "out", "outgoing": "out", "sent": "out", "o": "out",
    },
)  # fmt: skip


def _time(name: str, description: str, required: bool = False) -> Column:
    return Column(name, "timestamp", f"{description}, UTC", required=required)


def _money(name: str, description: str, low: int | None = 0) -> Column:
    return Column(name, "money", description, unit="money units", low=low, high=MONEY_LIMIT)


def _text(name: str, description: str, required: bool = False) -> Column:
    return Column(name, "string", description, required=required)


CUSTOMERS = TableContract(
    "customers",
    "Customers",
    "People and companies that may buy, in the period in which they were first seen.",
    (
        CUSTOMER,
        _time("created_at", "when the customer was first seen; the customer's first event when absent"),
        Column("birth_year", "int", "year of birth; never a feature", low=1900, high=2030),
        Column("gender", "string", "gender; never a feature", lower=True),
        Column("country", "string", "country; never a feature", lower=True),
        _text("region", "region; never a feature"),
        Column("segment", "string", "the CRM's own segment, on the day the file was read", overwritten=True),
        Column("acquisition_channel", "string", "how the customer came", lower=True),
        Column(
            "consent_marketing",
            "bool",
            "may be contacted for marketing, on the day the file was read",
            overwritten=True,
        ),
        Column("consent_profiling", "bool", "may be profiled, on the day the file was read", overwritten=True),
        Column("name", "string", "name", personal=True),
        Column("email", "string", "e-mail address", personal=True),
        Column("phone", "string", "telephone number", personal=True),
        RECORDED,
    ),
    key=("customer_id",),
    main_time="created_at",
    event="created",
    later_holds=False,
)

PRODUCTS = TableContract(
    "products",
    "Products",
    "What can be bought, without a date.",
    (
        _text("product_id", "which product", required=True),
        _text("name", "name"),
        _text("category", "category"),
        _text("subcategory", "subcategory"),
        _text("brand", "brand"),
        Column("unit_cost", "decimal", "cost of one piece", unit="major units", low=0, high=MONEY_LIMIT),
        RECORDED,
    ),
    key=("product_id",),
    later_holds=False,
)

ORDERS = TableContract(
    "orders",
    "Orders",
    "Orders placed, cancelled and returned, each in the period in which it happened.",
    (
        _text("order_id", "which order", required=True),
        CUSTOMER,
        _time("ordered_at", "when the order was placed", required=True),
        Column(
            "status",
            "string",
            "cancelled where the status, on the day the file was read, says so without a date; in raw only",
            raw_only=True,
        ),
        _money(
            "amount",
            "value of the order; from its lines where the source has none, and 1 where it has neither",
            low=-MONEY_LIMIT,
        ),
        _money("discount", "discount given, contained in the amount; negative on a return", low=-MONEY_LIMIT),
        Column("currency", "string", "must be the source's", raw_only=True),
        CHANNEL,
        _time("cancelled_at", "when it was cancelled"),
        _time("returned_at", "when it came back"),
        RECORDED,
    ),
    key=("order_id",),
    main_time="ordered_at",
    event="placed",
    later={"cancelled_at": "cancelled", "returned_at": "returned"},
    clean_key=("order_id", "customer_id"),
    notes=(
        "a negative amount is a return: event `returned` with the absolute amount",
        "a status cancelled, canceled, returned, refunded or void without its date: a snapshot of the day the file was read",
        "such a status was not known before, so the order stays placed in its period; `check` says how many there are",
        "to make them returns, map `cancelled_at`, such as `CASE WHEN status = 'cancelled' THEN updated_at END`",
        "what a later version has as cancelled without a date, and an earlier had not, was not bought: event `cancelled` alone",
        "another customer at another time under a number that is taken is no version: refused",
        "a currency other than the source's is refused",
    ),
)

ORDER_LINES = TableContract(
    "order_lines",
    "Order lines",
    "What was bought or returned, line by line, at the time of its order.",
    (
        _text("order_id", "which order", required=True),
        CUSTOMER,
        _text("product_id", "which product", required=True),
        Column("line_no", "int", "number of the line within its order", low=0),
        Column("quantity", "decimal", "pieces; negative is a return", required=True, unit="pieces", low=-(10**6), high=10**6),
        Column("unit_price", "decimal", "price of one piece", required=True, unit="major units", low=0, high=10**7),
        _money("discount", "discount given on the line, already taken off the unit price; negative on a return", low=-MONEY_LIMIT),
        Column(
            "amount", "money", "quantity × unit price, absolute", unit="money units",
            low=-MONEY_LIMIT, high=MONEY_LIMIT, derived=True,
        ),
        _time("ordered_at", "when the order was placed; from orders where there is such a table", required=True),
        RECORDED,
    ),
    key=("order_id", "line_no"),
    main_time="ordered_at",
    event="placed",
    states=("returned",),
    notes=(
        "a negative quantity, or the line of an order with a negative amount, is a return: event `returned` with the absolute amount",
        "a line whose order is not in `orders`, or was refused there, is an orphan and refused",
        "without `line_no`, equal lines of one file are lines of their own, and those that another file repeats are refused",
        "without `line_no`, an order's lines of one time that a later file has otherwise are replaced together",
        "where there is no table of orders, lines within 24 hours over the end of a period are one order, in the period of the first",
    ),
)  # fmt: skip

SUBSCRIPTIONS = TableContract(
    "subscriptions",
    "Subscriptions",
    "Subscriptions started and ended.",
    (
        _text("subscription_id", "which subscription", required=True),
        CUSTOMER,
        _time("started_at", "when it began", required=True),
        _time("ended_at", "when it ended; a day to come is no event yet"),
        _text("plan", "plan"),
        _money("amount", "price of one term"),
        Column("term_months", "int", "length of a term", unit="months", low=0, high=600),
        RECORDED,
    ),
    key=("subscription_id",),
    main_time="started_at",
    event="started",
    later={"ended_at": "ended"},
)

MESSAGES = TableContract(
    "messages",
    "Messages",
    "What customers wrote, and what was written to them.",
    (
        _text("message_id", "which message", required=True),
        CUSTOMER,
        _time("sent_at", "when it was sent", required=True),
        Column("body", "string", "the text", required=True),
        CHANNEL,
        DIRECTION,
        _text("subject", "subject line"),
        LANGUAGE,
        _text("case_id", "the service case it belongs to"),
        RECORDED,
    ),
    key=("message_id",),
    main_time="sent_at",
    event="sent",
)

CASES = TableContract(
    "cases",
    "Service cases",
    "Service cases opened, first answered and closed.",
    (
        _text("case_id", "which case", required=True),
        CUSTOMER_IF_KNOWN,
        _time("opened_at", "when it was opened", required=True),
        _time("first_reply_at", "when it was first answered"),
        _time("closed_at", "when it was closed"),
        _text("category", "what it is about"),
        Column("priority", "string", "priority", lower=True),
        Column("satisfaction", "double", "the customer's grade; an undated snapshot, so not used", overwritten=True),
        RECORDED,
    ),
    key=("case_id",),
    main_time="opened_at",
    event="opened",
    later={"first_reply_at": "replied", "closed_at": "closed"},
)

CALLS = TableContract(
    "calls",
    "Calls",
    "Telephone calls and where their recordings are.",
    (
        _text("call_id", "which call", required=True),
        CUSTOMER_IF_KNOWN,
        _time("started_at", "when it began", required=True),
        Column("audio_path", "string", "the recording, relative to the source's files; empty where there is none"),
        Column(
            "recording",
            "string",
            "SHA-256 of the recording; empty where there is none, or no file of that name",
            beside="audio_path",
        ),
        DIRECTION,
        _text("agent_id", "who spoke for the company"),
        LANGUAGE,
        _text("transcript", "what was said"),
        _text("emotion", "how the caller sounded, where somebody labelled it"),
        RECORDED,
    ),
    key=("call_id",),
    main_time="started_at",
    event="started",
    notes=(
        "a call whose `audio_path` leads outside the source's folder, or to what is no recording, is refused",
        "a call whose recording is not there stays a call",
    ),
)

CAMPAIGNS = TableContract(
    "campaigns",
    "Campaigns",
    "Campaigns, in the period in which they began.",
    (
        _text("campaign_id", "which campaign", required=True),
        _time("started_at", "when it began", required=True),
        _text("name", "name"),
        CHANNEL,
        Column("ended_at", "timestamp", "when it ended, UTC; not an event", overwritten=True),
        Column("unit_cost", "decimal", "cost of one contact", unit="major units", low=0, high=MONEY_LIMIT),
        RECORDED,
    ),
    key=("campaign_id",),
    main_time="started_at",
    event="started",
)

CONTACTS = TableContract(
    "contacts",
    "Contacts",
    "Who was contacted in which campaign, and how they answered, each answer when it came.",
    (
        _text("campaign_id", "which campaign", required=True),
        CUSTOMER,
        _time("sent_at", "when the contact was made (or would have been, in the control arm)", required=True),
        Column(
            "arm", "string", "treatment, or control: chosen at random and not contacted",
            allowed=("treatment", "control"),
            aliases={"treated": "treatment", "test": "treatment", "holdout": "control"},
        ),
        _time("opened_at", "when it was opened"),
        _time("clicked_at", "when a link was followed"),
        _time("converted_at", "when it led to an order"),
        _time("opted_out_at", "when the customer opted out"),
        RECORDED,
    ),
    key=("campaign_id", "customer_id", "sent_at"),
    main_time="sent_at",
    event="sent",
    later={
        "opened_at": "opened", "clicked_at": "clicked", "converted_at": "converted", "opted_out_at": "opted_out",
    },
    clean_key=("campaign_id", "customer_id", "event_at"),
)  # fmt: skip

INBOUND = ("in", "inbound", "incoming")
"""Directions of what came from the customer; so does what has no direction."""

CANONICAL: dict[str, TableContract] = {
    table.name: table
    for table in (
        CUSTOMERS, PRODUCTS, ORDERS, ORDER_LINES, SUBSCRIPTIONS, MESSAGES, CASES, CALLS, CAMPAIGNS, CONTACTS,
    )
}  # fmt: skip
"""Every canonical table by name, in the order in which they are read."""

EVENT = Described("event", "text", "what happened")
EVENT_AT = Described("event_at", "timestamp", "when it happened, UTC")
SOURCE_FILE = Described("source_file", "text", "the file of the source, relative to its folder")
SOURCE_LINE = Described("source_line", "int64", "line (or row, from 1) in that file")
RAW_EXTRA = (
    EVENT,
    EVENT_AT,
    Described("entry", "int64", "which entry of the table in source.yaml"),
    SOURCE_FILE,
    SOURCE_LINE,
    Described("unreadable", "text", "what of the row could not be read, null when all could"),
    Described("content", "text", "the source row as JSON, only where something was unreadable"),
)
REJECTS = (
    SOURCE_FILE,
    SOURCE_LINE,
    Described("reasons", "text", "every reason for the refusal"),
    Described("content", "text", "the row as JSON"),
    EVENT_AT,
)


def lake_columns(layer: str, name: str, columns: Collection[str]) -> Sequence[Described]:
    """Return the described columns of ``<layer>/<name>``, layer raw, clean, rejects or snapshot.

    ``columns`` are the canonical columns the source maps; clean has those, and the required ones.
    """
    contract = CANONICAL[name]
    if layer == "rejects":
        return REJECTS
    if layer == "raw":
        return [*_described(contract.raw_columns), *RAW_EXTRA]
    if layer == "snapshot":
        return _described(c for c in contract.columns if c.name == "customer_id" or c in contract.snapshot_columns)
    kept = clean_names(contract, columns)
    events = [EVENT, EVENT_AT] if contract.main_time else []
    return [*_described(contract.column(name) for name in kept), *events, SOURCE_FILE]


def clean_names(contract: TableContract, columns: Collection[str]) -> list[str]:
    """Return the canonical columns of a clean table whose source maps ``columns``, in the contract's order.

    What the source does not map is not in the table, except what is required, derived or always there (and the amount
    of orders, which their lines can give).
    """
    always = {"amount"} if contract.name == "orders" else set()
    always |= {c.name for c in contract.clean_columns if c.required or c.derived or c.always}
    return [c.name for c in contract.clean_columns if c.name in columns or c.name in always]


def _described(columns: object) -> list[Described]:
    return [Described(c.name, ARROW_NAMES[c.kind], c.description, c.unit) for c in columns]  # type: ignore[attr-defined]
