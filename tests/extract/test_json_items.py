"""Splitting a file into items: unchanged bytes and correct places, for every encoding and piece size."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from futurscam_lib import jsontext
from futurscam_lib.errors import Rejected
from futurscam_lib.extract import json_items
from futurscam_lib.records import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BOM = "\ufeff"
ENCODINGS = {
    "utf-8": lambda text: text.encode(),
    "utf-8-sig": lambda text: text.encode("utf-8-sig"),
    "utf-16-le": lambda text: f"{BOM}{text}".encode("utf-16-le"),
    "utf-16-be": lambda text: f"{BOM}{text}".encode("utf-16-be"),
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab$."\\é\U0001f9d1', max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)
BLANKS = st.text(" \t\r\n", max_size=4)
PIECES = st.integers(1, 40) | st.just(1 << 20)


def elements(data: bytes) -> list[json_items.Item]:
    """The items of a file that holds a list."""
    return list(json_items.split_list(io.BytesIO(data)))


def lines(data: bytes) -> list[json_items.Item]:
    """The items of a JSON Lines file."""
    return list(json_items.split_lines(io.BytesIO(data)))


def place_of(item: json_items.Item) -> tuple[str, int, int]:
    """Why an item is rejected, and where."""
    if item.flaw:
        return item.flaw.code, item.line, 0
    with pytest.raises(Rejected) as caught:
        jsontext.parse(item.payload, first_line=item.line, first_column=item.column)
    return caught.value.code, caught.value.line, caught.value.column


class Endless(io.RawIOBase):
    """A file that is generated while it is read: a beginning, the same bytes many times, an end."""

    def __init__(self, head: bytes, body: bytes, times: int, tail: bytes) -> None:
        """Nothing is read yet."""
        self._make: Callable[[], Iterator[bytes]] = lambda: filter(None, [head, *[body] * times, tail])
        self._parts, self._rest = self._make(), b""
        self.given = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """To its start."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Begin again."""
        assert (offset, whence) == (0, 0)
        self._parts, self._rest, self.given = self._make(), b"", 0  # type: ignore[assignment]
        return 0

    def readinto(self, buffer: Any) -> int:
        """Give what fits."""
        while len(self._rest) < len(buffer) and (part := next(self._parts, b"")):
            self._rest += part
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        self.given += count
        return count


def peak_of(items: Iterator[json_items.Item]) -> tuple[int, int]:
    """How many items there are, and the most memory that reading them took."""
    tracemalloc.start()
    try:
        count = sum(1 for _ in items)
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    values=st.lists(VALUES, max_size=6),
    indent=st.none() | st.integers(0, 3) | st.just("\t"),
    separators=st.sampled_from([None, (",", ":"), (" , ", " : "), ("\n,\r\n", ":\t")]),
    ascii_only=st.booleans(),
    around=st.tuples(BLANKS, BLANKS),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    piece=PIECES,
)
def test_a_list_splits_into_its_elements(
    *,
    values: list[Any],
    indent: int | str | None,
    separators: tuple[str, str] | None,
    ascii_only: bool,
    around: tuple[str, str],
    encoding: str,
    piece: int,
) -> None:
    """For every form of the list and every piece size, the items, their values and their places are correct."""
    text = json.dumps(values, indent=indent, separators=separators, ensure_ascii=ascii_only)
    text = f"{around[0]}{text}{around[1]}"
    data = ENCODINGS[encoding](text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_items, "PIECE_BYTES", piece)
        assert json_items.begins_list(io.BytesIO(data))
        items = elements(data)

    assert [item.flaw for item in items] == [None] * len(values)
    assert [orjson.loads(item.payload) for item in items] == [orjson.loads(json.dumps(value)) for value in values]
    assert [item.position for item in items] == list(range(1, len(values) + 1))
    for item in items:
        line = text.split("\n")[item.line - 1] + "\n"
        assert line[item.column - 1 :].startswith(item.payload.decode().split("\n")[0])


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(VALUES, max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"]),
    ended=st.booleans(),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    piece=PIECES,
)
def test_lines_are_items(*, values: list[Any], end: str, ended: bool, encoding: str, piece: int) -> None:
    """Each line is an item, with or without a last line end; blank lines are skipped."""
    text = end.join(json.dumps(value, ensure_ascii=False) for value in values) + (end if ended else "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_items, "PIECE_BYTES", piece)
        items = lines(ENCODINGS[encoding](text))

    assert [orjson.loads(item.payload) for item in items] == [orjson.loads(json.dumps(value)) for value in values]
    assert [item.line for item in items] == [1 + number * end.count("\n") for number in range(len(values))]
    assert {item.column for item in items} <= {1}


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=60)
    | st.lists(
        st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"\\", b"1", b"1e", b"tru", b"\xff\xfe", b"\n"])
    ).map(b"".join),
    mark=st.sampled_from([b"", b"[", b"\xef\xbb\xbf[", b"\xff\xfe[\x00", b"\xfe\xff\x00["]),
    piece=PIECES,
)
def test_any_bytes_can_be_split(data: bytes, mark: bytes, piece: int) -> None:
    """Splitting any file ends and gives items; for UTF-8, with the bytes of the file."""
    whole = mark + data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_items, "PIECE_BYTES", piece)
        found = [*elements(whole), *lines(whole)]

    assert len(found) <= 2 * len(whole) + 2
    if jsontext.encoding_of(whole) != "utf-16":
        assert all(item.payload in whole for item in found)


def test_a_wrong_byte_spoils_one_element() -> None:
    """The invalid byte stays unchanged, and the elements around it are read."""
    items = elements(b'[{"a": "\xc3\xa9"}, {"b": "\xe9"}, {"c": 1}]')

    assert [item.payload for item in items] == [b'{"a": "\xc3\xa9"}', b'{"b": "\xe9"}', b'{"c": 1}']
    assert place_of(items[1]) == ("encoding", 1, 21)


@pytest.mark.parametrize("element", ['{"n": ' + "9" * 5000 + "}", '"a\x01b"', '{"a": NaN}', '"\\ud800"'])
def test_an_invalid_element_spoils_only_itself(element: str) -> None:
    """After a number with too many digits, a control character or NaN, the next elements are still read."""
    items = elements(f'[1, {element}, {{"c": 1}}]'.encode())

    assert [item.payload for item in items] == [b"1", element.encode(), b'{"c": 1}']


def test_an_element_with_a_control_character_is_rejected_with_its_place() -> None:
    """Its text is broken, and its meaning is unclear."""
    assert place_of(elements(b'[1, "a\x01b"]')[1])[0] == "broken-json"


@pytest.mark.parametrize(
    ("data", "good", "code", "line", "column"),
    [
        (b'[{"a":1},{"b":tru},{"c":3}]', 1, "broken-json", 1, 15),
        (b'[\n  {"a": 1},\n  {\n    "b": tru\n  },\n  {"c": 3}\n]', 1, "broken-json", 4, 10),
        (b'[{"a":1},{"b":"x', 1, "broken-json", 1, 17),
        (b'[{"a":1},', 1, "broken-json", 1, 0),
        (b'[{"a":1}', 1, "broken-json", 1, 0),
        (b"[", 0, "broken-json", 1, 0),
        (b'[{"a":1},\n]', 1, "broken-json", 2, 1),
        (b"[1]\n  x", 1, "broken-json", 2, 3),
        (b"[1]\n[2]", 1, "broken-json", 2, 0),
        (b'[{"a":1}\n {"b":2}]', 1, "broken-json", 2, 9),
        (b"[,1]", 0, "broken-json", 1, 2),
        (b"[1,\xff]", 1, "encoding", 1, 4),
    ],
)
def test_what_cannot_be_read_is_one_last_item_with_its_place(
    data: bytes, good: int, code: str, line: int, column: int
) -> None:
    """Everything before the error is read; the rest is one reject with its place in the file."""
    items = elements(data)

    assert [json.loads(item.payload) is not None for item in items[:good]] == [True] * good
    assert len(items) == good + 1
    assert place_of(items[-1]) == (code, line, column)


def test_an_empty_list_has_no_items() -> None:
    """No elements, no rejects."""
    assert elements(b" [ \n ] ") == []


def test_elements_without_fields_are_items_too() -> None:
    """Numbers, words and texts in a list are items; the mapping rejects them."""
    assert [item.payload for item in elements(b'[null, -1.5e+10, "x", [], true]')] == [
        *(b"null", b"-1.5e+10", b'"x"', b"[]", b"true")
    ]


def test_half_a_character_at_the_end_is_a_reject() -> None:
    """The items before the end of a UTF-16 file that was cut inside a character are read."""
    items = elements("\ufeff[1,2".encode("utf-16-le") + b"\x00")

    assert [item.payload for item in items[:2]] == [b"1", b"2"]
    assert place_of(items[2])[0] == "encoding"


@pytest.mark.parametrize("text", ["x", "é", "\U0001f9d1"])
def test_an_element_above_the_limit_is_a_reject(text: str) -> None:
    """The limit counts bytes, not characters; the next element is read."""
    count = MAX_RECORD_BYTES // len(text.encode())
    fits = '{"a":"' + text * (count - 8) + '"}'
    data = f'[{fits},{{"b":"{text * (count + 10)}"}},{{"c":1}}]'.encode()

    first, large, last = elements(data)

    assert first.payload == fits.encode()
    assert large.flaw is not None
    assert large.flaw.code == "too-large"
    assert large.size == count * len(text.encode()) + len('{"b":""}') + 10 * len(text.encode())
    assert last.payload == b'{"c":1}'


def test_a_rest_above_the_limit_is_not_kept() -> None:
    """Broken JSON followed by a long text with multi-byte characters becomes a reject without payload."""
    data = b"[1,{" + "é".encode() * (MAX_RECORD_BYTES // 2) + b"]"

    _, rest = elements(data)

    assert (rest.payload, rest.flaw and rest.flaw.code) == (b"", "too-large")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_line_of_the_limit_is_read_and_one_more_byte_is_not(encoding: str) -> None:
    """The limit is the same for every encoding, and the line end does not count."""
    fits = '"' + "x" * (MAX_RECORD_BYTES - 2) + '"'

    items = lines(ENCODINGS[encoding](f'{fits}\r\n{fits[:-1]}x"\r\n1\r\n{fits}x'))

    assert [(item.line, item.flaw and item.flaw.code) for item in items] == [
        *((1, None), (2, "too-large"), (3, None), (4, "too-large"))
    ]
    assert items[0].payload == fits.encode()


@pytest.mark.parametrize("mark", ["", BOM])
def test_a_huge_line_is_a_reject_and_needs_no_memory(mark: str) -> None:
    """50 MB in one line: the lines around it are read, in UTF-8 and in UTF-16, with memory for one record."""
    encode = ENCODINGS["utf-16-be"] if mark else ENCODINGS["utf-8"]
    skip = len(encode(""))
    body = encode("x" * (1 << 19))[skip:]
    file = io.BufferedReader(Endless(encode('{"a":1}\n"'), body, 100, encode('"\n{"b":2}')[skip:]))

    tracemalloc.start()
    try:
        items = list(json_items.split_lines(file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert [(item.line, item.payload) for item in items] == [(1, b'{"a":1}'), (2, b""), (3, b'{"b":2}')]
    assert items[1].size == pytest.approx(100 * (1 << 19) + 2, abs=1)
    assert peak < 40 << 20


def test_a_huge_element_rejects_the_rest_and_needs_no_memory() -> None:
    """50 MB in one element: everything before it is read, the rest is one reject, with memory for one record."""
    file = io.BufferedReader(Endless(b'[{"a":1},{"b":"', b"x" * (1 << 19), 100, b'"},{"c":1}]'))

    tracemalloc.start()
    try:
        items = list(json_items.split_list(file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert [(item.payload, item.flaw and item.flaw.code) for item in items] == [(b'{"a":1}', None), (b"", "too-large")]
    assert peak < 40 << 20


@pytest.mark.parametrize(
    ("split", "head", "end", "tail"),
    [(json_items.split_list, b"[", b",\n", b"{}]"), (json_items.split_lines, b"", b"\n", b"{}")],
)
def test_forty_megabytes_stream(
    split: Callable[[Any], Iterator[json_items.Item]], head: bytes, end: bytes, tail: bytes
) -> None:
    """Many items need the memory of a few, and the first is yielded before the second megabyte is read."""
    body = b'{"a":"' + b"x" * 20_000 + b'"}' + end
    raw = Endless(head, body, 2000, tail)

    next(split(io.BufferedReader(raw)))
    given = raw.given
    count, peak = peak_of(split(io.BufferedReader(Endless(head, body, 2000, tail))))

    assert given <= 2 * json_items.PIECE_BYTES
    assert count == 2001
    assert peak < 8 << 20


def test_a_line_of_control_characters_is_an_item() -> None:
    """JSON's whitespace is blank; a vertical tab is a broken item, which becomes a reject."""
    assert [item.payload for item in lines(b" \t\r\n\x0b\n\x0c1\n")] == [b"\x0b", b"\x0c1"]
