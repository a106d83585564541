"""The memory of a folder: the instant of each file, and what happens if the memory is lost."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.audit.history import has_read
from futurscam_lib.errors import OperatorMustAct, RetryLater
from futurscam_lib.extract import folder_memory, open_sources
from futurscam_lib.extract.folder import FolderSource
from futurscam_lib.extract.folder_memory import FILE, FolderMemory
from futurscam_lib.extract.source import Probe
from futurscam_lib.pipeline.opening import open_run
from futurscam_lib.records import Window
from tests.extract.test_folder import linux_names, put
from tests.made_runs import counts

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings
    from tests.made_runs import MadeRuns

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
OLD = NOON - timedelta(days=90)
ALWAYS = Window(datetime(1970, 1, 1, tzinfo=UTC))


@dataclass
class Home:
    """A home with an inbox, and a clock that only the test moves."""

    folder: Path
    now: datetime = NOON
    has_history: bool = True
    window: Window = field(default_factory=lambda: Window(NOON - timedelta(hours=1)))
    notes: list[str] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        """Its folder."""
        return self.folder / "inbox"

    @property
    def file(self) -> Path:
        """Its memory."""
        return self.folder / FILE

    def source(self, *, writes: bool = True, inbox: Path | None = None) -> FolderSource:
        """The source as a run creates it."""
        inbox = inbox or self.inbox
        memory = FolderMemory(self.file, inbox, has_history=lambda: self.has_history, writes=writes)
        return FolderSource(inbox, memory, now=lambda: self.now)

    def run(self, window: Window | None = None, *, writes: bool = True, inbox: Path | None = None) -> list[str]:
        """Read and load as one run; the next window follows it, as after a successful run."""
        source = self.source(writes=writes, inbox=inbox)
        found = sorted(record.origin for record in source.read(window or self.window))
        self.notes = source.notes
        if writes:
            source.loaded()
        if writes and window is None:
            self.window = Window(self.now + timedelta(milliseconds=1) - OVERLAP)
        return found

    def later(self, minutes: float = 60) -> None:
        """Move the clock forward; by default by more than an overlap."""
        self.now += timedelta(minutes=minutes)

    def settled(self) -> list[str]:
        """What a run reads if nothing has changed for longer than an overlap."""
        self.later()
        self.run()
        self.later()
        return self.run()


@pytest.fixture
def at_home(tmp_path: Path) -> Home:
    """A home that has run before, with one file that was read long ago."""
    home = Home(tmp_path)
    put(home.inbox / "first.json", at=NOON - timedelta(minutes=1))
    home.has_history = False
    assert home.run() == ["first.json"]
    home.has_history = True
    assert home.settled() == []
    home.later()
    return home


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=3), timedelta(days=90), timedelta(days=30_000)])
def test_a_file_is_read_by_the_next_run_whatever_its_date(at_home: Home, age: timedelta) -> None:
    """A copied, unzipped or synchronised file with an old date is read, but only as long as the overlap lasts."""
    put(at_home.inbox / "copy.json", at=at_home.now - age)

    assert at_home.run() == ["copy.json"]
    at_home.later(5)
    assert at_home.run() == ["copy.json"]
    assert at_home.settled() == []
    assert at_home.notes == []


@pytest.mark.parametrize("change", ["grown", "touched", "dated back", "moved", "replaced"])
def test_a_file_that_changed_is_read_again(at_home: Home, change: str) -> None:
    """A new size, modification time or path is a new state, even with an older date than before."""
    path = at_home.inbox / "first.json"
    if change == "grown":
        put(path, "{} ", at=NOON - timedelta(minutes=1))
    elif change == "touched":
        put(path, at=at_home.now)
    elif change == "dated back":
        put(path, at=OLD)
    elif change == "moved":
        path = path.rename(at_home.inbox / "other.json")
    else:
        path.unlink()
        put(path, "[]\n", at=OLD)
        put(path, "{}\n", at=OLD)

    assert at_home.run() == [path.name]
    assert at_home.settled() == []


def test_a_run_that_is_killed_after_it_looked_loses_nothing(at_home: Home) -> None:
    """The memory is written before anything is read; the watermark has not moved."""
    put(at_home.inbox / "copy.json", at=OLD)
    records = at_home.source().read(at_home.window)
    next(records)
    records.close()  # type: ignore[attr-defined]
    at_home.later(600)

    assert at_home.run() == ["copy.json"]


def test_an_instant_lies_after_that_of_the_state_before(at_home: Home) -> None:
    """A half-written file with a date in the future, then the complete file, seen by a clock that was set back."""
    put(at_home.inbox / "a.json", "{", at=at_home.now + timedelta(days=1))
    (half,) = at_home.source().read(at_home.window)
    seen = at_home.now
    at_home.later(-0.01)
    put(at_home.inbox / "a.json", "{}", at=OLD)
    (whole,) = at_home.source().read(at_home.window)

    assert half.instant == seen
    assert whole.instant == seen + timedelta(milliseconds=1)


def test_a_date_in_the_future_counts_as_now(tmp_path: Path) -> None:
    """Also at a first run, so that a later file of the same name gets a later instant."""
    home = Home(tmp_path, has_history=False)
    put(home.inbox / "a.json", at=NOON + timedelta(days=1))

    assert [record.instant for record in home.source().read(home.window)] == [NOON]
    assert home.run() == ["a.json"]
    assert home.settled() == []


def test_a_chosen_window_sees_a_file_at_its_instant(at_home: Home) -> None:
    """`run --since --until` for the hour in which a file arrived reads it, whatever its date is."""
    put(at_home.inbox / "copy.json", at=OLD)
    came = at_home.now
    at_home.run()
    at_home.later(600)

    assert at_home.run(Window(came, came + timedelta(minutes=1))) == ["copy.json"]
    assert at_home.run(Window(OLD, OLD + timedelta(minutes=1))) == []


def test_a_dry_run_sees_a_new_file_and_writes_nothing(at_home: Home) -> None:
    """The file counts as seen now, and the next real run reads it too."""
    put(at_home.inbox / "copy.json", at=OLD)
    before = at_home.file.read_bytes()

    assert at_home.run(writes=False) == ["copy.json"]
    at_home.later(600)
    assert at_home.file.read_bytes() == before
    assert at_home.run() == ["copy.json"]


def test_removed_files_are_forgotten(at_home: Home) -> None:
    """The memory holds only present files; a file that comes back is read again."""
    path = at_home.inbox / "first.json"
    data, at = path.read_bytes(), NOON - timedelta(minutes=1)
    path.unlink()
    assert at_home.run() == []
    assert remembered(at_home) == []
    at_home.later()
    put(path, data, at=at)

    assert at_home.run() == ["first.json"]


def test_a_folder_that_cannot_be_listed_is_not_forgotten(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it can be listed, the error asks for another run; afterwards its files are not read again."""
    for name in ("sub/a.json", "sub/b/c.json", "subject.json"):
        put(at_home.inbox / name, at=OLD)
    at_home.run()
    assert at_home.settled() == []
    listed = os.scandir

    def refuse(place: Any) -> Any:
        if str(place).endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return listed(place)

    with monkeypatch.context() as patch:
        # File modes do not bind every user that runs this test.
        patch.setattr(os, "scandir", refuse)
        (at_home.inbox / "subject.json").unlink()
        with pytest.raises(RetryLater, match=r"could not be read: sub \(Permission denied\)"):
            at_home.run()

    assert remembered(at_home) == ["first.json", "sub/a.json", "sub/b/c.json"]
    at_home.later()
    assert at_home.run() == []


def test_a_missing_inbox_is_not_an_empty_inbox(at_home: Home) -> None:
    """If a share is not mounted, nothing is forgotten."""
    at_home.inbox.rename(at_home.folder / "elsewhere")
    with pytest.raises(OperatorMustAct, match="is not a folder"):
        at_home.run()

    (at_home.folder / "elsewhere").rename(at_home.inbox)
    assert at_home.run() == []


def test_the_first_run_counts_what_is_older_than_its_window(tmp_path: Path) -> None:
    """It reads its window, names some older files with the command that reads them, and that command reads them."""
    home = Home(tmp_path, has_history=False)
    for number in range(7):
        put(home.inbox / f"{number}.json", at=OLD + timedelta(days=number))
    put(home.inbox / "new.json", at=NOON)
    note = (
        "7 file(s) are older than the window of this home's first run, and no run has read them yet: "
        "0.json, 1.json, 2.json, 3.json, 4.json and 2 more. "
        "To read them: `futurscam run --since 2026-08-25T12:00:00Z --source folder`."
    )

    assert home.run(writes=False) == ["new.json"]
    assert home.notes == [note]
    assert home.run() == ["new.json"]
    assert home.notes == [note]
    home.has_history = True
    assert home.settled() == []
    assert home.notes == []
    assert str(unread(home)) == note

    assert home.run(Window(OLD, NOON), writes=False) == [f"{number}.json" for number in range(7)]
    assert str(unread(home)) == note
    assert home.run(Window(OLD + timedelta(days=5), NOON)) == ["5.json", "6.json"]
    assert "5 file(s)" in str(unread(home))
    assert len(home.run(Window(OLD))) == 8
    assert unread(home) is None


def test_a_first_run_that_was_killed_leaves_what_it_did_not_load_unread(tmp_path: Path) -> None:
    """If a run is killed after the memory was written, its files still count as unread."""
    home = Home(tmp_path, has_history=False)
    put(home.inbox / "old.json", at=OLD)
    assert [record.origin for record in home.source().read(Window(OLD))] == ["old.json"]
    home.run()

    assert "1 file(s)" in str(unread(home))


def test_a_file_that_could_not_be_read_stays_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other files of the window are loaded."""
    home = Home(tmp_path, has_history=False)
    for name in ("a.json", "b.json"):
        put(home.inbox / name, at=OLD)
    home.run()
    source = home.source()
    monkeypatch.setattr(FolderSource, "_items", _refusing("a.json"))
    with pytest.raises(RetryLater, match=r"a\.json"):
        list(source.read(Window(OLD)))
    source.loaded()

    assert (found := unread(home)) is not None
    assert found.names == ["a.json"]


def test_only_a_file_that_was_read_to_its_end_counts_as_whole(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a file that failed midway, lies outside the window, or was seen in a new state by another run."""
    for name in ("a.json", "b.json", "c.jsonl", "d[1].json"):
        put(at_home.inbox / name, at=OLD)
    source = at_home.source()
    with monkeypatch.context() as patch:
        patch.setattr(FolderSource, "_items", _refusing("a.json"))
        with pytest.raises(RetryLater):
            list(source.read(at_home.window))
    asked = ["a.json", "b.json", "b.json[2]", "c.jsonl:17", "d[1].json", "first.json", "gone.json[1]"]

    assert source.read_whole(asked) == dict.fromkeys(["b.json", "b.json[2]", "c.jsonl:17", "d[1].json"], at_home.now)
    at_home.later(1)
    put(at_home.inbox / "b.json", "[ ]", at=OLD)
    at_home.run()
    assert source.read_whole(asked).keys() == {"c.jsonl:17", "d[1].json"}
    assert at_home.source().read_whole(asked) == {}


@linux_names
def test_names_that_are_not_text_are_remembered(at_home: Home) -> None:
    """Bytes that are not text, and their escapes in an origin, lead to the same file."""
    folder = os.fsencode(at_home.inbox)
    for name in (b"a\xff.json", b"a\xfe.json"):
        put(Path(os.fsdecode(folder + b"/" + name)))
    source = at_home.source()
    found = sorted(record.origin for record in source.read(at_home.window))

    assert found == [r"a\udcfe.json", r"a\udcff.json"]
    assert source.read_whole(found).keys() == set(found)


LOST = (
    "It is not known which files of {inbox} were seen before: {why}. All of them count as first seen now and are read "
    "again; what was loaded before counts as unchanged. Nothing is lost."
)


@pytest.mark.parametrize("how", ["missing", "empty", "damaged", "cut off", "no table", "no folder", "another version"])
@pytest.mark.parametrize("writes", [True, False])
def test_a_lost_memory_is_reported_and_everything_is_read_again(at_home: Home, how: str, *, writes: bool) -> None:
    """Nothing is lost, and the next run remembers again; a dry run leaves the file as it is."""
    put(at_home.inbox / "unseen.json", at=OLD)
    why = _spoil(at_home.file, how)
    before = at_home.file.read_bytes() if at_home.file.exists() else None

    assert at_home.run(writes=writes) == ["first.json", "unseen.json"]
    assert at_home.notes == [LOST.format(inbox=at_home.inbox, why=why.format(file=at_home.file))]
    if writes:
        assert at_home.settled() == []
        assert at_home.notes == []
    else:
        assert before == (at_home.file.read_bytes() if at_home.file.exists() else None)


def test_another_folder_begins_another_memory(at_home: Home) -> None:
    """If FUTURSCAM_INBOX names another folder, all its files count as seen now; not if it moved with its home."""
    other = at_home.folder / "other"
    put(other / "a.json", at=OLD)

    assert at_home.run(inbox=other) == ["a.json"]
    (note,) = at_home.notes
    assert f"{other} were seen before: {at_home.file} belongs to another folder, inbox. All" in note
    for _ in range(2):
        at_home.later()
        at_home.run(inbox=other)
    moved = Home(at_home.folder.rename(at_home.folder.with_name("moved")), now=at_home.now, window=at_home.window)
    assert moved.run(inbox=moved.folder / "other") == []
    assert moved.notes == []


def test_a_damaged_memory_that_cannot_be_replaced_stops_no_run(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows another program may have it open: everything is read, and a later run starts a new memory."""
    at_home.file.write_bytes(b"no database")

    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "Access is denied")

    with monkeypatch.context() as patch:
        patch.setattr(folder_memory, "replace", refuse)
        assert at_home.run() == ["first.json"]
    assert at_home.run() == ["first.json"]
    assert at_home.settled() == []


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_memory_lost_while_a_run_loads_does_not_fail_the_run(at_home: Home, how: str) -> None:
    """All files were already read; the next run reports the loss."""
    put(at_home.inbox / "a.json", at=OLD)
    source = at_home.source()
    assert len(list(source.read(at_home.window))) == 1
    _spoil(at_home.file, how)

    assert source.read_whole(["a.json"]) == {}
    source.loaded()
    assert at_home.run() == ["a.json", "first.json"]
    assert len(at_home.notes) == 1


def test_a_locked_memory_is_waited_for(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a limited wait, the error says that the next run reads the same window."""
    monkeypatch.setattr(folder_memory, "_BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(at_home.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RetryLater, match=r"was locked by another process for more than 0 s\. Nothing was lost"):
            at_home.run()
        other.execute("ROLLBACK")

    assert at_home.run() == []


def test_a_memory_that_cannot_be_written_needs_the_operator(at_home: Home) -> None:
    """Without the memory, files that arrive with an old date would be lost."""
    at_home.file.unlink()
    at_home.file.mkdir()

    with pytest.raises(OperatorMustAct, match=r"cannot be used \(unable to open database file\)\. Nothing was lost"):
        at_home.run()


def test_reading_does_not_lock_the_memory(at_home: Home) -> None:
    """A run by hand can write it during a slow scheduled run."""
    put(at_home.inbox / "a.json", at=OLD)
    slow = at_home.source().read(at_home.window)
    next(slow)

    assert at_home.run() == ["a.json"]
    assert list(slow) == []


def test_a_check_shows_files_before_the_first_window(home: Settings) -> None:
    """It shows the command that reads them, and writes nothing."""
    put(home.home / "inbox" / "old.json", at=OLD)
    (source,) = open_sources(home, ["folder"], has_read=lambda _: False)
    found = Probe()
    source.probe(Window(NOON), found)

    assert found.waiting == 0
    assert found.remark.startswith("1 file(s) are older than the window of this home's first run")
    assert not (home.home / FILE).exists()


@pytest.mark.parametrize("dry_run", [True, False])
def test_only_a_run_that_loads_remembers(home: Settings, *, dry_run: bool) -> None:
    """Sources are opened as a notebook opens them, also by hand."""
    put(home.home / "inbox" / "a.json")
    run = open_run(watermark="2026-01-01", dry_run=dry_run)

    assert run.extract().sources["folder"].found == 1
    assert (home.home / FILE).exists() is not dry_run


@pytest.mark.parametrize(
    ("facts", "has_history"),
    [
        ({}, True),
        ({"dry_run": True}, False),
        ({"status": "failed"}, False),
        ({"sources": {"boond": counts()}}, False),
    ],
)
def test_a_home_whose_runs_read_the_folder_has_a_history(
    home: Settings, made: MadeRuns, facts: dict[str, Any], *, has_history: bool
) -> None:
    """A home of an earlier version has no memory but is not new; a home with only dry runs is new."""
    assert not has_read(home, "folder")
    made.add(NOON, **facts)

    assert has_read(home, "folder") is has_history


def test_an_unreadable_ledger_counts_as_history(home: Settings) -> None:
    """Then too many files are read, which loses nothing."""
    home.runs.mkdir(parents=True)
    home.ledger_file.write_text("no ledger\n")

    assert has_read(home, "folder")


def remembered(home: Home) -> list[str]:
    """The paths in the memory."""
    with closing(sqlite3.connect(home.file)) as connection:
        return sorted(os.fsdecode(path) for (path,) in connection.execute("SELECT path FROM files"))


def unread(home: Home) -> folder_memory.UnreadFiles | None:
    """What `status` shows."""
    return FolderMemory(home.file, home.inbox, writes=False).unread(since=home.window.since)


def _refusing(name: str) -> Any:
    """`FolderSource._items`, but one file fails after its first record."""
    given = FolderSource._items

    def _items(source: FolderSource, file: folder_memory.DueFile) -> Any:
        yield from given(source, file)
        if file.path == name:
            raise PermissionError(errno.EIO, "Input/output error", name)

    return _items


def _spoil(file: Path, how: str) -> str:
    if how in {"missing", "empty"}:
        file.write_bytes(b"") if how == "empty" else file.unlink()
        return "{file} is missing, or an earlier version of the software made this home"
    if how == "another version":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 99")
        return "another version of the software wrote {file}"
    if how == "no table":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("DROP TABLE files")
    elif how == "no folder":
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("DELETE FROM about")
    else:
        data = file.read_bytes()
        file.write_bytes(b"no database" if how == "damaged" else data[:4096] + b"\xff" * 4096)
    return "{file} is damaged"
