"""Work on one thing after another by several threads, with the results in order. What is done does not belong here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def in_order(work: Callable[[Item], Made], items: Iterable[Item], threads: int) -> Iterator[Made]:
    """Yield what ``work`` makes of each item, in order, of at most ``threads`` at once; items are taken by who asks alone.

    It pays where the work is NumPy's, Arrow's or a learner's own, which let other threads go on. What fails is raised in its turn.
    """
    if threads < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[Made]] = deque()
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) >= threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
