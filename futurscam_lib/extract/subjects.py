"""Which mails carry job posts, by their subject; the same rule for every mailbox."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from futurscam_lib.settings.sources import SourceSettings

_MARKS: Final = (
    *("re", "fw", "fwd", "tr", "rv", "aw", "wg", "antw", "antwoord", "doorst", "doorsturen", "réf", "réponse"),
    *("rif", "i", "r", "res", "enc", "sv", "vs", "vb", "vl", "odp", "pd", "ynt", "ilt"),
)
"""What mail programs write before the subject of a reply or a forward: English, French, Spanish, German, Dutch..."""

# `RE:`, `RE :`, `RE[2]:`, `Re(2):`, `RE^2:`.
_MARK: Final = re.compile(rf"(?:{'|'.join(_MARKS)}) ?(?:\[\d+\]|\(\d+\)|[\^*]\d+)? ?: ?")


class Verdict(Enum):
    """What a subject says about its mail."""

    OURS = "ours"
    NEAR = "near"
    OTHER = "other"


class SubjectRule:
    """Selects a mail whose subject begins with one of some texts, behind any reply marks and tags.

    Upper and lower case, kinds of white space and invisible characters make no difference.

    Args:
        beginnings: The texts.
        tags: What a mail system puts before the subject of a mail from outside: `[EXTERNAL]`.
    """

    def __init__(self, beginnings: Sequence[str], tags: Sequence[str]) -> None:
        """See the class."""
        self._beginnings = tuple(map(fold, beginnings))
        self._words = tuple(_letters(text) or text for text in self._beginnings)
        self._tag = re.compile("|".join(_tag_patterns(map(fold, tags))) or "(?!)")

    @classmethod
    def of(cls, settings: SourceSettings) -> SubjectRule:
        """The rule that the settings give."""
        return cls(settings.mail_subjects or (settings.mail_subject,), settings.mail_tags)

    def judge(self, subject: str) -> Verdict:
        """Whether a mail is selected; NEAR: its subject has such a text, but does not begin with it."""
        text = fold(subject)
        rest = text
        while not rest.startswith(self._beginnings):
            mark = _MARK.match(rest) or self._tag.match(rest)
            if not mark:
                letters = _letters(text)
                near = any(words in letters or words in text for words in self._words)
                return Verdict.NEAR if near else Verdict.OTHER
            rest = rest[mark.end() :]
        return Verdict.OURS


def fold(text: str) -> str:
    """A text as subjects are compared: one space for any white space, without invisible characters, in one case."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return " ".join(text.casefold().split())


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def _tag_patterns(tags: Iterator[str]) -> Iterator[str]:
    for tag in tags:
        yield rf"{re.escape(tag)} ?:? ?"
        if word := tag.strip("[](){}<>*: "):
            yield rf"{re.escape(word)} ?: ?"
