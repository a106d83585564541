"""The rules of alerts: after which runs a message is sent, and its text. A new rule is a function in `RULES`.

Each rule sees the situation after a run. It notes what it has reported in the memory, so that each message is sent
once, and puts its message into `memory.pending` under a name of its own; a newer message replaces an older one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.errors import FuturscamError
from futurscam_lib.report.text import duration
from futurscam_lib.runner.alerts.memory import Failing, Memory, Message
from futurscam_lib.runner.run_end import RunEnd, host
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.settings import Settings

_RUNS: Final = "runs"
_REJECTS: Final = "rejects"
_ERROR: Final = 1500
_SILENCE: Final = "There is no further message until runs work again, or fail in another way."


@dataclass(frozen=True, slots=True)
class OpenRejects:
    """How many entries of the quarantine are open.

    Attributes:
        total: All of them.
        new: Those that became open after the last message about rejects; all if there was no such message.
    """

    total: int
    new: int


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules see after a run.

    Attributes:
        settings: The settings.
        end: How the run ended.
        rejects: The open entries of the quarantine; None: not known.
        memory: What is remembered from run to run; rules change it.
    """

    settings: Settings
    end: RunEnd
    rejects: OpenRejects | None
    memory: Memory

    def message(self, kind: str, subject: str, *lines: str) -> Message:
        """Make a message, without secrets.

        Args:
            kind: Its type in Apprise: `failure`, `warning`, `success`.
            subject: What it is about, for the title.
            lines: The text.
        """
        redact = self.settings.redactor()
        title = f"FuturScam ETL on {host()}: {subject}"
        return Message(title=redact(title), body=redact("\n".join(lines)), kind=kind)

    @property
    def facts(self) -> str:
        """Return where it happened and where to look, one line each."""
        facts = {
            "Host": host(),
            "Home": self.settings.home,
            "Run": self.end.run_id or "none",
            "Watermark": self._watermark(),
            "Notebook": self.end.notebook or "none",
            "Log": self.end.log or "none",
            "Look": f'futurscam --home "{self.settings.home}" status',
        }
        return "\n".join(f"{name}: {value}" for name, value in facts.items())

    @property
    def failure(self) -> str:
        """Return which run failed, and why."""
        run = f"Run {self.end.run_id}" if self.end.run_id else "A run"
        return f"{run} failed, {self.end.meaning}.\n\n{self.end.error[:_ERROR]}\n"

    def _watermark(self) -> str:
        try:
            watermark = Watermark(self.settings.watermark_file).read(now=self.end.at)
        except FuturscamError:
            return "unreadable; the run says how to set it"
        if watermark is None:
            return "none yet"
        return f"{clock.to_people(watermark)}, {duration(self.end.at - watermark)} ago"


def failing_runs(now: Situation) -> None:
    """Report once each: runs begin to fail, they fail with another exit code, they work again."""
    memory, end = now.memory, now.end
    if end.well:
        _note_success(now)
    elif memory.failing is None:
        memory.failing = Failing(
            since=clock.to_text(end.at), run_id=end.run_id, runs=1, told=[int(end.exit_code)], sources=list(end.sources)
        )
        memory.pending[_RUNS] = now.message("failure", "runs fail", now.failure, now.facts, _SILENCE)
    else:
        _note_another_failure(now, memory.failing)


def _note_success(now: Situation) -> None:
    failing = now.memory.failing
    if failing is None or not now.end.up_to_now:
        return
    failing.sources = [name for name in failing.sources if name not in now.end.sources]
    if failing.sources:
        return
    lasted = duration(now.end.at - clock.parse(failing.since))
    text = (
        f"Runs work again. From {_people(failing.since)} on {failing.runs} failed, over {lasted}, the first of them "
        f"{failing.run_id or 'before it began'}. Nothing is lost: this run read all that they left."
    )
    now.memory.failing = None
    now.memory.pending[_RUNS] = now.message("success", "runs work again", text, now.facts)


def _note_another_failure(now: Situation, failing: Failing) -> None:
    code = int(now.end.exit_code)
    failing.runs += 1
    failing.sources = sorted({*failing.sources, *now.end.sources})
    if code in failing.told:
        return
    failing.told.append(code)
    text = f"Runs have failed since {_people(failing.since)} ({failing.runs} so far), and now in another way."
    now.memory.pending[_RUNS] = now.message("failure", "runs fail otherwise", text, now.failure, now.facts, _SILENCE)


def many_rejects(now: Situation) -> None:
    """Report new open rejects when there are as many since the last message as the settings allow."""
    rejects, limit = now.rejects, now.settings.alert_rejects
    if rejects is None:
        return
    if not rejects.total:
        now.memory.pending.pop(_REJECTS, None)
    elif rejects.new >= limit:
        since = "" if rejects.new == rejects.total else f", {rejects.new} of them since the last message about rejects"
        text = (
            f"{rejects.total} rejects are open{since}. "
            "`futurscam rejects list` names them, `futurscam rejects show ITEM` shows one, `futurscam rejects retry` "
            "tries again after a mapping was corrected, `futurscam rejects dismiss ITEM --because TEXT` dismisses one "
            "that needs no action."
        )
        again = f"The next message about rejects comes when there are {limit} more."
        now.memory.rejects_told_at = clock.to_text(now.end.at)
        now.memory.pending[_REJECTS] = now.message("warning", f"{rejects.new} new rejects", text, now.facts, again)


RULES: Final[tuple[Callable[[Situation], None], ...]] = (failing_runs, many_rejects)


def _people(text: str) -> str:
    return clock.to_people(clock.parse(text))
