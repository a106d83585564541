"""Working ahead: order, bounds and errors are those of a plain loop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.ahead import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    """However many there are, all come out, each once."""
    assert list(ahead(lambda number: number * 2, range(count))) == [number * 2 for number in range(count)]


def test_the_next_item_is_worked_on_while_the_caller_has_this_one() -> None:
    """The second item is begun before the caller asks for it."""
    begun = {number: threading.Event() for number in range(3)}

    results = ahead(lambda number: begun[number].set(), range(3))
    next(results)

    assert begun[1].wait(10)


def test_items_are_drawn_no_further_than_needed() -> None:
    """A source of a million records is not read into memory."""
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    results = ahead(str, items())
    next(results)

    assert drawn == [0, 1]


def test_an_error_comes_where_the_result_would_have_come() -> None:
    """What was done before the error is given; nothing is after it."""
    given: list[float] = []

    def collect() -> None:
        given.extend(ahead(lambda number: 6 / (2 - number), range(9)))

    with pytest.raises(ZeroDivisionError):
        collect()

    assert given == [3.0, 6.0]
