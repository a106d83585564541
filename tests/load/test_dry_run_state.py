"""A dry run reports what a real run then does, including the missions that end."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.load.machine import INSTANTS, JOBS, T0, Shelf, World, post, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from futurscam_lib.records import RawRecord
    from futurscam_lib.report.loaded import Ended, LoadReport

DEADLINES = (None, T0 - timedelta(hours=1), T0 + timedelta(hours=1), T0 + timedelta(days=9))

post_of = st.builds(
    lambda job, instant, deadline, closed: record(
        post(
            job,
            instant,
            publicationInfo={"applicationDeadline": deadline and deadline.isoformat(), "isClosed": closed},
        )
    ),
    st.sampled_from(JOBS),
    st.sampled_from(INSTANTS),
    st.sampled_from(DEADLINES),
    st.booleans(),
)
shelves = st.lists(post_of, max_size=5)
there = st.sets(st.sampled_from(JOBS))


@dataclass(frozen=True, slots=True)
class Found:
    """The missions that a source lists as open, and the fate of the others."""

    open: set[str] = field(default_factory=set)
    share: int = 20
    causes: str = "Likely causes: none."

    def fate(self, source_id: str) -> str:
        """Return `closed` for the first job and `deleted` for the others."""
        return "closed" if source_id == JOBS[0] else "deleted"


class Sweeper(Shelf):
    """A source that also lists its open missions."""

    def __init__(self, records: Sequence[RawRecord], there: set[str]) -> None:
        """Show these records, and list those missions as open."""
        super().__init__(records)
        self.there = there

    @contextmanager
    def sweep(self) -> Iterator[Found]:
        """Yield the open missions."""
        yield Found(self.there)


def reports_of(
    world: World, records: Sequence[RawRecord], there: set[str], *, dry_run: bool
) -> tuple[LoadReport, Ended]:
    """Run once and return its reports."""
    run = world.open(Sweeper(records, there), dry_run=dry_run)
    run.extract()
    run.transform()
    return run.load(), run.close_ended()


def facts(reports: tuple[LoadReport, Ended]) -> list[Any]:
    """The facts that must be the same in a dry run and a real run."""
    loaded, ended = reports
    changes = sorted(loaded.changes, key=lambda one: (one.job_id, one.field))
    return [
        *(loaded.counts, sorted(loaded.new, key=repr), changes),
        *(ended.deadline, ended.at_source, ended.reopened, ended.active, ended.closed),
    ]


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(shelves, there), st.tuples(shelves, there), st.sampled_from([0, 61]))
def test_a_dry_run_reports_what_a_real_run_then_does(
    worlds: Callable[..., World],
    before: tuple[list[RawRecord], set[str]],
    now: tuple[list[RawRecord], set[str]],
    minutes: int,
) -> None:
    """New documents, changed fields, missions that end, return or stay, and the number of active missions."""
    world = worlds()
    reports_of(world, *before, dry_run=False)
    world.collections.rfps.update_many({}, {"$set": {"RFP_type": "Development"}})
    world.tick(minutes)

    expected = reports_of(world, *now, dry_run=True)

    assert facts(expected) == facts(reports_of(world, *now, dry_run=False))


def test_an_added_empty_list_is_not_shown_as_a_change(world: World) -> None:
    """A document of an earlier version has no `questions`; adding an empty list is not a visible change."""
    reports_of(world, [record(post())], set(JOBS), dry_run=False)
    world.collections.rfps.update_many({}, {"$unset": {"questions": ""}})

    loaded, _ = reports_of(world, [record(post(instant=INSTANTS[1], content="blue"))], set(JOBS), dry_run=False)

    assert [change.field for change in loaded.changes] == ["roleTitle"]
    assert world.collections.rfps.find_one({})["questions"] == []  # type: ignore[index]


def test_an_enriched_field_is_not_shown_as_a_change(world: World) -> None:
    """A new version keeps the category of the enrichment, so a dry run does not show it as a change."""
    reports_of(world, [record(post())], set(JOBS), dry_run=False)
    world.collections.rfps.update_many({}, {"$set": {"RFP_type": "Development"}})

    loaded, _ = reports_of(world, [record(post(instant=INSTANTS[1], content="blue"))], set(JOBS), dry_run=True)

    assert [(change.field, change.before, change.after) for change in loaded.changes] == [("roleTitle", "Red", "Blue")]


def test_a_failed_source_closes_no_missions(world: World) -> None:
    """Missions that it did not show may still be open: nothing is closed, and the first failure stays the reason."""
    reports_of(world, [record(post())], set(JOBS), dry_run=False)
    source = Sweeper([record(post("job-2"))], set())
    source.gives_up_after = 0
    run = world.open(source)
    run.extract()
    run.transform()
    run.load()

    assert run.close_ended().closed == 0
    assert run.reconcile().failures["folder"].message == "The shelf broke."
    assert world.collections.rfps.count_documents({"isActive": True}) == 1
