"""Turns customers and contacts into the company's CRM tables: customers, campaigns, contacts. No dirt, no files.

Leak bait: ``segment`` and the consents are overwritten in place and show the day of the export.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

import numpy as np
import pyarrow as pa

from crm_pipeline.sample.columns import ids, instants, join, words
from crm_pipeline.sample.grid import Grid
from crm_pipeline.sample.history import History
from crm_pipeline.sample.process import People

REGIONS = (
    ("DE", "north", 0.05),
    ("DE", "south", 0.06),
    ("DE", "west", 0.07),
    ("DE", "east", 0.13),
    ("DE", "centre", 0.08),
    ("DE", "coast", 0.10),
    ("AT", "Vienna", 0.06),
    ("AT", "Tyrol", 0.11),
    ("CH", "Zurich", 0.07),
    ("CH", "Bern", 0.12),
)
BAD_ORDER = np.array([bad for _, _, bad in REGIONS])
# fmt: off
FIRST_NAMES = (
    "Ada", "Ben", "Carla", "David", "Elif", "Finn", "Greta", "Hugo", "Ines", "Jonas", "Klara", "Leon", "Mila",
    "Noah", "Olga", "Paul", "Rosa", "Samir", "Tilda", "Umut", "Vera", "Willi", "Xenia", "Yusuf", "Zoe",
)
LAST_NAMES = (
    "Adler", "Bauer", "Christ", "Dorn", "Ernst", "Fuchs", "Graf", "Hahn", "Iser", "Jung", "Kern", "Lang",
    "Moser", "Nagel", "Ott", "Pohl", "Quast", "Rath", "Seidl", "Thoma", "Ulm", "Vogt", "Wolf", "Yilmaz",
    "Zink",
)
# fmt: on
ACQUISITION = ("search", "social", "friend", "store", "fair", "partner")
SEGMENTS = ("new", "regular", "vip", "lost")
CAMPAIGN_NAMES = ("We miss you", "New arrivals", "Season sale", "Thank you", "Favourites")


def customer_table(
    people: People, number: np.ndarray, history: History, grid: Grid, rng: np.random.Generator
) -> pa.Table:
    """Return the customers as the CRM shows them on the day of the export."""
    n = len(people)
    first, last = rng.integers(0, len(FIRST_NAMES), n), rng.integers(0, len(LAST_NAMES), n)
    gender = rng.choice(4, n, p=[0.47, 0.44, 0.03, 0.06]).astype(np.int8)
    birth_year = np.clip(np.round(rng.normal(1980, 14, n)), 1932, 2006).astype(np.int32)
    email = join(
        words([x.lower() for x in FIRST_NAMES], first),
        ".",
        words([x.lower() for x in LAST_NAMES], last),
        ids("", number, 1),
        "@example.com",
    )
    return pa.table(
        {
            "customer_id": ids("C", number, 7),
            "created_at": instants(grid, people.created),
            "birth_year": pa.array(birth_year, mask=rng.random(n) < 0.05),
            "gender": words(["f", "m", "d"], np.where(gender == 3, -1, gender)),
            "country": words([c for c, _, _ in REGIONS], people.region),
            "region": words([r for _, r, _ in REGIONS], people.region),
            "acquisition_channel": words(ACQUISITION, rng.integers(0, len(ACQUISITION), n)),
            "segment": words(SEGMENTS, _segment(people, history, grid, rng)),
            "consent_marketing": pa.array(history.consent),
            "consent_profiling": pa.array(rng.random(n) < 0.9),
            "name": join(words(FIRST_NAMES, first), " ", words(LAST_NAMES, last)),
            "email": email,
            "phone": ids("+49 000 ", number, 7),
        }
    )


def campaign_count(grid: Grid) -> int:
    """Return how many campaigns went out within the company's span."""
    return int((grid.campaign[: grid.steps] >= 0).sum())


def campaign_table(grid: Grid) -> pa.Table:
    """Return the campaigns, started in the morning of the step they go out with."""
    steps = np.flatnonzero(grid.campaign[: grid.steps] >= 0)
    number = np.arange(len(steps))
    day = [datetime.combine(grid.start, time(6)) + timedelta(days=int(grid.step_start[s])) for s in steps]
    return pa.table(
        {
            "campaign_id": ids("W", number + 1, 3),
            "name": words(CAMPAIGN_NAMES, number % len(CAMPAIGN_NAMES)),
            "channel": words(["email"], np.zeros(len(steps), dtype=np.int8)),
            "started_at": pa.array(day, pa.timestamp("s")),
            "ended_at": pa.array([d + timedelta(days=7) for d in day], pa.timestamp("s")),
            "unit_cost": pa.array([0.05] * len(steps)),
        }
    )


def contact_table(customer_id: pa.Array, history: History, grid: Grid) -> pa.Table:
    """Return the contacts: targeted ones without an arm, and the experiment's treatment and control."""
    events = {name: column.copy() for name, column in history.contacts.items()}
    for name in ("opened", "clicked", "converted", "opted_out"):
        events[name][~(events[name] < grid.days)] = np.nan
    return pa.table(
        {
            "campaign_id": ids("W", grid.campaign[events["step"]] + 1, 3),
            "customer_id": customer_id.take(pa.array(events["who"])),
            "sent_at": instants(grid, events["sent"]),
            "arm": words(["treatment", "control"], events["arm"] - 1),
            "opened_at": instants(grid, events["opened"]),
            "clicked_at": instants(grid, events["clicked"]),
            "converted_at": instants(grid, events["converted"]),
            "opted_out_at": instants(grid, events["opted_out"]),
        }
    )


def _segment(people: People, history: History, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Overwritten in place: who has left by the export is mostly 'lost', which nobody could know before."""
    orders = np.bincount(history.orders["who"], minlength=len(people))
    segment = np.where(orders > 40, 2, np.where(people.created > grid.days - 60, 0, 1))
    return np.where(~np.isnan(history.left) & (rng.random(len(people)) < 0.9), 3, segment)
