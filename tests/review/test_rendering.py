"""Any notebook becomes safe HTML."""

from __future__ import annotations

from collections import Counter
from typing import Any

import bs4
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from futurscam_lib.report.tables import Link, Mark, Picture, Table
from futurscam_lib.review import rendering
from futurscam_lib.review.clean import cleaned
from futurscam_lib.review.rendering import rendered
from tests.review import hostile
from tests.test_hostile import Running

OWN = "0123456789abcdef"


def html_of(*cells: Any, **more: Any) -> str:
    """Render these cells."""
    return rendered({"cells": list(cells)}, redact=str, own=OWN, **more).html


def shows(html: str) -> dict[str, Any]:
    """A cell with this HTML as output."""
    return {
        "cell_type": "code",
        "source": "x",
        "outputs": [{"output_type": "display_data", "data": {"text/html": html}}],
    }


def assert_harmless(html: str) -> None:
    """Check that no tag, attribute or address runs or fetches anything, and that all ids are the page's own."""
    assert Running(html).found == Counter()
    soup = bs4.BeautifulSoup(html, "html.parser")
    assert [tag["id"] for tag in soup.find_all(id=True) if not tag["id"].startswith(f"cell-id={OWN}-")] == []
    for link in soup.find_all("a", href=True):
        assert link["href"].startswith(("https://", "http://", "mailto:"))
        assert {"noopener", "noreferrer"} <= set(link["rel"])
        assert "target" not in link.attrs


def test_a_tampered_notebook_runs_and_fetches_nothing() -> None:
    """Each attack as output, markdown, code, stream, error and attachment."""
    made = rendered(hostile.notebook(), redact=str, own=OWN)

    assert_harmless(made.html)
    assert "alert(1)" in made.html
    assert made.failed == f"cell-id={OWN}-{len(hostile.notebook()['cells']) - 1}"
    assert f'id="{made.failed}"' in made.html


def test_the_whole_page_is_cleaned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if no piece was cleaned before, nothing runs or is fetched."""
    monkeypatch.setattr(rendering, "_closed", lambda html, **_: html)

    assert_harmless(rendered(hostile.notebook(), redact=str, own=OWN).html)


def test_the_first_cell_that_failed_is_named() -> None:
    """Also if the notebook continued after the error."""
    error = {"output_type": "error", "ename": "E", "evalue": "x", "traceback": []}
    cells: list[Any] = [{"cell_type": "code", "source": "x", "outputs": [error] * number} for number in (0, 1, 2)]

    assert rendered({"cells": cells}, redact=str, own=OWN).failed == f"cell-id={OWN}-1"


@pytest.mark.parametrize("text", hostile.HTML.values(), ids=hostile.HTML)
def test_a_piece_of_html_is_cleaned(text: str) -> None:
    """Each attack alone, so that no unclosed tag hides another."""
    assert_harmless(cleaned(text, own=f"cell-id={OWN}-"))


pieces = st.sampled_from(
    [*hostile.HTML.values(), "<", ">", '"', "'", "</", "<svg", "<math", "<table>", "<!--", "]]>", "&lt;", "x"]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(pieces, max_size=6).map("".join))
def test_no_combination_is_dangerous(text: str) -> None:
    """Any combination of attacks is harmless after cleaning."""
    assert_harmless(cleaned(text, own=f"cell-id={OWN}-"))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(list(hostile.HTML.values())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text/html", "text/plain", "image/png", "text/markdown", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
outputs = st.fixed_dictionaries(
    {},
    optional={
        "output_type": st.sampled_from(["stream", "error", "display_data", "execute_result", "x"]),
        **dict.fromkeys(("name", "text", "data", "traceback", "ename", "evalue", "metadata"), values),
    },
)
cells = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "x"]),
        "outputs": st.lists(outputs | values, max_size=3) | values,
        **dict.fromkeys(("source", "id", "metadata", "attachments", "execution_count"), values),
    },
)


@settings(deadline=None, max_examples=60)
@given(st.lists(cells | values, max_size=3))
def test_any_cells_are_rendered(json_cells: list[Any]) -> None:
    """Any JSON can be rendered, and none becomes dangerous."""
    assert_harmless(rendered({"cells": json_cells}, redact=str, own=OWN).html)


@pytest.mark.parametrize("count", [True, False, -1, 1.5, "1", None, [], {}])
def test_a_prompt_without_a_number_is_empty(count: object) -> None:
    """An execution count that nbformat does not accept is left out, and the cell is shown."""
    soup = bs4.BeautifulSoup(html_of({"cell_type": "code", "source": "shown", "execution_count": count}), "html.parser")

    assert soup.find("div", class_="input_prompt").text.split() == ["In", "[", "]:"]
    assert soup.find("div", class_="input_area").text.strip() == "shown"


def test_harmless_content_is_kept() -> None:
    """Tables with numbers and marks, pictures with descriptions, syntax colours and terminal colours."""
    table = Table(("a", "n"), [("x", 1), (Mark("failed", "failed"), 2.5)], title="T", kind="calendar")
    picture = Picture("A chart. a: 1", b"\x89PNG")
    shown = [
        shows(table._repr_html_()),
        {"cell_type": "markdown", "source": "# One\n\n- *a* [b](https://futurscam.example/)"},
        {
            "cell_type": "code",
            "source": "import x",
            "outputs": [
                {"output_type": "display_data", "data": {"image/png": ["iVBO\n", "Rw0K"], "text/plain": repr(picture)}},
                {"output_type": "stream", "text": "\x1b[31mred\x1b[0m"},
            ],
        },
    ]

    soup = bs4.BeautifulSoup(html_of(*shown), "html.parser")

    assert soup.find("caption").text == "T"
    assert [th["scope"] for th in soup.find_all("th")] == ["col", "col"]
    assert [td.text for td in soup.find_all("td", class_="number")] == ["1", "2.5"]
    assert soup.find("td", attrs={"data-status": "failed"}).text == "failed"
    assert soup.find("table")["class"] == ["calendar"]
    assert soup.find("img")["alt"] == "A chart. a: 1"
    assert soup.find("img")["src"] == "data:image/png;base64,iVBO\nRw0K"
    assert soup.find("span", class_="kn").text == "import"
    assert soup.find("span", class_="ansi-red-fg").text == "red"
    assert soup.find("h2").text == "One"
    assert soup.find("h1") is None
    assert soup.find("a")["href"] == "https://futurscam.example/"


def test_a_note_replaces_content_that_cannot_be_shown() -> None:
    """An invalid picture is replaced by its description, or by its type if it has none."""
    broken = {"output_type": "display_data", "data": {"image/png": "<x>", "text/plain": "A chart."}}
    script = {"output_type": "display_data", "data": {"application/javascript": "x"}}

    html = html_of({"cell_type": "code", "source": "", "outputs": [broken, script]})

    assert "A chart." in html
    assert "<img" not in html
    assert "(application/javascript: not shown here)" in html


def test_local_links_are_kept_only_on_request() -> None:
    """The review's own table links to the pages of runs; such links in a run's notebook are removed."""
    table = shows(Table(("run",), [(Link("x", "html/x.html"),)])._repr_html_())

    assert 'href="html/x.html"' in html_of(table, linked=True)
    assert "href" not in html_of(table)
    assert "href" not in html_of(
        shows('<a href="file:///x">a</a><a href="//x">b</a><a href="javascript:1">c</a>'), linked=True
    )


def test_without_code_only_outputs_are_shown() -> None:
    """The page of the review has no code."""
    html = html_of({"cell_type": "code", "source": "secret_code()", "outputs": []}, shows("<p>given</p>"), code=False)

    assert "given" in html
    assert "secret_code" not in html


def test_secrets_are_removed_from_all_output() -> None:
    """Also from a notebook of another home."""
    texts = ["hunter2"]
    cell = {
        "cell_type": "code",
        "source": "hunter2",
        "outputs": [
            {"output_type": "stream", "text": texts},
            {"output_type": "error", "ename": "hunter2", "evalue": "hunter2", "traceback": []},
            {"output_type": "display_data", "data": {"text/plain": texts, "text/html": "hunter2"}},
        ],
    }

    made = rendered({"cells": [cell]}, redact=lambda text: text.replace("hunter2", "***"), own=OWN)

    assert "hunter2" not in made.html
    assert made.html.count("***") == 5
