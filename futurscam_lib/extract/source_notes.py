"""Notes: sentences in which a source reports on a run. They are kept by source: `{"folder": ["2 links ..."]}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WARNING: Final = "Warning: "
"""Prefix of the sentence of a warning."""

MOST: Final = 20
"""Most notes kept for one source, and most sources with notes: the ledger keeps them forever."""

LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence of one source.

    Attributes:
        source: Name of the source.
        text: The sentence, without `WARNING`.
        warning: Whether a person should act on it.
    """

    source: str
    text: str
    warning: bool

    def __str__(self) -> str:
        """Return the note as shown to people: `Warning: boond: ...`."""
        return f"{WARNING if self.warning else ''}{self.source}: {self.text}"


def bounded(value: Any, *, clean: Callable[[str], str] = str) -> dict[str, list[str]]:
    """Return the notes of a notebook or a ledger line, whose form is not trusted.

    Args:
        value: Sentences by source; anything of another form is left out.
        clean: Removes secrets from a sentence, before it is cut.

    Returns:
        At most `MOST` sources with at most `MOST` sentences of `LONGEST` characters.
    """
    if not isinstance(value, dict):
        return {}
    sentences = {
        name: [text for text in texts if isinstance(text, str)]
        for name, texts in value.items()
        if isinstance(texts, list)
    }
    sources = [(name, texts) for name, texts in sentences.items() if texts]
    return {_cut(name, clean): _few(texts, clean) for name, texts in sources[:MOST]}


def each(notes: Mapping[str, Sequence[str]]) -> list[Note]:
    """Return all notes, the warnings first."""
    every_note = [
        Note(source, text.removeprefix(WARNING), text.startswith(WARNING))
        for source, texts in notes.items()
        for text in texts
    ]
    return sorted(every_note, key=lambda note: not note.warning)


def _few(texts: Sequence[str], clean: Callable[[str], str]) -> list[str]:
    kept = texts if len(texts) <= MOST else texts[: MOST - 1]
    more = [f"{len(texts) - len(kept)} more notes are in the notebook."] if len(texts) > len(kept) else []
    return [*(_cut(text, clean) for text in kept), *more]


def _cut(text: str, clean: Callable[[str], str]) -> str:
    """Return the text in one line, valid as UTF-8 and cut to the limit."""
    whole = clean(" ".join(text.encode("utf-8", "replace").decode("utf-8").split()))
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}…"
