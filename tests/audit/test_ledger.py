"""The ledger: no written entry is lost, and every change is detected."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from futurscam_lib.audit import entries, lines
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.seal import EndCheck, Seal, head_path
from futurscam_lib.errors import OperatorMustAct, RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from futurscam_lib.audit.entries import LedgerEntry

T0 = datetime(2026, 11, 23, 12, 5, 1, 223_000, tzinfo=UTC)
RUN = "20261123T120501Z-3f9a1c"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger that does not exist yet, in a folder that does not exist."""
    return Ledger(tmp_path / "runs" / "ledger.jsonl")


def written(count: int) -> bytes:
    """The bytes of a ledger of so many entries, some with what could be mistaken for a line or an end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.jsonl"
        for number in range(count):
            facts: dict[str, Any] = {
                "error": 'café\n{"seq":1}\n',
                "count": number,
                "rate": 0.1,
                "none": None,
                "list": [1, {"a": True}],
            }
            Ledger(path).append("end", at=T0 + timedelta(hours=number), run_id=RUN, facts=facts)
        return path.read_bytes()


LINES = written(4)


def append(ledger: Ledger, event: str, run_id: str = RUN, **facts: Any) -> LedgerEntry:
    """Add one entry at a fixed instant."""
    return ledger.append(event, at=T0, run_id=run_id, facts=facts)


def path_of(ledger: Ledger) -> Path:
    """The ledger's file."""
    return ledger._path


def test_an_entry_is_one_line_of_canonical_json_chained_by_hash(ledger: Ledger) -> None:
    """What a reviewer can check with any other tool: sorted compact JSON, SHA-256 of the line without its hash."""
    append(ledger, "start")
    append(ledger, "end", status="ok", counts={"b": 1, "a": 2})

    first, second = path_of(ledger).read_text(encoding="utf-8").splitlines()
    content = json.loads(second)
    digest = content.pop("hash")

    assert second.startswith('{"at":"2026-11-23T12:05:01.223000+00:00","event":"end","facts":{"counts":{"a":2,"b":1},')
    assert digest == hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert content["prev"] == json.loads(first)["hash"]
    assert json.loads(first)["prev"] == "0" * 64
    assert [json.loads(line)["seq"] for line in (first, second)] == [1, 2]


def test_entries_are_read_as_they_were_returned_both_ways(ledger: Ledger) -> None:
    """Oldest first and newest first give the same entries, which are those that `append` gave."""
    entries = [append(ledger, "end", number=number) for number in range(5)]

    assert list(ledger.entries()) == entries
    assert list(ledger.backwards()) == entries[::-1]


def test_an_entry_is_on_disk_before_append_returns(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is synced once it is whole, and before the head names it; a new ledger is synced into its folder."""
    file, head = path_of(ledger), head_path(path_of(ledger))
    synced: list[tuple[str, bytes | None, int | None]] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        opened = os.fstat(descriptor)
        places = [place for place in (file.parent, file) if place.exists()]
        names = [place.name for place in places if os.path.samestat(opened, place.stat())] or ["another file"]
        content = file.read_bytes() if file.exists() else None
        named = json.loads(head.read_bytes())["seq"] if head.exists() else None
        synced.append((names[0], content, named))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    for number in range(2):
        append(ledger, "end", number=number)

    first, second = file.read_bytes().splitlines(keepends=True)
    assert ("ledger.jsonl", first, 0) in synced
    assert ("ledger.jsonl", first + second, 1) in synced
    if os.name == "posix":  # Windows has no folders to sync.
        assert ("runs", b"", 0) in synced
        assert synced.index(("runs", b"", 0)) < synced.index(("ledger.jsonl", first, 0))


def test_a_repaired_line_is_on_disk_before_heal_returns(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newline that was missing, and a torn text that was replaced, are synced like any other line."""
    for torn in (lambda whole: whole[:-1], lambda whole: whole + b'{"at":'):
        append(ledger, "end")
        path_of(ledger).write_bytes(torn(path_of(ledger).read_bytes()))
        synced: list[bytes] = []
        with monkeypatch.context() as recording:
            recording.setattr(os, "fsync", lambda _, synced=synced: synced.append(path_of(ledger).read_bytes()))
            ledger.heal(at=T0)

        assert synced[0] == path_of(ledger).read_bytes()


@pytest.mark.parametrize("block", [1, 7, 64, 700, 100_000])
def test_reading_backwards_does_not_depend_on_the_blocks(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Lines shorter and longer than a block, blocks that end on a newline or beside it."""
    entries = [append(ledger, "end", text="x" * (number * 37 % 400)) for number in range(12)]
    monkeypatch.setattr(lines, "_BLOCK", block)

    assert list(ledger.backwards()) == entries[::-1]


def test_the_last_entries_of_a_large_ledger_cost_no_more_than_a_block(ledger: Ledger) -> None:
    """The newest entry is read from the end of the file, without reading what is far before it."""
    append(ledger, "start")
    size = 200 * 1024 * 1024
    last = append(ledger, "end", text="y")
    lines = path_of(ledger).read_bytes()
    with path_of(ledger).open("r+b") as file:  # A sparse file: 200 MB of nothing, then the two lines.
        file.truncate(size)
        file.seek(size)
        file.write(b"\n" + lines)

    assert next(ledger.backwards()) == last


def test_a_missing_or_empty_ledger_has_no_entries(ledger: Ledger) -> None:
    """Reading makes neither file nor folder."""
    for _ in range(2):
        assert list(ledger.entries()) == list(ledger.backwards()) == ledger.unfinished() == []
        assert ledger.last_watermark() is None
        assert ledger.heal(at=T0) is None
        if not path_of(ledger).parent.exists():
            path_of(ledger).parent.mkdir()
            path_of(ledger).touch()


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, len(LINES)), healed_first=st.booleans())
def test_a_cut_anywhere_is_healed_and_no_whole_entry_is_lost(cut: int, *, healed_first: bool) -> None:
    """For a cut at any byte: the chain verifies, whole entries stay, the torn text is kept."""
    whole = LINES[:cut].splitlines(keepends=True)
    torn = whole.pop() if whole and not whole[-1].endswith(b"\n") else b""
    if torn + b"\n" in LINES.splitlines(keepends=True):
        whole, torn = [*whole, torn], b""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.jsonl")
        path_of(ledger).write_bytes(LINES[:cut])
        assert len(list(ledger.entries())) == len(list(ledger.backwards())) == len(whole)

        healed = ledger.heal(at=T0) if healed_first else None
        last = append(ledger, "start")
        entries = list(ledger.entries())

        assert entries[::-1] == list(ledger.backwards())
        assert [entry.hash for entry in entries[: len(whole)]] == [orjson.loads(line)["hash"] for line in whole]
        assert entries[-1] == last
        assert [entry.event for entry in entries[len(whole) :]] == (["healed"] if torn else []) + ["start"]
        if torn:
            assert entries[-2].facts == {"text": torn.decode(errors="replace"), "bytes": len(torn)}
            assert healed in (entries[-2], None)
        assert (healed is not None) == (healed_first and bool(torn))
        assert ledger.heal(at=T0) is None


def test_a_kill_while_healing_loses_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The torn text is overwritten by a line that holds it; wherever that stops, the next try heals."""
    append(ledger, "start")
    whole = path_of(ledger).read_bytes()
    head = head_path(path_of(ledger)).read_bytes()
    torn = b'{"at":"2026-11-23T12:05:01.223000+00:00","event":"end","facts":{"status":"o'
    path_of(ledger).write_bytes(whole + torn)
    healed = ledger.heal(at=T0)
    assert healed is not None
    line = path_of(ledger).read_bytes()[len(whole) :]
    monkeypatch.setattr(os, "fsync", lambda _: None)

    for cut in range(len(line)):
        path_of(ledger).write_bytes(whole + line[:cut] + torn[cut:])
        head_path(path_of(ledger)).write_bytes(head)
        ledger.heal(at=T0)
        events = [entry.event for entry in ledger.entries()]
        assert events in (["start", "healed"], ["start", "healed", "healed"])


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\xff\xfe{", b'{"at":1}', b"[" * 5000, b" "])
def test_a_tail_of_anything_is_healed(ledger: Ledger, tail: bytes) -> None:
    """What a power cut leaves need not be the beginning of a line."""
    append(ledger, "start")
    with path_of(ledger).open("ab") as file:
        file.write(tail)

    healed = ledger.heal(at=T0)

    assert healed is not None
    assert healed.facts["bytes"] == len(tail)
    assert [entry.event for entry in ledger.entries()] == ["start", "healed"]


def test_a_healed_text_that_redaction_makes_short_leaves_no_rest(tmp_path: Path) -> None:
    """The file ends with the healed line even where that is shorter than what it replaces."""
    ledger = Ledger(tmp_path / "ledger.jsonl", redact=lambda text: text.replace("x", ""))
    path_of(ledger).write_bytes(b"x" * 10_000)

    healed = ledger.heal(at=T0)

    assert [healed] == list(ledger.entries())
    assert path_of(ledger).read_bytes().find(b"\n") == path_of(ledger).stat().st_size - 1


def test_a_long_line_is_not_copied_once_a_block(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tail of many blocks is read in steps that grow; in steps of one block this would take hours."""
    path_of(ledger).parent.mkdir()
    path_of(ledger).write_bytes(b"\0" * 4_000_000)
    monkeypatch.setattr(lines, "_BLOCK", 8)

    assert list(ledger.backwards()) == []


@settings(max_examples=400, deadline=None)
@given(place=st.integers(0, len(LINES) - 2), byte=st.integers(0, 255))
def test_any_changed_byte_of_any_line_is_detected(place: int, byte: int) -> None:
    """Both ways of reading refuse the ledger, and name a line that does not fit."""
    changed = bytearray(LINES)
    changed[place] = byte
    if changed == LINES:
        return
    line = LINES.count(b"\n", 0, place) + 1
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.jsonl")
        path_of(ledger).write_bytes(changed)
        for reader in (ledger.entries, ledger.backwards):
            with pytest.raises(OperatorMustAct, match=rf"ledger.jsonl, line ({line}|{line + 1}): "):
                list(reader())
        assert path_of(ledger).read_bytes() == changed


@pytest.mark.parametrize("byte", [b" ", b"\0", b"}", b"x"])
def test_a_changed_last_newline_is_healed_and_the_text_kept(ledger: Ledger, byte: bytes) -> None:
    """It is treated like a torn line: the `healed` entry keeps its text."""
    path_of(ledger).parent.mkdir()
    path_of(ledger).write_bytes(LINES[:-1] + byte)

    healed = ledger.heal(at=T0)

    assert healed is not None
    assert healed.facts["text"].encode() == LINES.splitlines()[-1] + byte
    assert len(list(ledger.entries())) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [lines[0], lines[2], lines[3]], "line 2: its number is 3, expected 2"),
        (lambda lines: lines[1:], "line 1: its number is 2, expected 1"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "line 2: its number is 3, expected 2"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "line 2: its number is 1, expected 2"),
        (lambda lines: [lines[0], b"", *lines[1:]], "line 2: it is not JSON"),
        (lambda lines: [lines[0], b"# note", *lines[1:]], "line 2: it is not JSON"),
        (lambda lines: [lines[0], b"{}", *lines[1:]], "line 2: it is not an entry of a ledger"),
        (lambda lines: [lines[0], b"[1]", *lines[1:]], "line 2: it is not an entry of a ledger"),
        (
            lambda lines: [line + b"\r" for line in lines],
            "line 1: its hash matches its content, but",
        ),
        (lambda lines: [lines[0], lines[1].replace(b"0.1", b"0.9"), *lines[2:]], "line 2: its hash does not match"),
    ],
)
def test_each_change_is_named(ledger: Ledger, change: Any, said: str) -> None:
    """Lines removed, swapped, doubled, inserted, saved by an editor: the error names line, problem and remedy."""
    path_of(ledger).parent.mkdir()
    path_of(ledger).write_bytes(b"\n".join(change(LINES.splitlines())) + b"\n")

    with pytest.raises(OperatorMustAct) as caught:
        list(ledger.entries())
    assert said in str(caught.value)
    assert "changed after it was written" in str(caught.value)
    assert "backup" in str(caught.value)
    with pytest.raises(OperatorMustAct):
        list(ledger.backwards())


def test_an_entry_made_anew_with_a_right_hash_breaks_the_next_link(ledger: Ledger) -> None:
    """A recomputed hash of one line does not match the next line."""
    first = append(ledger, "end", status="failed")
    append(ledger, "start")
    lines = path_of(ledger).read_bytes().splitlines()
    forged = entries.chained(None, event="end", run_id=RUN, at=T0, facts={"status": "ok"})
    path_of(ledger).write_bytes(entries.line_of(forged) + b"\n" + lines[1] + b"\n")

    assert forged == replace(first, facts={"status": "ok"}, hash=forged.hash)
    for reader in (ledger.entries, ledger.backwards):
        with pytest.raises(OperatorMustAct, match="line 2: it does not continue the line before it"):
            list(reader())


def test_nothing_is_appended_to_a_changed_end(ledger: Ledger) -> None:
    """A new entry must not hide a change behind a new hash."""
    append(ledger, "start")
    changed = path_of(ledger).read_bytes().replace(b"start", b"stact")
    path_of(ledger).write_bytes(changed)

    with pytest.raises(OperatorMustAct, match="line 1"):
        append(ledger, "end")
    assert path_of(ledger).read_bytes() == changed


@pytest.mark.parametrize("seal", [None, Seal("a key of more than sixteen letters")], ids=["no key", "a key"])
@pytest.mark.parametrize("torn", [b"", b'{"at"'])
def test_a_change_anywhere_stops_the_next_run(ledger: Ledger, seal: Seal | None, torn: bytes) -> None:
    """The check at the start of a run reads every line, names the changed line, and writes nothing."""
    ledger = Ledger(path_of(ledger), seal=seal)
    for number in range(6):
        append(ledger, "end", number=number)
    whole = path_of(ledger).read_bytes()
    assert ledger.heal(at=T0) is None

    changed = whole.replace(b'"number":2', b'"number":7') + torn
    path_of(ledger).write_bytes(changed)
    ledger.check()
    with pytest.raises(OperatorMustAct, match="line 3: its hash does not match"):
        ledger.heal(at=T0)
    assert path_of(ledger).read_bytes() == changed


def test_a_seal_taken_off_a_line_stops_the_next_run(ledger: Ledger) -> None:
    """The run refuses it like `verify`, although the last line's own seal is valid."""
    ledger = Ledger(path_of(ledger), seal=Seal("a key of more than sixteen letters"))
    written = [append(ledger, "end", number=number) for number in range(4)]
    raw = [entries.line_of(replace(one, mac="" if one.seq == 2 else one.mac)) for one in written]
    path_of(ledger).write_bytes(b"\n".join(raw) + b"\n")

    ledger.check()
    with pytest.raises(OperatorMustAct, match="line 2: it is not sealed with the key"):
        ledger.heal(at=T0)


def test_a_line_that_is_not_the_one_its_head_names_stops_the_next_run(ledger: Ledger) -> None:
    """Also where the head is far behind, as it may be."""
    append(ledger, "end", number=0)
    behind = head_path(path_of(ledger)).read_bytes()
    path_of(ledger).unlink()
    head_path(path_of(ledger)).unlink()
    for number in range(4):
        append(ledger, "end", number=number + 1)
    head_path(path_of(ledger)).write_bytes(behind)

    with pytest.raises(OperatorMustAct, match="line 1 is not the line that had been written"):
        ledger.heal(at=T0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"seq":-5,"hash":"x","mac":""}',
        b'{"seq":0,"hash":"x","mac":""}',
        b'{"seq":1,"hash":1,"mac":""}',
        b'{"seq":1,"hash":"x","mac":"","more":1}',
    ],
)
def test_an_invalid_head_is_refused(ledger: Ledger, content: bytes) -> None:
    """Content that this software never writes is refused."""
    append(ledger, "start")
    head_path(path_of(ledger)).write_bytes(content)

    with pytest.raises(OperatorMustAct, match=r"ledger\.head is not the head of a ledger"):
        append(ledger, "end")
    assert len(list(ledger.entries())) == 1


def folder_at(path: Path) -> None:
    """A folder in place of a file."""
    path.unlink()
    path.mkdir()


def pipe_at(path: Path) -> None:
    """A pipe that nobody writes to."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("put", [folder_at, *([pipe_at] if hasattr(os, "mkfifo") else [])])
@pytest.mark.parametrize("is_head", [False, True], ids=["ledger", "head"])
def test_a_folder_or_pipe_in_place_of_a_file(ledger: Ledger, put: Callable[[Path], None], *, is_head: bool) -> None:
    """No command waits for a pipe, and the error names the path."""
    append(ledger, "start")
    place = head_path(path_of(ledger)) if is_head else path_of(ledger)
    put(place)
    faults: list[lines.Fault] = []
    end = EndCheck(path_of(ledger), None)
    for number, entry in lines.read_lines(path_of(ledger), faults.append):
        end.see(number, entry)

    said = "is not the head of a ledger" if is_head else "it is not a file"
    assert said in [*faults, *end.faults()][0].what
    looks: list[Callable[[], object]] = [ledger.check, lambda: append(ledger, "end"), lambda: ledger.heal(at=T0)]
    if not is_head:
        looks += [lambda: list(ledger.entries()), lambda: list(ledger.backwards()), ledger.unfinished]
    for look in looks:
        with pytest.raises(OperatorMustAct, match=said) as caught:
            look()
        assert place.name in str(caught.value)
    assert not place.is_file()


@pytest.mark.parametrize("place", ["line", "head", "lock"])
def test_a_full_disk_is_for_the_operator(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """While writing the line or the head: earlier entries stay, and the next try works."""
    append(ledger, "start")
    full = OSError(errno.ENOSPC, "No space left on device")

    def part(file: BinaryIO, begin: int, data: bytes) -> None:
        file.seek(begin)
        file.write(data[:20])
        raise full

    def fail(*_: object, **__: object) -> None:
        raise full

    with monkeypatch.context() as broken:
        if place == "line":
            broken.setattr("futurscam_lib.audit.ledger._write", part)
        elif place == "head":
            broken.setattr("futurscam_lib.audit.seal.write_atomically", fail)
        else:
            broken.setattr(FileLock, "acquire", fail)
        with pytest.raises(OperatorMustAct, match="could not be written") as caught:
            append(ledger, "end")

    assert "No space left on device" in str(caught.value)
    assert "Make room" in str(caught.value)
    append(ledger, "reset")
    assert ledger.heal(at=T0) is None
    middle = {"line": ["healed"], "head": ["end"], "lock": []}[place]
    assert [entry.event for entry in ledger.entries()] == ["start", *middle, "reset"]


class _Status(StrEnum):
    OK = "ok"


class _Code(IntEnum):
    DONE = 0


def test_every_string_is_redacted_and_made_writable(tmp_path: Path) -> None:
    """Keys, values, lists, enumerations and lone surrogates; what comes back is plain JSON."""
    ledger = Ledger(tmp_path / "ledger.jsonl", redact=lambda text: text.replace("hunter2", "***"))
    facts: dict[str, Any] = {
        "url": "mongodb://me:hunter2@host",
        "hunter2": ["hunter2", {"deep": ("hunter2",)}],
        "broken": "a\ud800b",
        "pair": "\ud83d\ude00",
        "status": _Status.OK,
        "code": _Code.DONE,
    }

    entry = ledger.append("end", at=T0, run_id=RUN, facts=facts)

    assert b"hunter2" not in path_of(ledger).read_bytes()
    assert entry.facts == {
        "url": "mongodb://me:***@host",
        "***": ["***", {"deep": ["***"]}],
        "broken": "a\ufffdb",
        "pair": "\U0001f600",
        "status": "ok",
        "code": 0,
    }
    assert [entry] == list(ledger.entries())


def _endless() -> dict[str, Any]:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    return endless


@pytest.mark.parametrize(
    "value",
    [T0, {1, 2}, b"bytes", object(), float("nan"), float("inf"), 2**64, {1: "a"}, Path("x"), _endless()],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_a_type_error_before_anything_is_written(ledger: Ledger, value: Any) -> None:
    """Even a torn line is left alone."""
    append(ledger, "start")
    with path_of(ledger).open("ab") as file:
        file.write(b"torn")
    before = path_of(ledger).read_bytes()

    with pytest.raises(TypeError):
        append(ledger, "end", value=[value])
    assert path_of(ledger).read_bytes() == before


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)


@given(
    facts=st.dictionaries(
        st.text(),
        st.recursive(
            LEAVES,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
@settings(deadline=None)
def test_any_facts_read_back_unchanged(facts: dict[str, Any]) -> None:
    """For any JSON facts the hash matches after reading."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.jsonl")
        entry = ledger.append("end", at=T0, run_id=RUN, facts=facts)

        assert list(ledger.entries()) == [entry] == list(ledger.backwards())


APPENDER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from futurscam_lib.audit.ledger import Ledger
for number in range(int(sys.argv[3])):
    Ledger(Path(sys.argv[1])).append("end", at=datetime.now(UTC), run_id=sys.argv[2], facts={"number": number})
"""


def test_two_processes_that_append_at_once_make_one_chain(ledger: Ledger) -> None:
    """Every entry of both is there, in the order of each, and the chain verifies."""
    writers = [subprocess.Popen([sys.executable, "-c", APPENDER, str(path_of(ledger)), name, "60"]) for name in "ab"]

    assert [writer.wait(120) for writer in writers] == [0, 0]
    entries = list(ledger.entries())
    assert len(entries) == 120
    for name in "ab":
        assert [entry.facts["number"] for entry in entries if entry.run_id == name] == list(range(60))


def test_a_kill_while_appending_leaves_a_ledger_that_goes_on(ledger: Ledger) -> None:
    """Five processes killed in the middle of writing: all entries stay, and the next process appends."""
    count = 0
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", APPENDER, str(path_of(ledger)), "k", "100000"]) as writer:
            while len(list(ledger.entries())) < count + 5:
                assert writer.poll() is None
            writer.kill()
        entries = list(ledger.entries())
        assert append(ledger, "start") == next(ledger.backwards())
        count = len(entries) + 1
    assert len(list(ledger.entries())) >= count


def test_a_ledger_that_stays_locked_is_for_the_next_run(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suspended writer does not make this one wait for ever."""
    append(ledger, "start")
    monkeypatch.setattr("futurscam_lib.audit.ledger._LOCK_SECONDS", 0.1)

    with FileLock(f"{path_of(ledger)}.lock"), pytest.raises(RetryLater, match="Nothing was written"):
        append(ledger, "end")
    assert len(list(ledger.entries())) == 1


def test_a_start_without_its_end_is_unfinished(ledger: Ledger) -> None:
    """Ended and crashed runs are not; several are given oldest first."""
    for run_id, event in (("a", "end"), ("b", "crashed")):
        append(ledger, "start", run_id)
        append(ledger, event, run_id)
    assert ledger.unfinished() == []

    append(ledger, "first-run", "")
    starts = [append(ledger, "start", "c"), append(ledger, "start", "d")]
    append(ledger, "reset", "")

    assert ledger.unfinished() == starts
    append(ledger, "crashed", "c")
    assert ledger.unfinished() == starts[1:]


def test_the_search_for_unfinished_runs_stops_where_all_earlier_ones_are_marked(ledger: Ledger) -> None:
    """It does not read the whole history; that a run starts with nothing changed far back is for `heal`."""
    for number in range(10):
        append(ledger, "start", str(number))
        append(ledger, "end", str(number))
    path_of(ledger).write_bytes(path_of(ledger).read_bytes().replace(b'"run_id":"2"', b'"run_id":"x"'))

    assert ledger.unfinished() == []
    with pytest.raises(OperatorMustAct):
        list(ledger.entries())


def test_the_last_watermark_is_the_newest_recorded_one(ledger: Ledger) -> None:
    """From any run, reset or first run; entries without a readable watermark, and dry runs, are skipped."""
    hours = [(T0 + timedelta(hours=number)).isoformat() for number in range(6)]
    append(ledger, "start", parameters={"dry_run": True}, watermark={"before": hours[5]})
    append(ledger, "end", dry_run=True, status="ok", watermark={"before": hours[5], "after": hours[5]})
    append(ledger, "crashed")
    assert ledger.last_watermark() is None

    for number, (event, watermark) in enumerate(
        [
            ("start", {"before": hours[0]}),
            ("first-run", hours[1]),
            ("end", {"before": hours[1], "after": hours[2]}),
            ("reset", {"before": None, "after": hours[3]}),
        ]
    ):
        append(ledger, event, status="failed", watermark=watermark)
        append(ledger, "end", watermark="yesterday")
        assert ledger.last_watermark() == T0 + timedelta(hours=number)
