"""Opportunities of BoondManager.

The list tells which opportunities changed, and each one's own tab tells the rest; both go into one payload, as they
came. The list's `updateDate` has whole seconds: what changed in a second that is not over yet may change once more
within it, and the two could not be told apart. It is left to the next run, which reads the overlap again.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import quote

import orjson

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct, Refused, RetryLater
from futurscam_lib.extract.boond_rows import Row, payload_of, rows_of, total_of
from futurscam_lib.extract.boond_signer import signer_of
from futurscam_lib.extract.http import Http
from futurscam_lib.extract.paging import each, settled
from futurscam_lib.extract.seen import Seen
from futurscam_lib.records import Flaw, RawRecord

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from datetime import datetime

    from futurscam_lib.extract.source import Fate, Probe, Sweep
    from futurscam_lib.records import Window
    from futurscam_lib.source_settings import SourceSettings

_DAY: Final = timedelta(days=1)
_AHEAD: Final = timedelta(minutes=1)
"""An `updateDate` further ahead of the server's own clock than this will not be overtaken soon: it is read as it is."""

_GONE, _FORBIDDEN = 404, 403


_CameTo = Literal["read", "gone", "too fresh", "refused"]
_NOTES: Final[Mapping[_CameTo, str]] = {
    "gone": "opportunities were deleted while they were read.",
    "too fresh": "opportunities changed this very second; the next run reads them.",
    "refused": "opportunities may not be opened by this user; they are rejects.",
}


class _Opened(NamedTuple):
    """What opening one opportunity came to, and its record where there is one."""

    came_to: _CameTo
    record: RawRecord | None = None


class BoondSource:
    """The opportunities that one user of one instance may see."""

    name = "boond"

    def __init__(self, settings: SourceSettings) -> None:
        """Prepare; nothing is asked yet."""
        self._settings = settings
        self.notes: list[str] = []

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Stream the opportunities that were changed in the window.

        Raises:
            RetryLater: BoondManager did not answer, or not for some opportunities; all others were yielded before.
            OperatorMustAct: It refuses the credentials or the rights.
        """
        self.notes = []
        came_to: Counter[_CameTo] = Counter()
        try:
            with self._http() as http, _remedies():
                for opened in each(partial(self._open, http), self._rows(http, window), name=_told):
                    came_to[opened.came_to] += 1
                    if opened.record:
                        yield opened.record
                _check_rights(came_to)
        finally:
            self.notes += [f"{came_to[what]:,} {note}" for what, note in _NOTES.items() if came_to[what]]

    def probe(self, window: Window, found: Probe) -> None:
        """Sign in, and count the opportunities of the window.

        Raises:
            RetryLater, OperatorMustAct: As `read`.
        """
        with self._http() as http, _remedies():
            try:
                http.get("opportunities", {"maxResults": 1})
            except Refused as error:
                found.reached, found.signed_in = True, error.status == _FORBIDDEN
                raise
            found.reached = found.signed_in = found.may_read = True
            found.waiting = sum(1 for _ in self._rows(http, window))

    @contextmanager
    def sweep(self) -> Iterator[Sweep]:
        """List what is open now.

        Raises:
            RetryLater, OperatorMustAct: As `read`.
        """
        with self._http() as http, _remedies(), Seen() as there:
            states = sorted(self._settings.boond_open_states)
            for page in self._pages(http, {"opportunityStates[]": states, "sort": "creationDate", "order": "asc"}):
                for row in page:
                    there.add(row.id)
            yield _Sweep(http, there, self._settings.boond_open_states)

    def _open(self, http: Http, row: Row) -> _Opened:
        """One opportunity with all that its tab says."""
        about: dict[str, Any] = {"source": self.name, "origin": _told(row), "instant": row.changed or clock.now()}
        size = len(orjson.dumps(row.data))
        if not row.data.get("id"):
            flaw = Flaw("missing", "BoondManager lists an opportunity without an id.")
            return _Opened("read", RawRecord.flawed(flaw, **about, size=size))
        # By the clock of an earlier answer: what is read after it cannot be older.
        now = http.date or clock.now()
        if row.changed and now.replace(microsecond=0) <= row.changed < now + _AHEAD:
            return _Opened("too fresh")
        try:
            detail = _detail(http, row.id)
        except Refused as error:
            if error.status != _FORBIDDEN:
                raise
            flaw = Flaw("forbidden", "BoondManager lists this opportunity, and refuses to open it.")
            return _Opened("refused", RawRecord.flawed(flaw, **about, size=size))
        if detail is None:
            return _Opened("gone")
        return _Opened("read", RawRecord.of(payload_of(row, detail), **about))

    def _http(self) -> Http:
        return Http(
            "BoondManager",
            self._settings.boond_url,
            timeout=self._settings.http_timeout,
            tries=self._settings.http_tries,
            signer=signer_of(self._settings),
        )

    def _rows(self, http: Http, window: Window) -> Iterator[Row]:
        """The rows of the window, each once; one whose date cannot be read is always of it."""
        began = clock.now()
        floor = window.since if window.since == clock.EARLIEST else window.since.replace(microsecond=0)
        rows = settled(
            lambda: self._changed(http, floor, window.until),
            key=lambda row: row.key,
            counts=lambda row: row.changed is None or row.changed < began,
        )
        for row in rows:
            if row.changed is None or (row.changed >= floor and (window.until is None or row.changed < window.until)):
                yield row

    def _changed(self, http: Http, floor: datetime, until: datetime | None) -> Iterator[list[Row]]:
        """The pages of the list, what changed last first, so that a change while they are read only repeats rows."""
        query: dict[str, Any] = {"sort": "updateDate", "order": "desc", "period": "updated"}
        # Days of the instance's own time zone; the exact instant is looked at here.
        query["startDate"] = f"{max(floor, clock.EPOCH + _DAY) - _DAY:%Y-%m-%d}"
        query["endDate"] = f"{(until or clock.now()) + 2 * _DAY:%Y-%m-%d}"
        for page in self._pages(http, query):
            yield page
            if page and all(row.changed is not None and row.changed < floor for row in page):
                return

    def _pages(self, http: Http, query: Mapping[str, Any]) -> Iterator[list[Row]]:
        """All pages of a list; where it ends is for the server's total to say, whatever page size was asked for."""
        asked, got, before = self._settings.boond_page_size, 0, [""]
        for number in count(1):
            answer = http.get("opportunities", {**query, "page": number, "maxResults": asked})
            rows, total = rows_of(answer), total_of(answer)
            keys = [row.key for row in rows]
            if keys == before:
                raise RetryLater(f"BoondManager gives page {number} of its list with the same rows as the one before.")
            got, before = got + len(rows), keys
            yield rows
            if not rows or (total is not None and got >= total):
                return
            if len(rows) < asked and number == 1:
                self._note(f"BoondManager gives {len(rows)} opportunities a page, though {asked} were asked for.")

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


class _Sweep:
    """What is open at the source, and what became of the rest."""

    def __init__(self, http: Http, there: Container[str], states: frozenset[int]) -> None:
        self._http, self.open, self._states = http, there, states

    def fate(self, source_id: str) -> Fate | None:
        """See `Sweep`."""
        path = f"opportunities/{quote(source_id, safe='')}"
        try:
            answer = self._http.get(path)
        except Refused as error:
            if error.status == _GONE:
                return "deleted"
            if error.status == _FORBIDDEN:
                return None  # The user has lost the right to see it, which says nothing about the mission.
            raise
        match answer:
            case {"data": {"attributes": {"state": int(state)}}} if state not in self._states:
                return "closed"
        return None


def _detail(http: Http, identity: str) -> dict[str, Any] | None:
    """The tab with the description, or the profile where an instance has no such tab; None where there is neither."""
    path = f"opportunities/{quote(identity, safe='')}"
    for way in (f"{path}/information", path):
        try:
            return http.get(way)
        except Refused as error:
            if error.status != _GONE:
                raise
    return None


def _check_rights(came_to: Mapping[_CameTo, int]) -> None:
    """One opportunity may be closed to the user; when all are, it is the rights."""
    if came_to["refused"] > 1 and not came_to["read"]:
        raise OperatorMustAct(
            f"BoondManager lists {came_to['refused']} opportunities and refuses to open any of them (403).\n"
            "Give the user whose credentials these are the right to read opportunities."
        )


def _told(row: Row) -> str:
    return f"opportunity {row.id}"


@contextmanager
def _remedies() -> Iterator[None]:
    """Say what to do about a refusal."""
    try:
        yield
    except Refused as error:
        remedy = {
            401: "No signed token arrived, or user and password are wrong: check FUTURSCAM_BOOND_AUTH.",
            422: "The token's signature is wrong: check FUTURSCAM_BOOND_CLIENT_KEY, all three must be of one user.",
            403: "The user may not read opportunities, or the API is not allowed for that user.",
        }.get(error.status, "Check FUTURSCAM_BOOND_URL.")
        text = f"{error}\n{remedy} docs/SOURCES.md says where to find them."
        raise Refused(text, status=error.status, code=error.code) from None
