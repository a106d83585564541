"""Prefetching: order, bounds and errors are the same as in a plain loop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    """Each item gives exactly one result, for any number of items."""
    assert list(prefetch(lambda number: number * 2, range(count))) == [number * 2 for number in range(count)]


def test_the_next_item_is_worked_on_while_the_caller_has_this_one() -> None:
    """The second item is begun before the caller asks for it."""
    begun = {number: threading.Event() for number in range(3)}

    results = prefetch(lambda number: begun[number].set(), range(3))
    next(results)

    assert begun[1].wait(10)


def test_items_are_drawn_no_further_than_needed() -> None:
    """A source of a million records is not read into memory."""
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    results = prefetch(str, items())
    next(results)

    assert drawn == [0, 1]


def test_an_error_comes_where_the_result_would_have_come() -> None:
    """The results before the error are returned; none after it."""
    given: list[float] = []

    def collect() -> None:
        given.extend(prefetch(lambda number: 6 / (2 - number), range(9)))

    with pytest.raises(ZeroDivisionError):
        collect()

    assert given == [3.0, 6.0]


def test_four_threads_are_four_and_keep_the_order() -> None:
    """Each waits until four are at work, so there are four; a fifth is never seen; results come in order."""
    together, lock = threading.Barrier(4), threading.Lock()
    now = most = 0

    def work(number: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(30)
        with lock:
            now -= 1
        # None begins the next before all four have been counted out.
        together.wait(30)
        return number

    assert list(prefetch(work, range(40), threads=4)) == list(range(40))
    assert most == 4


def test_four_threads_draw_eight_ahead_and_no_more() -> None:
    """Only the results that keep four threads busy are held, even if the caller is slow."""
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    results = prefetch(str, items(), threads=4)

    for given in range(20):
        next(results)
        assert len(drawn) == given + 8


def test_with_four_threads_an_error_comes_where_its_result_would_have_come() -> None:
    """Even if later items are done earlier; waiting items are not started any more."""
    given: list[int] = []
    later = threading.Event()
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 5:
            later.set()
        if number == 2:
            assert later.wait(30)
            raise KeyError(number)
        return number

    with pytest.raises(KeyError):
        given.extend(prefetch(work, range(1000), threads=4))

    assert given == [0, 1]
    assert max(begun) < 12


def test_closing_the_results_stops_the_work() -> None:
    """Closing the results cancels what has not begun, and does not wait for what has."""
    go = threading.Event()
    begun: list[int] = []
    threads: set[threading.Thread] = set()

    def work(number: int) -> None:
        begun.append(number)
        threads.add(threading.current_thread())
        if number:
            go.wait(60)

    results = prefetch(work, range(1000), threads=4)
    next(results)
    try:
        results.close()  # type: ignore[attr-defined]
    finally:
        go.set()
    for thread in threads:
        thread.join(30)

    assert max(begun) <= 4
