"""What an IMAP server says about a mail: whatever way it writes it, and nothing that brings a run down."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.extract.bodystructure import Part, answers, parts

if TYPE_CHECKING:
    from futurscam_lib.extract.bodystructure import Piece

PLAIN = b'("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "7BIT" 20 1)'
JSON = b'("APPLICATION" "JSON" ("NAME" "a.json") NIL NIL "BASE64" 40 NIL ("ATTACHMENT" ("FILENAME" "b.json")) NIL NIL)'
ENVELOPE = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def message(inner: bytes) -> bytes:
    """An attached mail."""
    return b'("message" "rfc822" ("name" "x.eml") NIL NIL "7bit" 99 ' + ENVELOPE + b" " + inner + b" 9 NIL NIL NIL NIL)"


def structure(text: bytes) -> list[Part]:
    """The parts of a mail that is described so."""
    (answer,) = answers([b"1 (UID 5 BODYSTRUCTURE " + text + b")"])
    return parts(answer["BODYSTRUCTURE"])


def places(text: bytes) -> list[tuple[str, str, str]]:
    """Number, header and attached mail of each part."""
    return [(part.section, part.header, part.outer) for part in structure(text)]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ([b"1 (UID 5)"], [{"UID": b"5"}]),
        ([None], []),
        ([b'1 (uid 5 X "a \\"b\\" \\\\ (c)" Y NIL Z "NIL" W "")'], [{"UID": b"5", "X": b'a "b" \\ (c)', "Y": None}]),
        (
            [(b"1 (UID 5 BODY[1.MIME]<0> {9}", b'("{3}"\r\n)'), (b" BODY[] {0}", b""), b" FLAGS (\\Seen $x[y))"],
            [{"UID": b"5", "BODY[1.MIME]": b'("{3}"\r\n)', "BODY[]": b"", "FLAGS": [b"\\Seen", b"$x[y"]}],
        ),
        (
            [(b'1 (BODY[HEADER.FIELDS ("SUBJECT" MESSAGE-ID)] {1}', b"x"), b")", b"2 (UID 6)"],
            [{'BODY[HEADER.FIELDS ("SUBJECT" MESSAGE-ID)]': b"x"}, {"UID": b"6"}],
        ),
        ([b"1 (UID 5", b"2 (UID 6))", b"3 UID", b'4 (UID "7', b"5 (UID)", b"(6)", b"7 (UID 8)"], [{"UID": b"8"}]),
    ],
)
def test_an_answer_is_read_however_it_is_written(said: list[Piece], meant: list[dict[str, Any]]) -> None:
    """Quoted, as an atom or as a literal; one that is broken hides no other."""
    found = list(answers(said))

    assert [{key: answer.get(key) for key in expected} for answer, expected in zip(found, meant, strict=True)] == meant


@given(
    st.lists(
        st.binary(max_size=20)
        | st.tuples(st.binary(max_size=20), st.binary(max_size=9))
        | st.text('1 ()"\\[]{}NILUD', max_size=30).map(str.encode)
    )
)
def test_no_answer_brings_a_run_down(said: list[Piece]) -> None:
    """Whatever comes, there is an answer, or none."""
    for answer in answers(said):
        with pytest.raises(ValueError, match=r"."):
            parts([answer])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PLAIN, [("1", "HEADER", "")]),
        (b"(" + PLAIN + JSON + b' "MIXED")', [("1", "1.MIME", ""), ("2", "2.MIME", "")]),
        (
            b"((" + PLAIN + PLAIN + b' "ALTERNATIVE")' + JSON + b' "MIXED" ("BOUNDARY" "x") NIL NIL)',
            [("1.1", "1.1.MIME", ""), ("1.2", "1.2.MIME", ""), ("2", "2.MIME", "")],
        ),
        (b"(" + PLAIN + message(JSON) + b' "MIXED")', [("1", "1.MIME", ""), ("2.1", "2.HEADER", "2.MIME")]),
        (message(b"(" + PLAIN + JSON + b' "MIXED")'), [("1.1", "1.1.MIME", "HEADER"), ("1.2", "1.2.MIME", "HEADER")]),
        (
            b"(" + PLAIN + message(message(JSON)) + b' "MIXED")',
            [("1", "1.MIME", ""), ("2.1.1", "2.1.HEADER", "2.MIME")],
        ),
        (b"(" + PLAIN + message(PLAIN) + b' "MIXED")', [("1", "1.MIME", ""), ("2", "2.MIME", "")]),
    ],
)
def test_parts_have_the_numbers_of_the_standard(text: bytes, found: list[tuple[str, str, str]]) -> None:
    """RFC 3501, 6.4.5; an attached mail of which nothing is to be read is one part."""
    assert places(text) == found


def test_a_part_is_described() -> None:
    """A file name goes before a name."""
    (part,) = structure(JSON)

    assert (part.kind, part.name, part.encoding, part.size) == ("application/json", "b.json", "base64", 40)
    assert (part.attached, part.is_body, part.opaque) == (True, False, False)
    assert structure(PLAIN)[0].is_body
    assert structure(message(ENVELOPE).replace(b"7bit", b"base64"))[0].opaque


@pytest.mark.parametrize(
    "text",
    [
        b"NIL",
        b"()",
        b'"x"',
        b"(" * 5000 + b")" * 5000,
        b'("a" "b")',
        b'("a" "b" NIL NIL NIL NIL NIL)',
        b"(" + re.sub(rb'"7BIT" 20', b'"7BIT" 0', PLAIN) + b' "MIXED")',
        b'("message" "rfc822" NIL NIL NIL "7bit" 99 NIL ("a"))',
    ],
)
def test_what_is_no_structure_is_told(text: bytes) -> None:
    """Then the mail is fetched whole."""
    with pytest.raises(ValueError, match=r"."):
        structure(text)


@pytest.mark.parametrize("encoding", ["base64", "x-unknown", ""])
def test_content_that_is_badly_encoded_is_left_as_it_is(encoding: str) -> None:
    """Or as much of it is decoded as can be: the mapping rejects it."""
    part = Part("1", "HEADER", "", "a/b", "", attached=False, opaque=False, encoding=encoding, size=0)

    assert part.decoded(b"\xff{!") in {b"\xff{!", b""}
