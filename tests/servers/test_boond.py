"""The imitated BoondManager follows the rules of the real one."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import jwt
import pytest

from tests.servers.boond import BoondServer

if TYPE_CHECKING:
    from collections.abc import Iterator

T0: Final = datetime(2026, 3, 12, 8, 24, 0, 900000, tzinfo=UTC)
SEARCHED: Final = {
    *("title", "reference", "typeOf", "mode", "state", "place", "isVisible", "startDate", "endDate", "closingDate"),
    *("answerDate", "duration", "currency", "turnoverEstimatedExcludingTax", "estimatesExcludingTax"),
    *("expertiseArea", "activityAreas", "tools", "origin", "numberOfActivePositionings", "stateReason"),
    *("creationDate", "updateDate"),
}


def token_of(server: BoondServer, *, key: str = "", **changes: str) -> str:
    """A token as a client signs it."""
    payload = {"userToken": server.user_token, "clientToken": server.client_token, **changes}
    return jwt.encode(payload, key or server.client_key, algorithm="HS256")


class Reader:
    """A client with a token."""

    def __init__(self, server: BoondServer) -> None:
        """Sign one token for all requests."""
        self.http = httpx.Client(base_url=server.api_url, headers={"X-Jwt-Client-BoondManager": token_of(server)})

    def search(self, **options: Any) -> dict[str, Any]:
        """One page."""
        return self.http.get("/opportunities", params=options).raise_for_status().json()

    def ids(self, **options: Any) -> list[int]:
        """The ids of one page."""
        return [int(row["id"]) for row in self.search(**options)["data"]]

    def status(self, path: str = "/opportunities", **options: Any) -> int:
        """The result of a request."""
        return self.http.get(path, params=options or None).status_code


@pytest.fixture
def server() -> Iterator[BoondServer]:
    """A fresh one, in the year of the tests."""
    with BoondServer() as made:
        made.clock = lambda: T0
        yield made


@pytest.fixture
def reader(server: BoondServer) -> Iterator[Reader]:
    """A client of that server."""
    made = Reader(server)
    try:
        yield made
    finally:
        made.http.close()


def publish(server: BoondServer, count: int) -> list[int]:
    """Add this many opportunities, changed a minute apart; returns their ids."""
    return [server.publish(updated=T0 + timedelta(minutes=number)) for number in range(count)]


def refusal(server: BoondServer, headers: dict[str, str]) -> tuple[int, str]:
    """Status and detail of a request with these headers."""
    answer = httpx.get(f"{server.api_url}/application/current-user", headers=headers)
    error = answer.json().get("errors", [{"status": "200", "detail": ""}])[0]
    assert error["status"] == str(answer.status_code)
    return answer.status_code, error["detail"]


def test_without_a_token_401(server: BoondServer) -> None:
    """Without a token, or with it in the other header, the answer is 401."""
    assert refusal(server, {})[0] == 401
    assert refusal(server, {"X-Jwt-Client": token_of(server)})[0] == 401
    server.jwt_header = "X-Jwt-Client"
    assert refusal(server, {"X-Jwt-Client": token_of(server)})[0] == 200


def test_a_wrong_signature_is_422(server: BoondServer) -> None:
    """Not 401, and the detail says why."""
    wrong = refusal(server, {server.jwt_header: token_of(server, key="k" * 40)})

    assert wrong == (422, "422 - Signature verification failed")


def test_the_payload_holds_two_tokens_and_nothing_else(server: BoondServer) -> None:
    """The key in it, a claim that libraries like to add, one token missing: 422; unknown tokens: 401."""
    more = [token_of(server, clientKey=server.client_key), token_of(server, iat="1")]
    less = jwt.encode({"userToken": server.user_token}, server.client_key, algorithm="HS256")

    assert [refusal(server, {server.jwt_header: token})[0] for token in [*more, less]] == [422, 422, 422]
    assert refusal(server, {server.jwt_header: token_of(server, userToken="x")})[0] == 401


def test_a_token_is_base64url_without_padding(server: BoondServer) -> None:
    """Padded, in two parts or with another algorithm it is refused."""
    good = token_of(server)
    payload = {"userToken": server.user_token, "clientToken": server.client_token}
    other = jwt.encode(payload, server.client_key * 2, algorithm="HS512")

    for bad in (f"{good}=", good.rpartition(".")[0], other, "a.b.c"):
        assert refusal(server, {server.jwt_header: bad})[0] == 422


def test_basic_authentication_is_taken_where_it_is_allowed(server: BoondServer) -> None:
    """User and password, once the instance accepts them."""
    basic = {"Authorization": "Basic " + base64.b64encode(f"{server.user}:{server.password}".encode()).decode()}
    assert refusal(server, basic)[0] == 401

    server.accepts_basic = True

    assert refusal(server, basic)[0] == 200
    assert refusal(server, {"Authorization": "Basic eDp5"})[0] == 401


def test_narrow_rights_are_403(server: BoondServer, reader: Reader) -> None:
    """For everything, for the details of one, and for writing."""
    one = server.publish()
    server.forbidden_ids = {one}
    assert reader.ids() == [one]
    assert reader.status(f"/opportunities/{one}/information") == 403
    assert reader.http.post("/opportunities").status_code == 403
    server.forbidden = True

    assert reader.status() == 403


def test_a_row_has_what_a_search_gives(server: BoondServer, reader: Reader) -> None:
    """All attributes in their types, no text, and the time in Belgium with an offset without colon."""
    server.publish(tools=["Python"], mode=2, description="<p>long</p>")

    page = reader.search()
    row = page["data"][0]

    assert page["meta"]["totals"]["rows"] == 1
    assert page["meta"]["isLogged"] is True
    assert row["type"] == "opportunity"
    assert row["attributes"].keys() == SEARCHED
    assert row["attributes"]["updateDate"] == "2026-03-12T09:24:00+0100"
    assert (row["attributes"]["startDate"], row["attributes"]["currency"]) == ("immediate", 0)
    assert row["attributes"]["tools"] == ["Python"]


def test_names_are_in_included(server: BoondServer, reader: Reader) -> None:
    """Each once, found by type and id; what is not related is null."""
    server.publish(company="Fictional Rail", contact="Jan Peeters", mainManager="Nora Claes")
    server.publish(company="Fictional Rail", contact="Ana De Smet", mainManager="Nora Claes")

    page = reader.search()
    named = {(one["type"], one["id"]): one["attributes"] for one in page["included"]}
    related = page["data"][1]["relationships"]

    assert len(page["included"]) == len(named) == 5
    assert named[_key(related["company"])] == {"name": "Fictional Rail"}
    assert named[_key(related["contact"])] == {"firstName": "Ana", "lastName": "De Smet"}
    assert related["mainManager"]["data"]["type"] == "resource"
    assert related["pole"] == {"data": None}


def test_thirty_are_given_unless_asked_for_more(server: BoondServer, reader: Reader) -> None:
    """`maxResults` is 30, and what is more than the cap is cut without a word; pages count from 1."""
    ids = publish(server, 35)

    assert reader.ids() == ids[:30]
    assert reader.ids(page=2) == ids[30:]
    assert reader.ids(page=3) == []
    assert reader.ids(maxResults=100000) == ids
    server.page_limit = 4
    assert reader.ids(maxResults=500, page=2) == ids[4:8]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"page": "0"}, {"page": "x"}, {"maxResults": "0"}, {"sort": "name"}, {"order": "up"}, {"period": "ever"}),
        *({"period": "updated", "startDate": "12/03/2026"}, {"period": "updated", "endDate": "2026-02-30"}),
        {"opportunityStates[]": "open"},
    ],
)
def test_a_wrong_value_is_422(reader: Reader, wrong: dict[str, str]) -> None:
    """Each parameter has its values."""
    assert reader.status(**wrong) == 422


def test_order_is_by_the_last_change_then_by_id(server: BoondServer, reader: Reader) -> None:
    """Upwards and downwards; the creation is another order."""
    third = server.publish(created=T0 - timedelta(days=3), updated=T0 + timedelta(hours=1))
    first, second = server.publish(created=T0), server.publish(created=T0)

    assert reader.ids(sort="updateDate", order="asc") == [first, second, third]
    assert reader.ids(sort="updateDate", order="desc") == [third, second, first]
    assert reader.ids(sort="creationDate") == [third, first, second]


def test_a_period_has_whole_days_of_belgium(server: BoondServer, reader: Reader) -> None:
    """23:30 UTC is the next day there; both ends are within."""
    late = server.publish(updated=datetime(2026, 3, 11, 23, 30, tzinfo=UTC))
    early = server.publish(updated=datetime(2026, 3, 11, 22, 30, tzinfo=UTC))
    server.publish(updated=datetime(2026, 3, 14, tzinfo=UTC))

    assert reader.ids(period="updated", startDate="2026-03-12", endDate="2026-03-12") == [late]
    assert reader.ids(period="updated", startDate="2026-03-11", endDate="2026-03-13") == [early, late]
    assert len(reader.ids(startDate="2026-03-12")) == 3


def test_states_are_chosen_and_keywords_ignored(server: BoondServer, reader: Reader) -> None:
    """A closed opportunity is in another state; several may be asked for."""
    opened, closed = server.publish(), server.publish()
    server.close(closed)

    assert reader.ids(**{"opportunityStates[]": 0, "keywords": "nothing"}) == [opened]
    assert reader.ids(**{"opportunityStates[]": [0, 2]}) == [opened, closed]
    assert reader.ids() == [opened, closed]


def test_rows_shift_when_data_changes_while_it_is_paged(server: BoondServer, reader: Reader) -> None:
    """Upwards a change moves a row to the end, and one is passed over; downwards one comes twice."""
    ids = publish(server, 4)
    server.clock = lambda: T0 + timedelta(hours=1)

    def touch(page: str) -> None:
        server.before = lambda request: server.change(ids[0]) if request.first("page") == page else None

    touch("2")
    assert [reader.ids(maxResults=2, page=page) for page in (1, 2)] == [ids[:2], [ids[3], ids[0]]]
    server.clock = lambda: T0 + timedelta(hours=2)
    server.before = None
    before = reader.ids(maxResults=2, order="desc")
    server.change(ids[1])
    assert reader.ids(maxResults=2, order="desc", page=2)[0] == before[1]


def test_a_change_moves_the_date_unless_it_is_a_silent_one(server: BoondServer, reader: Reader) -> None:
    """In whole seconds, by the server's clock."""
    one = server.publish()
    server.clock = lambda: T0 + timedelta(minutes=1)
    server.change(one, touch=False, title="Silent")
    assert _attributes(reader, one)["updateDate"] == "2026-03-12T09:24:00+0100"

    server.change(one, title="Told")

    assert _attributes(reader, one)["updateDate"] == "2026-03-12T09:25:00+0100"
    assert _attributes(reader, one)["title"] == "Told"
    with pytest.raises(TypeError, match="no 'titel'"):
        server.change(one, titel="x")


def test_texts_are_given_by_the_opportunity_itself(server: BoondServer, reader: Reader) -> None:
    """Under its information tab; where an instance has none, by the profile."""
    one = server.publish(description="<p>long</p>", criteria="five years")

    assert _attributes(reader, one)["description"] == "<p>long</p>"
    server.no_information_tab = True
    assert reader.status(f"/opportunities/{one}/information") == 404
    assert reader.http.get(f"/opportunities/{one}").json()["data"]["attributes"]["criteria"] == "five years"


def test_deleted_and_not_yet_visible_opportunities_are_404(server: BoondServer, reader: Reader) -> None:
    """The opportunity is 404, and not in the list."""
    gone, late = server.publish(), server.publish(visible_from=T0 + timedelta(minutes=5))
    server.delete(gone)

    assert reader.ids() == []
    assert [reader.status(f"/opportunities/{one}/information") for one in (gone, late, "x")] == [404] * 3
    server.clock = lambda: T0 + timedelta(minutes=5)
    assert reader.ids() == [late]


def test_the_dictionary_names_the_states(reader: Reader) -> None:
    """By number, as an instance has them."""
    setting = reader.http.get("/application/dictionary").json()["data"]["setting"]

    assert setting["state"]["opportunity"][0] == {"id": 0, "value": "En cours", "isEnabled": True}
    assert reader.http.get("/application/current-user").json()["meta"]["isLogged"] is True


def test_faults_have_the_form_of_the_service(server: BoondServer, reader: Reader) -> None:
    """Throttled with a JSON:API error, down, and a web page at 200."""
    server.throttle("/opportunities", after=3)
    server.fail("/opportunities", status=503)
    server.html("/opportunities")

    throttled = reader.http.get("/opportunities")
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "3")
    assert throttled.json()["errors"][0]["status"] == "429"
    assert reader.status() == 503
    with pytest.raises(json.JSONDecodeError):
        reader.search()


def test_an_echo_repeats_the_token(server: BoondServer, reader: Reader) -> None:
    """A careless service quotes what it was sent."""
    server.echoes = True

    told = reader.http.get("/nowhere").json()["errors"][0]["detail"]

    assert reader.http.headers["X-Jwt-Client-BoondManager"] in told


def _attributes(reader: Reader, one: int) -> dict[str, Any]:
    return reader.http.get(f"/opportunities/{one}/information").json()["data"]["attributes"]


def _key(relation: dict[str, Any]) -> tuple[str, str]:
    return relation["data"]["type"], relation["data"]["id"]
