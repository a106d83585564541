"""Tables and pictures in a notebook: text from outside stays text."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from futurscam_lib.report.tables import (
    MAX_ROWS,
    MAX_TEXT,
    Link,
    Mark,
    Picture,
    Shown,
    Table,
    Tables,
    as_text,
    is_inside,
)

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "$\\href{javascript:alert(1)}{x}$",
    "</td></table><iframe src=//evil.example>",
    "&lt;b&gt;",
]


class Seen(HTMLParser):
    """The tags, the attributes and the text of some HTML."""

    def __init__(self, html: str) -> None:
        """Parse at once."""
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        """Tags close in the order in which they were opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_stays_text_in_every_place(text: str) -> None:
    """Title, heading, cell and note show the text unchanged, and add no tag."""
    plain = Seen(Table(["a"], [["b"]], title="c", notes=["d"])._repr_html_())
    seen = Seen(Table([text], [[text]], title=text, notes=[text])._repr_html_())

    assert seen.tags == plain.tags
    assert seen.open == []
    assert seen.attributes <= {"class", "style", "scope"}
    assert seen.text == text * 4


def test_no_table_is_typeset_as_mathematics() -> None:
    """The whole table has the two classes that old and new versions of MathJax ignore."""
    html = Table(["a"], [["$x$"]], title="$x$", notes=["$x$"])._repr_html_()

    assert html.startswith('<div class="tex2jax_ignore mathjax_ignore">')
    assert html.endswith("</div>")
    assert html.count("$x$") == 3


@settings(deadline=None)
@given(st.lists(st.lists(st.text() | st.none() | st.integers() | st.floats() | st.booleans(), min_size=2, max_size=2)))
def test_any_values_make_a_table(rows: list[list[Any]]) -> None:
    """For any cell values there is valid HTML, a text, and rows for an analyst."""
    table = Table(["a", "b"], rows)

    assert Seen(table._repr_html_()).open == []
    assert repr(table)
    assert len(table.to_frame()) == len(rows)


def test_a_long_table_shows_its_first_rows_and_the_total() -> None:
    """Only the first rows are shown, with the total number."""
    table = Table(["n"], [[number] for number in range(MAX_ROWS + 10)], total=1234)

    assert Seen(table._repr_html_()).tags.count("tr") == MAX_ROWS + 1
    assert f"{MAX_ROWS} of 1,234 shown." in table._repr_html_()
    assert f"{MAX_ROWS} of 1,234 shown." in repr(table)
    assert len(table.to_frame()) == MAX_ROWS + 10


def test_a_table_may_show_more_or_less() -> None:
    """Rows and characters, where the one who makes it says so."""
    table = Table(["n"], [["x" * 300] for _ in range(MAX_ROWS + 10)], limit=MAX_ROWS + 5, longest=200)

    assert Seen(table._repr_html_()).tags.count("tr") == MAX_ROWS + 6
    assert f"{MAX_ROWS + 5} of {MAX_ROWS + 10} shown." in repr(table)
    assert "x" * 199 + "…" in repr(table)
    assert "x" * 199 + "…" in table._repr_html_()


def test_a_table_has_the_attributes_that_a_page_needs() -> None:
    """The caption, the scope of a heading, the status of a cell, and by what a length of time is sorted."""
    rows = [(1, timedelta(minutes=2), Mark("no", "failed"), Link("x", "html/x.html#a", "ok"), datetime.now(UTC))]
    html = Table(["a", "b", "c", "d", "e"], rows, title="T", kind="calendar")._repr_html_()

    assert html.count('<th scope="col"') == 5
    assert "<caption" in html
    assert '<table class="calendar">' in html
    assert '<td class="number" data-value="120"' in html
    assert '<td data-status="failed"' in html
    assert '<td data-status="ok"' in html
    assert '<a href="html/x.html#a">x</a>' in html
    assert re.search('<td class="stamp" style="[^"]*white-space:nowrap', html)


def test_an_object_is_shown_by_its_name_first() -> None:
    """For any order of its fields."""
    assert as_text([{"lastUsed": None, "name": "SQL", "seniority": "Expert"}]) == "SQL Expert"


def test_a_day_shows_no_time() -> None:
    """An instant shows its minute; neither is broken over two lines."""
    table = Table(["starts", "deadline"], [(date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC))])

    assert [as_text(cell) for cell in table.rows[0]] == ["2026-01-01", "2026-01-01 00:00"]
    assert as_text(date(7, 1, 1)) == "0007-01-01"
    assert table._repr_html_().count("white-space:nowrap") == 2


@pytest.mark.parametrize("href", ["html/x.html", "../review.html", "x", "#cell-1", "x.html#y", "a%20b/c"])
def test_a_link_may_be_relative(href: str) -> None:
    """A relative path, a place in it, or both."""
    assert Link("x", href).href == href
    assert is_inside(href)


@pytest.mark.parametrize(
    "href",
    [
        *("", "/etc/passwd", "//evil.example", "https://evil.example", "javascript:alert(1)", "data:text/html,x"),
        *(
            "file:///x",
            "C:\\x",
            "a b",
            'x" onclick="alert(1)',
            "x\n",
            "#",
            "java\tscript:x",
            "x?y=z",
            "\\\\host\\x",
            "%x",
        ),
    ],
)
def test_a_link_cannot_lead_elsewhere(href: str) -> None:
    """No scheme, no host, no absolute path, nothing that would end the attribute."""
    with pytest.raises(ValueError, match="neither a relative path"):
        Link("x", href)


@pytest.mark.parametrize("status", ["Failed", "a b", 'x"', "x\n"])
def test_a_status_is_one_word(status: str) -> None:
    """It is used in an attribute and in a style sheet."""
    with pytest.raises(ValueError, match="one word"):
        Mark("x", status)
    with pytest.raises(ValueError, match="one word"):
        Link("x", "y", status)


@given(st.text())
def test_the_text_of_a_link_is_text(text: str) -> None:
    """Any text adds no tag; in a DataFrame it is plain text."""
    table = Table(["a", "b"], [[Link(text, "x"), Mark(text, "ok")]])

    assert Seen(table._repr_html_()).tags.count("a") == 1
    assert Seen(table._repr_html_()).open == []
    assert table.to_frame().iloc[0].tolist() == [text, text]


def test_several_tables_show_one_below_the_other() -> None:
    """As HTML and as text."""
    one, two = Table(["a"], [[1]], title="One"), Table(["b"], [[2]], title="Two")

    assert Tables([one, two])._repr_html_() == one._repr_html_() + two._repr_html_()
    assert repr(Tables([one, two])) == f"{one!r}\n\n{two!r}"


def test_a_complete_table_has_no_note_about_its_length() -> None:
    """No note where there is nothing to note."""
    assert "shown" not in repr(Table(["n"], [[1], [2]]))


def test_an_empty_table_says_so() -> None:
    """A heading without rows would look like a fault."""
    table = Table(["a", "b"], [], title="New documents")

    assert "<table" not in table._repr_html_()
    assert Seen(table._repr_html_()).text == "New documentsNone."
    assert repr(table) == "New documents\nNone."


def test_an_empty_table_without_a_title_names_its_first_heading() -> None:
    """It names the first heading, or shows the text given for empty tables."""
    table = Table(["", "last runs", "b"], [])
    told = Table(["a"], [], title="T", otherwise="Not known: <b>.", notes=["N."])

    assert Seen(table._repr_html_()).text == repr(table) == "last runs: none."
    assert repr(Table([], [])) == "None."
    assert Seen(told._repr_html_()).text == "TNot known: <b>.N."
    assert repr(told) == "T\nNot known: <b>.\nN."


def test_a_table_as_text_has_straight_columns() -> None:
    """In a terminal it is read, too."""
    assert repr(Table(["name", "n"], [["a", 1], ["longer", 22]], title="T", notes=["N."])).split("\n") == [
        *("T", "name    n", "a       1", "longer  22", "N.")
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (1234567, "1,234,567"),
        (0, "0"),
        (680.0, "680"),
        (860.5, "860.5"),
        (1234.567, "1,234.57"),
        (0.0, "0"),
        (datetime(2026, 11, 23, 12, 5, 59, tzinfo=UTC), "2026-11-23 12:05"),
        (timedelta(seconds=4.25), "4.2 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=125, seconds=31), "2 h 5 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (-timedelta(hours=1), "-1 h"),
        (Mark("failed, dry", "failed"), "failed, dry"),
        (Link("run", "html/x.html"), "run"),
        (["SQL", None, 3], "SQL, , 3"),
        ({"name": "SQL", "seniority": "Expert"}, "SQL Expert"),
        ([{"name": "SQL", "seniority": "Expert"}, {"name": "R", "seniority": "NS"}], "SQL Expert, R NS"),
        (" a \n b\t", "a b"),
        ("x" * (MAX_TEXT + 1), "x" * (MAX_TEXT - 1) + "…"),
        ("x" * MAX_TEXT, "x" * MAX_TEXT),
    ],
)
def test_values_are_formatted_for_people(value: Any, text: str) -> None:
    """Numbers grouped, dates short, lists in one line, long texts cut."""
    assert as_text(value) == text


@given(st.text())
def test_a_cell_has_no_control_characters(text: str) -> None:
    """No control character and no override of direction reaches a terminal, and a cell is one line."""
    shown = as_text(text)

    assert not set(shown) & set(
        map(chr, [*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
    )


def test_a_report_shows_its_table() -> None:
    """The report of a step looks the same in Jupyter and in a terminal."""

    class Report(Shown):
        def table(self) -> Table:
            return Table(["a"], [[1]])

    assert Report()._repr_html_() == Report().table()._repr_html_()
    assert repr(Report()) == "a\n1"


def test_a_picture_is_its_bytes_and_its_description() -> None:
    """Without bytes Jupyter shows the description."""
    assert Picture("A chart.", b"png")._repr_png_() == b"png"
    assert Picture("Nothing to draw.")._repr_png_() is None
    assert repr(Picture("A chart.", b"png")) == "A chart."
