"""Questions about the RFPs: each function takes DataFrames and returns a table or a picture.

`missions` is what `rfps()` returns, `asked` what `skills()` returns, `spoken` what `languages()` returns. Nothing here
queries MongoDB, so a frame can be filtered, changed or combined with others first. `now` is a datetime, UTC where it
has no offset, or anything else that `moment` takes.

A value that equals a label of the table itself, such as a region called "others", is shown in quotes.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.analysis.instants import instant
from futurscam_lib.errors import UsageError
from futurscam_lib.report import plots
from futurscam_lib.report.tables import Picture, Table, as_text
from futurscam_lib.rfp import customer

if TYPE_CHECKING:
    import pandas as pd

    from futurscam_lib.analysis.instants import When

NOT_SAID: Final = "not said"
OTHERS: Final = "others"

_SENIORITIES: Final = ("Junior", "Medior", "Senior", "Expert")
_DAYS: Final = ((0, 2), (3, 5), (6, 9), (10, 14), (15, 21), (22, 30), (31, 60), (61, 90))
_LONGEST_LABEL: Final = 40
_MOST_COLUMNS: Final = 8
"""The maximum number of columns for regions or levels: sources know seven levels, and NOT_SAID is the eighth."""
_MOST_SKILLS: Final = 200
"""Pairs are searched among this many skills: the number of pairs grows with the square."""


def moment(when: When = "") -> datetime:
    """The instant that is "now" in the analyses, aware and UTC.

    Args:
        when: ISO 8601 text, a date or a datetime, UTC where it names no offset; empty or None: the present.

    Raises:
        UsageError: It is not an instant.
    """
    return instant("now", when) or clock.now()


def still_open(missions: pd.DataFrame, *, now: When) -> pd.DataFrame:
    """The missions that are open: active, and their deadline, where they have one, has not passed."""
    return missions[_is_open(missions, moment(now))]


def overview(missions: pd.DataFrame, *, now: When) -> Table:
    """The missions per source: how many, how many are open, and their dates."""
    marked = missions.assign(source=_named(missions["source"]), still=_is_open(missions, moment(now)))
    by_source = marked.groupby("source").agg(
        missions=("source", "size"),
        still=("still", "sum"),
        by_hand=("interactive", "sum"),
        oldest=("published_at", "min"),
        newest=("published_at", "max"),
        changed=("changed_at", "max"),
    )
    heads = ("source", "missions", "open", "loaded by hand", "published from", "until", "last change (UTC)")
    return Table(heads, _rows(by_source.reset_index()), title="The missions at hand")


def open_missions(missions: pd.DataFrame, asked: pd.DataFrame, *, now: When, most: int = 15) -> Table:
    """The open missions by skill and region, for the `most` frequent skills."""
    import pandas as pd

    now = moment(now)
    still = still_open(missions, now=now)
    places = still[["job_id"]].assign(region=_named(still["region"], OTHERS, "skill", "in all"))
    pairs = by_mission(asked, "skill").merge(places, on="job_id")
    skill = pairs["skill"][pairs["skill"].isin(_most(pairs["skill"], most).index)]
    regions = _grouped(pairs["region"], most=_MOST_COLUMNS)
    counts = pd.crosstab(skill, regions[skill.index])
    order = _order(counts)
    return Table(
        ("skill", *_headings(order), "in all"),
        _counted(counts[order], counts.sum(axis="columns")),
        title="Open missions by skill and region",
        notes=[
            *_how_many_open(missions, len(still), now=now),
            "A mission counts once for each skill that it asks for.",
        ],
    )


def daily_rates(missions: pd.DataFrame) -> Table:
    """Quartiles of the upper daily rate, by seniority; rates of two currencies are never mixed."""
    rated = missions[missions["rate_max"].notna()]
    spread = _spread(rated["rate_max"], [_named(rated["seniority"]), _named(rated["currency"])])
    known = spread["seniority"].map({name: rank for rank, name in enumerate(_SENIORITIES)}).fillna(len(_SENIORITIES))
    spread = spread.assign(known=known).sort_values(["known", "seniority", "currency"]).drop(columns="known")
    without = len(missions) - len(rated)
    return Table(
        ("seniority", "currency", "missions", "lowest", "lower quartile", "median", "upper quartile", "highest"),
        _rows(spread),
        title="Daily rates by seniority: upper end, excl. VAT",
        notes=[f"{without:,} of {len(missions):,} missions name no upper rate."] if without else [],
    )


def lead_times(missions: pd.DataFrame) -> Table:
    """Days from publication to deadline, by intermediary."""
    days, timed = _lead_days(missions)
    spread = _spread(days, [_named(timed["provider"])]).round(1)
    spread = spread.sort_values(["missions", "provider"], ascending=[False, True])
    return Table(
        ("intermediary", "missions", "shortest", "lower quartile", "median", "upper quartile", "longest"),
        _rows(spread),
        title="Days from publication to deadline",
        notes=_without_days(missions, len(timed)),
    )


def lead_time_picture(missions: pd.DataFrame) -> Picture:
    """The distribution of days from publication to deadline."""
    days, _ = _lead_days(missions)
    whole = days.clip(lower=-1) // 1
    counts = [int(whole.between(low, high).sum()) for low, high in _DAYS]
    labels = [f"{low}-{high}" for low, high in _DAYS]
    before, beyond = int((whole < 0).sum()), int((whole > _DAYS[-1][1]).sum())
    if before:
        labels, counts = ["before", *labels], [before, *counts]
    if beyond:
        labels, counts = [*labels, f"over {_DAYS[-1][1]}"], [*counts, beyond]
    return plots.bars(labels if len(days) else [], counts if len(days) else [], title="Missions per days to deadline")


def closing_next(missions: pd.DataFrame, *, now: When, most: int = 15) -> Table:
    """The open missions with the nearest deadlines."""
    now = moment(now)
    still = still_open(missions, now=now)
    dated = still[still["deadline_at"].notna()].sort_values(["deadline_at", "job_id"])
    left = (dated["deadline_at"] - now).dt.total_seconds() / 86_400
    shown = dated.assign(left=left.round(1), customer=_customers(dated))
    return Table(
        ("deadline (UTC)", "days left", "reference", "title", "company", "region", "starts"),
        _rows(shown[["deadline_at", "left", "reference", "title", "customer", "region", "starts_at"]].head(most)),
        title="Deadlines that come next",
        notes=_how_many_open(missions, len(still), now=now),
        total=len(dated),
    )


def recent(missions: pd.DataFrame, *, now: When, days: float = 7) -> Table:
    """The missions that are new or changed in the last `days`, the latest first.

    Raises:
        UsageError: `days` is not a number of at least 0.
    """
    now = moment(now)
    since = _back(now, days)
    touched = missions[missions["changed_at"].between(since, now)]
    touched = touched.sort_values(["changed_at", "job_id"], ascending=[False, True])
    new = touched["first_seen_at"] >= since
    kinds = new.map({True: "new", False: "changed"})
    shown = touched.assign(kind=kinds, customer=_customers(touched))
    notes = [f"{int(new.sum()):,} new and {int((~new).sum()):,} changed since {as_text(since)} UTC."]
    if touched.empty:
        notes.append(_latest(missions, "changed_at", "The last change of any mission was on {}."))
    return Table(
        ("", "at (UTC)", "reference", "title", "company", "loaded by hand"),
        _rows(shown[["kind", "changed_at", "reference", "title", "customer", "interactive"]]),
        title=f"New and changed in {days:g} days",
        notes=[note for note in notes if note],
    )


def who_posts(missions: pd.DataFrame, *, now: When, most: int = 15) -> Table:
    """The companies with the most missions: how many are open, and the latest publication."""
    named = missions.assign(company=_named(missions["company"]), still=_is_open(missions, moment(now)))
    by_company = named.groupby("company").agg(
        missions=("company", "size"),
        still=("still", "sum"),
        departments=("department", "nunique"),
        newest=("published_at", "max"),
    )
    by_company = by_company.sort_index().sort_values("missions", ascending=False, kind="stable").reset_index()
    return Table(
        ("company", "missions", "open", "departments", "newest publication (UTC)"),
        _rows(by_company.head(most)),
        title="Who posts most",
        total=len(by_company),
    )


def listing(missions: pd.DataFrame, *, title: str = "Missions") -> Table:
    """The missions as a table for people, in the same order."""
    shown = {
        "reference": "reference",
        "title": "title",
        "customer": "company",
        "region": "region",
        "seniority": "seniority",
        "rate_max": "rate",
        "currency": "",
        "starts_at": "starts",
        "ends_at": "ends",
        "deadline_at": "deadline (UTC)",
        "active": "active",
    }
    rows = missions.assign(customer=_customers(missions))[list(shown)]
    return Table(list(shown.values()), _rows(rows), title=title)


def skill_pairs(asked: pd.DataFrame, *, most: int = 15) -> Table:
    """Pairs of skills that missions ask for together, most frequent first.

    `of the first`: the percentage of missions with the first skill that also ask for the second.
    """
    import numpy as np
    import pandas as pd

    once = by_mission(asked, "skill")
    common = once[once["skill"].isin(_most(once["skill"], _MOST_SKILLS).index)]
    mission, ids = pd.factorize(common["job_id"])
    skill, names = pd.factorize(common["skill"], sort=True)
    # Multiplying integers is twenty times slower; these floats are exact for up to 16 million missions.
    held = np.zeros((len(ids), len(names)), dtype=np.float32)
    held[mission, skill] = 1
    both = np.triu(held.T @ held, k=1).astype(int)
    first, second = np.nonzero(both > 1)
    alone = held.sum(axis=0)
    pairs = pd.DataFrame({"first": names[first], "second": names[second], "both": both[first, second]})
    pairs = pairs.assign(share=(pairs["both"] / alone[first] * 100).round())
    pairs = pairs.sort_values(["both", "first", "second"], ascending=[False, True, True])
    return Table(
        ("skill", "with", "missions", "% of the first"),
        _rows(pairs.head(most)),
        title="Skills that go together",
        notes=["Pairs that at least two missions ask for."],
        total=len(pairs),
    )


def languages_asked(spoken: pd.DataFrame) -> Table:
    """The number of missions per language and level."""
    import pandas as pd

    once = by_mission(spoken, "language", "level")
    levels = _grouped(_named(once["level"], OTHERS, "language", "missions"), most=_MOST_COLUMNS)
    counts = pd.crosstab(once["language"], levels)
    order = _order(counts)
    return Table(
        ("language", *_headings(order), "missions"),
        _counted(counts[order], once.groupby("language")["job_id"].nunique()),
        title="Languages asked for, by level",
    )


def by_mission(asked: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows of `asked` with only `job_id` and these columns, without duplicates.

    Rows without a `job_id` are left out: they cannot be assigned to a mission.
    """
    return asked[["job_id", *columns]].dropna(subset="job_id").drop_duplicates(ignore_index=True)


def top(values: pd.Series, *, title: str, most: int = 15) -> Picture:
    """A bar chart of the `most` frequent values of a column."""
    counts = _most(values, most)[::-1]
    labels = [as_text(name, longest=_LONGEST_LABEL) for name in counts.index]
    return plots.bars(labels, [int(count) for count in counts], title=title, lying=True)


def _most(values: pd.Series, most: int) -> Any:
    """The most frequent values; equally frequent ones in alphabetical order."""
    return values.value_counts().sort_index().sort_values(ascending=False, kind="stable").head(most)


def _grouped(values: pd.Series, *, most: int) -> pd.Series:
    return values.where(values.isin(_most(values, most).index), OTHERS)


def _named(values: pd.Series, *taken: str) -> pd.Series:
    """The names, NOT_SAID for missing ones; a name that equals NOT_SAID or one of `taken` is put in quotes."""
    # Spaces are normalised as for display: "not said" with another kind of space looks the same.
    texts = values.map(lambda name: " ".join(name.split()), na_action="ignore").astype("string")
    # A name that is in quotes gets more quotes, so that two names stay different.
    alike = texts.str.fullmatch(f'"*({"|".join(map(re.escape, (NOT_SAID, *taken)))})"*', na=False)
    return texts.mask(alike, '"' + texts + '"').fillna(NOT_SAID)


def _order(counts: pd.DataFrame) -> list[str]:
    """The columns of a crosstab, the largest first; those that are not names (such as "others") last."""
    return sorted(counts.columns, key=lambda name: (name in {NOT_SAID, OTHERS}, -counts[name].sum(), name))


def _counted(counts: pd.DataFrame, totals: pd.Series) -> list[list[Any]]:
    """The rows of a crosstab with totals, the largest first; names can be any text, so they are not used as columns."""
    names = totals.sort_index().sort_values(ascending=False, kind="stable").index
    counted = zip(names, counts.loc[names].to_numpy().tolist(), totals[names].tolist(), strict=True)
    return [[name, *row, total] for name, row, total in counted]


def _is_open(missions: pd.DataFrame, now: datetime) -> pd.Series:
    # A mask, not an index: concatenated frames have duplicate row numbers.
    return missions["active"].fillna(value=False) & ~(missions["deadline_at"] < now)


def _back(now: datetime, days: float) -> datetime:
    if not isinstance(days, int | float) or not days >= 0:
        raise UsageError(f"days takes a number from 0, not {days!r}.")
    try:
        return now - timedelta(days=days)
    except OverflowError:
        return clock.EARLIEST


def _spread(values: pd.Series, groups: list[pd.Series]) -> pd.DataFrame:
    """Count, minimum, quartiles and maximum of each group."""
    import pandas as pd

    grouped = values.groupby(groups)
    steps = {f"{step:.0%}": grouped.quantile(step) for step in (0, 0.25, 0.5, 0.75, 1)}
    return pd.DataFrame({"missions": grouped.size(), **steps}).reset_index()


def _lead_days(missions: pd.DataFrame) -> tuple[Any, pd.DataFrame]:
    timed = missions[missions["published_at"].notna() & missions["deadline_at"].notna()]
    return ((timed["deadline_at"] - timed["published_at"]).dt.total_seconds() / 86_400).rename("days"), timed


def _without_days(missions: pd.DataFrame, timed: int) -> list[str]:
    without = len(missions) - timed
    return [f"{without:,} of {len(missions):,} missions lack one of the two."] if without else []


def _how_many_open(missions: pd.DataFrame, still: int, *, now: datetime) -> list[str]:
    notes = [f"{still:,} of {len(missions):,} missions are open on {as_text(now)} UTC."]
    if not still:
        notes.append(_latest(missions, "deadline_at", "The last deadline of any mission is {}."))
    return [note for note in notes if note]


def _latest(missions: pd.DataFrame, column: str, sentence: str) -> str:
    return sentence.format(f"{as_text(missions[column].max())} UTC") if missions[column].notna().any() else ""


def _customers(missions: pd.DataFrame) -> Any:
    """The customer of each mission, for display."""
    import pandas as pd

    companies = missions[["company", "department", "show_department"]]
    named = [customer(name, department, show_department=shown) for name, department, shown in _rows(companies)]
    return pd.array(named, dtype="string")


def _headings(names: list[str]) -> list[str]:
    return [as_text(name, longest=_LONGEST_LABEL) for name in names]


def _rows(frame: pd.DataFrame) -> list[list[Any]]:
    """The cells as plain Python values, missing ones None, calendar days as dates."""
    import pandas as pd

    return [[None if pd.isna(cell) else _plain(cell) for cell in row] for row in frame.itertuples(index=False)]


def _plain(cell: Any) -> Any:
    if isinstance(cell, datetime) and cell.tzinfo is None:
        return cell.date()
    return cell.item() if hasattr(cell, "item") else cell
