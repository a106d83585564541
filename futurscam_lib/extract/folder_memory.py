"""Remembers the files of a folder and when each was first seen: one row per file, in a SQLite file of the home.

The time stamps of a file do not say when it arrived: a copy, an archive or a sync client keeps the original times. So
each file gets the instant at which this home first saw it in its present state (size and modification time). A
modification time in the future counts as now. The instant is saved before anything is read. So a run that is killed
loses nothing: the watermark has not moved, and the instant lies after it.

The first run of a home has nothing to compare with. Its files get their modification time as instant, and count as
unread until a run has loaded them.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from futurscam_lib import clock
from futurscam_lib.errors import NOTHING_LOST, OperatorMustAct, RetryLater
from futurscam_lib.extract import json_items
from futurscam_lib.files import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.records import Window

FILE: Final = ".futurscam.folder.sqlite"
"""Name of the memory in the home."""

_VERSION: Final = 1
_BUSY_SECONDS: Final = 10.0
"""Writing is quick; a longer wait means that another process was suspended while it wrote."""

_INT64: Final = (1 << 63) - 1
_ESCAPED: Final = re.compile(r"\\u(d[89a-f][0-9a-f]{2})")
# SQLite reports a missing table or column as an SQL error.
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_FILES: Final = (
    "CREATE {kind} TABLE files (path BLOB PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL,"
    " instant INTEGER NOT NULL, seen INTEGER NOT NULL, unread INTEGER NOT NULL) WITHOUT ROWID"
)
_WALKED: Final = (
    "CREATE TEMP TABLE walked (path BLOB PRIMARY KEY, size INTEGER, modified INTEGER, at INTEGER) WITHOUT ROWID"
)
_SEEN: Final = """
    CREATE TEMP TABLE seen AS
    SELECT path, walked.size AS size, walked.modified AS modified,
        CASE
            WHEN files.size = walked.size AND files.modified = walked.modified THEN files.instant
            -- With an instant in the future, a later file of the same name would seem older.
            WHEN :first THEN MIN(walked.at, :now)
            -- Later than the file's previous instant, even if the clock was set back since.
            ELSE MAX(:now, COALESCE(files.instant + 1000, :now))
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
        AND NOT EXISTS (
            SELECT 1 FROM unlisted WHERE files.path = place OR SUBSTR(files.path, 1, LENGTH(inside)) = inside
        )
"""
_REMEMBER: Final = """
    INSERT OR REPLACE INTO files SELECT path, size, modified, instant, :now, unread FROM seen WHERE changed
"""
_INSTANT: Final = "SELECT instant FROM files WHERE path = ? AND seen <= ?"
_DUE: Final = "SELECT path, size, instant FROM seen WHERE instant >= :since AND instant < :until ORDER BY path"
_COUNT_DUE: Final = "SELECT COUNT(*) FROM seen WHERE instant >= :since AND instant < :until"
_COUNT_UNREAD: Final = "SELECT COUNT(*), MIN(instant) FROM seen WHERE unread AND instant < :since"
_SOME_UNREAD: Final = "SELECT path FROM seen WHERE unread AND instant < :since ORDER BY path LIMIT 5"
_MARK_READ: Final = """
    UPDATE files SET unread = 0
    WHERE unread AND instant >= :since AND instant < :until AND path NOT IN (SELECT path FROM failed)
"""

_FIRST: Final = ""
_LOST: Final = (
    "It is not known which files of {folder} were seen before: {why}. All of them count as first seen now and are read "
    "again; what was loaded before counts as unchanged. Nothing is lost."
)


class FileState(NamedTuple):
    """A file as the folder shows it.

    Attributes:
        path: Relative to the folder, with slashes; may hold bytes that are not text.
        size: Its size in bytes.
        modified: Its modification time, nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int


class DueFile(NamedTuple):
    """A file to read: its path as in `FileState`, its size in bytes, and the instant by which it is selected."""

    path: str
    size: int
    instant: datetime


@dataclass(frozen=True, slots=True)
class UnreadFiles:
    """Files that were in the folder before the first run of the home and that no run has read.

    Attributes:
        count: How many.
        oldest: The instant of the oldest.
        names: Some of them.
    """

    count: int
    oldest: datetime
    names: list[str]

    def __str__(self) -> str:
        """How many files there are, and the command that reads them."""
        since = clock.to_text(self.oldest)[:19] + "Z"
        return (
            f"{self.count:,} file(s) are older than the window of this home's first run, and no run has read them yet: "
            f"{json_items.some(self.names, total=self.count)}. To read them: "
            f"`futurscam run --since {since} --source folder`."
        )


@dataclass(frozen=True, slots=True)
class Look:
    """The result of looking at the folder once.

    Attributes:
        connection: The database that holds the files of this look.
        facts: The parameters of the queries.
        note: Why a new memory was started; empty if it was not.
        first: Whether this is the first run of the home.
        unread: Files before the window that no run has read; None if there is no such file.
        waiting: How many files are in the window.
    """

    connection: sqlite3.Connection
    facts: Mapping[str, int]
    note: str
    first: bool
    unread: UnreadFiles | None
    waiting: int

    def files(self) -> Iterator[DueFile]:
        """The files of the window, ordered by path."""
        for path, size, instant in self.connection.execute(_DUE, self.facts):
            yield DueFile(os.fsdecode(path), size, clock.from_microseconds(instant))


@dataclass(slots=True)
class FolderMemory:
    """The memory of one folder.

    Attributes:
        path: The SQLite file; None: nothing is kept, and each look is like that of a first run.
        folder: The folder that the memory belongs to; the memory of another folder is replaced.
        has_history: Whether earlier runs of the home have read a folder; called if there is no memory.
        writes: Whether `look` may write the file; a dry run and a check may not.
    """

    path: Path | None
    folder: Path
    has_history: Callable[[], bool] = field(default=lambda: False)
    writes: bool = True
    _is_kept: bool = field(default=True, init=False)

    @contextmanager
    def look(
        self, walk: Callable[[], Iterable[FileState]], window: Window, *, now: datetime, unlisted: Sequence[str] = ()
    ) -> Iterator[Look]:
        """Compare the folder with its remembered state, and remember its present state.

        Args:
            walk: Yields all files of the folder; called again if the memory turns out to be damaged.
            window: The window of the run.
            now: The current time.
            unlisted: Paths of files and folders that could not be read, complete once the walk has ended: the
                memory of files there is kept.

        Raises:
            RetryLater: Another process has locked the memory.
            OperatorMustAct: The memory cannot be written.
        """
        # If nothing is remembered, modification times in the future are used as they are.
        moment = clock.to_microseconds(now) if self.path else _INT64
        facts = {"now": moment, **_span(window)}
        self._is_kept = self.path is not None
        with self._errors():
            connection = self._connect()
            try:
                try:
                    look = self._compare(connection, walk(), facts, unlisted)
                except sqlite3.DatabaseError as error:
                    if _code_of(error) not in _DAMAGED or self.path is None:
                        raise
                    connection.close()
                    self._is_kept = self._set_aside()
                    connection = self._connect()
                    look = self._compare(connection, walk(), facts, unlisted, lost=f"{self.path} is damaged")
                yield look
            finally:
                connection.close()

    def unread(self, *, since: datetime) -> UnreadFiles | None:
        """Files before an instant that no run has read, without reading the folder; None: no such file, or unknown."""
        if self.path is None or not self.path.is_file():
            return None
        with suppress(sqlite3.Error), closing(self._connect()) as connection:
            if self._why_lost(connection) is None:
                connection.execute("CREATE TEMP VIEW seen AS SELECT * FROM files")
                return _unread(connection, {"since": clock.to_microseconds(since)})
        return None

    def instants(self, origins: Sequence[str], *, now: datetime) -> dict[str, datetime]:
        """The instant of the file that contains each of these items.

        Args:
            origins: Origins of the items.
            now: When the folder was read; files that another run has seen since then are left out.
        """
        if not self._is_kept:
            return {}
        instants: dict[str, datetime] = {}
        with self._errors(forgives_damage=True), closing(self._connect()) as connection:
            for origin in origins:
                row = connection.execute(_INSTANT, (_path_of(origin), clock.to_microseconds(now))).fetchone()
                if row:
                    instants[origin] = clock.from_microseconds(row[0])
        return instants

    def mark_read(self, window: Window, *, but: Iterable[str] = ()) -> None:
        """Note that the files of a window have been loaded.

        Args:
            window: The window of the run.
            but: Paths of the files that could not be read.
        """
        if not self._is_kept:
            return
        errors = self._errors(forgives_damage=True)
        with errors, closing(self._connect()) as connection, _transaction(connection, "IMMEDIATE"):
            connection.execute("CREATE TEMP TABLE failed (path BLOB PRIMARY KEY) WITHOUT ROWID")
            connection.executemany("INSERT OR IGNORE INTO failed VALUES (?)", ((os.fsencode(path),) for path in but))
            connection.execute(_MARK_READ, _span(window))

    def _connect(self) -> sqlite3.Connection:
        is_there = self._is_kept and self.path is not None and (self.writes or self.path.is_file())
        # An empty name gives a private file that is deleted with its connection.
        place = str(self.path) if is_there else ""
        return sqlite3.connect(place, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    def _compare(
        self,
        connection: sqlite3.Connection,
        states: Iterable[FileState],
        facts: Mapping[str, int],
        unlisted: Sequence[str],
        *,
        lost: str | None = None,
    ) -> Look:
        connection.execute(_WALKED)
        with _transaction(connection, "DEFERRED"):
            connection.executemany("INSERT OR REPLACE INTO walked VALUES (?, ?, ?, ?)", map(_row, states))
        connection.execute("CREATE TEMP TABLE unlisted (place BLOB, inside BLOB)")
        places = ((os.fsencode(path), os.fsencode(f"{path}/")) for path in unlisted)
        connection.executemany("INSERT INTO unlisted VALUES (?, ?)", places)
        with _transaction(connection, "IMMEDIATE" if self.writes else "DEFERRED"):
            lost = lost or self._why_lost(connection)
            if lost is not None:
                self._start_new(connection)
            first = lost == _FIRST
            connection.execute(_SEEN, {"first": first, "now": facts["now"]})
            if self.writes:
                connection.execute(_FORGET)
                connection.execute(_REMEMBER, {"now": facts["now"]})
        note = _LOST.format(folder=self.folder, why=lost) if lost and not first else ""
        (waiting,) = connection.execute(_COUNT_DUE, facts).fetchone()
        return Look(connection, facts, note, first=first, unread=_unread(connection, facts), waiting=waiting)

    def _why_lost(self, connection: sqlite3.Connection) -> str | None:
        """Why there is no memory of this folder; `_FIRST` at the home's first run; None if there is a memory."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == _VERSION:
            row = connection.execute("SELECT folder FROM about").fetchone()
            if row is None:
                return f"{self.path} is damaged"
            (folder,) = row
            return None if folder == self._name else f"{self.path} belongs to another folder, {folder}"
        if version:
            return f"another version of the software wrote {self.path}"
        if self.path is None or not self.has_history():
            return _FIRST
        return f"{self.path} is missing, or an earlier version of the software made this home"

    def _start_new(self, connection: sqlite3.Connection) -> None:
        if not self.writes:
            connection.execute(_FILES.format(kind="TEMP"))
            return
        for table in ("files", "about"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(_FILES.format(kind=""))
        connection.execute("CREATE TABLE about (folder TEXT NOT NULL)")
        connection.execute("INSERT INTO about VALUES (?)", (self._name,))
        connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _set_aside(self) -> bool:
        """Rename a damaged file; return False if nothing can be remembered in this run."""
        if self.path is None or not self.writes:
            return False
        try:
            replace(self.path, self.path.with_name(f"{self.path.name}.damaged"))
            self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)
        except OSError:  # On Windows another process may have it open: a later run renames it.
            return False
        return True

    @property
    def _name(self) -> str:
        """The folder's name in the memory, which stays the same if the home is moved."""
        home = self.path.parent if self.path else self.folder
        folder = self.folder.relative_to(home) if self.folder.is_relative_to(home) else self.folder
        return json_items.as_text(folder.as_posix())

    @contextmanager
    def _errors(self, *, forgives_damage: bool = False) -> Iterator[None]:
        """Turn errors of SQLite into errors of a run.

        With `forgives_damage`, ignore a memory that was removed or damaged since the folder was read: the next run
        reports it, and reads everything again.
        """
        try:
            yield
        except sqlite3.Error as error:
            if forgives_damage and _code_of(error) in _DAMAGED:
                return
            if _code_of(error) in _BUSY:
                raise RetryLater(
                    f"{self.path}, which remembers the files of {self.folder}, was locked by another process for more "
                    f"than {_BUSY_SECONDS:.0f} s. {NOTHING_LOST}"
                ) from error
            raise OperatorMustAct(
                f"{self.path}, which remembers the files of {self.folder}, cannot be used ({error}). {NOTHING_LOST} "
                "Make room on the disk and give the right to write it; if that does not help, remove the file: all "
                "files of the folder are then read again."
            ) from error


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _row(state: FileState) -> tuple[bytes, int, int, int]:
    modified = max(-_INT64, min(state.modified, _INT64))
    at = clock.to_microseconds(clock.from_microseconds(modified // 1000))
    return os.fsencode(state.path), state.size, modified, at


def _span(window: Window) -> dict[str, int]:
    return {
        "since": clock.to_microseconds(window.since),
        "until": clock.to_microseconds(window.until) if window.until else _INT64,
    }


def _unread(connection: sqlite3.Connection, facts: Mapping[str, int]) -> UnreadFiles | None:
    count, oldest = connection.execute(_COUNT_UNREAD, facts).fetchone()
    if not count:
        return None
    paths = connection.execute(_SOME_UNREAD, facts)
    return UnreadFiles(
        count, clock.from_microseconds(oldest), [json_items.as_text(os.fsdecode(path)) for (path,) in paths]
    )


def _path_of(origin: str) -> bytes:
    """The path of the file that contains an item; an origin has an escape for each byte that is not text."""
    return os.fsencode(_ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), json_items.file_of(origin)))


def _code_of(error: sqlite3.Error) -> int:
    # Only errors raised by SQLite itself have a code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
