"""A dry run tells what a true one then does, down to the missions that end."""

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
    """What a source shows as open, and what became of the rest."""

    open: set[str] = field(default_factory=set)
    share: int = 20
    causes: str = "Likely causes: none."

    def fate(self, source_id: str) -> str:
        """Each in its own way."""
        return "closed" if source_id == JOBS[0] else "deleted"


class Sweeper(Shelf):
    """A source that also tells what is open."""

    def __init__(self, records: Sequence[RawRecord], there: set[str]) -> None:
        """Show these, and say that those are open."""
        super().__init__(records)
        self.there = there

    @contextmanager
    def sweep(self) -> Iterator[Found]:
        """What is open."""
        yield Found(self.there)


def told(world: World, records: Sequence[RawRecord], there: set[str], *, dry_run: bool) -> tuple[LoadReport, Ended]:
    """What one run reports."""
    run = world.open(Sweeper(records, there), dry_run=dry_run)
    run.extract()
    run.transform()
    return run.load(), run.close_ended()


def facts(reports: tuple[LoadReport, Ended]) -> list[Any]:
    """What must be the same in both."""
    loaded, ended = reports
    changes = sorted(loaded.changes, key=lambda one: (one.job_id, one.field))
    return [
        *(loaded.counts, sorted(loaded.new, key=repr), changes),
        *(ended.deadline, ended.at_source, ended.reopened, ended.active, ended.closed),
    ]


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(shelves, there), st.tuples(shelves, there), st.sampled_from([0, 61]))
def test_whatever_comes_a_dry_run_foretells_it(
    worlds: Callable[..., World],
    before: tuple[list[RawRecord], set[str]],
    now: tuple[list[RawRecord], set[str]],
    minutes: int,
) -> None:
    """New and changed documents with each field, missions that end, come back or stay, and how many are active then."""
    world = worlds()
    told(world, *before, dry_run=False)
    world.collections.rfps.update_many({}, {"$set": {"RFP_type": "Development"}})
    world.tick(minutes)

    foretold = told(world, *now, dry_run=True)

    assert facts(foretold) == facts(told(world, *now, dry_run=False))


def test_an_empty_list_in_place_of_nothing_is_not_shown_as_a_change(world: World) -> None:
    """A document of an earlier version has no `questions`; an update that adds an empty list of them is no news."""
    told(world, [record(post())], set(JOBS), dry_run=False)
    world.collections.rfps.update_many({}, {"$unset": {"questions": ""}})

    loaded, _ = told(world, [record(post(instant=INSTANTS[1], content="blue"))], set(JOBS), dry_run=False)

    assert [one.field for one in loaded.changes] == ["roleTitle"]
    assert world.collections.rfps.find_one({})["questions"] == []  # type: ignore[index]


def test_what_others_filled_in_is_not_shown_as_lost(world: World) -> None:
    """A new version keeps the category of the enrichment, so a dry run does not show it as a change."""
    told(world, [record(post())], set(JOBS), dry_run=False)
    world.collections.rfps.update_many({}, {"$set": {"RFP_type": "Development"}})

    loaded, _ = told(world, [record(post(instant=INSTANTS[1], content="blue"))], set(JOBS), dry_run=True)

    assert [(one.field, one.before, one.after) for one in loaded.changes] == [("roleTitle", "Red", "Blue")]


def test_a_source_that_has_failed_is_not_asked_what_has_ended(world: World) -> None:
    """What it did not show may still be open: nothing is closed, and its first failure stays the reason."""
    told(world, [record(post())], set(JOBS), dry_run=False)
    source = Sweeper([record(post("job-2"))], set())
    source.gives_up_after = 0
    run = world.open(source)
    run.extract()
    run.transform()
    run.load()

    assert run.close_ended().closed == 0
    assert run.reconcile().failures["folder"].message == "The shelf broke."
    assert world.collections.rfps.count_documents({"isActive": True}) == 1
