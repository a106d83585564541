"""Reads lists that change while their pages are read, and the items that the lists name."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, Self, TypeVar

from futurscam_lib.errors import RetryLater
from futurscam_lib.extract.json_items import some
from futurscam_lib.extract.source import CONCURRENT
from futurscam_lib.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

MAX_PASSES: Final = 10
MAX_IN_A_ROW: Final = 5

T = TypeVar("T")
R = TypeVar("R")


class SeenKeys:
    """A set of keys that moves to disk when it grows, so that memory stays flat; the file ends with the process."""

    def __init__(self) -> None:
        """Start empty."""
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, turn INTEGER) WITHOUT ROWID")

    def __enter__(self) -> Self:
        """Return the set; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget all keys."""
        self._database.close()

    def __contains__(self, key: object) -> bool:
        """Whether a key was added."""
        return self._database.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone() is not None

    def add(self, key: str, turn: int = 0) -> bool:
        """Add a key with the turn in which it was last seen; return whether it is new."""
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, turn)).rowcount == 1:
            return True
        self._database.execute("UPDATE seen SET turn = ? WHERE key = ?", (turn, key))
        return False

    def last_in(self, turn: int) -> int:
        """How many keys were last added in this turn."""
        (count,) = self._database.execute("SELECT COUNT(*) FROM seen WHERE turn = ?", (turn,)).fetchone()
        return int(count)


def settled(
    passes: Callable[[], Iterator[Sequence[T]]], *, key: Callable[[T], str], counts: Callable[[T], bool]
) -> Iterator[T]:
    """Yield each row of a list once, even if the list changes while its pages are read.

    If a row disappears, the rows after it move forward, some of them onto a page that was already read. So a list of
    several pages is read again until no row is new and none has disappeared. A list that keeps losing rows, but shows
    no new ones, is accepted after the last pass.

    Args:
        passes: Reads the list from its beginning, and yields it page by page.
        key: Identifies a row.
        counts: Whether a new row counts as missed before; False for a row that was just created.

    Raises:
        RetryLater: Every pass showed new rows.
    """
    with SeenKeys() as seen:
        for number in range(MAX_PASSES):
            pages = missed = 0
            for page in passes():
                pages += 1
                for row in page:
                    if seen.add(key(row), number):
                        missed += number > 0 and counts(row)
                        yield row
            if pages <= 1 or (number > 0 and not missed and not seen.last_in(number - 1)):
                return
        if not missed:
            return
    raise RetryLater(
        f"The list changed {MAX_PASSES} times while it was read. Nothing was lost: the next run reads it again."
    )


def each(
    work: Callable[[T], R], items: Iterable[T], *, name: Callable[[T], str], threads: int = CONCURRENT
) -> Iterator[R]:
    """Yield `work(item)` for each item, in order, with this many threads; with 0, one after the other.

    An item that does not answer does not stop the others. After many failures in a row, the source itself is down.

    Raises:
        RetryLater: Some items could not be read; the others were yielded before.
    """
    failed: list[str] = []
    in_a_row = 0

    def attempt(item: T) -> tuple[R | None, str]:
        try:
            return work(item), ""
        except RetryLater as error:
            return None, f"{name(item)}: {error}"

    results = prefetch(attempt, items, threads=threads) if threads else map(attempt, items)
    for result, problem in results:
        in_a_row = in_a_row + 1 if problem else 0
        if problem:
            failed.append(problem)
        else:
            yield result  # type: ignore[misc] # None only with a problem, or if `work` returns it
        if in_a_row > MAX_IN_A_ROW:
            raise RetryLater(f"{in_a_row} items in a row could not be read: {some(failed[-in_a_row:], 1)}")
    if failed:
        raise RetryLater(f"{len(failed)} item(s) could not be read: {some(failed, 2)}")
