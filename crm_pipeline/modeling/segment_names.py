"""The names of segments, from their centres alone, in words a marketer uses. What a segment is belongs in `segments`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Centre = Mapping[str, float]

BIG, SMALL = 1.5, 1 / 1.5
"""Spend on a purchase day, over the median customer's, from which a basket is big, and below which it is small."""

OFTEN, ONCE = 6.0, 1.5
"""Purchase days from which customers are loyal, and below which they bought once."""

SLACK = 1.2
"""A segment keeps the name of the period before while some yardstick, moved by no more than this factor, still gives it."""

MORE = {
    "spend_per_day": "higher spend",
    "order_days": "more orders",
    "tenure_days": "longer with us",
    "recency_days": "longer silent",
}
"""What tells two segments of one name apart, by the measure in which they differ most."""


class Yardsticks(NamedTuple):
    """Days by which names go: a horizon and a year."""

    horizon: float
    year: float


def name_segments(
    centres: Sequence[Centre], yard: Yardsticks, typical: float, before: Sequence[str | None]
) -> list[str]:
    """Return one name for each centre, no two alike.

    Parameters
    ----------
    centres : sequence of mapping
        recency_days, order_days, spend_per_day and tenure_days of each.
    yard : Yardsticks
    typical : float
        Spend of the median customer on a purchase day.
    before : sequence of str or None
        The name of the segment that each continues, if it continues one.
    """
    names: list[str] = []
    for centre, old in zip(centres, before, strict=True):
        kept = old is not None and old in _within_reach(centre, yard, typical)
        names.append(old if old is not None and kept else rule(centre, yard, typical))
    return _apart(names, centres)


def rule(centre: Centre, yard: Yardsticks, typical: float) -> str:
    """Return the name of a centre: lost, slipping, new, loyal or occasional, and what is special about it.

    lost: silent for two horizons, a year at most; new: with us for less than a horizon; slipping: silent for half of one; loyal:
    purchase days from `OFTEN`; occasional: the rest.
    """
    silent, days, tenure = centre["recency_days"], centre["order_days"], centre["tenure_days"]
    if silent >= min(2 * yard.horizon, yard.year):
        state = "lost, bought once" if days < ONCE else "lost, once loyal" if days >= OFTEN else "lost"
    elif tenure < yard.horizon:
        state = "new"
    elif silent >= yard.horizon / 2:
        state = "slipping, once loyal" if days >= OFTEN else "slipping"
    else:
        state = "loyal" if days >= OFTEN else "occasional"
    basket = centre["spend_per_day"] / typical
    return state + (", big basket" if basket >= BIG else ", small basket" if basket < SMALL else "")


def _within_reach(centre: Centre, yard: Yardsticks, typical: float) -> set[str]:
    """Return the names that the centre has with each measure moved by up to `SLACK`, one at a time."""
    moved = [{**centre, name: centre[name] * by} for name in MORE for by in (1 / SLACK, SLACK)]
    return {rule(one, yard, typical) for one in moved}


def _apart(names: Sequence[str], centres: Sequence[Centre]) -> list[str]:
    """Return the names with what tells those apart that are alike; the last resort is a number."""
    told = list(names)
    for i in range(len(told)):
        twins = [j for j in range(i) if names[j] == names[i]]
        if twins:
            measure, higher = _difference(centres[i], centres[twins[-1]])
            at = i if higher else twins[-1]
            told[at] = f"{names[i]}, {MORE[measure]}"
    return [name if told.index(name) == i else f"{name} ({i + 1})" for i, name in enumerate(told)]


def _difference(one: Centre, other: Centre) -> tuple[str, bool]:
    """Return the measure whose ratio differs most, and whether the first has more of it."""
    ratio = {name: (one[name] + 1) / (other[name] + 1) for name in MORE}
    most = max(MORE, key=lambda name: max(ratio[name], 1 / ratio[name]))
    return most, ratio[most] > 1
