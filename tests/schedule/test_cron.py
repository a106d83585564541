"""Lines for a crontab."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.errors import UsageError
from futurscam_lib.schedule import timing
from futurscam_lib.schedule.cron import Cron

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.schedule.job import Job


@pytest.mark.parametrize(
    ("every", "at", "times"),
    [
        ("1h", None, ["0 *"]),
        ("15m", "00:05", ["5,20,35,50 *"]),
        ("6h", "06:30", ["30 0,6,12,18"]),
        ("24h", "06:30", ["30 6"]),
        (
            "90m",
            None,
            ["0 0,3,6,9,12,15,18,21", "30 1,4,7,10,13,16,19,22"],
        ),
    ],
)
def test_the_times(*, job: Job, now: datetime, every: str, at: str | None, times: list[str]) -> None:
    """As few lines as the starts need."""
    lines = Cron().plan(replace(job, timing=timing.parse(every, at)), now=now).files[0].text.splitlines()

    assert [" ".join(line.split(" ")[:2]) for line in lines] == times


@pytest.mark.parametrize("every", ["7m", "50m", "7h"])
def test_what_cron_cannot_do_exactly_is_refused(job: Job, now: datetime, every: str) -> None:
    """`*/7` would start at minute 56 and again at minute 0."""
    with pytest.raises(UsageError, match="cron can't start a run every"):
        Cron().plan(replace(job, timing=timing.parse(every)), now=now)


def test_cron_and_the_shell_read_the_command_as_meant(job: Job, now: datetime, tmp_path: Path) -> None:
    """Per cent signs survive cron, quotation marks and spaces the shell; only stderr would be mailed."""
    project = tmp_path / 'l\'étude "A" 100% $HOME & \\n'
    project.mkdir()
    record = tmp_path / "record"
    python = project / "python"
    python.write_text(
        f"#!/bin/sh\npwd > '{record}'\nfor a; do printf '%s\\n' \"$a\" >> '{record}'; done\necho result\n"
    )
    python.chmod(0o755)
    here = replace(job, python=str(python), project=str(project), home=str(project / "hôme"))

    (file,) = Cron().plan(here, now=now).files
    command = file.text.strip().split(" ", 5)[5]
    # crontab(5): an unescaped % ends the command, an escaped one stands for itself.
    assert not re.search(r"(?<!\\)%", command)
    done = subprocess.run(["/bin/sh", "-c", command.replace(r"\%", "%")], capture_output=True, text=True, check=True)

    assert done.stdout == ""
    assert record.read_text("utf-8").splitlines() == [
        str(project),
        *("-X", "utf8", "-m", "futurscam_lib", "--home", str(project / "hôme"), "--quiet", "run"),
    ]
    assert sys.executable not in command
