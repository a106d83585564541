"""The RFPs in pandas: typed columns for any documents, and filters in MongoDB."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import bson
import numpy as np
import pandas as pd
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymongo.errors import InvalidOperation

from futurscam_lib.analysis import frames, languages, rfps, skills
from futurscam_lib.analysis.columns import COLUMNS, STANDARD
from futurscam_lib.analysis.filters import MAX_WORD, MAX_WORDS
from futurscam_lib.errors import RetryLater, UsageError
from futurscam_lib.load import mongo
from tests.analysis.documents import SEEN, document, earlier_document

if TYPE_CHECKING:
    from typing import TypeAlias

    from pymongo.database import Database

    Mongo: TypeAlias = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("home")

TYPES = {
    "key": "string",
    "text": "string",
    "number": "float64",
    "date": "datetime64[ms, UTC]",
    "day": "datetime64[ms]",
    "flag": "boolean",
    "by hand": "boolean",
    "count": "int64",
}


def ids(**filters: Any) -> set[str]:
    """The job_ids that a filter matches."""
    return set(rfps(columns="job_id", **filters)["job_id"])


def types_of(frame: pd.DataFrame) -> dict[str, str]:
    """The type of each column."""
    return {name: str(kind) for name, kind in frame.dtypes.items()}  # type: ignore[misc]


def test_a_document_becomes_one_flat_row(database: Mongo) -> None:
    """Each field has its column with the right type and value."""
    database.RFP.insert_one(document("a"))

    frame = rfps()

    assert list(frame.columns) == list(STANDARD)
    assert types_of(frame) == {name: TYPES[COLUMNS[name].kind] for name in STANDARD}
    (row,) = frame.to_dict("records")
    assert row["job_id"] == "a"
    assert (row["title"], row["role"]) == ("Data Engineer", "Data Architect")
    assert (row["company"], row["show_department"], row["city"]) == ("Voorbeeld NV", False, "Gent")
    assert (row["rate_min"], row["rate_max"], row["currency"]) == (600.0, 750.5, "EUR")
    assert row["published_at"] == datetime(2026, 11, 10, 9, tzinfo=UTC)
    assert (row["active"], row["start_immediately"], row["interactive"]) == (True, False, False)
    assert (row["n_skills"], row["n_languages"], row["n_questions"]) == (2, 1, 2)
    assert (row["starts_at"], row["ends_at"]) == (datetime(2027, 1, 1), datetime(2027, 12, 31))  # noqa: DTZ001
    assert (row["source"], row["run_id"], row["first_seen_at"]) == ("folder", "20261120T080000Z-aaaaaa", SEEN)
    assert pd.isna(row["rfp_type"])


def test_every_column_is_documented() -> None:
    """`help(rfps)` and the last cell of the notebook name each column."""
    assert {name for name in COLUMNS if f"`{name}`" not in (rfps.__doc__ or "")} == set()


def test_an_empty_result_has_the_same_columns_and_types(database: Mongo) -> None:
    """For an empty database and for a filter without a match."""
    empty = rfps(), skills(), languages()
    database.RFP.insert_one(document("a"))

    assert [len(frame) for frame in empty] == [0, 0, 0]
    for nothing, some in zip(empty, (rfps(), skills(), languages()), strict=True):
        assert types_of(nothing) == types_of(some)
    assert types_of(rfps(region="nowhere")) == types_of(rfps())


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "text",
        "",
        True,
        7,
        Int64(2**60),
        float("nan"),
        float("-inf"),
        Decimal128("1E+6144"),
        datetime(2026, 1, 1, tzinfo=UTC),
        ObjectId("6b058a7f660369f2221e7497"),
        b"bytes",
        [],
        [{"name": "x"}],
        {"name": {"$gt": ""}},
    ],
    ids=repr,
)
def test_a_value_of_the_wrong_type_becomes_missing(database: Mongo, odd: Any) -> None:
    """Another program can write any value into any field: the row stays, and its other values are typed as usual."""
    database.RFP.insert_many([document("good"), {"job_id": "bare"}])
    paths = {column.path for column in COLUMNS.values()} - {"job_id"}
    database.RFP.insert_many([set_at(document(f"odd {path}"), path, odd) for path in paths])
    database.RFP.insert_many([set_at(document(f"top {top}"), top, odd) for top in ("company", "conditions", "_etl")])
    database.RFP.insert_one(set_at(document("x"), "job_id", odd))

    frame = rfps(columns=list(COLUMNS))

    assert len(frame) == 2 + len(paths) + 3 + 1
    assert {name: kind for name, kind in types_of(frame).items() if name in STANDARD} == types_of(rfps())
    by_id = frame.set_index("job_id")
    kept = float(odd) if isinstance(odd, int) and not isinstance(odd, bool) else None
    rate = by_id.loc["odd conditions.dailyRate.max", "rate_max"]
    assert rate == kept if kept is not None else pd.isna(rate)
    assert pd.isna(by_id.loc["odd publishedAt", "published_at"]) or isinstance(odd, datetime)
    assert by_id.loc["good", "rate_max"] == 750.5
    assert by_id.loc["bare", "n_skills"] == 0
    assert pd.isna(by_id.loc["bare", "interactive"])
    assert {"good", "bare", "odd skills"} <= set(by_id.index)
    assert set(skills().columns) == {"job_id", "skill", "seniority", "last_used"}


def set_at(made: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with one field replaced."""
    *above, last = path.split(".")
    inner = made
    for part in above:
        inner = inner[part]
    inner[last] = value
    return made


def test_extreme_dates(database: Mongo) -> None:
    """The first and the last year of Python are kept; later BSON dates become missing."""
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    database.RFP.insert_many([document("a", deadlineAt=first), document("b", deadlineAt=last)])
    for job_id, days in (("c", -(10**8)), ("d", 10**10)):
        database.RFP.insert_one(document(job_id))
        beyond = {"$dateAdd": {"startDate": "$deadlineAt", "unit": "day", "amount": days}}
        database.RFP.update_one({"job_id": job_id}, [{"$set": {"deadlineAt": beyond}}])

    days = [{"$set": {"conditions.fromAt": "$deadlineAt"}}]  # type: ignore[assignment]
    database.RFP.update_many({}, days)

    frame = rfps(columns=["job_id", "deadline_at", "starts_at"]).set_index("job_id")

    assert frame["deadline_at"][["a", "b"]].to_list() == [first, last]
    assert frame["starts_at"][["a", "b"]].to_list() == [pd.Timestamp("0001-01-01"), pd.Timestamp("9999-12-31")]
    assert frame.loc[["c", "d"]].isna().all(axis=None)


def test_only_the_requested_columns_are_read(database: Mongo) -> None:
    """In the requested order, each once; the server sends nothing else."""
    database.RFP.insert_one(document("a", job_desc="x" * 100_000))

    assert list(rfps(columns=["title", "rate_max", "title"]).columns) == ["title", "rate_max"]
    assert list(rfps(columns="city").columns) == ["city"]
    database.command("profile", 2)
    rfps(columns="city")
    skills()
    database.command("profile", 0)
    sent = [entry["responseLength"] for entry in database.system.profile.find({"command.aggregate": "RFP"})]
    assert len(sent) == 2
    assert max(sent) < 1000


def test_an_unknown_column_is_refused_with_suggestions() -> None:
    """The message suggests similar names, and nothing is read."""
    with pytest.raises(UsageError, match="no column 'titel'; like it: title"):
        rfps(columns=["job_id", "titel"])
    with pytest.raises(UsageError, match=r"no column '\$where'\.\n"):
        rfps(columns="$where")


def test_a_description_is_plain_text_and_only_on_request(database: Mongo) -> None:
    """One line per paragraph and list item, no tags, entities resolved."""
    html = "<p>R&amp;D for <b>us</b></p><ul><li>One</li><li>Two &lt;x&gt;</li></ul><script>alert(1)</script>"
    database.RFP.insert_one(document("a", job_desc=html))

    assert "description" not in rfps()
    assert rfps(columns="description")["description"][0] == "R&D for us\n• One\n• Two <x>"


def test_screening_questions_are_a_list_on_request(database: Mongo) -> None:
    """Only questions that are text; a document of an earlier mapping has an empty list."""
    database.RFP.insert_many([document("a", questions=["Why?", None, 7, "When?"]), earlier_document("b")])

    assert "questions" not in rfps()
    lists = rfps(columns=["job_id", "questions"]).set_index("job_id")["questions"]
    assert {job_id: list(asked) for job_id, asked in lists.items()} == {"a": ["Why?", "When?"], "b": []}


def test_a_day_is_the_day_of_the_source(database: Mongo) -> None:
    """It compares with text, sorts, and belongs to its month; no time zone shifts it."""
    days = {"a": datetime(2026, 1, 1, tzinfo=UTC), "b": datetime(2025, 12, 31, tzinfo=UTC), "c": None}
    database.RFP.insert_many([document(name, conditions__fromAt=day) for name, day in days.items()])

    starts = rfps(columns=["job_id", "starts_at"]).set_index("job_id")["starts_at"]

    assert list(starts[starts >= "2026-01-01"].index) == ["a"]
    assert list(starts.sort_values().index) == ["b", "a", "c"]
    assert starts.dt.to_period("M").value_counts().to_dict() == {pd.Period("2026-01"): 1, pd.Period("2025-12"): 1}
    assert starts.dropna().sort_index().to_csv(header=False).split() == ["a,2026-01-01", "b,2025-12-31"]


@pytest.mark.parametrize(
    ("kept", "day"),
    [
        (datetime(2025, 12, 31, 23, tzinfo=UTC), "2026-01-01"),  # midnight in Brussels in winter
        (datetime(2026, 6, 30, 22, tzinfo=UTC), "2026-07-01"),  # and in summer
        (datetime(2026, 7, 1, tzinfo=UTC), "2026-07-01"),
        (datetime(2026, 7, 1, 9, 30, tzinfo=UTC), "2026-07-01"),  # of another program
    ],
)
def test_the_days_of_an_earlier_mapping_are_read_as_days_in_brussels(database: Mongo, kept: datetime, day: str) -> None:
    """That mapping stored a day as midnight in Brussels, which is the day before in UTC."""
    database.RFP.insert_one(earlier_document("a", conditions__fromAt=kept))

    assert rfps()["starts_at"].to_list() == [pd.Timestamp(day)]


def test_a_document_of_an_earlier_mapping_is_read(database: Mongo) -> None:
    """Fields that it lacks are missing, the others are read."""
    database.RFP.insert_one(earlier_document("a"))

    (row,) = rfps().to_dict("records")
    assert (row["title"], row["company"], row["n_questions"]) == ("Data Engineer", "Voorbeeld NV", 0)
    assert pd.isna(row["role"])
    assert pd.isna(row["show_department"])
    assert (row["starts_at"], row["ends_at"]) == (pd.Timestamp("2027-01-01"), pd.Timestamp("2027-12-31"))
    assert skills()["last_used"].isna().all()


def test_skills_and_languages_are_rows(database: Mongo) -> None:
    """One row for each entry with a name; a level of the wrong type is missing."""
    sql = {"name": "SQL", "seniority": "Expert", "lastUsed": "AnyTime"}
    asked = [sql, {"name": "C#"}, {"seniority": "x"}, "text", None, {"name": 3}]
    database.RFP.insert_many([document("a", skills=asked), document("b", skills=[], languages=None)])

    listed = [tuple(None if pd.isna(cell) else cell for cell in row) for row in skills().itertuples(index=False)]

    assert listed == [("a", "SQL", "Expert", "AnyTime"), ("a", "C#", None, None)]
    assert languages().to_numpy().tolist() == [["a", "Dutch", "FullProfessional"]]


def test_the_newest_publication_comes_first(database: Mongo) -> None:
    """RFPs without a publication come last; `limit` keeps the first rows, whatever the columns."""
    days = {"a": 3, "b": 9, "c": 5}
    database.RFP.insert_many(
        [document(name, publishedAt=datetime(2026, 11, day, tzinfo=UTC)) for name, day in days.items()]
    )
    database.RFP.insert_one(document("d", publishedAt=None))

    assert list(rfps(columns="job_id")["job_id"]) == ["b", "c", "a", "d"]
    assert list(rfps(columns="job_id", limit=2)["job_id"]) == ["b", "c"]
    assert len(rfps(columns="title", limit=99)) == 4


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "1"])
def test_an_invalid_limit_is_refused(limit: Any) -> None:
    """It must be a whole number of at least 1."""
    with pytest.raises(UsageError, match="limit takes a number from 1"):
        rfps(limit=limit)


def test_words_match_in_role_and_questions(database: Mongo) -> None:
    """As in title and description."""
    database.RFP.insert_many(
        [document("a", role="Enterprise Architect"), document("b", questions=["Werkt u in ploegen?"]), document("c")]
    )

    assert ids(text="enterprise") == {"a"}
    assert ids(text="ploegen") == {"b"}


def test_each_filter(database: Mongo) -> None:
    """One name or several, ignoring case and accents; an empty filter matches all."""
    database.RFP.insert_many(
        [
            document("a", isActive=False, company__region="Liège", __source="boond", seniority="Junior"),
            document("b", remoteOption="Remote", skills=[{"name": "C++"}, {"name": "Développement"}]),
            document("c", isActive=None, company__region=None, skills=[{"name": "C"}]),
        ]
    )

    assert ids(active=True) == {"b"}
    assert ids(active=False) == {"a"}
    assert ids(source="BOOND") == {"a"}
    assert ids(source=["boond", "folder"]) == {"a", "b", "c"}
    assert ids(seniority=("junior", "Expert")) == {"a"}
    assert ids(region="liege") == {"a"}
    assert ids(remote="remote") == {"b"}
    assert ids(skill="c") == {"c"}
    assert ids(skill=pd.Series(["c++", "developpement"])) == {"b"}
    assert ids(skill=[]) == set()
    assert ids(skill=["", "c"], region=[" "], source=[""]) == {"c"}
    assert ids(active=True, region="East Flanders", skill="c++") == {"b"}
    assert ids(source="", since="", text="  ", region=None) == {"a", "b", "c"}
    assert set(skills(skill="c++")["skill"]) == {"C++", "Développement"}


def test_an_unknown_name_is_refused_with_the_existing_names(database: Mongo) -> None:
    """For sources, seniorities and remote options; values that another program wrote are accepted."""
    database.RFP.insert_many(
        [document("a", __source="Other"), document("b", seniority="Chef\x1b", remoteOption=None), document("c")]
    )
    broken = bson.encode(document("d", seniority="broken")).replace(b"broken", b"br\xffken")
    database.RFP.insert_one(RawBSONDocument(broken))

    assert ids(source="other") == {"a"}
    assert ids(source="BOOND", seniority="ns", remote="remote") == set()
    with pytest.raises(UsageError, match=r"source: there is no 'folder,boond'; there are: folder, .*, boond, Other"):
        rfps(source="folder,boond")
    with pytest.raises(UsageError, match=r"seniority: there is no 'Sr'; there are: Junior, .*, NS, Chef.?, br.ken\."):
        skills(seniority=iter(["Junior", "Sr"]))
    with pytest.raises(UsageError, match="remote: there is no 'On site'; there are: OnSite, Hybrid, Remote"):
        languages(remote="On site")


def test_a_long_list_of_existing_names_is_cut(database: Mongo) -> None:
    """Another program may have written thousands of names."""
    database.RFP.insert_many([document(f"{number}", __source=f"s{number:03}") for number in range(99)])

    with pytest.raises(UsageError, match=r"s025 and 73 more\.$"):
        rfps(source="typo")


def test_a_job_id_that_is_not_text_is_converted(database: Mongo) -> None:
    """RFPs and skills can be joined by it; an RFP without a job_id has no rows in `skills`."""
    database.RFP.insert_many(
        [
            document("", skills=[{"name": "Rust"}]) | {"job_id": 1},
            *(document("") | {"job_id": odd} for odd in (2, {"x": 1}, {"x": 2})),
        ]
    )

    assert sorted(rfps()["job_id"].fillna("")) == ["", "", "1", "2"]
    asked = skills()
    assert asked[asked["skill"] == "Rust"]["job_id"].to_list() == ["1"]
    assert sorted(languages()["job_id"]) == ["1", "2"]


def test_invalid_utf_8_is_replaced(database: Mongo) -> None:
    """Another program can write it, and MongoDB keeps it."""
    broken = bson.encode(document("a", roleTitle="broken", skills=[{"name": "broken"}]))
    database.RFP.insert_one(RawBSONDocument(broken.replace(b"broken", b"br\xffken")))

    assert rfps(columns=["title", "city"]).to_numpy().tolist() == [["br\ufffdken", "Gent"]]
    assert skills()["skill"].to_list() == ["br\ufffdken"]


def test_skills_and_languages_take_the_filters_of_rfps(database: Mongo) -> None:
    """`limit` limits the RFPs; `columns` is refused."""
    database.RFP.insert_many([document("a"), document("b", publishedAt=None)])

    assert set(skills(limit=1)["job_id"]) == {"a"}
    with pytest.raises(UsageError, match=r"languages\(\) has no filter columns; it has: active, .*, text, limit\."):
        languages(columns="language")


def test_values_of_numpy_and_large_numbers(database: Mongo) -> None:
    """Values from a DataFrame are accepted like Python's own."""
    database.RFP.insert_many([document("a"), document("b", isActive=False)])

    assert ids(active=np.True_) == {"a"}
    assert len(rfps(limit=np.int64(1))) == 1
    assert len(rfps(limit=2**70)) == 2


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("since", pd.NaT, "since takes an instant"),
        ("until", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "until: .* is not within the years"),
        ("columns", 5, "columns takes a name or a list of names, not 5"),
        ("active", pd.NA, "active takes True, False or None"),
        ("text", "\x00", r"text takes printable text, not '\\x00'"),
        ("skill", ["\x00"], r"skill takes printable text, not '\\x00'"),
    ],
)
def test_an_invalid_value_of_a_filter_is_refused(name: str, value: Any, message: str) -> None:
    """The message names the filter and the values that it takes."""
    with pytest.raises(UsageError, match=message):
        rfps(**{name: value})


def test_since_and_until(database: Mongo) -> None:
    """They compare the publication, `since` inclusive and `until` exclusive; without it, the time when first seen."""
    noon = datetime(2026, 11, 12, 12, tzinfo=UTC)
    database.RFP.insert_many(
        [document("a", publishedAt=noon), document("b", publishedAt=None), document("c", publishedAt="yesterday")]
    )

    assert ids(since=noon) == {"a", "b", "c"}
    assert ids(since=noon, until="2026-11-12T12:00:01Z") == {"a"}
    assert ids(until=noon) == set()
    assert ids(since="2026-11-12T13:00:00+01:00", until=date(2026, 11, 20)) == {"a"}
    assert ids(since=datetime(2026, 11, 12, 12, 0, 1)) == {"b", "c"}  # noqa: DTZ001 - UTC where it says nothing
    assert ids(since=pd.Timestamp("2026-11-12T12:00:01", tz="UTC")) == {"b", "c"}


def test_a_text_search_finds_visible_words(database: Mongo) -> None:
    """All words, anywhere, ignoring case and accents; no tags, links or names of entities."""
    database.RFP.insert_many(
        [
            document("a", roleTitle="Développeur C++ (m/v)", job_desc="<p><strong>R&amp;D</strong> à Liège</p>"),
            document("b", roleTitle="Tester", job_desc='<a href="https://evil.example/strong">hier</a> 50%'),
            document("c", roleTitle="De\u0301veloppeuse", skills=[{"name": "Power BI"}], job_desc=None),
        ]
    )

    assert ids(text="developpeur LIEGE") == {"a"}
    assert ids(text="DÉVELOPPEUR") == {"a"}
    assert ids(text="de\u0301veloppeur") == {"a"}
    assert ids(text="c++") == {"a"}
    assert ids(text="r&d") == {"a"}
    assert ids(text="strong") == set()
    assert ids(text="amp") == set()
    assert ids(text="evil") == set()
    assert ids(text="hier") == {"b"}
    assert ids(text="50%") == {"b"}
    assert ids(text="power bi développeuse") == {"c"}
    assert ids(text=".*") == set()


@pytest.mark.parametrize(
    "name", ["source", "seniority", "region", "remote", "skill", "text", "active", "since", "until"]
)
@pytest.mark.parametrize("value", [{"$gt": ""}, {"$ne": None}, [{"$gt": ""}], 5, {"$regex": "."}])
def test_no_filter_takes_an_operator(database: Mongo, name: str, value: Any) -> None:
    """A value of the wrong type is refused before MongoDB is queried; the message names the filter."""
    database.RFP.insert_one(document("a"))

    with pytest.raises(UsageError, match=f"^{name} takes"):
        rfps(**{name: value})


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.text(max_size=40))
@example(asked="a\x00b")
@example(asked="\ud800")
@example(asked="$where")
@example(asked="(?<")
@example(asked="[[:alpha:]]{1,99999}")
@example(asked="\\E.*\\Q")
@example(asked="가")
@example(asked="ấ ά İ \ufb2c \u212b ≠")
@example(asked="e\u0301\u0327 q\u0303")
def test_any_text_is_only_a_value(database: Mongo, asked: str) -> None:
    """Any text matches only itself; MongoDB never treats it as a pattern or an operator."""
    database.RFP.delete_many({})
    readable = "".join(char for char in asked if char.isprintable())
    database.RFP.insert_many([document("holds it", roleTitle=f"x {readable} y"), document("other", roleTitle="")])

    assert "holds it" in ids(text=readable)
    if asked.strip() and not readable.strip():
        with pytest.raises(UsageError, match="text takes printable text"):
            rfps(text=asked)
    else:
        rfps(text=asked)
    for name in ("region", "skill"):
        assert ids(**{name: f"~{asked}"}) == set()
    for name in ("source", "seniority", "remote"):
        with pytest.raises(UsageError, match=f"{name}: there is no ['\"]~"):
            ids(**{name: f"~{asked}"})


def test_a_search_has_limits() -> None:
    """Patterns that MongoDB would refuse are refused first; the message has the limits."""
    with pytest.raises(UsageError, match=f"at most {MAX_WORDS} words of at most {MAX_WORD} characters"):
        rfps(text="x" * (MAX_WORD + 1))
    with pytest.raises(UsageError, match="at most"):
        rfps(text="x " * (MAX_WORDS + 1))
    assert ids(text="é" * MAX_WORD) == set()


@pytest.mark.parametrize("when", ["yesterday", "2026-13-01"])
def test_an_invalid_instant_is_refused(when: str) -> None:
    """The message has the filter's name and an example."""
    with pytest.raises(UsageError, match=f"since: '{when}' is not an instant"):
        rfps(since=when)


def test_loads_by_hand_are_marked(database: Mongo) -> None:
    """The run of the last change counts, not the first run."""
    mine = "interactive-20261120T080000Z-aaaaaa"
    database.RFP.insert_many([document("a", __run_id=mine), document("b", __first_run_id=mine)])

    by_hand = rfps(columns=["job_id", "interactive"]).set_index("job_id")["interactive"]

    assert by_hand.to_dict() == {"a": True, "b": False}


def test_a_missing_server_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a run: RetryLater, without the driver's message."""
    monkeypatch.setenv("MONGO_URI", "mongodb://127.0.0.1:9/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "1")

    with pytest.raises(RetryLater, match="MongoDB did not answer"):
        rfps()


def test_no_connection_stays_open(database: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is closed after each call, also after an error."""
    database.RFP.insert_one(document("a"))
    connect, clients = mongo.connect, list[Any]()
    monkeypatch.setattr(mongo, "connect", lambda configured: clients.append(connect(configured)) or clients[-1])  # type: ignore[func-returns-value]

    rfps()
    with pytest.raises(UsageError):
        rfps(limit=0)
    monkeypatch.setattr(frames, "_schema", lambda _columns: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rfps()

    assert len(clients) == 2
    for client in clients:
        with pytest.raises(InvalidOperation, match="after close"):
            client.admin.command("ping")


def test_a_notebook_shows_no_warning_of_the_driver() -> None:
    """Importing the module writes nothing to stderr."""
    program = "from futurscam_lib.analysis import rfps; rfps()"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stderr == ""
