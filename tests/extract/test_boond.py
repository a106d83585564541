"""BoondManager: which opportunities are read, their payload, changes while they are read, and which have ended."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.errors import ExitCode, FuturscamError, OperatorMustAct, RetryLater
from futurscam_lib.extract.boond import BoondSource
from futurscam_lib.extract.boond_details import Dictionary
from futurscam_lib.extract.source import Probe
from futurscam_lib.records import Window
from tests.extract.conftest import T0
from tests.servers import source_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.records import RawRecord
    from futurscam_lib.settings import Settings
    from tests.servers.boond import BoondServer
    from tests.servers.messages import Request

MINUTE = timedelta(minutes=1)
ALL = Window(T0 - timedelta(days=30))


@pytest.fixture
def source(boond: BoondServer, configure: Callable[..., Settings]) -> Callable[..., BoondSource]:
    """Makes the source, with some settings changed."""

    def make(**more: str) -> BoondSource:
        return BoondSource(configure({**source_settings.boond(boond), **more}))

    return make


@pytest.fixture
def missions(boond: BoondServer) -> list[int]:
    """Ten opportunities, one a minute from T0 on."""
    return [boond.publish(title=f"Mission {n}", updated=T0 + n * MINUTE, company="ACME") for n in range(10)]


def read(source: BoondSource, window: Window = ALL) -> list[RawRecord]:
    """All records of a window."""
    return list(source.read(window))


def parts(record: RawRecord) -> dict[str, Any]:
    """A record's payload, parsed."""
    found: dict[str, Any] = json.loads(record.payload)
    return found


def ids(records: list[RawRecord]) -> list[int]:
    """The ids of these opportunities."""
    return sorted(int(parts(record)["data"]["id"]) for record in records)


def refusal(source: BoondSource) -> FuturscamError:
    """The error with which a `read` ends."""
    with pytest.raises(FuturscamError) as caught:
        read(source)
    return caught.value


def lists(boond: BoondServer) -> list[Request]:
    """The requests for pages of the list."""
    return [request for request in boond.requests if request.path.endswith("/opportunities")]


def test_an_opportunity_becomes_a_record(boond: BoondServer, source: Callable[..., BoondSource]) -> None:
    """The payload holds the row, its tab, and the company and people that it names, but nothing about others."""
    boond.publish(title="Other", updated=T0 - timedelta(days=40), company="Elsewhere")
    mission = boond.publish(
        title="Data engineer", updated=T0, company="ACME", contact="Jo Li", description="<p>Do.</p>", criteria="SQL"
    )

    (record,) = read(source())

    whole = parts(record)
    assert record.origin == f"opportunity {mission}"
    assert record.instant == T0
    assert whole["data"]["attributes"]["title"] == "Data engineer"
    assert whole["detail"]["attributes"]["description"] == "<p>Do.</p>"
    assert whole["detail"]["attributes"]["criteria"] == "SQL"
    names = {one["attributes"].get("name") or one["attributes"].get("lastName") for one in whole["included"]}
    assert names >= {"ACME", "Li"}
    assert "Elsewhere" not in names


def test_an_unchanged_opportunity_gives_the_same_payload(
    source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """Equal bytes make reading it again cost only one look-up."""
    assert missions
    first, second = ({record.raw_id for record in read(source())} for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (T0 + 3 * MINUTE, None, range(3, 10)),
        (T0 + 3 * MINUTE + timedelta(microseconds=5), None, range(3, 10)),
        (T0 + 3 * MINUTE + timedelta(seconds=1), None, range(4, 10)),
        (T0 + 3 * MINUTE, T0 + 5 * MINUTE, range(3, 5)),
        (datetime.min.replace(tzinfo=UTC), None, range(10)),
    ],
)
def test_the_window_is_exact(
    source: Callable[..., BoondSource], missions: list[int], since: datetime, until: datetime | None, expected: range
) -> None:
    """BoondManager filters by days; the source checks the exact instant."""
    assert ids(read(source(), Window(since, until))) == [missions[n] for n in expected]


def test_around_midnight_in_brussels(boond: BoondServer, source: Callable[..., BoondSource]) -> None:
    """A change at 00:30 in Brussels belongs to the previous day in UTC, and is read."""
    midnight = datetime(2026, 7, 8, 22, 0, tzinfo=UTC)
    there = [boond.publish(title="x", updated=midnight + n * MINUTE) for n in (-30, 0, 30)]

    assert ids(read(source(), Window(midnight))) == there[1:]


def test_the_list_ends_at_its_total(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """If a server returns fewer rows than requested, a note says so and no row is missed."""
    boond.page_limit = 3
    reading = source()

    assert ids(read(reading)) == missions
    assert reading.notes == ["BoondManager gives 3 opportunities a page, though 500 were asked for."]


def test_only_the_pages_of_the_window_are_read(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """The list is sorted by last change, so pages before the window's beginning are not requested."""
    boond.page_limit = 2

    assert ids(read(source(), Window(T0 + 8 * MINUTE))) == missions[8:]
    assert {request.query["page"][0] for request in lists(boond)} == {"1", "2"}


def test_the_page_size_is_a_setting(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """Every page is requested with this size, last change first."""
    reading = source(FUTURSCAM_BOOND_PAGE_SIZE="4")

    assert ids(read(reading)) == missions
    assert reading.notes == []
    asked = [request.query for request in lists(boond)]
    assert {query["maxResults"][0] for query in asked} == {"4"}
    assert {(query["sort"][0], query["order"][0], query["period"][0]) for query in asked} == {
        ("updateDate", "desc", "updated")
    }


def test_without_a_total_an_empty_page_ends_the_list(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """If the total is missing, the list is read until an empty page."""
    boond.page_limit = 4
    respond = boond._search

    def without_total(request: Request) -> dict[str, Any]:
        answer = respond(request)
        del answer["meta"]["totals"]
        return answer

    boond._search = without_total  # type: ignore[method-assign]

    assert ids(read(source())) == missions


@pytest.mark.parametrize("change", ["touch", "delete", "publish"])
def test_pages_that_change_while_they_are_read(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int], change: str
) -> None:
    """Every row that stayed in the list is read, whatever changes between two pages."""
    boond.page_limit = 3
    boond.clock = lambda: T0 + timedelta(hours=2)

    def disturb(request: Request) -> None:
        if request.path.endswith("/opportunities") and request.query["page"] == ["2"]:
            boond.before = None
            if change == "touch":
                boond.change(missions[2], title="Changed")
            elif change == "delete":
                boond.delete(missions[9])
            else:
                boond.publish(title="New")

    boond.before = disturb
    found = ids(read(source()))

    affected = {"touch": {missions[2]}, "delete": {missions[9]}, "publish": set[int]()}[change]
    assert set(found) >= set(missions) - affected


def test_a_change_in_the_current_second_is_left_to_the_next_run(
    boond: BoondServer, source: Callable[..., BoondSource]
) -> None:
    """Two changes in one second would look the same; a moment later the opportunity is read."""
    boond.clock = lambda: T0 + timedelta(milliseconds=400)
    mission = boond.publish(title="First")
    reading = source()
    assert read(reading) == []
    assert reading.notes == ["1 opportunities changed this very second; the next run reads them."]

    boond.change(mission, title="Second")
    boond.clock = lambda: T0 + timedelta(seconds=1)
    (record,) = read(source())
    assert parts(record)["data"]["attributes"]["title"] == "Second"


def test_a_date_far_in_the_future_is_read_at_once(boond: BoondServer, source: Callable[..., BoondSource]) -> None:
    """A clock that is an hour wrong does not hide an opportunity."""
    boond.clock = lambda: T0
    mission = boond.publish(title="x", updated=T0 + timedelta(hours=1))

    assert ids(read(source())) == [mission]


def test_the_profile_is_read_if_there_is_no_tab(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """A 404 for the tab does not mean that the opportunity was deleted."""
    boond.no_information_tab = True

    records = read(source())

    assert ids(records) == missions
    assert all(parts(record)["detail"] for record in records)


def test_an_opportunity_deleted_while_reading_is_skipped(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """A deletion between the list and the tab gives a note and no failure."""

    def delete(request: Request) -> None:
        if request.path.endswith("/information"):
            boond.before = None
            boond.delete(missions[0])

    boond.before = delete
    reading = source(FUTURSCAM_BOOND_CONTACTS="false")

    assert ids(read(reading)) == missions[1:]
    assert reading.notes == ["1 opportunities were deleted while they were read."]


def test_an_opportunity_that_may_not_be_opened_is_a_reject(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """The others are still read; if no opportunity may be opened, the user lacks rights."""
    boond.forbidden_ids = {missions[4]}
    records = read(source())
    assert [record.origin for record in records if record.flaw] == [f"opportunity {missions[4]}"]
    assert len(records) == 10

    boond.forbidden_ids = set(missions)
    error = refusal(source())
    assert isinstance(error, OperatorMustAct)
    assert "right" in str(error)


@pytest.mark.parametrize("header", ["X-Jwt-Client-BoondManager", "X-Jwt-Client"])
def test_the_token_goes_into_the_header_of_the_setting(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int], header: str
) -> None:
    """The token is accepted only in the header that the instance expects."""
    boond.jwt_header = header
    assert ids(read(source(FUTURSCAM_BOOND_AUTH=header))) == missions

    boond.jwt_header = "X-Other"
    assert "401" in str(refusal(source(FUTURSCAM_BOOND_AUTH=header)))


def test_user_and_password(boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]) -> None:
    """Basic authentication is used if set, and refused if the instance does not allow it."""
    more = {"FUTURSCAM_BOOND_AUTH": "basic", "FUTURSCAM_BOOND_USER": boond.user}
    boond.accepts_basic = True
    assert ids(read(source(**more, FUTURSCAM_BOOND_PASSWORD=boond.password))) == missions

    wrong = source(**more, FUTURSCAM_BOOND_PASSWORD="wrong")  # noqa: S106 - not one
    assert refusal(wrong).exit_code == ExitCode.OPERATOR_MUST_ACT


def test_a_wrong_key_is_reported_with_its_remedy(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """422 means a wrong signature; missing rights give another message."""
    assert missions
    error = refusal(source(FUTURSCAM_BOOND_CLIENT_KEY="some-other-key"))
    assert error.exit_code == ExitCode.OPERATOR_MUST_ACT
    assert "FUTURSCAM_BOOND_CLIENT_KEY" in str(error)

    boond.forbidden = True
    assert "may not read opportunities" in str(refusal(source()))


def test_no_secret_in_any_error(boond: BoondServer, source: Callable[..., BoondSource]) -> None:
    """No token, key or signature appears in an error, even if the server quotes what it was sent."""
    boond.echoes, boond.forbidden = True, True
    errors = [refusal(source()), refusal(source(FUTURSCAM_BOOND_CLIENT_KEY="some-other-key"))]
    boond.accepts_basic = True
    more = {"FUTURSCAM_BOOND_AUTH": "basic", "FUTURSCAM_BOOND_USER": boond.user}
    errors.append(refusal(source(**more, FUTURSCAM_BOOND_PASSWORD="Zwiebelkuchen")))  # noqa: S106 - not one

    sent = {request.headers[boond.jwt_header] for request in boond.requests if boond.jwt_header in request.headers}
    basic = base64.b64encode(f"{boond.user}:Zwiebelkuchen".encode()).decode()
    pieces = {piece for token in sent for piece in token.split(".")[1:]}
    assert pieces
    for error in errors:
        secrets = {*pieces, basic, "Zwiebelkuchen", boond.user_token, boond.client_token, boond.client_key}
        assert not any(secret in str(error) for secret in secrets), error


def test_html_at_200(boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]) -> None:
    """One web page is retried; if they continue, the error says what the server returned."""
    boond.html("/opportunities")
    assert ids(read(source())) == missions

    boond.html("/opportunities", times=1000)
    error = refusal(source())
    assert isinstance(error, RetryLater)
    assert "web page" in str(error)


def test_broken_rows_lose_nothing(boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]) -> None:
    """Rows without an id, a valid date or attributes neither get lost nor stop the run."""
    respond = boond._search

    def odd(request: Request) -> dict[str, Any]:
        answer = respond(request)
        if len(answer["data"]) == len(missions):
            del answer["data"][0]["id"]
            del answer["data"][1]["attributes"]["updateDate"]
            answer["data"][2]["attributes"]["updateDate"] = "yesterday"
            answer["data"][3]["attributes"] = ["?"]
            answer["data"][4]["relationships"] = {"company": {"data": {"type": "company", "id": {"$ne": 1}}}}
            answer["included"].append("?")
        return answer

    boond._search = odd  # type: ignore[method-assign]

    records = read(source())

    assert len(records) == 10
    assert [record.flaw.code for record in records if record.flaw] == ["missing"]


def test_a_list_that_never_ends(boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]) -> None:
    """A server that returns the same page forever is detected."""
    assert missions
    respond = boond._search

    def the_same(request: Request) -> dict[str, Any]:
        request.query["page"][:] = ["1"]
        return {**respond(request), "meta": {"totals": {"rows": 1000}}}

    boond._search = the_same  # type: ignore[method-assign]

    assert "same rows" in str(refusal(source()))


def asked(boond: BoondServer, part: str) -> list[str]:
    """The paths of the requests that contain `part`."""
    return [request.path for request in boond.requests if part in request.path]


def test_the_dictionary_is_requested_once(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """`read` and `sweep` share one request; the name of the origin is in the record."""
    boond.change(missions[0], origin={"typeOf": 9, "detail": "Appel entrant"}, touch=False)
    boond.change(missions[1], origin={"typeOf": 77, "detail": ""}, touch=False)
    reading = source()
    labels = {ids([record])[0]: parts(record).get("labels") for record in read(reading)}
    with reading.sweep():
        pass

    assert labels == {
        **{mission: {"origin": "Appel d'offre"} for mission in missions},
        missions[0]: {"origin": "Pro-Unity"},
        missions[1]: None,
    }
    assert len(asked(boond, "dictionary")) == 1
    assert (reading.notes, reading.warnings) == ([], [])


@pytest.mark.parametrize("trouble", ["missing", "broken"])
def test_without_a_dictionary_the_settings_alone_count(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int], trouble: str
) -> None:
    """A note reports it, and the run goes on."""
    if trouble == "missing":
        boond.no_dictionary = True
    else:
        boond.fail("/dictionary", status=503, times=1000)
    reading = source()

    records = read(reading)

    assert ids(records) == missions
    assert "labels" not in parts(records[0])
    (note,) = reading.notes
    assert note.startswith(
        f"BoondManager's dictionary could not be read ({'status 404' if trouble == 'missing' else 'no'}"
    )
    assert reading.warnings == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": []},
        {"data": {"setting": {"state": ["?"], "origin": {"0": "x"}}}},
        {"data": {"setting": {"state": {"opportunity": [{"id": True, "value": "x"}, {"id": 1}, 5, {"value": "y"}]}}}},
    ],
)
def test_a_dictionary_of_an_unexpected_form_is_ignored(answer: dict[str, Any]) -> None:
    """A dictionary of another form gives no names and no error."""
    assert Dictionary.of(answer) == Dictionary()
    assert Dictionary.of(answer).lacking({0}) == []


def test_an_open_state_that_the_dictionary_lacks_is_a_warning(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """The warning lists all states of the instance with their names."""
    boond.states = {1: "Ouvert", 2: "Perdu"}
    boond.change(missions[0], state=1)
    reading = source(FUTURSCAM_BOOND_OPEN_STATES="0,1,5")
    read(reading)
    with reading.sweep():
        pass

    (warning,) = reading.warnings
    assert warning == (
        "FUTURSCAM_BOOND_OPEN_STATES names 0,5, which this BoondManager does not have. "
        "Its states: 1 Ouvert (open), 2 Perdu."
    )


def test_no_open_opportunity_is_a_warning(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """Both a sweep and `check` warn if no opportunity is open."""
    for state, warned in ((1, True), (5, False)):
        boond.change(missions[0], state=state)
        for mission in missions[1:]:
            boond.change(mission, state=2)
        reading, found = source(FUTURSCAM_BOOND_OPEN_STATES="5"), Probe()
        boond.states = {1: "Gagnée", 2: "Perdue", 5: "En cours"}
        with reading.sweep():
            pass
        source(FUTURSCAM_BOOND_OPEN_STATES="5").probe(ALL, found)
        for warnings in (reading.warnings, found.warnings):
            assert bool(warnings) is warned
            assert "5 En cours (open)" in "".join(warnings) or not warned


def test_an_ignored_filter_on_states_is_noted(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """The state of each row decides whether it is open, and a note reports the problem."""
    boond.ignored = {"opportunityStates"}
    boond.close(missions[3])
    reading = source()

    with reading.sweep() as sweep:
        assert [mission for mission in missions if str(mission) not in sweep.open] == [missions[3]]
        assert sweep.fate(str(missions[3])) == "closed"

    assert ["opportunityStates[]" in note for note in reading.notes] == [True]
    boond.ignored = set()
    with (other := source()).sweep():
        pass
    assert other.notes == []


@pytest.mark.parametrize("ignored", [{"period"}, {"period", "sort"}])
def test_an_ignored_filter_on_dates_is_noted(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int], ignored: set[str]
) -> None:
    """The date of each row decides, even in another order: no row is missed, and a note reports the problem."""
    boond.page_limit = 3
    for number in range(9):
        boond.publish(title="Old", created=T0 - timedelta(days=300 - number), updated=T0 - timedelta(days=90 - number))
    boond.ignored = ignored
    reading = source()

    assert ids(read(reading, Window(T0))) == missions

    words = {"period": "period=updated", "sort": "does not sort"}
    assert {name for name, word in words.items() if any(word in note for note in reading.notes)} == ignored


def test_a_list_in_another_order_is_read_to_its_end(boond: BoondServer, source: Callable[..., BoondSource]) -> None:
    """If the list is not sorted by the last change, old rows at the beginning do not end it."""
    boond.page_limit = 2
    for days in (20, 10, 30, 40):
        boond.publish(title="Old", created=T0 - timedelta(days=50), updated=T0 - timedelta(days=days))
    new = boond.publish(title="New", created=T0 - timedelta(days=49), updated=T0)
    boond.ignored = {"sort", "period"}

    assert ids(read(source(), Window(T0 - MINUTE))) == [new]


def test_a_missing_tab_is_requested_for_one_opportunity_only(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """The tab is requested twice for one opportunity, then never again, not even by the sweep."""
    boond.no_information_tab = True
    reading = source()
    read(reading)
    with reading.sweep() as sweep:
        assert sweep.fate(str(missions[4])) is None

    tabs = asked(boond, "/information")
    assert (len(tabs), len(set(tabs))) == (2, 1)


def test_a_deleted_opportunity_does_not_disable_the_tab(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """Neither if the first opportunities are deleted while they are read, nor if one reappears at that moment."""
    gone = boond._book.rows[missions[9]]

    def vanish(request: Request) -> None:
        if request.path.endswith(f"{missions[9]}/information"):
            del boond._book.rows[missions[9]]
        elif request.path.endswith(f"/{missions[9]}") and missions[9] not in boond._book.rows:
            boond.before = None
            boond._book.rows[missions[9]] = gone

    boond.before = vanish
    records = read(source())

    assert ids(records) == missions
    profiles = [path for path in asked(boond, "/opportunities/") if not path.endswith("/information")]
    assert len(profiles) == 1
    boond.delete(missions[9])
    reading = source()
    with reading.sweep() as sweep:
        assert [sweep.fate(str(mission)) for mission in (missions[9], missions[0])] == ["deleted", None]


def test_the_sweep_reads_the_state_from_tab_or_profile(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """The state comes from the tab, else from the profile; if neither has it, a note reports it."""
    boond.profile_without_state = True
    boond.close(missions[0])
    with source().sweep() as sweep:
        assert [sweep.fate(str(mission)) for mission in missions[:2]] == ["closed", None]

    boond.no_information_tab = True
    reading = source()
    with reading.sweep() as sweep:
        assert sweep.fate(str(missions[0])) is None
    assert [note.split()[0] for note in reading.notes] == ["1"]
    boond.profile_without_state = False
    with source().sweep() as sweep:
        assert sweep.fate(str(missions[0])) == "closed"


def test_rows_without_a_state_are_checked_one_by_one(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """Each state is requested separately, and there is no warning that nothing is open."""
    search = boond._search

    def stateless(request: Request) -> dict[str, Any]:
        answer = search(request)
        for row in answer["data"]:
            del row["attributes"]["state"]
        return answer

    boond._search = stateless  # type: ignore[method-assign]
    reading = source()
    with reading.sweep() as sweep:
        assert str(missions[0]) not in sweep.open
        assert sweep.fate(str(missions[0])) is None
    assert ["without a state" in note for note in reading.notes] == [True]
    assert reading.warnings == []


def contact_of(record: RawRecord) -> dict[str, Any]:
    """The contact in a record."""
    found = [one["attributes"] for one in parts(record)["included"] if one["type"] == "contact"]
    return found[0] if found else {}


def test_each_contact_is_requested_once(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """A shared contact is requested once and gives equal bytes; a setting turns these requests off."""
    boond.change(missions[0], contact="Mia Vos", touch=False)
    boond.change(missions[1], contact=None, touch=False)
    records = {ids([record])[0]: record for record in read(source())}

    assert contact_of(records[missions[0]]) == {"firstName": "Mia", "lastName": "Vos", "email1": "mia.vos@example.com"}
    assert contact_of(records[missions[1]]) == {}
    assert {contact_of(records[mission])["email1"] for mission in missions[2:]} == {"jan.peeters@example.com"}
    assert len(asked(boond, "/contacts/")) == 2
    assert {record.raw_id for record in read(source())} == {record.raw_id for record in records.values()}

    without = read(source(FUTURSCAM_BOOND_CONTACTS="false"))
    assert not any("email1" in contact_of(record) for record in without)
    assert len(asked(boond, "/contacts/")) == 4


def test_contacts_that_may_not_be_read(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """The names are kept, and a note says how to turn off the requests."""
    boond.forbidden_contacts = True
    reading = source()
    records = read(reading)

    assert ids(records) == missions
    assert contact_of(records[0]) == {"firstName": "Jan", "lastName": "Peeters"}
    (note,) = reading.notes
    assert note.startswith("1 contacts")
    assert "FUTURSCAM_BOOND_CONTACTS=false" in note


def test_a_contact_that_does_not_answer_leaves_its_opportunities_to_the_next_run(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """Records with and without the address would have the same version; the other opportunities are read."""
    boond.change(missions[0], contact="Mia Vos", touch=False)
    boond.fail("/contacts/", status=503, times=1000)
    for mission in missions[1:]:
        boond.change(mission, contact=None, touch=False)
    found: list[RawRecord] = []

    def collect() -> None:
        for record in source().read(ALL):
            found.append(record)  # noqa: PERF402 - what came before the error counts

    with pytest.raises(RetryLater, match="FUTURSCAM_BOOND_CONTACTS=false"):
        collect()

    assert ids(found) == missions[1:]


def test_a_sweep_reports_what_has_ended(
    boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]
) -> None:
    """It separates closed from deleted; a mission that is open, or may no longer be seen, has not ended."""
    boond.page_limit = 4
    boond.close(missions[1])
    boond.delete(missions[2])
    with source().sweep() as sweep:
        assert [n for n, mission in enumerate(missions) if str(mission) not in sweep.open] == [1, 2]
        boond.forbidden_ids = {missions[3]}
        fates = [sweep.fate(str(missions[n])) for n in range(4)]

    assert fates == [None, "closed", "deleted", None]


def test_open_states_are_a_setting(boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]) -> None:
    """Missions in every open state of the setting stay active."""
    boond.change(missions[0], state=5)
    with source(FUTURSCAM_BOOND_OPEN_STATES="0,5").sweep() as sweep:
        assert str(missions[0]) in sweep.open


def test_probing(boond: BoondServer, source: Callable[..., BoondSource], missions: list[int]) -> None:
    """The probe shows each step that worked and counts the waiting opportunities, without opening any."""
    assert missions
    found = Probe()
    source().probe(Window(T0 + 7 * MINUTE), found)
    states = "States of opportunities: 0 En cours (open), 1 Gagnée, 2 Perdue, 3 Abandonnée."
    assert found == Probe(reached=True, signed_in=True, may_read=True, waiting=3, remark=states)
    assert not [request for request in boond.requests if "information" in request.path]

    found = Probe()
    with pytest.raises(OperatorMustAct):
        source(FUTURSCAM_BOOND_CLIENT_KEY="some-other-key").probe(ALL, found)
    assert found == Probe(reached=True, signed_in=False, may_read=False)

    boond.forbidden, found = True, Probe()
    with pytest.raises(OperatorMustAct):
        source().probe(ALL, found)
    assert found == Probe(reached=True, signed_in=True, may_read=False)

    found = Probe()
    with pytest.raises(RetryLater):
        source(FUTURSCAM_BOOND_URL="http://127.0.0.1:1/api").probe(ALL, found)
    assert found == Probe()
