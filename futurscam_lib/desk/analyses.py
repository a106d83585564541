"""What analysts ask of the RFPs: each question a function of DataFrames, each answer a table or a picture.

`missions` is what `rfps()` gives, `asked` what `skills()` gives, `spoken` what `languages()` gives. Nothing here asks
MongoDB, so a frame can be filtered or changed before.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock, plots
from futurscam_lib.errors import UsageError
from futurscam_lib.show import Picture, Table, as_text

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

NOT_SAID: Final = "not said"
OTHERS: Final = "others"

_SENIORITIES: Final = ("Junior", "Medior", "Senior", "Expert")
_DAYS: Final = ((0, 2), (3, 5), (6, 9), (10, 14), (15, 21), (22, 30), (31, 60), (61, 90))
_LONGEST_LABEL: Final = 40
_MOST_SKILLS: Final = 200
"""Pairs are looked for among so many skills: their number grows with its square."""


def moment(text: str = "") -> datetime:
    """The instant that is "now" in the analyses.

    Args:
        text: ISO 8601, UTC where it names no offset; empty: the present.

    Raises:
        UsageError: It is no instant.
    """
    if not text.strip():
        return clock.now()
    try:
        return clock.parse(text)
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def still_open(missions: pd.DataFrame, *, now: datetime) -> pd.DataFrame:
    """The missions that are open: active, and their deadline, where they have one, has not passed."""
    return missions[missions["active"].fillna(value=False) & ~(missions["deadline_at"] < now)]


def overview(missions: pd.DataFrame, *, now: datetime) -> Table:
    """How many missions each source gave, how many are open, and from when they are."""
    open_ids = still_open(missions, now=now).index
    marked = missions.assign(source=missions["source"].fillna(NOT_SAID), still=missions.index.isin(open_ids))
    found = marked.groupby("source").agg(
        missions=("source", "size"),
        still=("still", "sum"),
        by_hand=("interactive", "sum"),
        oldest=("published_at", "min"),
        newest=("published_at", "max"),
        changed=("changed_at", "max"),
    )
    heads = ("source", "missions", "open", "loaded by hand", "published from", "until", "last change (UTC)")
    return Table(heads, _rows(found.reset_index()), title="The missions at hand")


def open_missions(missions: pd.DataFrame, asked: pd.DataFrame, *, now: datetime, most: int = 15) -> Table:
    """How many open missions ask for a skill, in which region: the `most` skills asked for most."""
    import pandas as pd  # noqa: PLC0415 - slow to import, and only analysts need it

    still = still_open(missions, now=now)
    pairs = asked[["job_id", "skill"]].drop_duplicates().merge(still[["job_id", "region"]], on="job_id")
    skill = pairs["skill"][pairs["skill"].isin(_most(pairs["skill"], most).index)]
    regions = _grouped(pairs["region"].fillna(NOT_SAID), most=8)
    counts = pd.crosstab(skill, regions[skill.index])
    order = sorted(counts.columns, key=lambda name: (name in {NOT_SAID, OTHERS}, -counts[name].sum(), name))
    counts = counts[order].assign(all=counts.sum(axis="columns"))
    counts = counts.sort_index().sort_values("all", ascending=False, kind="stable")
    return Table(
        ("skill", *_headings(order), "in all"),
        _rows(counts.reset_index()),
        title="Open missions by skill and region",
        notes=[
            *_how_many_open(missions, len(still), now=now),
            "A mission counts once for each skill that it asks for.",
        ],
    )


def daily_rates(missions: pd.DataFrame) -> Table:
    """Quartiles of the upper daily rate, by seniority; rates of two currencies are never mixed."""
    rated = missions[missions["rate_max"].notna()]
    found = _spread(rated["rate_max"], [rated["seniority"].fillna(NOT_SAID), rated["currency"].fillna(NOT_SAID)])
    known = found["seniority"].map({name: rank for rank, name in enumerate(_SENIORITIES)}).fillna(len(_SENIORITIES))
    found = found.assign(known=known).sort_values(["known", "seniority", "currency"]).drop(columns="known")
    without = len(missions) - len(rated)
    return Table(
        ("seniority", "currency", "missions", "lowest", "lower quartile", "median", "upper quartile", "highest"),
        _rows(found),
        title="Daily rates by seniority: upper end, excl. VAT",
        notes=[f"{without:,} of {len(missions):,} missions name no upper rate."] if without else [],
    )


def lead_times(missions: pd.DataFrame) -> Table:
    """Days from publication to deadline, by intermediary."""
    days, timed = _lead_days(missions)
    found = _spread(days, [timed["provider"].fillna(NOT_SAID)]).round(1)
    found = found.sort_values(["missions", "provider"], ascending=[False, True])
    return Table(
        ("intermediary", "missions", "shortest", "lower quartile", "median", "upper quartile", "longest"),
        _rows(found),
        title="Days from publication to deadline",
        notes=_without_days(missions, len(timed)),
    )


def lead_time_picture(missions: pd.DataFrame) -> Picture:
    """How many missions leave how many days from publication to deadline."""
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


def closing_next(missions: pd.DataFrame, *, now: datetime, most: int = 15) -> Table:
    """The open missions whose deadlines come next."""
    still = still_open(missions, now=now)
    dated = still[still["deadline_at"].notna()].sort_values(["deadline_at", "job_id"])
    left = (dated["deadline_at"] - now).dt.total_seconds() / 86_400
    shown = dated.assign(left=left.round(1))[["deadline_at", "left", "reference", "title", "company", "region"]]
    return Table(
        ("deadline (UTC)", "days left", "reference", "title", "company", "region"),
        _rows(shown.head(most)),
        title="Deadlines that come next",
        notes=_how_many_open(missions, len(still), now=now),
        total=len(dated),
    )


def recent(missions: pd.DataFrame, *, now: datetime, days: float = 7) -> Table:
    """What is new or has changed in the last `days`, the latest first."""
    since = now - timedelta(days=days)
    touched = missions[missions["changed_at"].between(since, now)]
    touched = touched.sort_values(["changed_at", "job_id"], ascending=[False, True])
    new = touched["first_seen_at"] >= since
    kinds = new.map({True: "new", False: "changed"})
    shown = touched.assign(kind=kinds)[["kind", "changed_at", "reference", "title", "company", "interactive"]]
    notes = [f"{int(new.sum()):,} new and {int((~new).sum()):,} changed since {as_text(since)} UTC."]
    if touched.empty:
        notes.append(_latest(missions, "changed_at", "The last change of any mission was on {}."))
    return Table(
        ("", "at (UTC)", "reference", "title", "company", "loaded by hand"),
        _rows(shown),
        title=f"New and changed in {days:g} days",
        notes=[note for note in notes if note],
    )


def who_posts(missions: pd.DataFrame, *, now: datetime, most: int = 15) -> Table:
    """The companies with most missions: how many are open, since when nothing new came."""
    open_ids = still_open(missions, now=now).index
    named = missions.assign(company=missions["company"].fillna(NOT_SAID), still=missions.index.isin(open_ids))
    found = named.groupby("company").agg(
        missions=("company", "size"),
        still=("still", "sum"),
        departments=("department", "nunique"),
        newest=("published_at", "max"),
    )
    found = found.sort_index().sort_values("missions", ascending=False, kind="stable").reset_index()
    return Table(
        ("company", "missions", "open", "departments", "newest publication (UTC)"),
        _rows(found.head(most)),
        title="Who posts most",
        total=len(found),
    )


def listing(missions: pd.DataFrame, *, title: str = "Missions") -> Table:
    """Missions in a table to read, in their order."""
    shown = ["reference", "title", "company", "region", "seniority", "rate_max", "currency", "deadline_at", "active"]
    heads = ("reference", "title", "company", "region", "seniority", "rate", "", "deadline (UTC)", "active")
    return Table(heads, _rows(missions[shown]), title=title)


def skill_pairs(asked: pd.DataFrame, *, most: int = 15) -> Table:
    """Skills that missions ask for together, most frequent first.

    `of the first`: how many percent of the missions that ask for the first also ask for the second.
    """
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    common = asked[asked["skill"].isin(_most(asked["skill"], _MOST_SKILLS).index)]
    held = pd.crosstab(common["job_id"], common["skill"]).clip(upper=1)
    both = np.triu(held.to_numpy().T @ held.to_numpy(), k=1) if len(held) else np.zeros((0, 0), dtype=int)
    first, second = np.nonzero(both > 1)
    alone, names = held.sum().to_numpy(), held.columns.to_numpy()
    found = pd.DataFrame({"first": names[first], "second": names[second], "both": both[first, second]})
    found = found.assign(share=(found["both"] / alone[first] * 100).round())
    found = found.sort_values(["both", "first", "second"], ascending=[False, True, True])
    return Table(
        ("skill", "with", "missions", "% of the first"),
        _rows(found.head(most)),
        title="Skills that go together",
        notes=["Pairs that at least two missions ask for."],
        total=len(found),
    )


def languages_asked(spoken: pd.DataFrame) -> Table:
    """How many missions ask for a language, at which level."""
    import pandas as pd  # noqa: PLC0415

    once = spoken.drop_duplicates()
    counts = pd.crosstab(once["language"], once["level"].fillna(NOT_SAID))
    order = sorted(counts.columns, key=lambda name: (name == NOT_SAID, -counts[name].sum(), name))
    counts = counts[order].assign(all=once.groupby("language")["job_id"].nunique())
    counts = counts.sort_index().sort_values("all", ascending=False, kind="stable")
    return Table(
        ("language", *_headings(order), "missions"), _rows(counts.reset_index()), title="Languages asked for, by level"
    )


def top(values: pd.Series, *, title: str, most: int = 15) -> Picture:
    """How often each value of a column comes up: the `most` frequent as bars."""
    counts = _most(values, most)[::-1]
    labels = [as_text(name, longest=_LONGEST_LABEL) for name in counts.index]
    return plots.bars(labels, [int(count) for count in counts], title=title, lying=True)


def _most(values: pd.Series, most: int) -> Any:
    """The most frequent values; where two are as frequent, in the order of the alphabet."""
    return values.value_counts().sort_index().sort_values(ascending=False, kind="stable").head(most)


def _grouped(values: pd.Series, *, most: int) -> pd.Series:
    return values.where(values.isin(_most(values, most).index), OTHERS)


def _spread(values: pd.Series, groups: list[pd.Series]) -> pd.DataFrame:
    """How many, lowest, quartiles and highest of each group."""
    import pandas as pd  # noqa: PLC0415

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


def _headings(names: list[str]) -> list[str]:
    return [as_text(name, longest=_LONGEST_LABEL) for name in names]


def _rows(frame: pd.DataFrame) -> list[list[Any]]:
    """The cells as plain Python values, missing ones None."""
    import pandas as pd  # noqa: PLC0415

    return [[None if pd.isna(cell) else _plain(cell) for cell in row] for row in frame.itertuples(index=False)]


def _plain(cell: Any) -> Any:
    return cell.item() if hasattr(cell, "item") else cell
