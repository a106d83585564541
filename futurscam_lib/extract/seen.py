"""A set of texts that lies on disk when it grows, so that memory stays flat however much a source lists."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Seen:
    """Texts that came by; its file has no name and goes with the process."""

    def __init__(self) -> None:
        """Start empty."""
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, turn INTEGER) WITHOUT ROWID")

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget all."""
        self._database.close()

    def __contains__(self, key: object) -> bool:
        """Whether it came by."""
        return self._database.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone() is not None

    def add(self, key: str, turn: int = 0) -> bool:
        """Remember a text, and in which turn it came by last; whether it is new."""
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, turn)).rowcount == 1:
            return True
        self._database.execute("UPDATE seen SET turn = ? WHERE key = ?", (turn, key))
        return False

    def last_in(self, turn: int) -> int:
        """How many came by in a turn, and in none after it."""
        (found,) = self._database.execute("SELECT COUNT(*) FROM seen WHERE turn = ?", (turn,)).fetchone()
        return int(found)
