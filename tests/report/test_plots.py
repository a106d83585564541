"""Pictures of a run: drawn for any names and numbers, and with a text description."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import matplotlib.figure
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from futurscam_lib.report import plots

if TYPE_CHECKING:
    from futurscam_lib.report.tables import Picture

WEIRD = [
    *(
        "$\\frac{$",
        "cost $5 and $6",
        "a$b",
        "\\$x^2$",
        "$$",
        "普通话",
        "\U0001f9d1\u200d\U0001f4bb",
        "עברית",
        "\u0301\u0301",
    ),
    *("x\\", "_y_ {^", "<script>alert(1)</script>", "%s %d {0}", "\ue000\U0010ffff", "ﷺ" * 40, "a" * 500, " ", "'\"`"),
]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[matplotlib.figure.Figure]:
    """The figures that a test draws, as they were saved."""
    figures: list[matplotlib.figure.Figure] = []
    save = matplotlib.figure.Figure.savefig

    def saved(figure: matplotlib.figure.Figure, *arguments: object, **more: object) -> None:
        figures.append(figure)
        save(figure, *arguments, **more)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", saved)
    return figures


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels."""
    assert picture.png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture.png[16:24])
    return width, height


@pytest.mark.parametrize("name", WEIRD)
def test_a_skill_may_have_any_name(name: str, drawn: list[matplotlib.figure.Figure]) -> None:
    """Dollar signs are shown as such, unknown glyphs as boxes: no typesetting, no errors, no warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = plots.top_skills(Counter({name: 2, "SQL": 1}))

    size_of(picture)
    labels = drawn[0].axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["SQL", name if len(name) <= 40 else name[:39] + "…"]
    assert not any(label.get_parse_math() for label in labels)
    assert ": 2" in picture.description


@settings(max_examples=12, deadline=None)
@given(
    st.dictionaries(st.text("$\\{}^_ab\u0301\U0001f9d1", min_size=1), st.integers(1, 10**6), min_size=1, max_size=20)
)
def test_any_skills_are_drawn(skills: dict[str, int]) -> None:
    """No mixture of typesetting characters fails a run."""
    size_of(plots.top_skills(Counter(skills)))


def test_the_skills_asked_for_most_are_listed_from_the_top(drawn: list[matplotlib.figure.Figure]) -> None:
    """Fifteen at most, the first one above."""
    picture = plots.top_skills(Counter({f"skill {number:02}": number for number in range(1, 41)}))

    labels = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    assert labels == [f"skill {number}" for number in range(26, 41)]
    assert picture.description.endswith("skill 40: 40")


def test_without_records_there_is_nothing_to_draw() -> None:
    """An hour without RFPs gives a sentence."""
    for picture in (plots.timeline({}), plots.rates({}), plots.top_skills(Counter())):
        assert picture.png == b""
        assert picture.description.endswith(": nothing to draw.")


def test_a_run_draws_without_the_global_state_of_pyplot() -> None:
    """One cell's drawing does not affect another, and no window system is needed."""
    program = "import sys; from futurscam_lib.report import plots; plots.rates({650.0: 1}); print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert "matplotlib.figure" in loaded
    assert "matplotlib.pyplot" not in loaded


@pytest.mark.parametrize(
    ("hours", "labels"),
    [
        ({"2026-11-23T12": 3, "2026-11-23T09": 1}, ["2026-11-23 09h", "2026-11-23 12h"]),
        ({f"2026-11-{day:02}T12": 1 for day in range(1, 11)}, [f"2026-11-{day:02}" for day in range(1, 11)]),
        ({"2026-11-01T01": 1, "2026-11-05T02": 1, "2026-11-05T03": 1, "2026-11-09T00": 1, "2026-11-10T00": 1}, None),
        ({"0001-01-01T00": 1, "9999-12-31T23": 2}, ["0001-01-01 00h", "9999-12-31 23h"]),
    ],
)
def test_a_timeline_is_per_hour_while_the_days_are_few(
    hours: dict[str, int], labels: list[str] | None, drawn: list[matplotlib.figure.Figure]
) -> None:
    """Oldest first; over more than three days, days are counted together."""
    picture = plots.timeline(hours)

    size_of(picture)
    shown = [label.get_text() for label in drawn[0].axes[0].get_xticklabels()]
    assert shown == (labels or ["2026-11-01", "2026-11-05", "2026-11-09", "2026-11-10"])
    assert sum(int(part.rpartition(": ")[2]) for part in picture.description.partition(". ")[2].split(", ")) == sum(
        hours.values()
    )


def test_a_long_timeline_shows_its_newest_days(drawn: list[matplotlib.figure.Figure]) -> None:
    """Sixty bars, some of them with a label."""
    hours = {f"2026-{month:02}-{day:02}T12": 1 for month in range(1, 13) for day in range(1, 29)}

    picture = plots.timeline(hours)

    assert picture.description.count(": 1") == 60
    assert "2026-12-28" in picture.description
    assert "2026-09-28" not in picture.description
    assert len(drawn[0].axes[0].get_xticklabels()) == 15


@pytest.mark.parametrize("low", [0.0, 650.0, -50.0, 1e6, 1e300, -1e308])
def test_a_rate_of_any_size_is_drawn(low: float, drawn: list[matplotlib.figure.Figure]) -> None:
    """An absurd rate does not push the bars out of the picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = plots.rates({low: 1, 700.0: 3})

    assert size_of(picture) == (810, 252)
    labels = [label.get_text() for label in drawn[0].axes[0].get_xticklabels()]
    assert "700-750" in labels
    assert max(map(len, labels)) < 30


def test_parts_are_stacked(drawn: list[matplotlib.figure.Figure]) -> None:
    """One colour and one name in the legend for each; the description has the sums."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = plots.stacked(["a", "b"], {"folder $x$": [1, 2], "b" * 99: [3, 0.5]}, title="T")

    size_of(picture)
    (axes,) = drawn[0].axes
    assert [bar.get_y() for bar in axes.patches] == [0, 0, 1, 2]  # type: ignore[attr-defined]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["folder $x$", "b" * 39 + "…"]
    assert not any(text.get_parse_math() for text in axes.get_legend().get_texts())
    assert picture.description == "T. a: 4, b: 2.5"


def test_a_single_bar_does_not_fill_the_picture(drawn: list[matplotlib.figure.Figure]) -> None:
    """Few bars are as thin as eight would be."""
    plots.bars(["a"], [1], title="T")
    plots.bars(list("abcdefgh"), [1] * 8, title="T")

    (low, high), eight = (figure.axes[0].get_xlim() for figure in drawn)
    assert high - low == eight[1] - eight[0] == 8
    assert low + high == 0


def test_empty_parts_are_not_drawn() -> None:
    """No labels, or no parts at all."""
    assert plots.stacked([], {}, title="T").png == plots.stacked([], {"a": []}, title="T").png == b""


def test_rates_go_from_low_to_high() -> None:
    """For any order in which they were counted."""
    picture = plots.rates({700.0: 3, 650.0: 1})

    assert picture.description == "RFPs per daily rate, upper end, EUR excl. VAT. 650-700: 1, 700-750: 3"
