"""Notes of sources: bounded, in one line and without secrets, even if a notebook holds something else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.extract.source import Unasked, notes_of
from futurscam_lib.extract.source_notes import LONGEST, MOST, Note, bounded, each

ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=2 * MOST) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=100,
)


def test_warnings_come_first_and_are_marked() -> None:
    """Warnings come first, also across sources; a source without warnings needs no attribute for them."""
    quiet, loud = Unasked("folder"), Unasked("boond")
    quiet.notes = ["2 links were not followed."]
    loud.notes = ["5 rows were read."]
    loud.warnings = ["Nothing is open."]  # type: ignore[attr-defined] # as a source that warns has it

    notes = {source.name: notes_of(source) for source in (quiet, loud)}

    assert notes["boond"] == ["Warning: Nothing is open.", "5 rows were read."]
    assert each(notes) == [
        Note("boond", "Nothing is open.", warning=True),
        Note("folder", "2 links were not followed.", warning=False),
        Note("boond", "5 rows were read.", warning=False),
    ]
    assert str(each(notes)[0]) == "Warning: boond: Nothing is open."


@given(ANYTHING)
def test_whatever_a_notebook_holds_becomes_few_short_sentences(found: Any) -> None:
    """The ledger can keep them, and reading them back gives the same."""
    kept = bounded(found)

    assert len(kept) <= MOST
    assert all(0 < len(texts) <= MOST for texts in kept.values())
    assert all(len(text) <= LONGEST and text == " ".join(text.split()) for texts in kept.values() for text in texts)
    assert bounded(orjson.loads(orjson.dumps(kept))) == kept
    each(kept)


def test_what_is_left_out_is_counted() -> None:
    """The first notes are kept, and a note that is too long is cut."""
    kept = bounded({"folder": ["x" * 2 * LONGEST, *("note" for _ in range(99))]})["folder"]

    assert len(kept) == MOST
    assert kept[-1] == f"{101 - MOST} more notes are in the notebook."
    assert kept[0].endswith("x…")


@pytest.mark.parametrize("place", [0, LONGEST - 4])
def test_a_cut_note_shows_no_part_of_a_secret(place: int) -> None:
    """Secrets are removed before the cut."""
    note = f"{'x' * place} Zwiebel77kuchen"
    assert (
        "Zwi" not in bounded({"graph": [note]}, clean=lambda text: text.replace("Zwiebel77kuchen", "***"))["graph"][0]
    )
