"""The analyses: right numbers on a few missions, an answer also where there is nothing, and text that stays text."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from futurscam_lib import analyses, clock, languages, rfps, skills
from futurscam_lib.errors import UsageError
from futurscam_lib.show import Picture, Table
from tests.desk.documents import NOW, SEEN, document

if TYPE_CHECKING:
    from typing import TypeAlias

    from pymongo.database import Database

    Mongo: TypeAlias = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("home")

HOSTILE = "<script>alert(1)</script> $\\frac{1}{$ \x1b[31m=cmd|' /C calc'!A0"


def cells(table: Table) -> list[list[Any]]:
    """The rows as lists."""
    return [list(row) for row in table.rows]


def every_answer() -> list[Table | Picture]:
    """What each analysis says of all that is in MongoDB."""
    missions, asked, spoken = rfps(), skills(), languages()
    return [
        analyses.overview(missions, now=NOW),
        analyses.open_missions(missions, asked, now=NOW),
        analyses.daily_rates(missions),
        analyses.lead_times(missions),
        analyses.lead_time_picture(missions),
        analyses.closing_next(missions, now=NOW),
        analyses.recent(missions, now=NOW),
        analyses.who_posts(missions, now=NOW),
        analyses.listing(missions),
        analyses.skill_pairs(asked),
        analyses.languages_asked(spoken),
        analyses.top(asked["skill"], title="Skills"),
    ]


def test_open_missions_by_skill_and_region(database: Mongo) -> None:
    """Closed ones and those past their deadline are left out; one that names a skill twice counts once."""
    twice = [{"name": "SQL", "seniority": "Expert"}, {"name": "SQL", "seniority": "NS"}]
    database.RFP.insert_many(
        [
            document("a", skills=twice, company__region="Brussels"),
            document("b", deadlineAt=None, company__region=None),
            document("c", isActive=False),
            document("d", deadlineAt=NOW - timedelta(seconds=1)),
            document("e", isActive=None),
        ]
    )

    table = analyses.open_missions(rfps(), skills(), now=NOW)

    assert list(table.columns) == ["skill", "Brussels", "not said", "in all"]
    assert cells(table) == [["SQL", 1, 1, 2], ["Python", 0, 1, 1]]
    assert "2 of 5 missions are open on 2026-11-24 10:30 UTC." in table.notes


def test_where_nothing_is_open_the_last_deadline_is_told(database: Mongo) -> None:
    """An old database does not look like a broken one."""
    database.RFP.insert_one(document("a", deadlineAt=SEEN))

    table = analyses.open_missions(rfps(), skills(), now=NOW)

    assert "None." in repr(table)
    assert "The last deadline of any mission is 2026-11-20 08:00 UTC." in repr(table)


def test_many_regions_are_put_together(database: Mongo) -> None:
    """The table keeps to eight columns of regions; what is rarer is counted as others."""
    for number in range(10):
        database.RFP.insert_many(
            [document(f"{number} {one}", company__region=f"R{number}") for one in range(12 - number)]
        )

    table = analyses.open_missions(rfps(), skills(), now=NOW)

    assert list(table.columns)[1:-1] == [*(f"R{number}" for number in range(8)), "others"]
    assert cells(table)[0][-2:] == [4 + 3, sum(range(3, 13))]


def test_rates_of_two_currencies_are_not_mixed(database: Mongo) -> None:
    """Quartiles of the upper rate for each seniority and currency, juniors first; those without are counted."""
    for number, rate in enumerate((100.0, 200.0, 300.0, 400.0, 500.0)):
        database.RFP.insert_one(document(f"e{number}", conditions__dailyRate__max=rate))
    pounds = {"currency": "GBP", "min": None, "max": 90.0}
    database.RFP.insert_many(
        [
            document("p", conditions__dailyRate=pounds),
            document("j", seniority="Junior", conditions__dailyRate={"currency": None, "max": 70}),
            document("n", conditions__dailyRate__max=None),
        ]
    )

    table = analyses.daily_rates(rfps())

    assert cells(table) == [
        ["Junior", "not said", 1, 70, 70, 70, 70, 70],
        ["Senior", "EUR", 5, 100, 200, 300, 400, 500],
        ["Senior", "GBP", 1, 90, 90, 90, 90, 90],
    ]
    assert table.notes == ["1 of 8 missions name no upper rate."]


def test_lead_times_are_days(database: Mongo) -> None:
    """From publication to deadline; a deadline that lies before is shown as such, not as zero."""
    published = rfp_day(0)
    days = {"a": 10, "b": 20.5, "c": -1, "d": 100}
    database.RFP.insert_many(
        [document(name, publishedAt=published, deadlineAt=rfp_day(number)) for name, number in days.items()]
    )
    database.RFP.insert_one(document("e", deadlineAt=None))

    table, picture = analyses.lead_times(rfps()), analyses.lead_time_picture(rfps())

    assert cells(table) == [["Intermediary SA", 4, -1, 7.2, 15.2, 40.4, 100]]
    assert table.notes == ["1 of 5 missions lack one of the two."]
    assert picture.description.startswith("Missions per days to deadline. before: 1, 0-2: 0, ")
    assert "10-14: 1, 15-21: 1, " in picture.description
    assert picture.description.endswith("over 90: 1")


def rfp_day(number: float) -> Any:
    """So many days after the tenth of November."""
    return clock.parse("2026-11-10T09:00:00Z") + timedelta(days=number)


def test_what_closes_next(database: Mongo) -> None:
    """Open missions by deadline, with the days that are left; as many as are asked for, and how many there are."""
    deadlines = {"a": 3, "b": 1, "c": 2, "d": -1}
    database.RFP.insert_many(
        [document(name, reference=name, deadlineAt=NOW + timedelta(days=day)) for name, day in deadlines.items()]
    )

    table = analyses.closing_next(rfps(), now=NOW, most=2)

    assert [(row[1], row[2]) for row in cells(table)] == [(1, "b"), (2, "c")]
    assert "2 of 3 shown." in repr(table)


def test_new_and_changed_are_told_apart(database: Mongo) -> None:
    """By when they were first seen; the latest first, and what was loaded by hand is marked."""
    old, late, mine = SEEN - timedelta(days=30), NOW - timedelta(hours=1), "interactive-x"
    database.RFP.insert_many(
        [
            document("old", __first_seen_at=old, __changed_at=old),
            document("new", reference="new"),
            document("changed", reference="changed", __first_seen_at=old, __changed_at=late, __run_id=mine),
        ]
    )

    table = analyses.recent(rfps(), now=NOW)

    assert [(row[0], row[2], row[-1]) for row in cells(table)] == [("changed", "changed", True), ("new", "new", False)]
    assert table.notes == ["1 new and 1 changed since 2026-11-17 10:30 UTC."]
    assert len(analyses.recent(rfps(), now=NOW, days=1).rows) == 1


def test_a_week_without_news_says_when_the_last_ones_came(database: Mongo) -> None:
    """Instead of an empty table."""
    database.RFP.insert_one(document("a"))

    table = analyses.recent(rfps(), now=NOW + timedelta(days=90))

    assert "None." in repr(table)
    assert "The last change of any mission was on 2026-11-20 08:00 UTC." in repr(table)


def test_who_posts_most(database: Mongo) -> None:
    """Companies by their missions, those that are open, and the newest publication."""
    database.RFP.insert_many(
        [
            document("a", company__name="B", isActive=False),
            document("b", company__name="B", company__department="Other", publishedAt=SEEN),
            document("c", company__name="A"),
            document("d", company=None),
        ]
    )

    table = analyses.who_posts(rfps(), now=NOW)

    assert cells(table)[0] == ["B", 2, 1, 2, SEEN]
    assert [row[0] for row in cells(table)] == ["B", "A", "not said"]


def test_skills_that_go_together(database: Mongo) -> None:
    """Pairs of at least two missions, and how many percent of those with the first ask for the second."""
    lists = {"a": "xxyz", "b": "xy", "c": "x", "d": "z"}
    database.RFP.insert_many([document(name, skills=[{"name": one} for one in each]) for name, each in lists.items()])

    assert cells(analyses.skill_pairs(skills())) == [["x", "y", 2, 67]]


def test_a_post_with_thousands_of_skills_is_no_trouble(database: Mongo) -> None:
    """Pairs are looked for among the frequent skills only: their number grows with its square."""
    endless = [{"name": f"skill {number}"} for number in range(20_000)]
    database.RFP.insert_many([document("a", skills=endless), document("b", skills=endless), document("c")])

    table = analyses.skill_pairs(skills())

    assert len(table.rows) == 15
    assert table.total == analyses._MOST_SKILLS * (analyses._MOST_SKILLS - 1) // 2


def test_languages_by_level(database: Mongo) -> None:
    """A mission counts once for a language, however often it names it."""
    both = [{"language": "French", "level": level} for level in ("B2", "B2", None)]
    database.RFP.insert_many([document("a", languages=both), document("b")])

    table = analyses.languages_asked(languages())

    assert list(table.columns) == ["language", "B2", "FullProfessional", "not said", "missions"]
    assert cells(table) == [["Dutch", 0, 1, 0, 1], ["French", 1, 0, 1, 1]]


def test_an_empty_database_has_an_answer_to_everything() -> None:
    """Each analysis says that there is nothing; none fails, none warns."""
    for answer in every_answer():
        assert "None." in repr(answer) or "nothing to draw" in repr(answer)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.just(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)))
def test_whatever_a_post_says_stays_text(database: Mongo, text: str) -> None:
    """In every table and picture: no tag of its own, no control character, no mathematics that fails."""
    database.RFP.delete_many({})
    hostile = document("a", reference=text, roleTitle=text, seniority=text, serviceProvider=text)
    for name in ("name", "department", "city", "region"):
        hostile["company"][name] = text
    hostile["conditions"]["dailyRate"]["currency"] = text
    hostile["skills"] = [{"name": text, "seniority": text}, {"name": f"{text}2"}]
    hostile["languages"] = [{"language": text, "level": text}]
    hostile["_etl"]["source"] = text
    database.RFP.insert_many([hostile, {**hostile, "_id": 2, "job_id": "b"}])

    for answer in every_answer():
        assert all(char.isprintable() or char == "\n" for char in repr(answer))
        if isinstance(answer, Table):
            assert "<script" not in answer._repr_html_()
        else:
            assert answer.png.startswith(b"\x89PNG")


def test_the_day_that_counts_as_today() -> None:
    """What is given, or the present; anything else is told."""
    assert analyses.moment("2026-11-24T10:30:00Z") == NOW
    assert abs(analyses.moment() - clock.now()) < timedelta(minutes=1)
    with pytest.raises(UsageError, match="'today' is not an instant"):
        analyses.moment("today")
