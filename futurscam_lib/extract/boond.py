"""Opportunities of BoondManager.

The list shows which opportunities changed, and each opportunity's own tab holds its details; both go unchanged into one
payload. The list's `updateDate` has whole seconds: an opportunity that changed in the current second may change again
within it, and the two versions would look the same. It is left to the next run, which reads the overlap again.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import orjson

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct, Refused, RetryLater
from futurscam_lib.extract.boond_details import FORBIDDEN, Contacts, Details, Dictionary
from futurscam_lib.extract.boond_rows import Row, contact_of, origin_of, payload_of, rows_of, state_of, total_of
from futurscam_lib.extract.boond_signer import signer_of
from futurscam_lib.extract.http import Http
from futurscam_lib.extract.paging import SeenKeys, each, settled
from futurscam_lib.records import Flaw, RawRecord

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from datetime import datetime

    from futurscam_lib.extract.source import Fate, Probe, Sweep
    from futurscam_lib.records import Window
    from futurscam_lib.settings.sources import SourceSettings

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_AHEAD: Final = timedelta(minutes=1)
"""An `updateDate` further ahead of the server's clock than this is read at once: the clock will not reach it soon."""

_OPEN_STATES: Final = "FUTURSCAM_BOOND_OPEN_STATES"
_NO_PERIOD: Final = (
    "BoondManager does not apply the filter period=updated: its list holds opportunities that changed on other days. "
    "FuturScam leaves these out by their updateDate."
)
_NO_STATES: Final = (
    "BoondManager does not apply the filter opportunityStates[]: its list of open opportunities contains others. "
    "FuturScam checks the state of each one."
)
_NO_ORDER: Final = "BoondManager does not sort its list by the last change: the whole list is read."


_Outcome = Literal["read", "gone", "too fresh", "refused"]
_NOTES: Final[Mapping[_Outcome, str]] = {
    "gone": "opportunities were deleted while they were read.",
    "too fresh": "opportunities changed this very second; the next run reads them.",
    "refused": "opportunities may not be opened by this user; they are rejects.",
}


class _Opened(NamedTuple):
    """The outcome of opening one opportunity, and its record if there is one."""

    outcome: _Outcome
    record: RawRecord | None = None


class BoondSource:
    """The opportunities that one user of one instance may see."""

    name = "boond"

    def __init__(self, settings: SourceSettings) -> None:
        """Prepare; nothing is requested yet."""
        self._settings = settings
        self._details = Details()
        self._dictionary: Dictionary | None = None
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Stream the opportunities that were changed in the window.

        Raises:
            RetryLater: BoondManager did not answer, at all or for some opportunities; the others were yielded before.
            OperatorMustAct: It refuses the credentials or the rights.
        """
        self.notes, self.warnings = [], []
        outcomes: Counter[_Outcome] = Counter()
        contacts = Contacts() if self._settings.boond_contacts else None
        try:
            with self._http() as http, _remedies():
                rows = self._rows(http, window)
                # Read the list first: if it is refused, the dictionary is of no use.
                first_row = list(islice(rows, 1))
                opening = partial(self._open, http, self._look_up(http), contacts)
                for opened in each(opening, chain(first_row, rows), name=_name):
                    outcomes[opened.outcome] += 1
                    if opened.record:
                        yield opened.record
                _check_rights(outcomes)
        finally:
            self.notes += [f"{outcomes[what]:,} {note}" for what, note in _NOTES.items() if outcomes[what]]
            if contacts and contacts.withheld:
                self.notes.append(
                    f"{contacts.withheld:,} contacts are gone, or this user may not read them: their mail addresses "
                    "are missing. To stop asking for contacts: FUTURSCAM_BOOND_CONTACTS=false"
                )

    def probe(self, window: Window, progress: Probe) -> None:
        """Sign in, count the opportunities of the window, and list the states of the instance.

        Raises:
            RetryLater, OperatorMustAct: As `read`.
        """
        self.notes, self.warnings = [], []
        with self._http() as http, _remedies():
            try:
                http.get("opportunities", {"maxResults": 1})
            except Refused as error:
                progress.reached, progress.signed_in = True, error.status == FORBIDDEN
                raise
            progress.reached = progress.signed_in = progress.may_read = True
            progress.waiting = sum(1 for _ in self._rows(http, window))
            if states := self._look_up(http).list_states(self._settings.boond_open_states):
                self._note(f"States of opportunities: {states}.")
            if not any(row.state is None or self._is_open(row) for row in self._open_rows(http)):
                self._warn_of_nothing_open()
        progress.remark, progress.warnings = " ".join(self.notes), self.warnings

    @contextmanager
    def sweep(self) -> Iterator[Sweep]:
        """List the opportunities that are open now.

        Raises:
            RetryLater, OperatorMustAct: As `read`.
        """
        with self._http() as http, _remedies(), SeenKeys() as open_ids:
            without_state = listed = 0
            for row in self._open_rows(http):
                if self._is_open(row):
                    listed += open_ids.add(row.id)
                else:
                    without_state += row.state is None
            self._look_up(http)
            if without_state:
                self._note(
                    f"{without_state:,} opportunities are listed without a state: BoondManager is asked for that of "
                    "each active one."
                )
            elif not listed:
                self._warn_of_nothing_open()
            sweep = _Sweep(self._settings, self._details, http, open_ids)
            yield sweep
            if sweep.unknown:
                self._note(
                    f"{sweep.unknown:,} active missions are not listed as open, and BoondManager does not report "
                    "their state; they stay active."
                )

    def _look_up(self, http: Http) -> Dictionary:
        """The instance's dictionary, requested once; notes problems with it or with the settings."""
        if self._dictionary is None:
            self._dictionary = Dictionary.ask(http)
        dictionary, states = self._dictionary, self._settings.boond_open_states
        if dictionary.problem:
            self._note(f"{dictionary.problem} States and origins have no names.")
        elif not dictionary.states:
            self._note("BoondManager's dictionary names no states of opportunities.")
        if missing := dictionary.lacking(states):
            self._warn(
                f"{_OPEN_STATES} names {_listed(missing)}, which this BoondManager does not have. "
                f"Its states: {dictionary.list_states(states)}."
            )
        return dictionary

    def _is_open(self, row: Row) -> bool:
        return row.state in self._settings.boond_open_states

    def _open_rows(self, http: Http) -> Iterator[Row]:
        """The rows that the list shows as open; some may not be open."""
        states = sorted(self._settings.boond_open_states)
        for page in self._pages(http, {"opportunityStates[]": states, "sort": "creationDate", "order": "asc"}):
            if any(row.state is not None and not self._is_open(row) for row in page):
                self._note(_NO_STATES)
            yield from page

    def _warn_of_nothing_open(self) -> None:
        states = self._dictionary.list_states(self._settings.boond_open_states) if self._dictionary else ""
        self._warn(
            f"No opportunity is open in BoondManager ({_OPEN_STATES}={_listed(self._settings.boond_open_states)}). "
            f"{f'Its states: {states}. ' if states else ''}"
            "Check that setting, and that the user may see opportunities."
        )

    def _open(self, http: Http, names: Dictionary, contacts: Contacts | None, row: Row) -> _Opened:
        """Open one opportunity: its row, its tab and its contact."""
        about: dict[str, Any] = {"source": self.name, "origin": _name(row), "instant": row.changed or clock.now()}
        size = len(orjson.dumps(row.data))
        if not row.data.get("id"):
            flaw = Flaw("missing", "BoondManager lists an opportunity without an id.")
            return _Opened("read", RawRecord.flawed(flaw, **about, size=size))
        # The clock of an earlier answer: a later answer cannot be older.
        now = http.date or clock.now()
        if row.changed and now.replace(microsecond=0) <= row.changed < now + _AHEAD:
            return _Opened("too fresh")
        try:
            detail = self._details.read(http, row.id)
        except Refused as error:
            if error.status != FORBIDDEN:
                raise
            flaw = Flaw("forbidden", "BoondManager lists this opportunity, and refuses to open it.")
            return _Opened("refused", RawRecord.flawed(flaw, **about, size=size))
        if detail is None:
            return _Opened("gone")
        contact = contact_of(row, detail) if contacts else None
        payload = payload_of(
            row,
            detail,
            contact=contacts.read(http, contact) if contacts and contact else None,
            origin=names.origins.get(number) if (number := origin_of(row, detail)) is not None else None,
        )
        return _Opened("read", RawRecord.of(payload, **about))

    def _http(self) -> Http:
        return Http(
            "BoondManager",
            self._settings.boond_url,
            timeout=self._settings.http_timeout,
            tries=self._settings.http_tries,
            signer=signer_of(self._settings),
        )

    def _rows(self, http: Http, window: Window) -> Iterator[Row]:
        """The rows of the window, each once; a row whose date cannot be read is always included."""
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
        """The pages of the list, last change first, so that a change while they are read only repeats rows."""
        query: dict[str, Any] = {"sort": "updateDate", "order": "desc", "period": "updated"}
        # The filter takes days in the instance's own time zone; `_rows` checks the exact instant.
        first, last = max(floor, clock.EPOCH + _DAY) - _DAY, (until or clock.now()) + 2 * _DAY
        query |= {"startDate": f"{first:%Y-%m-%d}", "endDate": f"{last:%Y-%m-%d}"}
        order = _Order()
        for page in self._pages(http, query):
            dates = [row.changed for row in page if row.changed is not None]
            order.add(dates)
            if any(first - changed > 2 * _DAY or changed - last > 2 * _DAY for changed in dates):
                self._note(_NO_PERIOD)
            if order.is_broken:
                self._note(_NO_ORDER)
            yield page
            if order.is_proven and dates and len(dates) == len(page) and max(dates) < floor:
                return

    def _pages(self, http: Http, query: Mapping[str, Any]) -> Iterator[list[Row]]:
        """All pages of a list; the server's total decides where it ends, not the page size that was requested."""
        page_size, received, previous_keys = self._settings.boond_page_size, 0, [""]
        for number in count(1):
            answer = http.get("opportunities", {**query, "page": number, "maxResults": page_size})
            rows, total = rows_of(answer), total_of(answer)
            keys = [row.key for row in rows]
            if keys == previous_keys:
                raise RetryLater(f"BoondManager gives page {number} of its list with the same rows as the one before.")
            received, previous_keys = received + len(rows), keys
            yield rows
            if not rows or (total is not None and received >= total):
                return
            if len(rows) < page_size and number == 1:
                self._note(f"BoondManager gives {len(rows)} opportunities a page, though {page_size} were asked for.")

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


def open_source(settings: SourceSettings, **_: object) -> BoondSource:
    """Return the source for the BoondManager in the settings."""
    return BoondSource(settings)


@dataclass(slots=True)
class _Order:
    """Checks whether a list comes in the requested order: last change first.

    Attributes:
        is_broken: A row changed later than a row before it. One hour is tolerated: clocks are set back in autumn.
        is_proven: The order is not broken, and the rows have more than one date.
    """

    is_broken: bool = False
    is_proven: bool = False
    _lowest: datetime | None = None

    def add(self, dates: Iterable[datetime]) -> None:
        """Check the dates of the next rows."""
        for changed in dates:
            lowest = self._lowest
            if lowest is not None and changed > lowest + _HOUR:
                self.is_broken = True
            if lowest is not None and changed < lowest:
                self.is_proven = True
            self._lowest = changed if lowest is None else min(lowest, changed)
        self.is_proven = self.is_proven and not self.is_broken


class _Sweep:
    """Which missions are open at the source, and what happened to the others.

    Attributes:
        unknown: Missions whose state BoondManager did not report.
    """

    def __init__(self, settings: SourceSettings, details: Details, http: Http, open_ids: Container[str]) -> None:
        self._states, self._details, self._http = settings.boond_open_states, details, http
        self._lock = threading.Lock()
        self.open, self.unknown = open_ids, 0
        self.share = settings.boond_sweep_share
        self.causes = (
            f"Likely causes: {_OPEN_STATES}={_listed(self._states)} is wrong for this instance, or the user sees other "
            "opportunities than before. The states with their names: futurscam check --source boond"
        )

    def fate(self, source_id: str) -> Fate | None:
        """See `Sweep`."""
        try:
            detail = self._details.read(self._http, source_id)
            if detail is None:
                return "deleted"
            state = state_of(detail.get("data"))
            if state is None and self._details.has_tab:
                state = state_of((self._details.profile(self._http, source_id) or {}).get("data"))
        except Refused as error:
            if error.status != FORBIDDEN:
                raise
            state = None  # The user lost the right to see it; the mission itself may still be open.
        if state is None:
            with self._lock:
                self.unknown += 1
        return None if state is None or state in self._states else "closed"


def _check_rights(outcomes: Mapping[_Outcome, int]) -> None:
    """One refused opportunity is a reject; if all are refused, the user lacks the right to read them."""
    if outcomes["refused"] > 1 and not outcomes["read"]:
        raise OperatorMustAct(
            f"BoondManager lists {outcomes['refused']} opportunities and refuses to open any of them (403).\n"
            "Give the user whose credentials these are the right to read opportunities."
        )


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _name(row: Row) -> str:
    return f"opportunity {row.id}"


@contextmanager
def _remedies() -> Iterator[None]:
    """Add to a refusal what to do about it."""
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
