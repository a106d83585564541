"""The imitated Graph lists mails by the rules of the real one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.servers.graph_reader import EXPORTS, SINCE, T0, Reader, deliver

if TYPE_CHECKING:
    from tests.servers.graph import GraphServer


def test_the_filter_selects_mails(graph: GraphServer, reader: Reader) -> None:
    """From an instant on, before one, and by the beginning of the subject, whatever its case; quotes are doubled."""
    for minute, subject in enumerate(
        ["[JOB EXPORT] 0", "[JOB EXPORT] 1", "RE: [JOB EXPORT]", "[job export] 3", "it's"]
    ):
        graph.deliver(subject, received=T0 + timedelta(minutes=minute, milliseconds=700))

    upper = "receivedDateTime lt 2026-11-23T13:01:00.5+01:00"
    assert reader.subjects(filter=f"{SINCE} and {EXPORTS}", orderby="receivedDateTime") == [
        "[JOB EXPORT] 0",
        "[JOB EXPORT] 1",
        "[job export] 3",
    ]
    assert reader.subjects(filter=f"{SINCE} and {upper}") == ["[JOB EXPORT] 1", "[JOB EXPORT] 0"]
    assert reader.subjects(filter="startswith(subject,'it''s')") == ["it's"]
    assert reader.rows(filter="startswith(subject,'it''s')")[0]["receivedDateTime"] == "2026-11-23T12:04:00Z"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "receivedDateTime ge yesterday",
        "receivedDateTime ge '2026-11-23T12:00:00Z'",
        "receivedDateTime ge 2026-11-23T12:00:00 00:00",
        "receivedDateTime ge 2026-13-45",
        "receivedDateTime gt 2026-11-23T12:00:00Z",
        "contains(subject,'x')",
        "startswith(subject,'it's')",
        f"{SINCE} or {EXPORTS}",
        f"{SINCE} and ",
        f"{SINCE} and{EXPORTS}",
    ],
)
def test_another_filter_is_refused(reader: Reader, wrong: str) -> None:
    """400, and the clause."""
    assert reader.error(filter=wrong) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("filtered", "order", "taken"),
    [
        (f"{SINCE} and {EXPORTS}", "receivedDateTime asc", True),
        (f"{SINCE} and {EXPORTS}", "receivedDateTime,subject", True),
        (f"{EXPORTS} and {SINCE}", "receivedDateTime", False),
        (f"{SINCE} and {EXPORTS}", "subject", False),
        (f"{SINCE} and {EXPORTS}", "subject,receivedDateTime", False),
        (EXPORTS, "receivedDateTime", False),
        (None, "receivedDateTime desc", True),
    ],
)
def test_the_filter_begins_with_the_order(reader: Reader, filtered: str | None, order: str, *, taken: bool) -> None:
    """What is ordered by has to be filtered by, in the same order and first."""
    options = {"orderby": order} | ({"filter": filtered} if filtered else {})

    if taken:
        assert reader.get(**options).status_code == 200
    else:
        assert reader.error(**options) == (400, "InefficientFilter")


def test_a_tenant_may_refuse_any_order(graph: GraphServer, reader: Reader) -> None:
    """Then the same question without an order is answered."""
    graph.refuses_order = True

    answer = reader.get(filter=SINCE, orderby="receivedDateTime")

    assert answer.json()["error"]["message"] == "The restriction or sort order is too complex for this operation."
    assert answer.json()["error"]["code"] == "InefficientFilter"
    assert reader.get(filter=SINCE).status_code == 200


def test_ten_are_given_unless_asked_for_more(graph: GraphServer, reader: Reader) -> None:
    """`$top` is 10, goes to 1000, and the server may give fewer; the count is that of all."""
    deliver(graph, 12)

    assert len(reader.get().json()["value"]) == 10
    assert len(reader.get(top="1000").json()["value"]) == 12
    graph.page_limit = 3
    page = reader.get(top="1000", count="true").json()
    assert (len(page["value"]), page["@odata.count"]) == (3, 12)
    assert len(reader.rows(top="5")) == 12


@pytest.mark.parametrize("top", ["0", "1001", "-1", "ten", ""])
def test_a_page_has_its_bounds(reader: Reader, top: str) -> None:
    """From 1 to 1000."""
    assert reader.error(top=top) == (400, "BadRequest")


@pytest.mark.parametrize("option", ["search", "expand", "format"])
def test_an_option_that_is_not_known_is_refused(reader: Reader, option: str) -> None:
    """Rather than ignored."""
    assert reader.error(**{option: "x"}) == (400, "RequestBroker--ParseUri")


def test_select_leaves_what_was_named(graph: GraphServer, reader: Reader) -> None:
    """The id stays; a property that does not exist is refused."""
    deliver(graph, 1)

    assert reader.rows(select="subject,receivedDateTime")[0].keys() == {"id", "subject", "receivedDateTime"}
    assert reader.error(select="Subject") == (400, "RequestBroker--ParseUri")


def test_a_link_must_come_back_as_it_was(graph: GraphServer, reader: Reader) -> None:
    """Whole it may be followed again and again, changed it is refused."""
    deliver(graph, 3)
    link = reader.get(top="1", filter=SINCE, orderby="receivedDateTime").json()["@odata.nextLink"]

    assert [reader.http.get(link).json()["value"][0]["subject"] for _ in range(2)] == ["mail 1", "mail 1"]
    assert reader.http.get(link.replace("skip=1", "skip=2")).status_code == 400
    assert reader.http.get(f"{link}&x=1").status_code == 400
    assert reader.http.get(link[:-1]).status_code == 400


def test_rows_shift_when_mails_are_removed_during_paging(graph: GraphServer, reader: Reader) -> None:
    """A page is a position: after a removal before it one mail is passed over, after an arrival one comes twice."""
    ids = deliver(graph, 6)
    first = reader.get(top="2", filter=SINCE, orderby="receivedDateTime").json()
    graph.remove(ids[0])
    second = reader.http.get(first["@odata.nextLink"]).json()
    graph.deliver("late", received=T0)
    third = reader.http.get(second["@odata.nextLink"]).json()

    seen = [[row["subject"] for row in page["value"]] for page in (first, second, third)]
    assert seen == [["mail 0", "mail 1"], ["mail 3", "mail 4"], ["mail 4", "mail 5"]]


def test_the_hook_changes_data_between_pages(graph: GraphServer, reader: Reader) -> None:
    """What it does before the second page is seen on that page."""
    ids = deliver(graph, 4)
    graph.before = lambda _: graph.remove(ids[3]) if len(graph.requests) == 3 else None

    assert reader.subjects(top="2", filter=SINCE, orderby="receivedDateTime") == ["mail 0", "mail 1", "mail 2"]


def test_only_an_immutable_id_survives_a_move(graph: GraphServer, reader: Reader) -> None:
    """Without the header other ids are given, and these are gone once a mail is moved."""
    mail = deliver(graph, 1)[0]
    mutable = reader.get(immutable=False).json()["value"][0]["id"]
    assert reader.get().json()["value"][0]["id"] == mail != mutable
    assert reader.get(f"/messages/{mutable}").status_code == 200

    graph.move(mail, "archive")

    assert reader.get(f"/messages/{mail}").json()["id"] == mail
    assert reader.error(f"/messages/{mutable}") == (404, "ErrorItemNotFound")
    assert reader.get(immutable=False).json()["value"][0]["id"] not in {mail, mutable}


def test_ids_may_differ_in_case_alone(graph: GraphServer, reader: Reader) -> None:
    """Two mails do, and each is found by its own; what is no id at all is another error."""
    first, second = deliver(graph, 2)

    assert first != second
    assert first.lower() == second.lower()
    assert reader.get(f"/messages/{second}").json()["subject"] == "mail 1"
    assert reader.error("/messages/INBOX-1") == (400, "ErrorInvalidIdMalformed")


def test_a_mail_may_appear_late(graph: GraphServer, reader: Reader) -> None:
    """It says that it was received earlier than it could be seen."""
    graph.deliver("late", received=T0, visible_from=T0 + timedelta(minutes=5))
    assert reader.subjects() == []

    graph.clock = lambda: T0 + timedelta(minutes=5)

    assert reader.subjects() == ["late"]
