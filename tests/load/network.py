"""A mailbox and BoondManager over HTTP, as unreliable as real ones, and runs that are aborted anywhere."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from futurscam_lib.errors import RetryLater
from futurscam_lib.extract import open_sources
from futurscam_lib.extract.http import Http
from futurscam_lib.load.collections import Collections
from futurscam_lib.pipeline.opening import make_window
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import RawRecord
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import transform
from futurscam_lib.watermark import Watermark, after
from tests.load.machine import INSTANTS, JOBS, OVERLAP, Fault, breaking, finish, post
from tests.servers.boond_book import Book
from tests.servers.graph import File
from tests.servers.graph_mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from pymongo.database import Database

    from futurscam_lib.settings import Settings
    from tests.servers.boond import BoondServer
    from tests.servers.graph import GraphServer
    from tests.servers.messages import Request

T0: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NAMES: Final = ("graph_mail", "boond")
CLOSED: Final = 2

Trouble = Literal["503", "429", "html", "reset", "truncated", "nothing", "killed"]


class Killed(BaseException):
    """The process is gone; nothing that waits for an `Exception` notices."""


@dataclass(frozen=True, slots=True)
class Mailed:
    """A mail that the mailbox once showed; `good` if its post can become a document."""

    mail: str
    job: str
    instant: str
    payload: bytes
    good: bool


class Network:
    """Two sources with their own clocks, a watermark and a database over the time of many runs."""

    def __init__(
        self, settings: Settings, database: Database[dict[str, Any]], graph: GraphServer, boond: BoondServer
    ) -> None:
        """Start with nothing loaded and nothing shown."""
        self.settings, self.graph, self.boond = settings, graph, boond
        self.collections = Collections.of(database)
        self.now, self.skew = T0, timedelta(0)
        self.mails: list[Mailed] = []
        self.missions: dict[int, dict[str, Any]] = {}
        self.shown_missions: set[int] = set()
        self._runs = self._number = 0
        self._succeeded = T0 - timedelta(milliseconds=1)
        graph._box, boond._book = Mailbox(), Book()
        self.set_up_boond()
        for server in (graph, boond):
            server.clock, server.before = self._theirs, None
            server.mend()
        known = self.collections
        for collection in (known.rfps, known.raw, known.outcomes, known.rejects, known.runs):
            collection.delete_many({})
        self.watermark = Watermark(settings.watermark_file)
        self.watermark.reset(T0)

    def _theirs(self) -> datetime:
        return self.now + self.skew

    def set_up_boond(
        self,
        *,
        ignored: AbstractSet[str] = frozenset(),
        no_tab: bool = False,
        old_profile: bool = False,
        bare: bool = False,
    ) -> None:
        """Make BoondManager another instance.

        Args:
            ignored: Filters that it does not apply.
            no_tab: It has no `/information`.
            old_profile: Its profile gives no state; with `no_tab` nothing would give one, so then it does.
            bare: It has no dictionary and shows no contacts.
        """
        self.boond.ignored, self.boond.no_information_tab = set(ignored), no_tab
        self.boond.profile_without_state = old_profile and not no_tab
        self.boond.no_dictionary = self.boond.forbidden_contacts = bare

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def deliver(self, job: str, instant: str, content: str, *, good: bool, delay: float) -> None:
        """Deliver a mail with a post and other parts; it is shown `delay` seconds after its own date."""
        self._number += 1
        payload = post(job, instant, content, attachmentInfo=self._number)
        payload = payload if good else payload[:-1]
        received = self._theirs()
        mail = self.graph.deliver(
            f"[JOB EXPORT] {self._number}",
            received=received,
            attachments=[File("cv.pdf", b"%PDF", "application/pdf"), File("jobpost.json", payload)],
            visible_from=received + timedelta(seconds=delay),
        )
        self.mails.append(Mailed(mail, job, instant, payload, good))

    def move(self, found: Mailed, folder: str) -> None:
        """Somebody puts a mail into another folder."""
        if self._is_there(found):
            self.graph.move(found.mail, folder)

    def remove(self, found: Mailed) -> None:
        """Somebody deletes a mail for good, once its post was landed."""
        if self._is_there(found) and self.collections.raw.find_one({"payload": found.payload}, {"_id": 1}):
            self.graph.remove(found.mail)

    def publish(self, *, good: bool, delay: float) -> None:
        """Add an opportunity; without `good` it has no title yet."""
        self._number += 1
        said = {"title": f"Mission {self._number}" if good else "", "description": f"About {self._number}", "state": 0}
        visible = self._theirs() + timedelta(seconds=delay)
        self.missions[self.boond.publish(visible_from=visible, **said)] = said

    def change(self, mission: int, *, good: bool) -> None:
        """Somebody edits an opportunity."""
        self._number += 1
        said = {"title": f"Changed {self._number}" if good else "", "description": f"Anew {self._number}"}
        self.missions[mission] |= said
        self.boond.change(mission, **said)

    def set_state(self, mission: int, state: int, *, touch: bool) -> None:
        """Somebody closes an opportunity, or opens it again; without `touch` its date does not change."""
        self.missions[mission]["state"] = state
        self.boond.change(mission, touch=touch, state=state)

    def delete(self, mission: int) -> None:
        """Somebody deletes an opportunity; the database shows whether a run had read it."""
        del self.missions[mission]
        self.boond.delete(mission)

    def run(self, *, trouble: tuple[int, Trouble] | None = None, fault: Fault | None = None, pages: int = 1000) -> bool:
        """Run once, as the runner does; something may go wrong at a request, or at a write to MongoDB."""
        self.graph.page_limit = self.boond.page_limit = pages
        self._runs += 1
        started = self.now
        mark = self.watermark.read(now=self.now)
        assert mark is not None
        done = False
        try:
            with troubled(self, trouble):
                run = Run(
                    self.settings,
                    open_sources(self.settings, NAMES, has_read=lambda _: False),
                    run_id=f"run-{self._runs}",
                    window=make_window(mark, overlap_minutes=OVERLAP.total_seconds() / 60, until=None),
                    watermark=mark,
                    dry_run=False,
                    now=self.now,
                )
                done = not finish(run, fault=fault).failures
        except (RetryLater, Killed):
            pass
        if done:
            self.watermark.commit(after(started))
            self._succeeded = max(self._succeeded, started)
        self._check_always()
        return done

    def quiesce(self) -> None:
        """One overlap without news and with clocks that are right, then a good run."""
        self.skew = timedelta(0)
        self.tick(OVERLAP.total_seconds())
        assert self.run()
        self._check_mails()
        self._check_missions()
        assert {document["_id"] for document in self.collections.runs.find()} == {"durable"}

    def _is_there(self, found: Mailed) -> bool:
        return self.graph._box.find(found.mail, now=self._theirs()) is not None

    def _landed(self) -> set[bytes]:
        return {bytes(document["payload"]) for document in self.collections.raw.find({"source": "graph_mail"})}

    def _check_mails(self) -> None:
        """Each job is at its last version; each broken post is in the quarantine (promises 1, 2, 3)."""
        landed = self._landed()
        for found in self.mails:
            assert found.payload in landed or not self._is_there(found), f"lost: {found}"
        due = [mail for mail in self.mails if mail.payload in landed]
        best: dict[str, Rfp] = {}
        for found in due:
            if found.good:
                made = self._made("graph_mail", found.payload)
                if found.job not in best or made.key > best[found.job].key:
                    best[found.job] = made
        stored = self._documents("graph_mail")
        assert {job: found["_etl"]["version"] for job, found in stored.items()} == {
            job: made.key.text for job, made in best.items()
        }
        broken = {mail.payload for mail in due if not mail.good}
        kept = {entry["raw_id"] for entry in self.collections.rejects.find({"source": "graph_mail", "state": "open"})}
        assert kept == {document["_id"] for document in self.collections.raw.find({"payload": {"$in": list(broken)}})}

    def _check_missions(self) -> None:
        """Opportunities are as in MongoDB; deleted ones are inactive; those without a title are rejects."""
        stored = self._documents("boond")
        for mission, said in self.missions.items():
            job = f"boond-{mission}"
            reject = self.collections.rejects.find_one({"_id": f"boond#{job}"})
            if said["title"]:
                held = stored.pop(job)
                shown = (held["roleTitle"], held["job_desc"], held["isActive"])
                wanted = (said["title"], said["description"], said["state"] == 0)
                assert shown == wanted, f"{job} shows {shown}, its source {wanted}: {held['_etl']}"
                assert reject is None or reject["state"] == "resolved"
            else:
                assert reject is not None, f"lost: {job}"
                assert reject["state"] == "open"
                stored.pop(job, None)
        assert not [job for job, held in stored.items() if held["isActive"]], "deleted, and still active"

    def _made(self, source: str, payload: bytes) -> Rfp:
        made = transform(RawRecord.of(payload, source=source, origin="x", instant=self.now), seen_at=self.now)
        assert isinstance(made, Rfp)
        return made

    def _documents(self, source: str) -> dict[str, dict[str, Any]]:
        return {document["job_id"]: document for document in self.collections.rfps.find({"_etl.source": source})}

    def _check_always(self) -> None:
        jobs = Counter(document["job_id"] for document in self.collections.rfps.find({}, {"job_id": 1}))
        assert not [job for job, count in jobs.items() if count > 1]
        assert self.watermark.read(now=self.now) == after(self._succeeded)


@contextmanager
def troubled(network: Network, trouble: tuple[int, Trouble] | None) -> Iterator[None]:
    """Let the n-th request of a run fail."""
    servers = (network.graph, network.boond)
    countdown = _Countdown(*(trouble or (-1, "503")))
    once = Http._once

    def maybe_killed(self: Http, *args: Any, **options: Any) -> Any:
        answer = once(self, *args, **options)
        if countdown.killed:
            raise Killed
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Http, "_once", maybe_killed)
        for server in servers:
            server.before = partial(countdown, server, server.before)
        try:
            # Waits for the threads of the aborted run.
            with breaking(None):
                yield
        finally:
            for server in servers:
                server.before = None
                server.mend()


class _Countdown:
    """Counts the requests of a run to all servers, down to the one that fails."""

    def __init__(self, left: int, kind: Trouble) -> None:
        self._left, self._kind = left, kind
        self.killed = False

    def __call__(self, server: Any, disturbing: Callable[[Request], None] | None, request: Request) -> None:
        if disturbing:
            disturbing(request)
        self._left -= 1
        if self._left == 0:
            self._grieve(server, request)

    def _grieve(self, server: Any, request: Request) -> None:
        if self._kind == "killed":
            self.killed = True
        elif self._kind == "html":
            server.html(request.path, times=3)
        elif self._kind in {"503", "429"}:
            server.fail(request.path, status=int(self._kind), times=3)
        else:
            server.break_off(request.path, how=self._kind, times=3)


DELAYS: Final = st.sampled_from([0.0, 0.0, 20.0, 240.0])
SKEWS: Final = st.sampled_from([0, 0, 200, -200])
PAUSES: Final = st.sampled_from([0, 0.4, 1, 30, 300, 590, 3600])
TROUBLE: Final = st.none() | st.tuples(
    st.integers(1, 40), st.sampled_from(["503", "429", "html", "reset", "truncated", "nothing", "killed", "killed"])
)
FAULTS: Final = (
    st.none() | st.none() | st.builds(Fault, st.integers(0, 14), st.sampled_from(["before", "half", "after"]))
)


class NetworkPromises(RuleBasedStateMachine):
    """Any behaviour of the sources, any times of runs, and runs aborted anywhere."""

    def __init__(self, network: Network) -> None:
        """Start in a fresh world."""
        super().__init__()
        self.network = network

    @rule(
        job=st.sampled_from(JOBS),
        instant=st.sampled_from(INSTANTS),
        content=st.sampled_from(["red", "blue"]),
        good=st.booleans() | st.just(value=True),
        delay=DELAYS,
    )
    def deliver(self, job: str, instant: str, content: str, delay: float, *, good: bool) -> None:
        """A mail comes in."""
        self.network.deliver(job, instant, content, good=good, delay=delay)

    @precondition(lambda self: self.network.mails)
    @rule(data=st.data(), folder=st.sampled_from(["archive", "deleteditems", ""]))
    def clear_up(self, data: st.DataObject, folder: str) -> None:
        """Somebody moves a mail, or deletes it."""
        found = data.draw(st.sampled_from(self.network.mails))
        if folder:
            self.network.move(found, folder)
        else:
            self.network.remove(found)

    @rule(good=st.booleans() | st.just(value=True), delay=DELAYS)
    def publish(self, delay: float, *, good: bool) -> None:
        """A new opportunity."""
        self.network.publish(good=good, delay=delay)

    @precondition(lambda self: self.network.missions)
    @rule(data=st.data(), what=st.sampled_from(["change", "change", "spoil", "close", "open", "quietly", "delete"]))
    def edit(self, data: st.DataObject, what: str) -> None:
        """Somebody works on an opportunity."""
        edit(self.network, data.draw(st.sampled_from(sorted(self.network.missions))), what)

    @rule(
        ignored=st.sets(st.sampled_from(["opportunityStates", "period", "sort"])),
        no_tab=st.booleans(),
        old_profile=st.booleans(),
        bare=st.booleans(),
    )
    def another_instance(self, ignored: set[str], *, no_tab: bool, old_profile: bool, bare: bool) -> None:
        """BoondManager is upgraded, or the user gets other rights."""
        self.network.set_up_boond(ignored=ignored, no_tab=no_tab, old_profile=old_profile, bare=bare)

    @rule(seconds=PAUSES)
    def pause(self, seconds: float) -> None:
        """Time passes."""
        self.network.tick(seconds)

    @rule(seconds=SKEWS)
    def skew(self, seconds: int) -> None:
        """The sources' clocks are off by some minutes."""
        self.network.skew = timedelta(seconds=seconds)

    @rule(trouble=TROUBLE, fault=FAULTS, pages=st.sampled_from([1, 2, 1000]))
    def run(self, trouble: tuple[int, Trouble] | None, fault: Fault | None, pages: int) -> None:
        """A run over pages of any size, which may fail."""
        self.network.run(trouble=trouble, fault=fault, pages=pages)

    @precondition(lambda self: self.network.missions)
    @rule(
        data=st.data(),
        at=st.integers(1, 12),
        what=st.sampled_from(["change", "close", "delete", "publish", "deliver"]),
        pages=st.sampled_from([1, 2]),
    )
    def run_while_it_changes(self, data: st.DataObject, at: int, what: str, pages: int) -> None:
        """A run during which something happens at the sources, between two of its requests."""
        network = self.network
        mission = data.draw(st.sampled_from(sorted(network.missions)))
        left = [at]

        def happen(_request: Request) -> None:
            left[0] -= 1
            if left[0] == 0 and mission in network.missions:
                if what == "publish":
                    network.publish(good=True, delay=0)
                elif what == "deliver":
                    network.deliver(JOBS[0], INSTANTS[3], "blue", good=True, delay=0)
                else:
                    edit(network, mission, what)

        network.graph.before = network.boond.before = happen
        network.run(pages=pages)

    def teardown(self) -> None:
        """Once the sources have been quiet for one overlap."""
        self.network.quiesce()


def edit(network: Network, mission: int, what: str) -> None:
    """Edit an opportunity in one way."""
    if what in {"change", "spoil"}:
        network.change(mission, good=what == "change")
    elif what in {"close", "open"}:
        network.set_state(mission, CLOSED if what == "close" else 0, touch=True)
    elif what == "quietly":
        network.set_state(mission, CLOSED, touch=False)
    else:
        network.delete(mission)
