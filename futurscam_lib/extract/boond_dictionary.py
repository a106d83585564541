"""The dictionary of a BoondManager instance: what its numbers for states and origins mean."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - dataclass fields are read at run time by tools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from futurscam_lib.errors import FuturscamError, Refused

if TYPE_CHECKING:
    from collections.abc import Collection

    from futurscam_lib.extract.http import Http

_PATH = "application/dictionary"
_LONGEST = 60


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
            answer = http.get(_PATH)
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
                    :_LONGEST
                ]
    return named
