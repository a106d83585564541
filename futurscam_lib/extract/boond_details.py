"""What BoondManager returns besides its list: an opportunity's tab or profile, its contact, the dictionary."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping  # noqa: TC003 - dataclass fields are read at run time by tools
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from futurscam_lib.errors import FuturscamError, Refused, RetryLater

if TYPE_CHECKING:
    from collections.abc import Collection

    from futurscam_lib.extract.http import Http

GONE: Final = 404
FORBIDDEN: Final = 403

_OF_A_CONTACT: Final = ("firstName", "lastName", "email1", "email2", "email3")
_CONTACTS: Final = 10_000
"""Contacts that are remembered at the same time."""


_LONGEST_NAME: Final = 60


class Details:
    """Reads opportunities one by one; remembers whether the instance has the tab `/information`."""

    def __init__(self) -> None:
        """Nothing is known of the instance yet."""
        self._lock = threading.Lock()
        self.has_tab: bool | None = None
        """None: not known yet."""

    def read(self, http: Http, identity: str) -> dict[str, Any] | None:
        """The tab with the description, or the profile where the instance has no such tab; None where both are gone.

        Raises:
            Refused: The user may not open it, or the credentials are refused.
            RetryLater, OperatorMustAct: As `Http.get`.
        """
        if self.has_tab is None:
            # One after the other, until it is known: an instance without the tab is then not asked for it again.
            with self._lock:
                return self._read(http, identity)
        return self._read(http, identity)

    def profile(self, http: Http, identity: str) -> dict[str, Any] | None:
        """The profile; None where it is gone."""
        return _get(http, _path(identity))

    def _read(self, http: Http, identity: str) -> dict[str, Any] | None:
        if self.has_tab is not False and (tab := self._tab(http, identity)):
            return tab
        profile = self.profile(http, identity)
        if profile is None or self.has_tab is False:
            # A tab that is missing together with its profile says nothing about the instance: this one was deleted.
            return profile
        # The tab is missing and the profile is there. Only if the tab is still missing, it was no coincidence:
        # to take an instance for one without the tab costs every description.
        if tab := self._tab(http, identity):
            return tab
        if self.has_tab is None:
            self.has_tab = False
        return profile

    def _tab(self, http: Http, identity: str) -> dict[str, Any] | None:
        found = _get(http, f"{_path(identity)}/information")
        if found is not None:
            self.has_tab = True
        return found


class Contacts:
    """Reads contacts for their mail addresses, each once; lists and tabs give their names only."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, Future[dict[str, Any]]] = OrderedDict()
        self.withheld = 0
        """Contacts that are gone, or that the user may not read."""

    def read(self, http: Http, identity: str) -> dict[str, Any]:
        """Names and mail addresses of a contact; empty where it is gone or may not be read.

        Raises:
            RetryLater: It did not answer. Without it the record would be another one than with it, and both would
                claim to be the same version: so the opportunity is left to the next run.
            Refused, OperatorMustAct: As `Http.get`.
        """
        with self._lock:
            first = identity not in self._asked
            asked = self._asked.setdefault(identity, Future())
            if len(self._asked) > _CONTACTS:
                self._asked.popitem(last=False)
        if first:
            try:
                asked.set_result(self._ask(http, identity))
            except BaseException as error:  # noqa: BLE001 - every waiting caller gets it
                asked.set_exception(error)
        return asked.result()

    def _ask(self, http: Http, identity: str) -> dict[str, Any]:
        try:
            answer = http.get(f"contacts/{quote(identity, safe='')}")
        except Refused as error:
            if error.status not in {GONE, FORBIDDEN}:
                raise
            with self._lock:
                self.withheld += 1
            return {}
        except RetryLater as error:
            text = (
                f"{error}\nTo read opportunities without the mail addresses of contacts: FUTURSCAM_BOOND_CONTACTS=false"
            )
            raise RetryLater(text) from None
        match answer:
            case {"data": {"attributes": dict(attributes)}}:
                return {name: attributes[name] for name in _OF_A_CONTACT if attributes.get(name)}
        return {}


def _get(http: Http, path: str) -> dict[str, Any] | None:
    """An answer; None where there is nothing at that path."""
    try:
        return http.get(path)
    except Refused as error:
        if error.status != GONE:
            raise
    return None


def _path(identity: str) -> str:
    return f"opportunities/{quote(identity, safe='')}"


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The names of states and origins; empty where the instance gives none.

    Attributes:
        states: Name of each `state` of an opportunity.
        origins: Name of each `origin.typeOf` of an opportunity.
        problem: Why the dictionary could not be read; empty: it was read.
    """

    states: Mapping[int, str] = field(default_factory=dict)
    origins: Mapping[int, str] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def ask(cls, http: Http) -> Self:
        """Ask an instance for it. No run depends on it: a failure is its `problem`."""
        try:
            answer = http.get("application/dictionary")
        except FuturscamError as error:
            status = f"status {error.status}" if isinstance(error, Refused) and error.status else "no answer"
            return cls(problem=f"BoondManager's dictionary could not be read ({status}).")
        return cls.of(answer)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Take its answer apart; what has another form than expected is left out."""
        return cls(_options(answer, "state", "opportunity"), _options(answer, "origin"))

    def lacking(self, states: Collection[int]) -> list[int]:
        """The states that it does not name; none where it names no state at all."""
        return sorted(set(states) - self.states.keys()) if self.states else []

    def list_states(self, open_states: Collection[int]) -> str:
        """All states with their names, and which of them count as open; empty where it names none."""
        names = (f"{n} {name}{' (open)' if n in open_states else ''}" for n, name in sorted(self.states.items()))
        return ", ".join(names)


def _options(answer: Mapping[str, Any], *path: str) -> dict[int, str]:
    """The list `[{"id": 0, "value": "Open"}, ...]` at a path below `data.setting`."""
    found: Any = answer
    for step in ("data", "setting", *path):
        found = found.get(step) if isinstance(found, dict) else None
    named: dict[int, str] = {}
    for option in found if isinstance(found, list) else ():
        match option:
            case {"id": int() | str() as number, "value": str(name)} if str(number).isdecimal() and name.strip():
                # Names are shown on terminals.
                named[int(number)] = " ".join("".join(filter(str.isprintable, word)) for word in name.split())[
                    :_LONGEST_NAME
                ]
    return named
