"""What a mailbox gave in one reading: which mails were read, what a reviewer should know, what no longer holds."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.extract.attachments import NO_POST, mail_of
from futurscam_lib.extract.subjects import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from futurscam_lib.extract.attachments import Opened
    from futurscam_lib.extract.subjects import SubjectRule

_MAX_NAMES: Final = 1000
_NAMED: Final = 5
_SECOND: Final = timedelta(seconds=1)
_MAX_REMEMBERED: Final = 200_000
"""Of mails and places, some 15 MB; rejects of mails beyond these stay open until they are dismissed."""


class Tally:
    """The mails of one reading.

    Args:
        rule: Which mails are read.
    """

    def __init__(self, rule: SubjectRule) -> None:
        """Start at nothing."""
        self._rule = rule
        self._others: Counter[str] = Counter()
        self._mails = self._empty = self._near = 0
        self._read: set[int] = set()

    def selects(self, subject: str) -> bool:
        """Whether the rule selects a mail; one that it nearly does is counted."""
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
        """Remember one mail of which all records were handed over."""
        if len(self._read) < _MAX_REMEMBERED:
            self._read.update(
                hash(origin) for origin in (opened.mail.origin(), *(one.origin for one in opened.records))
            )

    def read_whole(self, origins: Sequence[str]) -> dict[str, datetime]:
        """For places in mails that were read whole, and that gave nothing in that place: an instant after the mail's.

        Something else was found there before: by an earlier version, or while the mailbox could not hand it over.
        """
        return {
            origin: clock.parse(f"{origin[:10]}T{origin[11:19]}Z") + _SECOND
            for origin in origins
            if hash(origin) not in self._read and hash(mail_of(origin)) in self._read
        }

    def notes(self) -> Iterator[str]:
        """What a reviewer should know, a sentence each: counts and file names, no subject."""
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
        """How many mails the rule for subjects nearly selected, a sentence; empty: none."""
        if not self._near:
            return ""
        return (
            f"{self._near:,} mail(s) were not read: their subject does not begin with the text of "
            "FUTURSCAM_MAIL_SUBJECT or FUTURSCAM_MAIL_SUBJECTS, but contains it or nearly contains it."
        )
