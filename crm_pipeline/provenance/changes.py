"""What changed between two generations of the scored table: rows, columns, and whose numbers moved most. Why is `causes`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import ibis

from crm_pipeline.engine import VOLATILE
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import Lake, Manifest
from crm_pipeline.periods import Calendar
from crm_pipeline.provenance.causes import Cause, causes
from crm_pipeline.provenance.generations import generation, moment

TABLE, KEY = "scores/customers", "customer_id"
MOVING = ("churn_probability", "expected_spend")
"""The numbers whose greatest moves are shown."""

MOST = 10


class Edition(NamedTuple):
    """One of the two generations that are compared."""

    generation: int
    published_at: str
    run_id: str
    rows: int


class Move(NamedTuple):
    """How a number of a customer moved; ``own_rows``: the source's rows of this customer changed."""

    customer_id: str
    before: float
    after: float
    change: float
    own_rows: bool


@dataclass(frozen=True)
class Changes:
    """What changed in the scores of a period, and why.

    Attributes
    ----------
    came, went, changed, same : int
        Customers; changed are those of whom any column differs that is content.
    columns : dict[str, int]
        Column → customers in both generations whose value differs, the most first.
    moved : dict[str, list of Move]
        By number, the greatest moves first.
    own_rows : list of str
        Customers whose own rows in the source changed.
    """

    period: str
    label: str
    before: Edition
    after: Edition
    came: int
    went: int
    changed: int
    same: int
    columns: dict[str, int]
    moved: dict[str, list[Move]]
    causes: list[Cause]
    own_rows: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        plain = asdict(self)
        plain["before"], plain["after"] = self.before._asdict(), self.after._asdict()
        plain["moved"] = {name: [move._asdict() for move in moves] for name, moves in self.moved.items()}
        return plain


def changes(lake: Lake, calendar: Calendar, period: str, against: str | None = None) -> Changes:
    """Compare the current scores of a period with the generation before, or another (`generation`).

    Raises
    ------
    UsageError, CrmError
        When that generation is not kept, or the period was published once only.
    """
    after = lake.snapshot(TABLE, [period])[0]
    before = _before(lake, calendar, after, against)
    why = causes(lake, before, after)
    own = sorted({customer for cause in why for file in cause.files for customer in file.customers})
    old, new = (lake.read([m]) for m in (before, after))
    names = [c for c in new.columns if c in old.columns and c not in VOLATILE and c != KEY]
    differs = _differing(old, new, names)
    counts = differs.aggregate(
        [differs.count().name("both"), differs.any_.sum().name("any_"), *(differs[c].sum().name(c) for c in names)]
    ).execute()
    count = {name: int(value) if value == value else 0 for name, value in counts.iloc[0].items()}
    listed = sorted(((count[c], c) for c in names if count[c]), key=lambda item: (-item[0], item[1]))
    return Changes(
        period=period,
        label=calendar.label(period),
        before=_edition(before, calendar),
        after=_edition(after, calendar),
        came=after.rows - count["both"],
        went=before.rows - count["both"],
        changed=count["any_"],
        same=count["both"] - count["any_"],
        columns={name: n for n, name in listed},
        moved={name: _moved(old, new, name, set(own)) for name in MOVING if name in names},
        causes=why,
        own_rows=own,
    )


def _before(lake: Lake, calendar: Calendar, after: Manifest, against: str | None) -> Manifest:
    if against is not None:
        return generation(lake, calendar, TABLE, after.partition, against)
    earlier = [m for m in lake.editions(TABLE, after.partition, calendar.grain) if m.generation < after.generation]
    if not earlier:
        raise CrmError(
            f"The scores of {calendar.label(after.partition)} have one kept generation ({after.generation}, published "
            f"{moment(after, calendar.timezone)}): there is none before it to compare with."
        )
    return earlier[-1]


def _edition(manifest: Manifest, calendar: Calendar) -> Edition:
    return Edition(manifest.generation, moment(manifest, calendar.timezone), manifest.run_id, manifest.rows)


def _differing(old: ibis.Table, new: ibis.Table, names: list[str]) -> ibis.Table:
    """Return for every customer of both tables which columns differ, and whether any does."""
    both = new.inner_join(old.rename({f"{c}_old": c for c in names}), KEY)
    marked = both.select(KEY, **{c: ~both[c].identical_to(both[f"{c}_old"]) for c in names})
    return marked.mutate(any_=ibis.or_(*(marked[c] for c in names)))


def _moved(old: ibis.Table, new: ibis.Table, name: str, own: set[str]) -> list[Move]:
    both = new.select(KEY, after=new[name]).inner_join(old.select(KEY, before=old[name]), KEY)
    both = both.mutate(change=both.after - both.before)
    most = both.filter(both.change != 0).order_by(ibis.desc(both.change.abs()), KEY).limit(MOST).execute()
    return [Move(r.customer_id, r.before, r.after, r.change, r.customer_id in own) for r in most.itertuples()]
