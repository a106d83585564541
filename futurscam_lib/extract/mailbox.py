"""Shared by both mailboxes: selects mails by their subject, counts them and remembers which were read."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import closing
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.extract.attachments import NO_POST, mail_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from datetime import datetime

    from futurscam_lib.extract.attachments import Opened
    from futurscam_lib.records import RawRecord, Window
    from futurscam_lib.settings.sources import SourceSettings

_MAX_NAMES: Final = 1000
_NAMED: Final = 5
_SECOND: Final = timedelta(seconds=1)
_MAX_REMEMBERED: Final = 200_000
"""Limit for mails and items, about 15 MB; rejects of further mails stay open until they are dismissed."""


_MARKS: Final = (
    *("re", "fw", "fwd", "tr", "rv", "aw", "wg", "antw", "antwoord", "doorst", "doorsturen", "réf", "réponse"),
    *("rif", "i", "r", "res", "enc", "sv", "vs", "vb", "vl", "odp", "pd", "ynt", "ilt"),
)
"""Prefixes that mail programs put before the subject of a reply or a forward, in many languages."""

# `RE:`, `RE :`, `RE[2]:`, `Re(2):`, `RE^2:`.
_MARK: Final = re.compile(rf"(?:{'|'.join(_MARKS)}) ?(?:\[\d+\]|\(\d+\)|[\^*]\d+)? ?: ?")


class Verdict(Enum):
    """Whether a mail is selected by its subject."""

    OURS = "ours"
    NEAR = "near"
    OTHER = "other"


class SubjectRule:
    """Selects mails whose subject begins with one of the given texts, after any reply marks and tags.

    Upper and lower case, kinds of white space and invisible characters make no difference.

    Args:
        beginnings: The texts.
        tags: Tags that a mail system puts before the subject of a mail from outside: `[EXTERNAL]`.
    """

    def __init__(self, beginnings: Sequence[str], tags: Sequence[str]) -> None:
        """See the class."""
        self._beginnings = tuple(map(fold, beginnings))
        self._words = tuple(_letters(text) or text for text in self._beginnings)
        self._tag = re.compile("|".join(_tag_patterns(map(fold, tags))) or "(?!)")

    @classmethod
    def of(cls, settings: SourceSettings) -> SubjectRule:
        """Return the rule of the settings."""
        return cls(settings.mail_subjects or (settings.mail_subject,), settings.mail_tags)

    def judge(self, subject: str) -> Verdict:
        """Return whether a mail is selected; NEAR: its subject contains such a text, but does not begin with it."""
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
    """Return a text in the form in which subjects are compared: single spaces, no invisible characters, one case."""
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


class MailTally:
    """Counts the mails of one `read`, and remembers them.

    Args:
        rule: Which mails are read.
    """

    def __init__(self, rule: SubjectRule) -> None:
        """Start at zero."""
        self._rule = rule
        self._others: Counter[str] = Counter()
        self._mails = self._empty = self._near = 0
        self._read: set[int] = set()

    def selects(self, subject: str) -> bool:
        """Whether the rule selects a mail; near misses are counted."""
        verdict = self._rule.judge(subject)
        self._near += verdict is Verdict.NEAR
        return verdict is Verdict.OURS

    def add(self, opened: Opened) -> None:
        """Count one mail."""
        self._mails += 1
        for name in opened.others:
            # A mailbox can hold any number of names; the notes name a few.
            self._others[name if name in self._others or len(self._others) < _MAX_NAMES else "others"] += 1
        self._empty += opened.is_empty

    def remember(self, opened: Opened) -> None:
        """Remember a mail after all its records were yielded."""
        if len(self._read) < _MAX_REMEMBERED:
            self._read.update(
                hash(origin) for origin in (opened.mail.origin(), *(record.origin for record in opened.records))
            )

    def read_whole(self, origins: Sequence[str]) -> dict[str, datetime]:
        """For origins that no longer occur in a mail that was completely read: an instant after the mail's.

        Such an origin has an old reject, from an earlier version or from when the mailbox could not return the item.
        """
        return {
            origin: clock.parse(f"{origin[:10]}T{origin[11:19]}Z") + _SECOND
            for origin in origins
            if hash(origin) not in self._read and hash(mail_of(origin)) in self._read
        }

    def notes(self) -> Iterator[str]:
        """Notes for the reviewer, one sentence each: counts and file names, no subjects."""
        if self._mails:
            yield f"{self._mails:,} mail(s) read."
        if self._others:
            named = [f"{name} ({count})" for name, count in self._others.most_common(_NAMED)]
            more = f" and {len(self._others) - _NAMED} more" if len(self._others) > _NAMED else ""
            total = sum(self._others.values())
            yield f"{total:,} attachment(s) that cannot contain a post were not read: {', '.join(named)}{more}."
        if self._empty:
            yield f"{self._empty:,} mail(s) contain no post; each is a reject ({NO_POST})."
        if self._near:
            yield self.near_misses()

    def near_misses(self) -> str:
        """A sentence with the number of near misses; empty if there are none."""
        if not self._near:
            return ""
        return (
            f"{self._near:,} mail(s) were not read: their subject does not begin with the text of "
            "FUTURSCAM_MAIL_SUBJECT or FUTURSCAM_MAIL_SUBJECTS, but contains it or nearly contains it."
        )


class Mailbox(ABC):
    """A source that reads mails: a subclass lists and opens them, this class selects, counts and remembers them."""

    name: str

    def __init__(self, settings: SourceSettings) -> None:
        """Prepare; nothing is requested yet."""
        self._settings = settings
        self._rule = SubjectRule.of(settings)
        self._tally = MailTally(self._rule)
        self.notes: list[str] = []

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Stream the posts in the mails that were received in the window and whose subject the rule selects.

        Raises:
            RetryLater: The server did not answer, at all or for some mails; the other records were yielded before.
            OperatorMustAct: It refuses the user or the mailbox, or its certificate is not trusted.
        """
        tally = self._tally = MailTally(self._rule)
        self.notes = []
        try:
            with closing(self._open_mails(window, tally)) as mails:
                for opened in mails:
                    if opened:
                        tally.add(opened)
                        yield from opened.records
                        tally.remember(opened)
        finally:
            self.notes = list(tally.notes())

    def read_whole(self, origins: Sequence[str]) -> dict[str, datetime]:
        """For rejects that no longer occur in a mail that the last `read` completed: a later instant."""
        return self._tally.read_whole(origins)

    @abstractmethod
    def _open_mails(self, window: Window, tally: MailTally) -> Generator[Opened | None]:
        """Open the mails of a window that `tally` selects; None for a mail that was deleted in the meantime."""
