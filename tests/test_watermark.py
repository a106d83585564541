"""The watermark: the file is read correctly or refused; a run never moves it back."""

from __future__ import annotations

import codecs
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib import watermark
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from pathlib import Path

T0 = datetime(2026, 11, 23, 12, 5, 1, 223_000, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
TEXT = "2026-11-23T12:05:01.223000+00:00"
HOUR = timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The watermark file."""
    return tmp_path / ".last_execution"


@pytest.mark.parametrize(
    "data",
    [
        f"{TEXT}\n".encode(),
        TEXT.encode(),
        f"{TEXT}\r\n".encode("cp1252"),
        codecs.BOM_UTF16_LE + f"{TEXT}\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + f"{TEXT}\r\n".encode("utf-16-be"),
        codecs.BOM_UTF8 + f"{TEXT}\r\n".encode(),
        f"{TEXT} \r\n".encode(),
        f'"{TEXT}" \r\n'.encode(),
        f"' {TEXT} '\n\n".encode(),
        b"2026-11-23T12:05:01.223",
        b"2026-11-23 12:05:01.223000",
        b"2026-11-23T12:05:01.223Z",
        b"2026-11-23T13:05:01.223+01:00",
        b"2026-11-23T13:05:01.2230000+0100",
    ],
)
def test_the_file_of_every_shell_is_read(path: Path, data: bytes) -> None:
    """Both PowerShells, cmd, editors: byte order marks, line ends, blanks, quotes, offsets."""
    path.write_bytes(data)

    assert Watermark(path).read(now=NOW) == T0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\0" * 33, "NUL bytes"),
        (b"\r\n", r"'\r\n'"),
        (b"yesterday", "'yesterday'"),
        (b"2026-11-23+01:00", "'2026-11-23+01:00'"),
        (f"{TEXT}\n{TEXT}\n".encode(), TEXT),
        (f"{TEXT} # reset by Ann".encode(), "reset by Ann"),
        (b"2026-11-23T12:05:01\n+00:00", "2026"),
        (f'"{TEXT}'.encode(), TEXT),
        (f"\"{TEXT}'".encode(), TEXT),
        (f"{TEXT}{' ' * 5000}x".encode(), TEXT),
        (f"{TEXT}\0\0".encode(), r"\x00"),
        (TEXT.encode("utf-16-le"), r"\x00"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le") + b"\n", r"\xff\xfe"),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), r"\x00"),
        (f"{TEXT}\xa0".encode("cp1252"), r"\xa0"),
        ("2026-11-23T12:05:01.\u0662\u0662\u0663Z".encode(), "2026"),
        (b" " * 5000 + TEXT.encode(), "' "),
        (b"x" * 5000, f"'{'x' * 60}'"),
    ],
)
def test_invalid_content_is_refused_and_quoted(path: Path, data: bytes, said: str) -> None:
    """The error quotes the content and names the file and the repair; the file is left unchanged."""
    path.write_bytes(data)

    with pytest.raises(OperatorMustAct) as caught:
        Watermark(path).read(now=NOW)

    text = str(caught.value)
    assert said in text
    assert str(path) in text
    assert "futurscam reset --to INSTANT" in text
    assert len(text) < 600
    assert path.read_bytes() == data


@given(data=st.binary(max_size=80))
def test_any_bytes_are_an_instant_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Any bytes of a broken disk give an instant or a refusal."""
    path = tmp_path_factory.getbasetemp() / "any_last_execution"
    path.write_bytes(data)

    with pytest.raises(OperatorMustAct):
        Watermark(path).read(now=NOW)


def test_a_missing_file_is_a_first_run(path: Path) -> None:
    """No file, no watermark, no error."""
    assert Watermark(path).read(now=NOW) is None


def test_a_file_that_cannot_be_opened_is_refused(path: Path) -> None:
    """A folder of that name, as an example of what the system does not let one read."""
    path.mkdir()

    with pytest.raises(OperatorMustAct, match="cannot be read"):
        Watermark(path).read(now=NOW)


def test_a_watermark_in_the_future_is_refused_beyond_a_clock_step(path: Path) -> None:
    """Five seconds are what a time server may set a clock back; more would skip what changes until then."""
    path.write_text("2026-11-23T13:00:05Z")
    assert Watermark(path).read(now=NOW) == NOW + timedelta(seconds=5)

    path.write_text("2026-11-23T13:00:05.000001Z")
    with pytest.raises(OperatorMustAct, match="in the future"):
        Watermark(path).read(now=NOW)


def test_a_commit_is_read_back_with_its_microseconds(path: Path) -> None:
    """The file holds the start of the run plus 1 ms as text, and nothing else."""
    mark = Watermark(path)
    mark.commit(watermark.after(T0 + timedelta(microseconds=7)))

    assert path.read_bytes() == b"2026-11-23T12:05:01.224007+00:00\n"
    assert mark.read(now=NOW) == T0 + timedelta(microseconds=1007)
    assert list(path.parent.iterdir()) == [path]


def test_a_commit_never_moves_it_back(path: Path) -> None:
    """The later of the file's instant and the committed one is kept, even if a person wrote the file."""
    mark = Watermark(path)
    path.write_bytes(codecs.BOM_UTF16_LE + f"{TEXT}\r\n".encode("utf-16-le"))

    mark.commit(T0 - HOUR)
    assert mark.read(now=NOW) == T0

    mark.commit(T0 + timedelta(microseconds=1))
    assert mark.read(now=NOW) == T0 + timedelta(microseconds=1)


@pytest.mark.parametrize("data", [b"", b"\0" * 33, b"garbage"])
def test_a_commit_overwrites_an_unreadable_file(path: Path, data: bytes) -> None:
    """A successful run writes its watermark even if the file has become unreadable meanwhile."""
    path.write_bytes(data)
    Watermark(path).commit(T0)

    assert Watermark(path).read(now=NOW) == T0


def test_a_reset_moves_the_watermark_to_any_instant(path: Path) -> None:
    """Backwards, forwards, over garbage."""
    mark = Watermark(path)
    for instant in (T0, T0 - HOUR, T0 + HOUR / 2):
        mark.reset(instant)
        assert mark.read(now=NOW) == instant

    path.write_bytes(b"garbage")
    mark.reset(T0)
    assert mark.read(now=NOW) == T0
