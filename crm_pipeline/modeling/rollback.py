"""What a rollback is, and which one holds for a period. Where it is written down, and what follows from it, is elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Rollback(NamedTuple):
    """A person's word that another model than the decided one is to score, from a period on.

    Attributes
    ----------
    period : str
        Key of the first period it holds for.
    champion, instead_of : str
        The estimators that reigns again, and that was the champion.
    """

    period: str
    champion: str
    instead_of: str


def in_force(rollbacks: Iterable[Rollback], period: str) -> Rollback | None:
    """Return the newest (last) rollback that began by a period; None without."""
    begun = [one for one in rollbacks if one.period <= period]
    return begun[-1] if begun else None
