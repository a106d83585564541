"""Notes: what a source reports about a run, in sentences. They travel by source: `{"folder": ["2 links ..."]}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WARNING: Final = "Warning: "
"""How the sentence of a warning begins."""

MOST: Final = 20
"""Notes that are kept of one source, and sources of which notes are kept: the ledger keeps them for ever."""

LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence of one source.

    Attributes:
        source: Its name.
        text: The sentence, without `WARNING`.
        warning: Whether a person should act on it.
    """

    source: str
    text: str
    warning: bool

    def __str__(self) -> str:
        """For a person: `Warning: boond: ...`."""
        return f"{WARNING if self.warning else ''}{self.source}: {self.text}"


def bounded(found: Any, *, clean: Callable[[str], str] = str) -> dict[str, list[str]]:
    """The notes that a notebook or a line of the ledger holds, which may be anything.

    Args:
        found: Sentences by source; what has another form is left out.
        clean: Takes secrets out of a sentence, before it is cut.

    Returns:
        At most `MOST` sources with at most `MOST` sentences of `LONGEST` characters.
    """
    if not isinstance(found, dict):
        return {}
    sentences = {
        name: [text for text in texts if isinstance(text, str)]
        for name, texts in found.items()
        if isinstance(texts, list)
    }
    sources = [(name, texts) for name, texts in sentences.items() if texts]
    return {_cut(name, clean): _few(texts, clean) for name, texts in sources[:MOST]}


def each(notes: Mapping[str, Sequence[str]]) -> list[Note]:
    """Every note, the warnings first."""
    found = [
        Note(source, text.removeprefix(WARNING), text.startswith(WARNING))
        for source, texts in notes.items()
        for text in texts
    ]
    return sorted(found, key=lambda note: not note.warning)


def _few(texts: Sequence[str], clean: Callable[[str], str]) -> list[str]:
    kept = texts if len(texts) <= MOST else texts[: MOST - 1]
    more = [f"{len(texts) - len(kept)} more notes are in the notebook."] if len(texts) > len(kept) else []
    return [*(_cut(text, clean) for text in kept), *more]


def _cut(text: str, clean: Callable[[str], str]) -> str:
    """On one line, and as UTF-8 can hold it."""
    whole = clean(" ".join(text.encode("utf-8", "replace").decode("utf-8").split()))
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}…"
