"""What BoondManager returns in addition to its list: an opportunity's tab or profile, its contact, the dictionary."""

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
"""How many contacts are remembered at the same time."""


_LONGEST_NAME: Final = 60


class Details:
    """Reads single opportunities; remembers whether the instance has the tab `/information`."""

    def __init__(self) -> None:
        """Start without knowledge of the instance."""
        self._lock = threading.Lock()
        self.has_tab: bool | None = None
        """None: not known yet."""

    def read(self, http: Http, identity: str) -> dict[str, Any] | None:
        """The tab with the description, or the profile if the instance has no such tab; None if both are gone.

        Raises:
            Refused: The user may not open it, or the credentials are refused.
            RetryLater, OperatorMustAct: As `Http.get`.
        """
        if self.has_tab is None:
            # Read one after the other until this is known, so that a missing tab is not requested many times.
            with self._lock:
                return self._read(http, identity)
        return self._read(http, identity)

    def profile(self, http: Http, identity: str) -> dict[str, Any] | None:
        """The profile; None if it is gone."""
        return _get(http, _path(identity))

    def _read(self, http: Http, identity: str) -> dict[str, Any] | None:
        if self.has_tab is not False and (tab := self._tab(http, identity)):
            return tab
        profile = self.profile(http, identity)
        if profile is None or self.has_tab is False:
            # If the tab and the profile are both missing, the opportunity was deleted; the instance may have the tab.
            return profile
        # The tab is missing and the profile exists. Ask once more before concluding that the instance has no tab:
        # a wrong conclusion would lose every description.
        if tab := self._tab(http, identity):
            return tab
        if self.has_tab is None:
            self.has_tab = False
        return profile

    def _tab(self, http: Http, identity: str) -> dict[str, Any] | None:
        tab = _get(http, f"{_path(identity)}/information")
        if tab is not None:
            self.has_tab = True
        return tab


class Contacts:
    """Reads the mail addresses of contacts, each contact once; lists and tabs give only their names."""

    def __init__(self) -> None:
        """Start; nothing is requested yet."""
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, Future[dict[str, Any]]] = OrderedDict()
        self.withheld = 0
        """Contacts that are gone, or that the user may not read."""

    def read(self, http: Http, identity: str) -> dict[str, Any]:
        """Names and mail addresses of a contact; empty if it is gone or may not be read.

        Raises:
            RetryLater: It did not answer. The opportunity is left to the next run, because a record without the
                contact would have the same version as the complete one.
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
            except BaseException as error:  # noqa: BLE001 - every waiting caller receives it
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
    """An answer; None if there is nothing at that path."""
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
    """The names of states and origins; empty if the instance gives none.

    Attributes:
        states: Name of each `state` of an opportunity.
        origins: Name of each `origin.typeOf` of an opportunity.
        problem: Why the dictionary could not be read; empty if it was read.
    """

    states: Mapping[int, str] = field(default_factory=dict)
    origins: Mapping[int, str] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def ask(cls, http: Http) -> Self:
        """Request it from an instance. A failure becomes its `problem`, because no run depends on it."""
        try:
            answer = http.get("application/dictionary")
        except FuturscamError as error:
            status = f"status {error.status}" if isinstance(error, Refused) and error.status else "no answer"
            return cls(problem=f"BoondManager's dictionary could not be read ({status}).")
        return cls.of(answer)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Read it from an answer; entries of an unexpected form are left out."""
        return cls(_options(answer, "state", "opportunity"), _options(answer, "origin"))

    def lacking(self, states: Collection[int]) -> list[int]:
        """The states that it does not name; empty if it names no state at all."""
        return sorted(set(states) - self.states.keys()) if self.states else []

    def list_states(self, open_states: Collection[int]) -> str:
        """All states with their names, and which of them count as open; empty if it names no state."""
        names = (f"{n} {name}{' (open)' if n in open_states else ''}" for n, name in sorted(self.states.items()))
        return ", ".join(names)


def _options(answer: Mapping[str, Any], *path: str) -> dict[int, str]:
    """The list `[{"id": 0, "value": "Open"}, ...]` at a path below `data.setting`."""
    options: Any = answer
    for step in ("data", "setting", *path):
        options = options.get(step) if isinstance(options, dict) else None
    names: dict[int, str] = {}
    for option in options if isinstance(options, list) else ():
        match option:
            case {"id": int() | str() as number, "value": str(name)} if str(number).isdecimal() and name.strip():
                # Names are shown on terminals.
                names[int(number)] = " ".join("".join(filter(str.isprintable, word)) for word in name.split())[
                    :_LONGEST_NAME
                ]
    return names
