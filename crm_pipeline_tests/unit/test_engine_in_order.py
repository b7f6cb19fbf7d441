"""Several threads give what one gives, in order, and fail where one fails."""

import threading
import time

import pytest

from crm_pipeline.engine import in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_results_are_in_order_whatever_takes_longer(threads):
    def slow(n: int) -> int:
        time.sleep(0.002 * (5 - n % 5))
        return n * n

    assert list(in_order(slow, range(20), threads)) == [n * n for n in range(20)]
    assert list(in_order(slow, [], threads)) == []


def test_items_are_taken_by_who_asks_and_few_at_once():
    taken: list[tuple[int, threading.Thread]] = []

    def items():
        for n in range(9):
            taken.append((n, threading.current_thread()))
            yield n

    for done, _ in enumerate(in_order(lambda n: n, items(), 2)):
        assert len(taken) <= done + 2, "no more is read ahead than is worked on"
    assert {thread for _, thread in taken} == {threading.main_thread()}


@pytest.mark.parametrize("threads", [1, 3])
def test_what_fails_is_raised_in_its_turn(threads):
    found = in_order(lambda n: 1 // (3 - n), range(6), threads)
    assert [next(found) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
