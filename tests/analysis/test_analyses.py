"""The analyses: right numbers for a few missions, results for empty data, and escaped text."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from futurscam_lib import clock
from futurscam_lib.analysis import analyses, languages, rfps, skills
from futurscam_lib.errors import UsageError
from futurscam_lib.report.tables import Picture, Table
from tests.analysis.documents import NOW, SEEN, document, earlier_document

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
    """The output of every analysis for all RFPs in MongoDB."""
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
    """Closed missions and those past their deadline are left out; a skill named twice in a mission counts once."""
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


def test_without_open_missions_the_last_deadline_is_shown(database: Mongo) -> None:
    """An old database can be distinguished from a broken one."""
    database.RFP.insert_one(document("a", deadlineAt=SEEN))

    table = analyses.open_missions(rfps(), skills(), now=NOW)

    assert "None." in repr(table)
    assert "The last deadline of any mission is 2026-11-20 08:00 UTC." in repr(table)


def test_rare_regions_are_merged(database: Mongo) -> None:
    """The table has at most eight columns of regions; rarer regions count as others."""
    for number in range(10):
        database.RFP.insert_many(
            [document(f"{number} {copy}", company__region=f"R{number}") for copy in range(12 - number)]
        )

    table = analyses.open_missions(rfps(), skills(), now=NOW)

    assert list(table.columns)[1:-1] == [*(f"R{number}" for number in range(8)), "others"]
    assert cells(table)[0][-2:] == [4 + 3, sum(range(3, 13))]


def test_rates_of_two_currencies_are_not_mixed(database: Mongo) -> None:
    """Quartiles of the upper rate per seniority and currency, juniors first; missions without a rate are counted."""
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
    """From publication to deadline; a deadline before the publication gives a negative number, not zero."""
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
    """This number of days after the tenth of November."""
    return clock.parse("2026-11-10T09:00:00Z") + timedelta(days=number)


def test_the_next_deadlines(database: Mongo) -> None:
    """Open missions by deadline, with the days left; the table has as many as requested, and shows the total."""
    deadlines = {"a": 3, "b": 1, "c": 2, "d": -1}
    database.RFP.insert_many(
        [document(name, reference=name, deadlineAt=NOW + timedelta(days=day)) for name, day in deadlines.items()]
    )

    table = analyses.closing_next(rfps(), now=NOW, most=2)

    assert [(row[1], row[2]) for row in cells(table)] == [(1, "b"), (2, "c")]
    assert "2 of 3 shown." in repr(table)


def test_new_and_changed_missions_are_distinguished(database: Mongo) -> None:
    """A mission is new if it was first seen in the period; the latest is first, and loads by hand are marked."""
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


def test_a_week_without_changes_shows_the_last_change(database: Mongo) -> None:
    """The table shows the last change instead of being empty."""
    database.RFP.insert_one(document("a"))

    table = analyses.recent(rfps(), now=NOW + timedelta(days=90))

    assert "None." in repr(table)
    assert "The last change of any mission was on 2026-11-20 08:00 UTC." in repr(table)


def test_companies_with_most_missions(database: Mongo) -> None:
    """Companies with their missions, open missions and newest publication."""
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


def test_days_and_customers_are_readable(database: Mongo) -> None:
    """A day has no time, also in a document of an earlier mapping; the department follows the customer."""
    database.RFP.insert_many(
        [document("a", company__showDepartment=True), earlier_document("b", deadlineAt=NOW + timedelta(days=60))]
    )
    missions = rfps()

    listed = analyses.listing(missions)

    assert [row[2] for row in listed.rows] == ["Voorbeeld NV (Data)", "Voorbeeld NV"]
    assert [row[7:9] for row in cells(listed)] == [[date(2027, 1, 1), date(2027, 12, 31)]] * 2
    assert "2027-01-01  2027-12-31  2026-12-10 09:00" in repr(listed)
    assert [row[-1] for row in cells(analyses.closing_next(missions, now=NOW))] == [date(2027, 1, 1)] * 2
    assert analyses.recent(missions, now=NOW).to_frame()["company"].to_list() == ["Voorbeeld NV (Data)", "Voorbeeld NV"]
    assert cells(analyses.who_posts(missions, now=NOW))[0][0] == "Voorbeeld NV"


def test_skill_pairs(database: Mongo) -> None:
    """Pairs of at least two missions, with the percentage of missions with the first skill that ask for the second."""
    lists = {"a": "xxyz", "b": "xy", "c": "x", "d": "z"}
    database.RFP.insert_many(
        [document(name, skills=[{"name": skill} for skill in each]) for name, each in lists.items()]
    )

    assert cells(analyses.skill_pairs(skills())) == [["x", "y", 2, 67]]


def test_a_post_with_thousands_of_skills(database: Mongo) -> None:
    """Only frequent skills are paired, because the number of pairs grows with its square."""
    endless = [{"name": f"skill {number}"} for number in range(20_000)]
    database.RFP.insert_many([document("a", skills=endless), document("b", skills=endless), document("c")])

    table = analyses.skill_pairs(skills())

    assert len(table.rows) == 15
    assert table.total == analyses._MOST_SKILLS * (analyses._MOST_SKILLS - 1) // 2


def test_languages_by_level(database: Mongo) -> None:
    """A mission counts once per language, even if it names it several times."""
    both = [{"language": "French", "level": level} for level in ("B2", "B2", None)]
    database.RFP.insert_many([document("a", languages=both), document("b")])

    table = analyses.languages_asked(languages())

    assert list(table.columns) == ["language", "B2", "FullProfessional", "not said", "missions"]
    assert cells(table) == [["Dutch", 0, 1, 0, 1], ["French", 1, 0, 1, 1]]


def test_every_analysis_works_on_an_empty_database() -> None:
    """Each analysis shows that there is nothing; none fails or warns."""
    for answer in every_answer():
        assert "None." in repr(answer) or "nothing to draw" in repr(answer)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.just(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)))
def test_text_of_posts_stays_text(database: Mongo, text: str) -> None:
    """No table or picture has a tag, a control character or a math error from the text of a post."""
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


TAKEN = (
    *(
        "skill",
        "in all",
        "all",
        "language",
        "missions",
        "level",
        "region",
        "job_id",
        "row_0",
        "col_0",
        "still",
        "known",
    ),
    *("source", "company", "provider", "seniority", "currency", "kind", "first", "both", "share", "50%", "0", "nan"),
    *(
        analyses.NOT_SAID,
        analyses.OTHERS,
        f'"{analyses.OTHERS}"',
        f'""{analyses.NOT_SAID}',
        "not\xa0said",
        " others\t",
        "None",
        "<NA>",
        "",
    ),
)


def named(number: int, name: str | None) -> dict[str, Any]:
    """A mission with this name in every field that a table can group by."""
    made = document(f"{number}", seniority=name, serviceProvider=name, roleTitle=name, reference=name)
    made["company"] |= dict.fromkeys(("name", "department", "city", "region"), name)
    made["conditions"]["dailyRate"]["currency"] = name
    made["skills"] = [{"name": skill, "seniority": name} for skill in ("SQL", name) if skill is not None]
    made["languages"] = [{"language": language, "level": name} for language in ("Dutch", name) if language is not None]
    made["_etl"]["source"] = name
    return made


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.sampled_from((*TAKEN, None)), min_size=1, max_size=12))
def test_names_that_equal_a_column_or_a_bucket(database: Mongo, names: list[str | None]) -> None:
    """Every answer can be displayed; headings are unique, and each row has a cell for each."""
    database.RFP.delete_many({})
    database.RFP.insert_many([named(number, name) for number, name in enumerate(names)])

    for answer in every_answer():
        assert repr(answer)
        if isinstance(answer, Table):
            assert answer._repr_html_()
            assert len(set(answer.columns)) == len(answer.columns) == answer.to_frame().shape[1]
            assert {len(row) for row in answer.rows} <= {len(answer.columns)}
    missions = rfps()
    assert sum(row[1] for row in analyses.overview(missions, now=NOW).rows) == len(names)
    (sql,) = (row for row in analyses.open_missions(missions, skills(), now=NOW).rows if row[0] == "SQL")
    assert sum(sql[1:-1]) == sql[-1] == len(names)
    (dutch,) = (row for row in analyses.languages_asked(languages()).rows if row[0] == "Dutch")
    assert sum(dutch[1:-1]) == dutch[-1] == len(names)


def test_a_region_named_like_a_bucket_has_its_own_count(database: Mongo) -> None:
    """It is shown in quotes, and so is one named like a heading; the bucket keeps its name."""
    regions = ["others", "others", '"others"', "not\xa0said", None, None, None, "skill", "in all", "all"]
    database.RFP.insert_many([document(f"{n}", company__region=name) for n, name in enumerate(regions)])

    table = analyses.open_missions(rfps(), skills(), now=NOW)

    assert list(table.columns)[1:4] == ['"others"', '""others""', '"in all"']
    assert list(table.columns)[4:] == ['"not said"', '"skill"', "all", "not said", "in all"]
    assert cells(table)[0] == ["Python", 2, 1, 1, 1, 1, 1, 3, 10]
    assert [row[0] for row in analyses.who_posts(rfps().assign(company=rfps()["region"]), now=NOW).rows][:2] == [
        "not said",
        "others",
    ]


def test_rare_levels_are_merged(database: Mongo) -> None:
    """Rare levels count as others."""
    endless = [{"language": f"language {number}", "level": f"level {number}"} for number in range(5_000)]
    database.RFP.insert_many([document("a", languages=endless), document("b")])

    table = analyses.languages_asked(languages())

    assert len(table.columns) == 1 + 8 + 1 + 1
    assert sum(sum(row[1:-1]) for row in table.rows) == 5_001


def test_concatenated_frames(database: Mongo) -> None:
    """Concatenated frames have duplicate row numbers; the results equal those for one frame."""
    parts = {"boond": "RFP", "folder": "Tender"}
    for number in range(6):
        name = list(parts)[number % 2]
        database.RFP.insert_one(document(f"{number}", __source=name, isActive=number < 3, company__name=parts[name]))
    both = pd.concat([rfps(source="folder"), rfps(source="boond")])
    asked, whole = skills(), rfps()

    for answer in (analyses.overview, analyses.who_posts, analyses.closing_next, analyses.recent):
        assert repr(answer(both, now=NOW)) == repr(answer(whole, now=NOW))
    assert repr(analyses.open_missions(both, asked, now=NOW)) == repr(analyses.open_missions(whole, asked, now=NOW))
    twice = pd.concat([asked, asked])
    assert repr(analyses.open_missions(both, twice, now=NOW)) == repr(analyses.open_missions(whole, asked, now=NOW))
    assert repr(analyses.skill_pairs(twice)) == repr(analyses.skill_pairs(asked))
    parts_spoken = [languages(source=name) for name in parts]
    assert repr(analyses.languages_asked(pd.concat(parts_spoken))) == repr(analyses.languages_asked(languages()))
    for spread in (analyses.daily_rates, analyses.lead_times, analyses.lead_time_picture):
        assert repr(spread(both)) == repr(spread(whole))
    assert [(row[0], row[2]) for row in analyses.overview(both, now=NOW).rows] == [("boond", 2), ("folder", 1)]


def test_frequent_skills_are_counted_per_mission(database: Mongo) -> None:
    """One post that names two hundred skills three times each does not displace a pair of two missions."""
    noise = [{"name": f"skill {number}"} for number in range(analyses._MOST_SKILLS)] * 3
    pair = [{"name": "x"}, {"name": "y"}]
    database.RFP.insert_many([document("a", skills=noise), document("b", skills=pair), document("c", skills=pair)])

    assert cells(analyses.skill_pairs(skills())) == [["x", "y", 2, 100]]


def test_rows_without_a_mission_are_not_counted(database: Mongo) -> None:
    """Rows without a job_id are not joined with each other."""
    database.RFP.insert_many([document("a", skills=[{"name": "Rust"}]), document("b"), document("c")])
    missions, asked, spoken = rfps(), skills(), languages()
    for frame in (missions, asked, spoken):
        frame.loc[frame["job_id"] != "c", "job_id"] = pd.NA

    assert cells(analyses.open_missions(missions, asked, now=NOW)) == [["Python", 1, 1], ["SQL", 1, 1]]
    assert cells(analyses.languages_asked(spoken)) == [["Dutch", 1, 1]]
    assert cells(analyses.skill_pairs(asked)) == []


@pytest.mark.parametrize("last", [date(1, 1, 1), date(1900, 1, 1), date(9999, 12, 31)])
def test_distant_dates(database: Mongo, last: date) -> None:
    """As dates of a mission and as the current day."""
    at = datetime.combine(last, time(), tzinfo=UTC)
    odd = document("b", publishedAt=at, deadlineAt=at, __changed_at=at, __first_seen_at=at)
    database.RFP.insert_many([document("a"), odd])

    assert all(map(repr, every_answer()))
    for ask in (analyses.overview, analyses.closing_next, analyses.recent, analyses.who_posts):
        assert repr(ask(rfps(), now=at))


def test_moment() -> None:
    """Returns the given instant, or the present one; other values are refused."""
    assert analyses.moment("2026-11-24T10:30:00Z") == NOW
    for present in ("", " ", None):
        assert abs(analyses.moment(present) - clock.now()) < timedelta(minutes=1)
    east = timezone(timedelta(hours=5))
    assert analyses.moment(NOW.replace(tzinfo=None)) == analyses.moment(NOW.astimezone(east)) == NOW
    assert analyses.moment(pd.Timestamp("2026-11-24T10:30")) == NOW
    assert analyses.moment(NOW.astimezone(east)).utcoffset() == timedelta(0)
    assert analyses.moment(NOW.date()) == datetime.combine(NOW, time(), tzinfo=UTC)
    with pytest.raises(UsageError, match="now: 'today' is not an instant"):
        analyses.moment("today")
    with pytest.raises(UsageError, match="not within the years 1 to 9999"):
        analyses.moment(datetime(1, 1, 1, tzinfo=east))
    for odd in (pd.NaT, 7, ["2026-11-24"]):
        with pytest.raises(UsageError, match="now takes an instant like"):
            analyses.moment(cast("Any", odd))


def test_now_without_an_offset_is_utc(database: Mongo) -> None:
    """The notes are in UTC, too."""
    database.RFP.insert_one(document("a"))
    missions, asked = rfps(), skills()
    east = NOW.astimezone(timezone(timedelta(hours=5)))

    for ask in (analyses.overview, analyses.closing_next, analyses.recent, analyses.who_posts):
        assert {repr(ask(missions, now=now)) for now in (NOW.replace(tzinfo=None), east)} == {
            repr(ask(missions, now=NOW))
        }
    assert repr(analyses.open_missions(missions, asked, now=east)) == repr(
        analyses.open_missions(missions, asked, now=NOW)
    )
    assert len(analyses.still_open(missions, now=NOW.replace(tzinfo=None))) == 1


def test_the_number_of_recent_days(database: Mongo) -> None:
    """Numbers beyond the year 1 include all missions; anything but a number of at least 0 is refused."""
    database.RFP.insert_one(document("a"))

    for many in (8e5, 1e300, float("inf")):
        assert len(analyses.recent(rfps(), now=NOW, days=many).rows) == 1
        assert len(analyses.recent(rfps(), now=pd.Timestamp(NOW), days=many).rows) == 1
    for odd in (float("nan"), "7", None, -1, timedelta(days=7)):
        with pytest.raises(UsageError, match="days takes a number from 0, not"):
            analyses.recent(rfps(), now=NOW, days=cast("Any", odd))
