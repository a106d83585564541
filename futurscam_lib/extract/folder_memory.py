"""What a folder showed and since when: one row per file, in a SQLite file of the home.

The time stamps of a file do not say when it arrived: a copy, an archive or a sync client keeps the original's. So each
file gets the instant at which this home first saw it in its present state (size and modification time), or its
modification time where that is later. The instant is written down before anything is read. A run that is killed then
loses nothing: the watermark has not moved, and the instant lies after it.

At the first run of a home there is nothing to compare with. Its files get their modification time, and count as unread
until a run has loaded them.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct, RetryLater
from futurscam_lib.extract import items
from futurscam_lib.files import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.records import Window

FILE: Final = ".futurscam.folder.sqlite"
"""Name of the memory in the home."""

_VERSION: Final = 1
_BUSY_SECONDS: Final = 10.0
"""Writing takes a moment; who waits longer meets a process that was suspended while it wrote."""

_NAMED: Final = 6
_INT64: Final = (1 << 63) - 1
_ESCAPED: Final = re.compile(r"\\u(d[89a-f][0-9a-f]{2})")
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_FILES: Final = (
    "CREATE {kind} TABLE files (path BLOB PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL,"
    " instant INTEGER NOT NULL, unread INTEGER NOT NULL) WITHOUT ROWID"
)
_WALKED: Final = (
    "CREATE TEMP TABLE walked (path BLOB PRIMARY KEY, size INTEGER, modified INTEGER, at INTEGER) WITHOUT ROWID"
)
_SEEN: Final = """
    CREATE TEMP TABLE seen AS
    SELECT path, walked.size AS size, walked.modified AS modified,
        CASE
            WHEN files.size = walked.size AND files.modified = walked.modified THEN files.instant
            WHEN :first THEN walked.at
            -- After what the file was before, also where that came with a time that lies ahead.
            ELSE MAX(walked.at, :now, COALESCE(files.instant + 1000, walked.at))
        END AS instant,
        CASE
            WHEN files.size = walked.size AND files.modified = walked.modified THEN files.unread
            ELSE :first
        END AS unread,
        NOT (COALESCE(files.size = walked.size AND files.modified = walked.modified, 0)) AS changed
    FROM walked LEFT JOIN files USING (path)
"""
_FORGET: Final = """
    DELETE FROM files
    WHERE path NOT IN (SELECT path FROM walked)
        AND NOT EXISTS (SELECT 1 FROM unlisted WHERE SUBSTR(files.path, 1, LENGTH(beginning)) = beginning)
"""
_REMEMBER: Final = "INSERT OR REPLACE INTO files SELECT path, size, modified, instant, unread FROM seen WHERE changed"
_WINDOW: Final = "instant >= :since AND instant < :until"
_UNREAD: Final = "unread AND instant < :since"


class FileState(NamedTuple):
    """A file as the folder shows it.

    Attributes:
        path: Relative to the folder, with slashes; may hold what is no text.
        size: Its bytes.
        modified: Its modification time, nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int


class DueFile(NamedTuple):
    """A file to read: its path as in `FileState`, its bytes, and the instant by which it is ordered."""

    path: str
    size: int
    instant: datetime


@dataclass(frozen=True, slots=True)
class Unread:
    """Files that lay in the folder before the first run of the home, and that no run has read.

    Attributes:
        count: How many.
        oldest: The instant of the oldest.
        names: Some of them.
    """

    count: int
    oldest: datetime
    names: list[str]

    def __str__(self) -> str:
        """How many, and what to type to have them read."""
        since = clock.to_text(self.oldest)[:19] + "Z"
        return (
            f"{self.count:,} file(s) are older than the window of this home's first run, and no run has read them yet: "
            f"{items.some(self.names, total=self.count)}. To read them: "
            f"`futurscam run --since {since} --source folder`."
        )


@dataclass(slots=True)
class Look:
    """What one look at the folder found.

    Attributes:
        note: Why the memory had to begin anew; empty: it did not.
        first: Whether this is the first run of the home.
        unread: Files that lie before the window and that no run has read; None: there are none.
        waiting: How many files lie in the window.
        connection: Where the files of this look are.
        span: The window as the queries take it.
    """

    connection: sqlite3.Connection
    span: dict[str, int]
    note: str = ""
    first: bool = False
    unread: Unread | None = None
    waiting: int = 0

    def files(self) -> Iterator[DueFile]:
        """The files of the window, by their paths."""
        found = self.connection.execute(f"SELECT path, size, instant FROM seen WHERE {_WINDOW} ORDER BY path", self.span)
        for path, size, instant in found:
            yield DueFile(os.fsdecode(path), size, clock.from_microseconds(instant))


@dataclass(slots=True)
class FolderMemory:
    """The memory of one folder.

    Attributes:
        path: The file; None: nothing is kept, and each look is that of a first run.
        folder: The folder that it is about; a memory of another one is begun anew.
        has_history: Whether earlier runs of the home have read a folder; asked where there is no memory.
        writes: Whether looking may write it; a dry run and a check may not.
    """

    path: Path | None
    folder: Path
    has_history: Callable[[], bool] = field(default=lambda: False)
    writes: bool = True

    @contextmanager
    def look(
        self, walk: Callable[[], Iterable[FileState]], window: Window, *, now: datetime, unlisted: Sequence[str] = ()
    ) -> Iterator[Look]:
        """Compare the folder with what it showed before, and remember how it is now.

        Args:
            walk: Gives all files of the folder; called once more where the memory turns out to be damaged.
            window: What the run asks for.
            now: The present instant.
            unlisted: Beginnings of paths that could not be looked at, complete once the walk has ended: what
                lies there is not forgotten.

        Raises:
            RetryLater: Another process keeps the memory.
            OperatorMustAct: The memory cannot be written.
        """
        facts = {"now": clock.to_microseconds(now), **_span(window)}
        with self._errors():
            connection = self._connect()
            try:
                try:
                    look = self._compare(connection, walk(), facts, unlisted)
                except sqlite3.DatabaseError as error:
                    if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                        raise
                    connection.close()
                    self._set_aside()
                    connection = self._connect(in_memory=not self.writes)
                    look = self._compare(connection, walk(), facts, unlisted, damaged=True)
                yield look
            finally:
                connection.close()

    def unread(self, *, since: datetime) -> Unread | None:
        """Files before an instant that no run has read, without a look at the folder; None: none, or not known."""
        if self.path is None or not self.path.is_file():
            return None
        with suppress(sqlite3.Error), closing(self._connect()) as connection:
            if self._is_ours(connection):
                return _unread(connection, "files", {"since": clock.to_microseconds(since)})
        return None

    def instants(self, origins: Sequence[str]) -> dict[str, datetime]:
        """The instant of the file in which each of these items stands, where it is remembered."""
        if self.path is None:
            return {}
        found: dict[str, datetime] = {}
        with self._errors(), closing(self._connect()) as connection:
            for origin in origins:
                path = os.fsencode(_ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), items.file_of(origin)))
                row = connection.execute("SELECT instant FROM files WHERE path = ?", (path,)).fetchone()
                if row:
                    found[origin] = clock.from_microseconds(row[0])
        return found

    def mark_read(self, window: Window, *, but: Iterable[str] = ()) -> None:
        """Note that the files of a window have been loaded.

        Args:
            window: What the run asked for.
            but: Paths of those that could not be read.
        """
        if self.path is None:
            return
        with self._errors(), closing(self._connect()) as connection, _transaction(connection, "IMMEDIATE"):
            # In one statement, so that a large folder is not looked through again where all has been read.
            connection.execute("CREATE TEMP TABLE failed (path BLOB PRIMARY KEY) WITHOUT ROWID")
            connection.executemany("INSERT OR IGNORE INTO failed VALUES (?)", ((os.fsencode(path),) for path in but))
            connection.execute(
                f"UPDATE files SET unread = 0 WHERE unread AND {_WINDOW} AND path NOT IN failed", _span(window)
            )

    def _connect(self, *, in_memory: bool = False) -> sqlite3.Connection:
        # An empty name is a private file that goes with its connection.
        place = "" if in_memory or self.path is None or not (self.writes or self.path.is_file()) else str(self.path)
        return sqlite3.connect(place, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    def _compare(
        self,
        connection: sqlite3.Connection,
        states: Iterable[FileState],
        facts: dict[str, int],
        unlisted: Sequence[str],
        *,
        damaged: bool = False,
    ) -> Look:
        connection.execute(_WALKED)
        with _transaction(connection, "DEFERRED"):
            connection.executemany("INSERT OR REPLACE INTO walked VALUES (?, ?, ?, ?)", map(_row, states))
        connection.execute("CREATE TEMP TABLE unlisted (beginning BLOB)")
        connection.executemany("INSERT INTO unlisted VALUES (?)", ((os.fsencode(path),) for path in unlisted))
        with _transaction(connection, "IMMEDIATE" if self.writes else "DEFERRED"):
            look = Look(connection, facts)
            look.note = self._prepare(connection, damaged=damaged)
            look.first = look.note == _FIRST
            connection.execute(_SEEN, {"first": look.first, "now": facts["now"]})
            if self.writes:
                connection.execute(_FORGET)
                connection.execute(_REMEMBER)
        look.note = look.note if not look.first else ""
        look.unread = _unread(connection, "seen", facts)
        (look.waiting,) = connection.execute(f"SELECT COUNT(*) FROM seen WHERE {_WINDOW}", facts).fetchone()
        return look
