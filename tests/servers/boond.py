"""BoondManager on loopback: opportunities, and the credentials to read them.

By hand: `python -m tests.servers.boond`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from tests.servers.boond_access import Access
from tests.servers.boond_book import LOST, OPEN, Book, Opportunity
from tests.servers.boond_search import Search
from tests.servers.messages import Answer
from tests.servers.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tests.servers.messages import Request

__all__ = ["BoondServer"]

_MAX_ROWS: Final = 500
_STATES: Final = {OPEN: "En cours", 1: "Gagnée", LOST: "Perdue", 3: "Abandonnée"}
_MODES: Final = {1: "Régie", 2: "Forfait", 3: "Recrutement", 4: "Produit"}
_ORIGINS: Final = {
    0: "Prospection",
    1: "Apporteur",
    2: "Collègue",
    3: "Réseau",
    4: "Appel d'offre",
    6: "Client",
    7: "Salon",
    8: "Google",
    9: "Pro-Unity",
    10: "ConnectingExpertise",
    11: "Agrega.io",
    12: "LittleBigConnection",
}


class BoondServer(Access):
    """One instance of BoondManager; its API is under `/api`.

    Attributes:
        page_limit: The most rows of a page, whatever `maxResults` says.
        forbidden: The user's rights are too narrow for anything.
        forbidden_ids: The user may see these in a list, and may not open them.
        no_information_tab: The instance does not have `/opportunities/{id}/information`.
        profile_without_state: `/opportunities/{id}` gives no `state`, as on old instances.
        ignored: Names of filters that it does not know, and ignores without a word: `opportunityStates`, `period`,
            `sort`.
        no_dictionary: The instance does not have `/application/dictionary`.
        states, origins: What its dictionary names.
        forbidden_contacts: The user may read no contact.
    """

    throttled: ClassVar[Mapping[str, Any]] = {
        "errors": [{"status": "429", "code": "429", "detail": "429 - Too many requests"}]
    }

    def __init__(self, *, port: int = 0) -> None:
        """Start without opportunities."""
        super().__init__(port=port)
        self.page_limit = _MAX_ROWS
        self.forbidden = False
        self.forbidden_ids: set[int] = set()
        self.no_information_tab = False
        self.profile_without_state = False
        self.ignored: set[str] = set()
        self.no_dictionary = False
        self.states, self.origins = dict(_STATES), dict(_ORIGINS)
        self.forbidden_contacts = False
        self._book = Book()

    @property
    def api_url(self) -> str:
        """Where the API begins."""
        return f"{self.url}/api"

    def publish(
        self,
        *,
        created: datetime | None = None,
        updated: datetime | None = None,
        visible_from: datetime | None = None,
        **attributes: Any,
    ) -> int:
        """Add an opportunity, created and changed now unless told otherwise; gives its id.

        Attributes are named as in the API; `company`, `contact`, `mainManager`, `agency` and `pole` take a name, or
        None. With `visible_from` it is not shown before that instant.
        """
        with self.lock:
            last = _second(updated or created or self.clock())
            made = self._book.add(attributes, created=_second(created or last), updated=last)
            made.visible_from = visible_from
            return made.id

    def change(self, opportunity: int, *, touch: bool = True, **attributes: Any) -> None:
        """Change attributes; without `touch` the opportunity's `updateDate` does not tell."""
        with self.lock:
            found = self._book.rows[opportunity]
            found.change(attributes)
            if touch:
                found.updated = _second(self.clock())

    def close(self, opportunity: int) -> None:
        """Put an opportunity into a state that is not open."""
        self.change(opportunity, state=LOST)

    def delete(self, opportunity: int) -> None:
        """Remove an opportunity without a trace."""
        with self.lock:
            del self._book.rows[opportunity]

    def respond(self, request: Request) -> Answer:
        """Answer as BoondManager."""
        try:
            return Answer.json(self._api(request))
        except Refused as refused:
            error = {"status": str(refused.status), "code": refused.code, "detail": refused.message}
            return Answer.json({"meta": self._meta(logged=False), "errors": [error]}, status=refused.status)

    def _api(self, request: Request) -> dict[str, Any]:
        self.check_access(request)
        if self.forbidden or request.method != "GET":
            raise _forbidden()
        match request.segments:
            case ["api", "opportunities"]:
                return self._search(request)
            case ["api", "opportunities", sought]:
                return self._profile(sought)
            case ["api", "opportunities", sought, "information"] if not self.no_information_tab:
                return self._whole(sought)
            case ["api", "contacts", sought]:
                return self._contact(sought)
            case ["api", "application", "dictionary"] if not self.no_dictionary:
                return {"meta": self._meta(), "data": {"setting": self._dictionary()}}
            case ["api", "application", "current-user"]:
                return {"meta": self._meta(), "data": self._user()}
        raise _unknown()

    def _search(self, request: Request) -> dict[str, Any]:
        search = Search.of(request, limit=self.page_limit, ignored=self.ignored)
        now = self.clock()
        rows = search.found(one for one in self._book.rows.values() if one.shows(now))
        page = search.cut(rows)
        return {
            "meta": {"totals": {"rows": len(rows)}, **self._meta()},
            "data": [self._book.row(one, whole=False) for one in page],
            "included": self._book.included(page),
        }

    def _whole(self, sought: str) -> dict[str, Any]:
        found = self._found(sought)
        if found.id in self.forbidden_ids:
            raise _forbidden()
        return {
            "meta": self._meta(),
            "data": self._book.row(found, whole=True),
            "included": self._book.included([found]),
        }

    def _profile(self, sought: str) -> dict[str, Any]:
        answer = self._whole(sought)
        if self.profile_without_state:
            del answer["data"]["attributes"]["state"]
        return answer

    def _contact(self, sought: str) -> dict[str, Any]:
        if self.forbidden_contacts:
            raise _forbidden()
        contact = self._book.contact(sought)
        if contact is None:
            raise _unknown()
        return {"meta": self._meta(), "data": contact}

    def _found(self, sought: str) -> Opportunity:
        found = self._book.rows.get(int(sought)) if sought.isascii() and sought.isdigit() else None
        if not found or not found.shows(self.clock()):
            raise _unknown()
        return found

    def _meta(self, *, logged: bool = True) -> dict[str, Any]:
        return {"version": "9.0.5.3", "isLogged": logged, "language": "fr"}

    def _dictionary(self) -> dict[str, Any]:
        return {
            "state": {"opportunity": _options(self.states)},
            "typeOf": {"opportunity": [{**option, "mode": option["id"]} for option in _options(_MODES)]},
            "mode": {"opportunity": _options(_MODES)},
            "origin": _options(self.origins),
            "currency": _options({0: "Euro", 1: "Dollar"}),
        }

    def _user(self) -> dict[str, Any]:
        name = {"firstName": "Reader", "lastName": "Example", "login": self.user}
        return {"id": "1", "type": "currentuser", "attributes": name}


def _second(instant: datetime) -> datetime:
    """The service knows nothing finer."""
    return instant.replace(microsecond=0)


def _options(values: Mapping[int, str]) -> list[dict[str, Any]]:
    return [{"id": key, "value": value, "isEnabled": True} for key, value in values.items()]


def _forbidden() -> Refused:
    return Refused(403, "403", "403 - Access to this resource is forbidden")


def _unknown() -> Refused:
    return Refused(404, "404", "404 - Resource not found")


if __name__ == "__main__":
    from tests.servers import by_hand

    by_hand.boond()
