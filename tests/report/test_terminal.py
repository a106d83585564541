"""Text from outside on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.report.terminal import in_colour, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://a\x1b\\x", "x"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\tb", "a   b"),
        ("a\x07\x9b2J\u202eb", "a\ufffd\ufffd2J\ufffdb"),
        ("\x1b\x1b[2Jx", "\ufffdx"),
    ],
)
def test_escape_sequences_are_removed(text: str, shown: str) -> None:
    """Colours go, lines stay, and every other control character is replaced."""
    assert plain(text) == shown


@given(st.text())
def test_only_letters_and_lines_are_left(text: str) -> None:
    """For any text."""
    assert all(char.isprintable() for char in plain(text).replace("\n", ""))


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets no colours, nor does a user who disabled them."""
    assert not in_colour()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert in_colour()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not in_colour()
