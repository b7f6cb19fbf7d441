"""The page docs/source.md: every key of a source.yaml from its model, and a gallery of exports that the tests try."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from crm_pipeline.sources.spec import Entry, SourceModel

ASKED = """## What is often asked

- **Times without an offset that are UTC**: they are taken for times of `timezone`. Where they are UTC, say so:
  `ordered_at: ts AT TIME ZONE 'UTC'`.
- **A column that lies in another file** (a contact whose day stands with its campaign): a mapping reads one file. Join them before, once:
  `duckdb -c "COPY (SELECT s.*, c.started_at FROM 'sends.csv' s JOIN 'campaigns.csv' c USING (campaign_id)) TO 'contacts.parquet'"`;
  of a few values, `MAP {'24': DATE '2016-11-14', '25': DATE '2016-12-06'}[campaign_id]` does.
- **One flat file for all**: several tables may read the same file, each with its own `columns`. `customers` and `products` then repeat
  themselves in it; `check` counts that as rows refused, of them repeats, and it does no harm.
- **Lines with totals instead of prices**: `unit_price: sales / nullif(quantity, 0)`.
- **Prices before or after a discount**: `unit_price` is what was paid for a piece; `discount` is what had come off the line by then."""


@dataclass(frozen=True)
class Export:
    """One kind of export.

    Attributes
    ----------
    title, advice : str
        What it is, and what to know of its mapping.
    files : dict of str to str
        Its files: two or three rows each.
    yaml : str
        The ``tables:`` that read it.
    encoding : str
        Of its files.
    left_out : int
        Rows that are not to be orders.
    """

    title: str
    advice: str
    files: dict[str, str]
    yaml: str
    encoding: str = "utf-8"
    left_out: int = 0


GALLERY = (
    Export(
        "Decimal comma, day first",
        "As a spreadsheet writes it in most of Europe: semicolons, cp1252, points between thousands.",
        {"orders.csv": (
            "Bestellung;Kunde;Datum;Betrag;Größe\n"
            "1001;K-7;03.01.2023;1.234,50;L\n"
            "1002;K-8;28.01.2023;99,90;M\n"
        )},
        """
        orders:
          files: orders.csv
          encoding: cp1252
          columns:
            order_id: Bestellung
            customer_id: Kunde
            ordered_at: strptime(Datum, '%d.%m.%Y')
            amount: replace(replace(Betrag, '.', ''), ',', '.')
        """,
        encoding="cp1252",
    ),
    Export(
        "Currency signs, month first",
        "Strip what is no digit, point or sign. A name with blanks is written as it is where it stands alone, in double quotes within "
        "an expression.",
        {"sales.csv": (
            'Order Number,Customer ID,Order Date,Total\n'
            '1001,7,1/31/2023 1:05 PM,"$21,042.00"\n'
            '1002,8,2/1/2023 9:30 AM,$7.50\n'
        )},
        """
        orders:
          files: sales.csv
          columns:
            order_id: Order Number
            customer_id: Customer ID
            ordered_at: strptime("Order Date", '%m/%d/%Y %I:%M %p')
            amount: regexp_replace(Total, '[^0-9.-]', '', 'g')
        """,
    ),
    Export(
        "A report with lines above its header, and a spreadsheet's numbers for days",
        "`skip` counts the lines above the header line. 44929 is 2023-01-03.",
        {"report.csv": "Sales report\nmade on 2023-03-01\n\nid,customer,day,total\n1,c1,44929,10\n2,c2,44957.5,12\n"},
        """
        orders:
          files: report.csv
          skip: 3
          columns:
            order_id: id
            customer_id: customer
            ordered_at: TIMESTAMP '1899-12-30' + to_seconds(round(day::DOUBLE * 86400))
            amount: total
        """,
    ),
    Export(
        "Several files, with other column names since a change of system",
        "A list of groups makes one table. Ids of the two systems that may meet are told apart by a prefix.",
        {
            "old/2022-11.csv": "order_no,client,placed,sum\n1,c1,2022-11-03,10\n",
            "old/2022-12.csv": "order_no,client,placed,sum\n2,c2,2022-12-05,11\n",
            "new/2023.csv": "id,customer_id,ordered_at,amount\n1,c1,2023-01-07,12\n",
        },
        """
        orders:
          - files: old/*.csv
            columns:
              order_id: "'old-' || order_no"
              customer_id: client
              ordered_at: placed
              amount: sum
          - files: new/*.csv
            columns:
              order_id: id
        """,
    ),
    Export(
        "No table of orders: the lines of invoices",
        "Orders are added up from their lines. Equal lines of one file are kept: there may be two of a thing in one basket.",
        {"invoices.csv": (
            "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
            "536365,A,6,2023-01-10 08:26:00,2.55,17850.0\n"
            "536365,A,6,2023-01-10 08:26:00,2.55,17850.0\n"
        )},
        """
        order_lines:
          files: invoices.csv
          columns:
            order_id: InvoiceNo
            customer_id: CustomerID
            product_id: StockCode
            quantity: Quantity
            unit_price: UnitPrice
            ordered_at: InvoiceDate
        """,
    ),
    Export(
        "Events as orders: logs, visits, plays",
        "Nothing was paid, so each counts as one: what is called spend is a number of visits, and demand is not foretold.",
        {"events.jsonl": (
            '{"event": "visit", "user": "u1", "ts": "2023-01-03T08:00:00Z", "uuid": "e1"}\n'
            '{"event": "click", "user": "u1", "ts": "2023-01-03T08:00:09Z", "uuid": "e2"}\n'
            '{"event": "visit", "user": "u2", "ts": "2023-01-04T10:00:00+02:00", "uuid": "e3"}\n'
        )},
        """
        orders:
          files: events.jsonl
          where: event = 'visit'
          columns:
            order_id: uuid
            customer_id: user
            ordered_at: ts
        """,
        left_out=1,
    ),
    Export(
        "Deals of a CRM",
        "Only what was won was bought.",
        {"deals.csv": (
            "Deal ID,Account,Stage,Close Date,Amount\n"
            "d1,a1,Closed Won,2023-01-15,5000\n"
            "d2,a1,Closed Lost,2023-01-20,7000\n"
            "d3,a2,Negotiation,2023-02-01,100\n"
        )},
        """
        orders:
          files: deals.csv
          where: Stage = 'Closed Won'
          columns:
            order_id: Deal ID
            customer_id: Account
            ordered_at: Close Date
            amount: Amount
        """,
        left_out=2,
    ),
    Export(
        "A shop's orders, some cancelled",
        "A cancellation is an event with its own day. A status without one was not known before the file was read, so "
        "the order stays placed.",
        {"shop.csv": (
            "id,email,created,total,status,updated\n"
            "1,a@example.org,2023-01-03,20,completed,2023-01-05\n"
            "2,b@example.org,2023-01-04,30,cancelled,2023-01-06\n"
        )},
        """
        orders:
          files: shop.csv
          columns:
            order_id: id
            customer_id: lower(email)
            ordered_at: created
            amount: total
            cancelled_at: CASE WHEN status = 'cancelled' THEN updated END
        """,
    ),
    Export(
        "Charges of a payment provider: seconds since 1970, cents",
        "Instants are in UTC, whatever the time zone of the source.",
        {"charges.json": (
            '[{"id": "ch_1", "customer": "cus_1", "created": 1672704000, "amount": 1999, "currency": "eur", "paid": true},\n'
            ' {"id": "ch_2", "customer": "cus_2", "created": 1672790400, "amount": 500, "currency": "eur", "paid": false}]\n'
        )},
        """
        orders:
          files: charges.json
          where: paid = 'true'
          columns:
            order_id: id
            customer_id: customer
            ordered_at: to_timestamp(created::BIGINT)
            amount: amount::DECIMAL(18, 2) / 100
            currency: upper(currency)
        """,
        left_out=1,
    ),
    Export(
        "A database's dump without a header line",
        "Tabs, `\\N` for nothing.",
        {"dump.txt": "1\t17850\t2023-01-03 10:00:00\t12.50\t\\N\n2\t17851\t2023-01-04 11:00:00\t8.00\tweb\n"},
        """
        orders:
          files: dump.txt
          format: tsv
          header: [order_id, customer_id, ordered_at, amount, channel]
        """,
    ),
)  # fmt: skip
"""The commonest kinds of export, made up."""


def source_yaml(export: Export) -> str:
    """Return the source.yaml that reads an export."""
    tables = textwrap.indent(textwrap.dedent(export.yaml).strip("\n"), "  ")
    return f"name: my_shop\ntimezone: Europe/Berlin\ncurrency: EUR\ntables:\n{tables}\n"


def page() -> str:
    """Return docs/source.md."""
    lines = [
        "# source.yaml",
        "",
        "Generated from `crm_pipeline/sources/spec.py` by `make docs`; do not edit. A source.yaml says which files",
        "make which table, and how their columns are read. `crm-pipeline check --source FOLDER` tries it, and keeps nothing.",
        "",
        "## Keys",
        "",
        *_keys(SourceModel),
        "",
        "## Keys of an entry of `tables`",
        "",
        *_keys(Entry),
        "",
        "Names and values that YAML takes for something else are quoted: `order_id: 'No'`, `files: '*.csv'`, `order_id: \"'old-' || id\"`.",
        "",
        ASKED,
        "",
        "## The commonest exports",
        "",
        "The values are made up. Each is tried by a test: `check` keeps every row but those that its `where` leaves out.",
    ]
    for export in GALLERY:
        lines += ["", f"### {export.title}", "", export.advice]
        note = "" if export.encoding == "utf-8" else f" ({export.encoding})"
        for name, text in export.files.items():
            lines += [
                "",
                f"`{name}`{note}:",
                "",
                "```",
                *text.rstrip("\n").split("\n"),
                "```",
            ]
        lines += ["", "```yaml", *source_yaml(export).rstrip("\n").split("\n")[3:], "```"]
    return "\n".join(lines) + "\n"


def _keys(model: type[BaseModel]) -> list[str]:
    rows = [f"| `{name}` | {_default(field)} | {field.description} |" for name, field in model.model_fields.items()]
    return ["| key | default | meaning |", "|---|---|---|", *(row.replace("`|`", "`\\|`") for row in rows)]


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "required" if field.default_factory is None else "none"
    if field.default in ("", None, ()):
        return "none"
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
