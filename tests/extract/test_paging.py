"""Lists that change while they are read, the items that they name, and the set of seen keys."""

from __future__ import annotations

import threading
import tracemalloc
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from futurscam_lib.errors import OperatorMustAct, RetryLater
from futurscam_lib.extract.paging import MAX_IN_A_ROW, MAX_PASSES, SeenKeys, each, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Row(NamedTuple):
    """A row of a list; a `late` row was created while the list was read."""

    name: str
    late: bool = False


class Paged:
    """A list that is read page by page, and that changes after some pages.

    Attributes:
        rows: What it holds now.
        pages: How many were asked for.
        passes: How often it was read from its beginning.
    """

    def __init__(self, names: str, happens: dict[int, Callable[[list[Row]], object]], *, size: int = 2) -> None:
        """`happens` maps the number of a page, counted from 1 over all passes, to the change after it."""
        self.rows = [Row(name) for name in names]
        self.pages = self.passes = 0
        self._happens, self._size = happens, size

    def read(self) -> Iterator[list[Row]]:
        """One pass; it ends with the first page that is not full, or with an empty one."""
        self.passes += 1
        begin = 0
        while True:
            page = self.rows[begin : begin + self._size]
            self.pages += 1
            change = self._happens.get(self.pages)
            if change:
                change(self.rows)
            yield page
            if len(page) < self._size:
                return
            begin += self._size

    def settled(self) -> str:
        """The names that are yielded, in order."""
        rows = settled(self.read, key=lambda row: row.name, counts=lambda row: not row.late)
        return "".join(row.name for row in rows)


def test_an_unchanged_list_is_read_twice() -> None:
    """Only a second pass shows that nothing changed; each row is yielded once."""
    paged = Paged("abcdefg", {})

    assert paged.settled() == "abcdefg"
    assert paged.passes == 2


@pytest.mark.parametrize("names", ["", "a"])
def test_one_page_is_read_once(names: str) -> None:
    """Nothing can shift between its pages."""
    paged = Paged(names, {1: lambda rows: rows.clear()})

    assert paged.settled() == names
    assert paged.passes == 1


def test_a_row_shifted_by_a_removal_is_found() -> None:
    """A row that moved onto a page that was already read is yielded by another pass."""
    paged = Paged("abcdef", {1: lambda rows: rows.pop(0)})

    assert paged.settled() == "abdefc"
    assert paged.passes == 3


def test_a_row_that_is_missed_twice_is_found() -> None:
    """A second removal hides it again; the missing row shows that another pass is needed."""
    paged = Paged("abcd", {2: lambda rows: rows.remove(Row("a")), 5: lambda rows: rows.remove(Row("b"))}, size=1)

    assert paged.settled() == "abdc"


def test_new_rows_cause_no_passes() -> None:
    """A busy source adds rows all the time; they are yielded and need no further pass."""
    arrivals = {page: lambda rows, page=page: rows.append(Row(str(page), late=True)) for page in (1, 2, 5, 6)}
    paged = Paged("abc", arrivals)  # type: ignore[arg-type]

    assert sorted(paged.settled()) == sorted("abc1256")
    assert paged.passes == 2


def test_a_list_that_shrinks_to_one_page_is_complete() -> None:
    """After a pass with only one page, no other pass is needed."""
    paged = Paged("abcde", {1: lambda rows: rows.__delitem__(slice(4))})

    assert sorted(paged.settled()) == ["a", "b", "e"]
    assert paged.passes == 2


def test_a_list_that_never_settles_is_left_to_the_next_run() -> None:
    """All rows seen are yielded first; the number of passes is limited."""
    found: list[str] = []
    names = iter(range(1000))

    def read() -> Iterator[list[Row]]:
        yield [Row("a")]
        yield [Row(str(next(names)))]

    with pytest.raises(RetryLater, match=rf"^The list changed {MAX_PASSES} times while it was read\. Nothing was lost"):
        found.extend(row.name for row in settled(read, key=lambda row: row.name, counts=lambda row: not row.late))

    assert found == ["a", *(str(number) for number in range(MAX_PASSES))]


def test_a_list_that_keeps_losing_rows_does_not_fail() -> None:
    """No visible row was missed; otherwise a list that always loses rows could never be read."""
    names = "".join(chr(0x4E00 + number) for number in range(500))
    loss = dict.fromkeys(range(1, 5000), lambda rows: rows.pop())
    paged = Paged(names, loss, size=20)  # type: ignore[arg-type]

    assert names.startswith(paged.settled())
    assert paged.passes <= MAX_PASSES


CHANGES = st.dictionaries(st.integers(1, 24), st.tuples(st.integers(0, 11), st.booleans()), max_size=6)


@given(count=st.integers(0, 12), size=st.integers(1, 4), changes=CHANGES)
@example(count=4, size=1, changes={2: (0, False), 5: (0, False)})
def test_every_row_that_stayed_is_yielded_once(count: int, size: int, changes: dict[int, tuple[int, bool]]) -> None:
    """Whichever rows are removed or move to the end between two pages."""
    touched: set[str] = set()

    def change(at: int, *, moves: bool) -> Callable[[list[Row]], None]:
        def happen(rows: list[Row]) -> None:
            if at < len(rows):
                row = rows.pop(at)
                touched.add(row.name)
                if moves:
                    rows.append(Row(f"{row.name}'", late=True))

        return happen

    names = "abcdefghijkl"[:count]
    paged = Paged(names, {page: change(at, moves=moves) for page, (at, moves) in changes.items()}, size=size)
    given_ = [row.name for row in settled(paged.read, key=lambda row: row.name, counts=lambda row: not row.late)]

    assert len(given_) == len(set(given_))
    assert set(names) - touched <= set(given_)


def test_results_come_in_the_order_of_the_items() -> None:
    """Even if later results are ready first."""
    second = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second.wait(30)
        if number == 1:
            second.set()
        return number * 2

    assert list(each(work, range(50), name=str)) == [number * 2 for number in range(50)]


def test_without_threads_items_are_read_one_after_the_other() -> None:
    """The work runs in the caller's thread, and only when the next result is requested."""
    begun: list[int] = []

    def work(number: int) -> str:
        begun.append(number)
        return threading.current_thread().name

    results = each(work, range(3), name=str, threads=0)

    assert next(results) == threading.current_thread().name
    assert begun == [0]


def failing(*numbers: int) -> Callable[[int], int]:
    """Work that fails for these items."""

    def work(number: int) -> int:
        if number in numbers:
            raise RetryLater(f"no answer {number}")
        return number

    return work


def given_by(work: Callable[[int], int], items: range) -> tuple[list[int], str]:
    """The results before the error, and its text."""
    found: list[int] = []
    with pytest.raises(RetryLater) as caught:
        found.extend(each(work, items, name=lambda number: f"item {number}"))
    return found, str(caught.value)


def test_an_item_that_does_not_answer_stops_no_other() -> None:
    """All others are yielded, and the error at the end counts and names the missing items."""
    found, told = given_by(failing(3, 6, 9), range(12))

    assert found == [0, 1, 2, 4, 5, 7, 8, 10, 11]
    assert told == "3 item(s) could not be read: item 3: no answer 3, item 6: no answer 6 and 1 more"


def test_a_few_in_a_row_stop_nothing() -> None:
    """The allowed number of failures, twice; a success in between resets the count."""
    first, second = range(2, 2 + MAX_IN_A_ROW), range(20, 20 + MAX_IN_A_ROW)

    found, told = given_by(failing(*first, *second), range(30))

    assert found == [number for number in range(30) if number not in {*first, *second}]
    assert told.startswith("10 item(s) could not be read: ")


def test_many_failures_in_a_row_stop_the_source() -> None:
    """No further items are requested; the error counts only the failures in a row."""
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return failing(1, *range(5, 1000))(number)

    found, told = given_by(work, range(1000))

    assert found == [0, 2, 3, 4]
    assert told == "6 items in a row could not be read: item 10: no answer 10 and 5 more"
    assert max(begun) < 30


def test_another_error_comes_at_once() -> None:
    """An error that needs a person is raised at once, not after ten thousand items."""
    found: list[int] = []

    def work(number: int) -> int:
        if number == 3:
            raise OperatorMustAct("The rights are gone.")
        return failing(1)(number)

    with pytest.raises(OperatorMustAct, match="rights"):
        found.extend(each(work, range(1000), name=str))

    assert found == [0, 2]


def test_a_result_may_be_none() -> None:
    """None is a result like any other."""
    assert list(each(lambda _: None, range(3), name=str)) == [None] * 3


def test_seen_keys_are_a_set() -> None:
    """Each text is new only the first time; any text is accepted."""
    with SeenKeys() as seen:
        assert [seen.add(text) for text in ("a", "b", "a", "", "é\U0001f9d1", "")] == [
            True,
            True,
            False,
            True,
            True,
            False,
        ]
        assert ("a" in seen, "" in seen, "c" in seen) == (True, True, False)


def test_seen_keys_count_for_their_last_turn() -> None:
    """A text that is added again counts only for the later turn."""
    with SeenKeys() as seen:
        for turn, texts in enumerate(("abc", "bcd", "d")):
            for text in texts:
                seen.add(text, turn)

        assert [seen.last_in(turn) for turn in range(4)] == [1, 2, 1, 0]


def test_two_sets_of_seen_keys_are_independent() -> None:
    """Two sources may have the same ids."""
    with SeenKeys() as one, SeenKeys() as two:
        one.add("a")
        assert "a" not in two


def test_many_seen_keys_take_no_memory() -> None:
    """A hundred thousand ids as long as Graph's are kept on disk."""
    tracemalloc.start()
    try:
        with SeenKeys() as seen:
            assert all(seen.add(f"{number:0150}") for number in range(100_000))
            assert not seen.add(f"{99_999:0150}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 1 << 20
