"""How many customers who fall silent come back, and so which horizon calls it lapse. Pure NumPy over an activity grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ENOUGH_SILENT = 30
LAPSED = 1 / 3
"""A horizon is proposed when fewer than this share of the silent come back."""

CANDIDATES = {"month": (1, 2, 3, 4, 6, 9, 12), "week": (4, 8, 13, 17, 26, 39, 52)}


@dataclass(frozen=True)
class Comeback:
    """Of those silent for ``horizon`` periods, how many ordered again within ``follow`` more.

    Attributes
    ----------
    eligible, silent : int
        Customers × cut-offs.
    lapse_rate, back : float
        Share of the eligible that fell silent; share of those that came back.
    """

    horizon: int
    follow: int
    cutoffs: int
    eligible: int
    silent: int
    lapse_rate: float
    back: float


def comebacks(active: np.ndarray, year: int, horizons: Sequence[int]) -> list[Comeback]:
    """Measure comebacks for several horizons.

    Parameters
    ----------
    active : bool array, customers × complete periods
        Whether the customer ordered in the period.
    year : int
        Periods in a year: how long an order makes eligible, and how long a comeback is awaited at most.
    """
    return [one for one in _measured(active, year, horizons) if one.silent >= ENOUGH_SILENT]


def _measured(active: np.ndarray, year: int, horizons: Sequence[int]) -> list[Comeback]:
    """Measure every horizon for which there is a cut-off, however few are silent."""
    periods = active.shape[1]
    found = []
    for h in horizons:
        follow = min(year, periods - 1 - h - 1)
        cutoffs = range(periods - h - follow) if follow >= h else range(0)
        eligible = silent = back = 0
        for c in cutoffs:
            bought = active[:, max(0, c + 1 - year) : c + 1].any(axis=1)
            quiet = bought & ~active[:, c + 1 : c + 1 + h].any(axis=1)
            again = quiet & active[:, c + 1 + h : c + 1 + h + follow].any(axis=1)
            eligible, silent, back = eligible + int(bought.sum()), silent + int(quiet.sum()), back + int(again.sum())
        if cutoffs:
            found.append(
                Comeback(h, follow, len(cutoffs), eligible, silent, silent / max(eligible, 1), back / max(silent, 1))
            )
    return found


def untold(active: np.ndarray, year: int, horizons: Sequence[int]) -> str:
    """Return why nothing can be said of who comes back: no orders, too few periods, or too few who fell silent."""
    measured = _measured(active, year, horizons)
    if not active.any():
        return "no complete period has an order with a positive amount"
    if not measured:
        need = 2 * min(horizons) + 2
        have = f"{active.shape[1]} complete period" + ("s are" if active.shape[1] > 1 else " is")
        return f"{have} too few to see who comes back: {need} are needed"
    most = max(one.silent for one in measured)
    return (
        f"of {active.shape[0]:,} customers, counted at every cut-off, {most} fell silent at most: {ENOUGH_SILENT} are needed "
        "to see who comes back"
    )


def proposed(found: Sequence[Comeback], default: int, why: str = "") -> tuple[int, str]:
    """Return the horizon to use and why: the shortest at which few come back, as far as the data can tell.

    Parameters
    ----------
    why : str
        Why nothing was found (`untold`).
    """
    if not found:
        return default, f"{why or 'nothing is known of who comes back'}, so the default is kept"
    for one in found:
        if one.back <= LAPSED:
            return (
                one.horizon,
                f"of those silent for so long, {one.back:.0%} order again within {one.follow} more periods",
            )
    last = found[-1]
    return default, (
        f"even of those silent for {last.horizon} periods, {last.back:.0%} order again within {last.follow} more, "
        "so the default is kept: call it lapse, not loss"
    )
