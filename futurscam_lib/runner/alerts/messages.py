"""The messages of alerts: the facts, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.errors import FuturscamError
from futurscam_lib.report.text import duration
from futurscam_lib.runner.alerts.memory import Failing, Message
from futurscam_lib.runner.run_end import host
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from futurscam_lib.runner.run_end import RunEnd
    from futurscam_lib.settings import Settings

_ERROR: Final = 1500
_SILENCE: Final = "There is no further message until runs work again, or fail in another way."


class Messages:
    """What there may be to say about one ending."""

    def __init__(self, configured: Settings, ending: RunEnd) -> None:
        """See the class."""
        self._settings, self._ending, self._redact = configured, ending, configured.redactor()

    def began(self) -> Message:
        """Runs fail, and nobody was told yet."""
        return self._message("failure", "runs fail", [self._failed(), *self._facts(), _SILENCE])

    def changed(self, failing: Failing) -> Message:
        """They fail with another exit code than before."""
        told = f"Runs have failed since {_people(failing.since)} ({failing.runs} so far), and now in another way."
        return self._message("failure", "runs fail otherwise", [told, self._failed(), *self._facts(), _SILENCE])

    def recovered(self, failing: Failing) -> Message:
        """They work again."""
        lasted = duration(self._ending.at - clock.parse(failing.since))
        told = (
            f"Runs work again. From {_people(failing.since)} on {failing.runs} failed, over {lasted}, the first "
            f"of them {failing.run_id or 'before it began'}. Nothing is lost: this run read all that they left."
        )
        return self._message("success", "runs work again", [told, *self._facts()])

    def rejects(self, new: int, total: int, limit: int) -> Message:
        """So many rejects are new that somebody should look.

        Args:
            new: Those that became open since the last message about rejects.
            total: All that are open.
            limit: From how many new ones on a message is sent.
        """
        since = "" if new == total else f", {new} of them since the last message about rejects"
        told = (
            f"{total} rejects are open{since}. "
            "`futurscam rejects list` names them, `futurscam rejects show ITEM` shows one, `futurscam rejects retry` "
            "tries again after a mapping was corrected, `futurscam rejects dismiss ITEM --because TEXT` dismisses one "
            "that needs no action."
        )
        again = f"The next message about rejects comes when there are {limit} more."
        return self._message("warning", f"{new} new rejects", [told, *self._facts(), again])

    def _failed(self) -> str:
        who = f"Run {self._ending.run_id}" if self._ending.run_id else "A run"
        return f"{who} failed, {self._ending.meaning}.\n\n{self._ending.error[:_ERROR]}\n"

    def _facts(self) -> list[str]:
        ending = self._ending
        facts = {
            "Host": host(),
            "Home": self._settings.home,
            "Run": ending.run_id or "none",
            "Watermark": self._watermark(),
            "Notebook": ending.notebook or "none",
            "Log": ending.log or "none",
            "Look": f'futurscam --home "{self._settings.home}" status',
        }
        return [f"{name}: {value}" for name, value in facts.items()]

    def _watermark(self) -> str:
        try:
            found = Watermark(self._settings.watermark_file).read(now=self._ending.at)
        except FuturscamError:
            return "unreadable; the run says how to set it"
        if found is None:
            return "none yet"
        return f"{clock.to_people(found)}, {duration(self._ending.at - found)} ago"

    def _message(self, kind: str, what: str, lines: list[str]) -> Message:
        title = f"FuturScam ETL on {host()}: {what}"
        return Message(title=self._redact(title), body=self._redact("\n".join(lines)), kind=kind)


def _people(text: str) -> str:
    return clock.to_people(clock.parse(text))
