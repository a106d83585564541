"""The inbox folder: which files are read, how they become records, and that nothing in the folder is changed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import futurscam_lib
from futurscam_lib.errors import OperatorMustAct, RetryLater
from futurscam_lib.extract.folder import FolderSource
from futurscam_lib.records import MAX_RECORD_BYTES, RawRecord, Reject, Window
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import transform

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALWAYS = Window(datetime(1970, 1, 1, tzinfo=UTC))
SEEN_AT = datetime(2027, 1, 1, tzinfo=UTC)
DEMO = Path(futurscam_lib.__file__).parent / "cli" / "demo_inbox"
POST = (DEMO / "jobpost_JobPostModelToSupplierV1_60001.json").read_bytes()
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "utf-16 little-endian": lambda text: f"\ufeff{text}".encode("utf-16-le"),
    "utf-16 big-endian": lambda text: f"\ufeff{text}".encode("utf-16-be"),
}
linux_names = pytest.mark.skipif(sys.platform != "linux", reason="names that only Linux allows")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An empty inbox."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def put(path: Path, data: bytes | str = b"{}", *, at: datetime = NOON) -> Path:
    """Write a file that was last modified at an instant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def read(inbox: Path, window: Window = ALWAYS) -> list[RawRecord]:
    """The records of an inbox, in the order of their origins."""
    return sorted(FolderSource(inbox).read(window), key=lambda record: record.origin)


def origins(inbox: Path, window: Window = ALWAYS) -> list[str]:
    """The origins of the records."""
    return [record.origin for record in read(inbox, window)]


def places(inbox: Path) -> list[tuple[str, str, int, int]]:
    """The result for each record: `rfp`, or the code and place of its reject."""
    made = [(record.origin, transform(record, seen_at=SEEN_AT)) for record in read(inbox)]
    return [(o, m.code, m.line, m.column) if isinstance(m, Reject) else (o, "rfp", 0, 0) for o, m in made]


def post(**changes: Any) -> dict[str, Any]:
    """A valid post."""
    return {**json.loads(POST), **changes}


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (0, None, ["at.json", "before.json", "behind.json"]),
        (1, None, ["at.json", "behind.json"]),
        (0, 1, ["before.json"]),
        (1, 2, ["at.json"]),
        (3, None, []),
    ],
)
def test_the_window_begins_with_its_first_instant_and_ends_before_its_last(
    inbox: Path, since: int, until: int | None, found: list[str]
) -> None:
    """`[since, until)` on the modification time: adjacent windows share no file and lose none."""
    for number, name in enumerate(["before.json", "at.json", "behind.json"]):
        put(inbox / name, at=NOON + timedelta(seconds=number))
    end = NOON + timedelta(seconds=until) if until is not None else None

    assert origins(inbox, Window(NOON + timedelta(seconds=since), end)) == found


def test_a_modification_time_is_read_to_the_microsecond(inbox: Path) -> None:
    """A watermark with microseconds separates two files of the same millisecond."""
    for name, micro in [("a.json", 223_004), ("b.json", 223_006)]:
        path = put(inbox / name)
        moment = int(NOON.timestamp()) * 10**9 + micro * 1000
        os.utime(path, ns=(moment, moment))

    assert origins(inbox, Window(NOON.replace(microsecond=223_005))) == ["b.json"]


def test_folders_are_read_at_any_depth(inbox: Path) -> None:
    """JSON files are read at any depth and with any case of their ending; other files are ignored."""
    for name in ("a.json", "x/b.JSON", "x/y/z/c.JsonL", "x.json/d.json"):
        put(inbox / name, "{}\n{}" if name.lower().endswith("l") else "{}")
    for name in ("a.json.tmp", "b.txt", "json", ".json", "c.json~"):
        put(inbox / name)

    assert origins(inbox) == ["a.json", "x.json/d.json", "x/b.JSON", "x/y/z/c.JsonL:1", "x/y/z/c.JsonL:2"]


def test_each_record_has_its_origin(inbox: Path) -> None:
    """Origin, instant, line, column, size and hash are those of the item, and its bytes are unchanged."""
    put(inbox / "one.json", b' {"a" : 1}\n')
    put(inbox / "list.json", b'[\n  {"a" : 1}, {"b":2}\n]')
    put(inbox / "lines.jsonl", b'{"a" : 1}\r\n\r\n{"b":2}')

    found = {record.origin: record for record in read(inbox)}

    assert [(origin, r.payload, r.line, r.column) for origin, r in found.items()] == [
        ("lines.jsonl:1", b'{"a" : 1}', 1, 1),
        ("lines.jsonl:3", b'{"b":2}', 3, 1),
        ("list.json[1]", b'{"a" : 1}', 2, 3),
        ("list.json[2]", b'{"b":2}', 2, 14),
        ("one.json", b' {"a" : 1}\n', 1, 1),
    ]
    assert {r.instant for r in found.values()} == {NOON}
    assert found["lines.jsonl:1"].raw_id == found["list.json[1]"].raw_id
    assert all(record.size == len(record.payload) for record in found.values())


def test_no_file_is_ever_changed(inbox: Path) -> None:
    """Names, bytes and modification times are the same after reading, for good files and for broken ones."""
    shutil.copytree(DEMO, inbox, dirs_exist_ok=True)
    before = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in inbox.rglob("*")}

    assert len(read(inbox)) > 30

    assert before == {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in inbox.rglob("*")
    }


def test_files_outside_the_inbox_are_never_read(inbox: Path, tmp_path: Path) -> None:
    """A link to a file or folder outside is not followed, and a note reports it."""
    put(tmp_path / "secret" / "a.json", '{"secret": 1}')
    (inbox / "file.json").symlink_to(tmp_path / "secret" / "a.json")
    (inbox / "relative.json").symlink_to(Path("..", "secret", "a.json"))
    (inbox / "folder").symlink_to(tmp_path / "secret", target_is_directory=True)
    (inbox / "parent").symlink_to(inbox.parent, target_is_directory=True)
    (inbox / "nowhere.json").symlink_to(tmp_path / "nowhere")
    put(inbox / "good.json")
    source = FolderSource(inbox)

    assert [record.origin for record in source.read(ALWAYS)] == ["good.json"]
    assert len(source.notes) == 1
    assert source.notes[0].startswith("5 link(s) that lead outside the inbox were not followed: ")


def test_links_inside_the_inbox_are_followed_without_loops(inbox: Path) -> None:
    """A link to a file in the inbox is read as another file; loops of folders or links end."""
    put(inbox / "sub" / "a.json")
    (inbox / "again.json").symlink_to(inbox / "sub" / "a.json")
    (inbox / "sub" / "round").symlink_to(inbox, target_is_directory=True)
    (inbox / "self.json").symlink_to(inbox / "self.json")

    assert origins(inbox) == ["again.json", "sub/a.json"]


def test_the_inbox_may_be_a_link(inbox: Path, tmp_path: Path) -> None:
    """The inbox may link to a share; links inside it are checked against the share."""
    put(inbox / "a.json")
    (inbox / "b.json").symlink_to(inbox / "a.json")
    (tmp_path / "link").symlink_to(inbox, target_is_directory=True)

    assert origins(tmp_path / "link") == ["a.json", "b.json"]


@pytest.mark.parametrize("name", ["a.json", "b.json", "c.json"])
def test_a_file_that_cannot_be_read_does_not_hide_the_others(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """All other files are read first; then the error asks for another run and names the file."""
    for other in ("a.json", "b.json", "c.json"):
        put(inbox / other)
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **more)

    # File modes do not bind every user that runs this test.
    monkeypatch.setattr(Path, "open", refuse)
    found: list[str] = []
    with pytest.raises(RetryLater, match=rf"^1 file\(s\) of .* could not be read: {name} \(Permission denied\)\.$"):
        found.extend(record.origin for record in FolderSource(inbox).read(ALWAYS))

    assert sorted([*found, name]) == ["a.json", "b.json", "c.json"]


@linux_names
def test_a_folder_that_cannot_be_listed_is_reported(inbox: Path) -> None:
    """With a path that is too long for the system, all other files are read, then the error asks for another run."""
    put(inbox / "good.json")
    here = os.open(inbox, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    found = []

    try:
        with pytest.raises(RetryLater, match="File name too long"):
            found.extend(record.origin for record in FolderSource(inbox).read(ALWAYS))
    finally:
        shutil.rmtree(inbox)

    assert found == ["good.json"]


def test_a_file_removed_while_the_folder_is_read_is_no_failure(inbox: Path) -> None:
    """The file was moved by somebody; the others are read."""
    for number in range(3):
        put(inbox / f"{number}.json")
    records = FolderSource(inbox).read(ALWAYS)

    first = next(records)
    for path in inbox.iterdir():
        path.unlink()

    assert first.payload == b"{}"
    assert list(records) == []


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_an_inbox_that_is_not_a_folder_needs_the_operator(inbox: Path, kind: str) -> None:
    """The message says which setting to correct."""
    place = inbox / "inner"
    if kind == "a file":
        place.write_bytes(b"")

    with pytest.raises(OperatorMustAct, match=r"is not a folder\. Create it, or set FUTURSCAM_INBOX") as caught:
        list(FolderSource(place).read(ALWAYS))

    assert str(place) in str(caught.value)


def test_an_inbox_that_cannot_be_read_needs_the_operator(inbox: Path) -> None:
    """A path that the system refuses is an error for the operator, not a crash."""
    with pytest.raises(OperatorMustAct, match=r"may not be read \(File name too long\)\."):
        list(FolderSource(inbox / ("x" * 300)).read(ALWAYS))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_any_encoding_with_a_byte_order_mark_is_read(inbox: Path, encoding: str, end: str) -> None:
    """Object, list and lines in UTF-8 and UTF-16, with either line end, give the same documents."""
    one, two = post(name="Ingénieur 普通话 \U0001f9d1"), post(id="two", name="né à l'été")
    encode = ENCODINGS[encoding]
    put(inbox / "one.json", encode(json.dumps(one, indent=2, ensure_ascii=False).replace("\n", end)))
    put(inbox / "list.json", encode(json.dumps([one, two], indent=2, ensure_ascii=False).replace("\n", end)))
    put(inbox / "lines.jsonl", encode(end.join(json.dumps(each, ensure_ascii=False) for each in (one, two))))

    made = {record.origin: transform(record, seen_at=SEEN_AT) for record in read(inbox)}

    hashes = {origin: rfp.key.content_hash for origin, rfp in made.items() if isinstance(rfp, Rfp)}
    assert hashes["one.json"] == hashes["list.json[1]"] == hashes["lines.jsonl:1"]
    assert hashes["list.json[2]"] == hashes["lines.jsonl:2"]
    assert len(hashes) == 5


def test_latin_1_is_rejected_with_its_place(inbox: Path) -> None:
    """A byte that is not UTF-8 rejects only its record: the whole file, one element, or one line."""
    wrong = '{"name": "né"}'.encode("latin-1")
    good = orjson.dumps(post())
    put(inbox / "one.json", b'{\n "name": "n\xe9"}')
    put(inbox / "list.json", b"[" + good + b",\n" + wrong + b",\n" + good + b"]")
    put(inbox / "lines.jsonl", good + b"\n" + wrong + b"\n" + good)

    assert places(inbox) == [
        ("lines.jsonl:1", "rfp", 0, 0),
        ("lines.jsonl:2", "encoding", 2, 12),
        ("lines.jsonl:3", "rfp", 0, 0),
        ("list.json[1]", "rfp", 0, 0),
        ("list.json[2]", "encoding", 2, 12),
        ("list.json[3]", "rfp", 0, 0),
        ("one.json", "encoding", 2, 12),
    ]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("object.json", '{"a": 1,\n "b": tru}', ("object.json", "broken-json", 2, 7)),
        ("object.json", '{"a": 1', ("object.json", "broken-json", 1, 8)),
        ("object.json", '{"a": 1}\n{"b": 2}', ("object.json", "broken-json", 2, 1)),
        ("marked.json", '\ufeff{"a": x}', ("marked.json", "broken-json", 1, 7)),
        ("empty.json", "", ("empty.json", "broken-json", 1, 1)),
        ("blank.json", " \n ", ("blank.json", "broken-json", 1, 1)),
        ("compact.json", '[{"a":1},{"é":tru}]', ("compact.json[2]", "broken-json", 1, 15)),
        (
            "pretty.json",
            '[\n  {\n    "a": 1\n  },\n  {\n    "b": tru\n  }\n]',
            ("pretty.json[2]", "broken-json", 6, 10),
        ),
        ("behind.json", '\n\n  [{"a":1},\n{"b":tru}]', ("behind.json[2]", "broken-json", 4, 6)),
        ("cut.json", '[{"a":1},\n{"b":2', ("cut.json[2]", "broken-json", 2, 7)),
        ("open.json", '[{"a":1}\n', ("open.json[2]", "broken-json", 2, 0)),
        ("trailing.json", '[{"a":1}]\n  garbage', ("trailing.json[2]", "broken-json", 2, 3)),
        ("lines.jsonl", '{"a":1}\n\n  {"b": tru}\n{"c":3}', ("lines.jsonl:3", "broken-json", 3, 9)),
    ],
)
def test_broken_json_is_reported_with_line_and_column(
    inbox: Path, name: str, text: str, place: tuple[str, str, int, int]
) -> None:
    """Line and column are those of the file, in every kind of file."""
    put(inbox / name, text)

    assert place in places(inbox)


def test_records_without_fields_are_rejects(inbox: Path) -> None:
    """Numbers, words, texts, null and lists are not posts, in every kind of file."""
    scalars = ["1", "true", "null", '"x"', "[]"]
    put(inbox / "list.json", f"[{','.join(scalars)}]")
    put(inbox / "lines.jsonl", "\n".join(scalars))
    for number, scalar in enumerate(scalars[:-1]):
        put(inbox / f"one{number}.json", scalar)
    put(inbox / "zero.json", "[]")

    codes = [code for _, code, _, _ in places(inbox)]

    assert len(codes) == 14
    assert set(codes) == {"wrong-type", "missing"}


def test_fifty_megabytes_in_one_object_are_a_reject(inbox: Path) -> None:
    """A file above the limit is rejected with its size and not read into memory."""
    path = inbox / "huge.json"
    with path.open("wb") as file:
        file.write(b'{"a":"')
        file.truncate(50_000_000)

    tracemalloc.start()
    try:
        (record,) = read(inbox)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (record.payload, record.size, record.flaw and record.flaw.code) == (b"", 50_000_000, "too-large")
    assert "50,000,000 bytes" in transform(record, seen_at=SEEN_AT).reason  # type: ignore[union-attr]
    assert peak < 16 << 20


def test_a_file_of_the_limit_is_read(inbox: Path) -> None:
    """A file of exactly the limit is read, one byte more is rejected."""
    put(inbox / "fits.json", b'"' + b"x" * (MAX_RECORD_BYTES - 2) + b'"')
    put(inbox / "large.json", b'"' + b"x" * (MAX_RECORD_BYTES - 1) + b'"')

    assert [(r.size, r.flaw and r.flaw.code) for r in read(inbox)] == [
        (MAX_RECORD_BYTES, None),
        (MAX_RECORD_BYTES + 1, "too-large"),
    ]


def test_two_items_that_are_too_large_are_two_rejects(inbox: Path) -> None:
    """Without their bytes they are distinguished by their origins; both are counted and kept."""
    large = b'"' + b"x" * MAX_RECORD_BYTES + b'"'
    put(inbox / "lines.jsonl", large + b"\n" + large)

    assert len({record.raw_id for record in read(inbox)}) == 2


@pytest.mark.parametrize(
    ("name", "head", "end", "tail"), [("a.json", b"[", b",", b"{}]"), ("a.jsonl", b"", b"\n", b"{}")]
)
def test_a_large_file_streams(inbox: Path, name: str, head: bytes, end: bytes, tail: bytes) -> None:
    """40 MB of records need only the memory of a few records."""
    put(inbox / name, head + (b'{"a":"' + b"x" * 20_000 + b'"}' + end) * 2000 + tail)

    tracemalloc.start()
    try:
        count = sum(1 for _ in FolderSource(inbox).read(ALWAYS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 2001
    assert peak < 8 << 20


@linux_names
def test_unusual_file_names_are_read(inbox: Path) -> None:
    """Dots, Windows devices, markup, spaces and line ends: the file is read, and its name can be stored."""
    names = [
        *("..json", "...json", "..a.json", "..\\..\\evil.json", "%2e%2e%2f.json", "con.json", "NUL.json", "aux .json"),
        *("lpt1.json.json", " a b .json", "a\nb.json", "<script>alert(1)<.json", "$x^2$.json", "é普\U0001f9d1.json"),
        *("`id`.json", "$(id).json", "-rf.json", "a:b|c?*.json", "x" * 240 + ".json"),
    ]
    for name in names:
        put(inbox / name)

    assert origins(inbox) == sorted(names)


@linux_names
def test_names_that_are_not_text_stay_different(inbox: Path) -> None:
    """Bytes that are not text are escaped: MongoDB can store the origin, and two files have two origins."""
    folder = os.fsencode(inbox)
    for name in (b"a\xff.json", b"a\xfe.json"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"{}")
    (inbox / os.fsdecode(b"out\xff.json")).symlink_to("/nowhere")
    source = FolderSource(inbox)

    found = sorted(record.origin for record in source.read(ALWAYS))

    assert found == [r"a\udcfe.json", r"a\udcff.json"]
    assert r"out\udcff.json" in source.notes[0]


def test_the_instant_of_a_file_may_be_any(inbox: Path) -> None:
    """A modification time before 1970 is read like any other."""
    old = put(inbox / "old.json")
    os.utime(old, (-86_400 * 365, -86_400 * 365))

    (record,) = read(inbox, Window(datetime(1900, 1, 1, tzinfo=UTC)))

    assert record.instant == datetime(1969, 1, 1, tzinfo=UTC)


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, len(POST)),
        st.integers(0, 12),
        st.sampled_from([b"", b"\xff", b'"', b"{", b"]", b"\x00", b"9" * 400, b","]),
    ),
    min_size=1,
    max_size=4,
)


def mutated(changes: list[tuple[int, int, bytes]]) -> bytes:
    """A valid post in which some bytes were replaced."""
    data = POST
    for at, length, instead in changes:
        data = data[:at] + instead + data[at + length :]
    return data


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=80) | MUTATIONS.map(mutated),
    mark=st.sampled_from([b"", b"[", b"\xff\xfe", b"\xef\xbb\xbf"]),
)
def test_whatever_bytes_a_file_holds_each_record_is_a_document_or_a_reject(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, mark: bytes
) -> None:
    """No file crashes a run, and every record is accounted for."""
    inbox = tmp_path_factory.getbasetemp() / "any"
    inbox.mkdir(exist_ok=True)
    for name in ("a.json", "b.jsonl"):
        put(inbox / name, mark + data)

    records = read(inbox)

    assert all(isinstance(transform(record, seen_at=SEEN_AT), Rfp | Reject) for record in records)
    with suppress(UnicodeDecodeError):
        if (
            (mark + data)
            .decode("utf-16" if (mark + data)[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
            .strip(" \t\r\n[]")
        ):
            assert {record.origin[0] for record in records} >= {"a", "b"}
