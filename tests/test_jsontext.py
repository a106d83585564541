"""Bytes to JSON: valid input, and the place of a fault in invalid input."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.errors import Rejected
from futurscam_lib.jsontext import encoding_of, parse


def reject_of(payload: bytes, **begins: int) -> Rejected:
    """Why a payload cannot be read."""
    with pytest.raises(Rejected) as caught:
        parse(payload, **begins)
    return caught.value


@pytest.mark.parametrize(
    ("head", "codec"),
    [
        (b"\xef\xbb\xbf{", "utf-8-sig"),
        (b"\xff\xfe{\x00", "utf-16"),
        (b"\xfe\xff\x00{", "utf-16"),
        (b"{", "utf-8"),
        (b"\xef\xbb", "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_a_byte_order_mark_gives_the_encoding(head: bytes, codec: str) -> None:
    """Only a byte order mark decides on the encoding; without one it is UTF-8."""
    assert encoding_of(head) == codec


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b' {"a": [1, 2.5, null, true]}\r\n', {"a": [1, 2.5, None, True]}),
        ('{"a": "é普\U0001f9d1"}'.encode(), {"a": "é普\U0001f9d1"}),
        ('{"a": "é"}'.encode("utf-8-sig"), {"a": "é"}),
        ('\ufeff{"a": "é\U0001f9d1"}'.encode("utf-16-le"), {"a": "é\U0001f9d1"}),
        ('\ufeff{"a": "é\U0001f9d1"}'.encode("utf-16-be"), {"a": "é\U0001f9d1"}),
        (rb'"\ud83e\uddd1\u0000"', "\U0001f9d1\x00"),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", float(2**64)),
        (b"[" * 300 + b"]" * 300, None),
        (rb'["\ud800", "\udc00x", "\ud83e\uddd1", 1]', ["\ud800", "\udc00x", "\U0001f9d1", 1]),
        (b'"\xed\xa0\x80"', "\ud800"),
        ('\ufeff"a"'.encode("utf-16-le").replace(b"a\x00", b"\x00\xd8"), "\ud800"),
        (b"[-Infinity, 1e400, 1]", [-math.inf, math.inf, 1]),
        (b"9" * 5000, math.inf),
    ],
)
def test_json_is_read_in_every_encoding(payload: bytes, value: Any) -> None:
    """Values are read correctly; the reader of a field checks what is specific to that field."""
    parsed = parse(payload)

    assert value is None or parsed == value


def test_nan_is_read_as_a_number() -> None:
    """It is the value of one field; the reader of that field decides about it."""
    assert math.isnan(parse(b'{"rate": NaN}')["rate"])


@pytest.mark.parametrize(
    "payload",
    [
        *(
            b"01",
            b"'a'",
            b"{a: 1}",
            b"[1,]",
            b"",
            b" ",
            b"\x00",
            b"{} {}",
        ),
        *(b'"\x01"', b'"a\nb"', b"// c\n1", b"[" * 5000 + b"]" * 5000),
    ],
)
def test_invalid_json_is_refused(payload: bytes) -> None:
    """Control characters, comments, endless nesting: a reject, not a guess."""
    assert reject_of(payload).code == "broken-json"


@pytest.mark.parametrize(
    ("payload", "code", "line", "column"),
    [
        (b'{"a": x}', "broken-json", 1, 7),
        ('{"é": "普\U0001f9d1", x}'.encode(), "broken-json", 1, 13),
        (b'{"a": 1,\r\n  "b": x}', "broken-json", 2, 8),
        (b'{"a": 1,\n\n', "broken-json", 3, 1),
        ('{"a": x}'.encode("utf-8-sig"), "broken-json", 1, 7),
        ('\ufeff{"a": 1,\n "b": x}'.encode("utf-16-be"), "broken-json", 2, 7),
        (b'{"a": "\xe9"}', "encoding", 1, 8),
        ('{"é": "'.encode() + b'\xe9"}', "encoding", 1, 8),
        (b'\xef\xbb\xbf{"a": "\xe9"}', "encoding", 1, 8),
        (b'{"a": 1,\n"b": "\xff"}', "encoding", 2, 7),
        ('\ufeff{"a"'.encode("utf-16-le") + b"\x00\xd8", "encoding", 1, 5),
        ("\ufeff{".encode("utf-16-le") + b"\x00", "encoding", 1, 2),
    ],
)
def test_a_fault_has_a_line_and_a_column(payload: bytes, code: str, line: int, column: int) -> None:
    """Columns count characters, not bytes, and marks are no characters."""
    error = reject_of(payload)

    assert (error.code, error.line, error.column) == (code, line, column)
    assert f"line {line}, column {column}" in error.message


def test_the_wrong_byte_is_named_behind_a_mark_too() -> None:
    """The message shows the wrong byte, not one before it."""
    assert reject_of(b'\xef\xbb\xbf{"a": "\xe9"}').message == "The text is not UTF-8: byte 0xe9 at line 1, column 8."


def test_places_count_from_where_the_payload_begins() -> None:
    """In the payload's first line its column counts; from the second line on the file's own columns do."""
    first = reject_of(b'{"a": x}', first_line=7, first_column=11)
    second = reject_of(b'{"a": 1,\n "b": x}', first_line=7, first_column=11)

    assert (first.line, first.column) == (7, 17)
    assert (second.line, second.column) == (8, 7)


def test_a_message_holds_nothing_of_the_payload() -> None:
    """The message about a broken record can be logged: it quotes at most one byte."""
    error = reject_of(b'{"password": "hunter2", "x": tru}')

    assert "hunter2" not in str(error)
    assert "tru}" not in str(error)


@given(st.binary(max_size=40), st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b'{"a": "']))
def test_any_bytes_are_json_or_a_reject(data: bytes, mark: bytes) -> None:
    """Any bytes give either a value or a reject with a place."""
    value, error = None, None
    try:
        value = parse(mark + data)
    except Rejected as caught:
        error = caught

    assert json.dumps(value)
    assert error is None or (error.code in {"broken-json", "encoding"} and error.line >= 1 and error.column >= 1)
