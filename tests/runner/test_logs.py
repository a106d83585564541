"""Logs: lines that can be parsed, files that are never overwritten, output that fits the console."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stamina
import structlog
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.runner import log_lines, logs
from futurscam_lib.settings.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT = datetime(2026, 11, 23, 13, 25, 1, 223000, tzinfo=UTC)
SECRET = "Zwiebel77kuchen"  # noqa: S105 - of nobody
HOSTILE = 'a "quoted" \\ text\nwith lines\r\n\x1b[31mred\x1b[0m \x00 \u202eevil\u2028 \U000e0001 é = 1'
LINE = re.compile(r'(\S+Z) (\w+) +("(?:[^"\\]|\\.)*"|(?:(?!\S+=)\S+ ?)+)(.*)')
PAIR = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)(?: |$)')


def line_of(level: str, event: str, values: dict[str, Any], redact: Callable[[str], str] = str) -> str:
    """The line of an event."""
    at = "2026-11-23T13:25:01.223Z"
    return log_lines.renderer(redact)({"timestamp": at, "level": f"{level:<5}", "event": event, **values})


def parsed(line: str) -> tuple[str, str, str, dict[str, str]]:
    """Time, level, event and values of one line."""
    match = LINE.fullmatch(line)
    assert match, line
    at, level, event, rest = match.groups()
    assert PAIR.sub("", rest).strip() == ""
    event = json.loads(event) if event.startswith('"') else event.rstrip()
    return at, level, event, {key: json.loads(v) if v[0] == '"' else v for key, v in PAIR.findall(rest)}


def values_of(path: Path) -> list[dict[str, str]]:
    """The values of each line of a file, with the event among them."""
    lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    return [{"event": event, "level": level, **values} for _, level, event, values in map(parsed, lines)]


@pytest.fixture(autouse=True)
def logger() -> Iterator[Any]:
    """A logger; the configuration is restored afterwards."""
    before = structlog.get_config()
    yield structlog.get_logger()
    structlog.configure(**before)
    stamina.instrumentation.set_on_retry_hooks(None)


def test_a_line_is_as_the_documentation_shows_it() -> None:
    """Time, level, event, then pairs, quoted where they are more than one plain word."""
    values = {"key": "value", "other": "two words", "none": None, "n": 2, "yes": True, "empty": "", "dash": "-"}

    line = line_of("info", "an event", values)

    assert line == (
        '2026-11-23T13:25:01.223Z info  an event key=value other="two words" none=- n=2 yes=true empty="" dash="-"'
    )


def test_hostile_text_stays_on_its_line_and_reads_back() -> None:
    """Line ends, terminal codes, NUL, quotes and invisible letters are escaped; nothing is lost by it."""
    line = line_of("error", "it failed", {"text": HOSTILE, "list": [HOSTILE]})

    assert line.isprintable()
    _, _, event, values = parsed(line)
    assert (event, values["text"]) == ("it failed", HOSTILE)
    assert json.loads(values["list"]) == [HOSTILE]


@given(st.text(), st.text())
def test_any_value_reads_back(event: str, text: str) -> None:
    """Any text, also with lone surrogates, becomes one printable line that can be parsed."""
    line = line_of("info", event, {"text": text})

    assert line.isprintable()
    assert parsed(line)[2:] == (event, {"text": text})


def test_a_megabyte_is_cut_in_its_middle() -> None:
    """A huge value keeps its beginning and its end, and says how much is missing."""
    line = line_of("error", "x", {"text": "a" * 500_000 + SECRET + "b" * 500_000}, redact=Redactor([SECRET]))

    assert len(line) < log_lines.LONGEST + 200
    assert "984,003 characters" in line
    assert line.endswith('b"')


def test_a_secret_does_not_show_because_it_was_cut(tmp_path: Path) -> None:
    """Secrets are taken out before a value is shortened, wherever the cut would have been, and out of events too."""
    clean = Redactor([SECRET])
    for shift in range(40):
        text = "a" * (log_lines.LONGEST // 2 - shift) + SECRET + "b" * log_lines.LONGEST
        assert SECRET[:6] not in line_of("info", f"with {SECRET}", {"text": text, SECRET: 1}, redact=clean)
    assert not list(tmp_path.iterdir())


def test_a_file_holds_all_events(tmp_path: Path, logger: Any) -> None:
    """UTF-8, LF, one line an event, debug ones and tracebacks too; afterwards nothing more goes in."""
    with logs.log_file(tmp_path / "logs", started=AT, redact=Redactor([SECRET])) as path:
        logger.debug("small")
        logger.warning("large", text=HOSTILE, password=SECRET)
        try:
            int(SECRET)
        except ValueError:
            logger.exception("broken")
    logger.info("afterwards")

    assert path == tmp_path / "logs" / "etl_20261123_132501.log"
    assert b"\r" not in path.read_bytes()
    assert SECRET not in path.read_text("utf-8")
    small, large, broken = values_of(path)
    assert (small["level"], large["text"], large["password"]) == ("debug", HOSTILE, "***")
    assert broken["level"] == "error"
    assert broken["traceback"].startswith("Traceback")
    assert "invalid literal for int() with base 10: '***'" in broken["traceback"]


def test_two_runs_of_one_second_have_two_files(tmp_path: Path, logger: Any) -> None:
    """The second one gets another name; the first is not written over."""
    for number in range(3):
        with logs.log_file(tmp_path, started=AT, redact=str):
            logger.info("run", number=number)

    numbers = {path.name: values_of(path)[0]["number"] for path in tmp_path.iterdir()}
    assert numbers == {
        "etl_20261123_132501.log": "0",
        "etl_20261123_132501_2.log": "1",
        "etl_20261123_132501_3.log": "2",
    }


def test_a_folder_that_cannot_be_written_costs_only_the_file(tmp_path: Path, logger: Any) -> None:
    """With a file in place of the folder there is a warning, and the work continues."""
    (tmp_path / "logs").write_text("")
    events: list[Any] = []

    def keep(_logger: Any, _method: str, event: Any) -> Any:
        events.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[keep])

    with logs.log_file(tmp_path / "logs", started=AT, redact=str) as path:
        logger.info("goes on")

    assert path is None
    assert [event["event"] for event in events] == ["no log file", "goes on"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
def test_a_full_disk_ends_the_log_and_nothing_else(
    tmp_path: Path, logger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing fails from the first line on; neither the events nor the end of the block do."""
    file = Path("/dev/full").open("w", buffering=1, encoding="utf-8")  # noqa: SIM115 - closed by what is tested
    monkeypatch.setattr(logs, "_new_file", lambda *_: (tmp_path / "x.log", file))

    with logs.log_file(tmp_path, started=AT, redact=str):
        logger.info("one")
        logger.info("two")

    assert file.closed


def test_a_retry_is_logged_without_its_arguments(tmp_path: Path) -> None:
    """What is tried again may carry a payload; its name, the reason and the wait are enough."""
    logs.configure(quiet=True)

    @stamina.retry(on=ValueError, attempts=2, wait_initial=0, wait_jitter=0, wait_max=0)
    def unsteady(payload: str, calls: list[str]) -> None:
        calls.append(payload)
        if len(calls) == 1:
            raise ValueError("no luck")

    with logs.log_file(tmp_path, started=AT, redact=str) as path:
        unsteady("payload", [])

    assert path is not None
    (line,) = values_of(path)
    assert (line["event"], line["number"], line["because"]) == ("retry", "1", "ValueError: no luck")
    assert "payload" not in path.read_text("utf-8")


def log_file(folder: Path, name: str, *, days: float, megabytes: float = 0) -> Path:
    """A log that was last written so long before `AT`."""
    path = folder / name
    path.write_bytes(b"x" * int(megabytes * 1_000_000))
    changed = (AT - timedelta(days=days)).timestamp()
    os.utime(path, (changed, changed))
    return path


def test_old_logs_go_and_others_stay(tmp_path: Path) -> None:
    """By age: only files that are named like ours, and never the running one or the newest of its kind."""
    now = log_file(tmp_path, "etl_20251123_132501.log", days=365)
    log_file(tmp_path, "etl_20261001_132501.log", days=31)
    log_file(tmp_path, "etl_20261001_132501_2.log", days=31)
    log_file(tmp_path, "loop_20260101_000000.log", days=200)
    stays = {now.name, "loop_20261001_000000.log", "etl_20261120_132501.log"}
    log_file(tmp_path, "loop_20261001_000000.log", days=40)
    log_file(tmp_path, "etl_20261120_132501.log", days=3)
    others = ["mongod.log", "etl_notes.log", "etl_20250101_000000.log.gz", "my_etl_20250101_000000.log", "loop_1.log"]
    for name in others:
        log_file(tmp_path, name, days=999)
    (tmp_path / "etl_20200101_000000.log").mkdir()

    logs.remove_old(tmp_path, age=timedelta(days=30), megabytes=200, now=AT, keep=now)

    left = {path.name for path in tmp_path.iterdir()}
    assert left == stays | set(others) | {"etl_20200101_000000.log"}


def test_the_oldest_go_when_all_hold_too_much(tmp_path: Path) -> None:
    """By size: newest first until the limit, the rest goes."""
    for day in range(1, 7):
        log_file(tmp_path, f"etl_2026110{day}_000000.log", days=7 - day, megabytes=0.4)

    logs.remove_old(tmp_path, age=timedelta(days=30), megabytes=1, now=AT)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["etl_20261105_000000.log", "etl_20261106_000000.log"]


def test_a_log_that_cannot_be_removed_is_reported(tmp_path: Path, logger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example open in an editor on Windows; the other logs are removed."""
    for day in (1, 2, 3):
        log_file(tmp_path, f"etl_2026010{day}_000000.log", days=300 - day)
    unlink = Path.unlink

    def held(path: Path, *, missing_ok: bool = False) -> None:
        if "0102" in path.name:
            raise PermissionError(13, "in use")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", held)
    assert logger
    with logs.log_file(tmp_path / "new", started=AT, redact=str) as path:
        logs.remove_old(tmp_path, age=timedelta(days=30), megabytes=200, now=AT)
        logs.remove_old(tmp_path / "nowhere", age=timedelta(days=30), megabytes=200, now=AT)

    assert path is not None
    events = [(line["event"], line.get("file"), line.get("why")) for line in values_of(path)]
    assert events[:2] == [
        ("log not removed", "etl_20260102_000000.log", "in use"),
        ("log removed", "etl_20260101_000000.log", None),
    ]
    assert events[2][0] == "logs not cleared"


class Screen(io.TextIOWrapper):
    """A stream that says whether it is a terminal, in some encoding."""

    def __init__(self, *, terminal: bool, encoding: str = "utf-8") -> None:
        """See the class."""
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")
        self.terminal = terminal

    def isatty(self) -> bool:
        """As asked for."""
        return self.terminal

    def shown(self) -> str:
        """All that was printed."""
        self.flush()
        buffer: Any = self.buffer
        return bytes(buffer.getvalue()).decode(self.encoding)


def shown_on(monkeypatch: pytest.MonkeyPatch, screen: Screen, **how: Any) -> list[str]:
    """Log three events; return what the console shows."""
    monkeypatch.setattr(sys, "stderr", screen)
    logs.replace_unprintable()
    logs.configure(**how)
    log = structlog.get_logger()
    log.debug("little", n=1)
    log.info("some", text="two words", long="x" * 500)
    log.info("known", printed=True)
    log.warning("much", name="Zoë ✓")
    return screen.shown().splitlines()


@pytest.mark.parametrize(
    ("how", "events"),
    [
        ({}, ["some", "warning: much"]),
        ({"verbose": True}, ["little", "some", "warning: much"]),
        ({"quiet": True}, ["warning: much"]),
        ({"quiet": True, "verbose": True}, ["warning: much"]),
    ],
)
def test_the_console_is_short(monkeypatch: pytest.MonkeyPatch, how: dict[str, bool], events: list[str]) -> None:
    """Time of day, event, pairs; how many depends on what was asked for; no colour where no terminal is."""
    lines = shown_on(monkeypatch, Screen(terminal=False), **how)

    assert [re.sub(r"^\d\d:\d\d:\d\d (.*?)( \w+=.*)?$", r"\1", line) for line in lines] == events
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines)) < 220
    assert lines[-1].endswith('name="Zoë ✓"')


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal shows warnings in colour; with NO_COLOR it does not."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[33m" in shown_on(monkeypatch, Screen(terminal=True))[-1]

    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(shown_on(monkeypatch, Screen(terminal=True)))


@pytest.mark.parametrize(("encoding", "shown"), [("cp1252", "Zoë ?"), ("cp437", "Zoë ?")])
def test_an_old_code_page_shows_what_it_can(monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str) -> None:
    """A letter that the console lacks is a question mark, and no error."""
    assert shown_on(monkeypatch, Screen(terminal=False, encoding=encoding))[-1].endswith(f'name="{shown}"')


@pytest.mark.parametrize("closed", [True, False])
def test_without_a_console_nothing_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, closed: bool) -> None:
    """Without a window (pythonw) there is no stderr at all, others close it; the file is written all the same."""
    screen = io.StringIO()
    screen.close()
    monkeypatch.setattr(sys, "stderr", screen if closed else None)
    logs.replace_unprintable()
    logs.configure()

    with logs.log_file(tmp_path, started=AT, redact=str) as path:
        structlog.get_logger().warning("heard")

    assert not logs.on_terminal()
    assert path is not None
    assert values_of(path) == [{"event": "heard", "level": "warning"}]


def test_the_console_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in values, not in events, not in tracebacks."""
    screen = Screen(terminal=False)
    monkeypatch.setattr(sys, "stderr", screen)
    logs.configure(verbose=True, redact=Redactor([SECRET]))

    structlog.get_logger().error(f"no {SECRET}", value=[SECRET], exc_info=ValueError(SECRET))

    assert SECRET not in screen.shown()
    assert "ValueError: ***" in screen.shown()


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_a_real_terminal_gets_colours() -> None:
    """Through a pseudo-terminal, as a person would see it."""
    import pty

    program = (
        "from futurscam_lib.runner import logs; import structlog; logs.configure(); structlog.get_logger().error('bad')"
    )
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run([sys.executable, "-c", program], stderr=theirs, check=True, env={**env, "TERM": "xterm"})
    os.close(theirs)
    shown = os.read(ours, 1000)
    os.close(ours)

    assert re.fullmatch(rb"\x1b\[31m\d\d:\d\d:\d\d error: bad\x1b\[0m\r\n", shown)


def test_levels_are_those_of_logging() -> None:
    """What a logger's methods are called and what the line says is one level."""
    assert [logs._level_of(name) for name in ("exception", "warn", "info")] == ["error", "warning", "info"]
    assert logging.getLevelNamesMapping()["CRITICAL"] > logging.ERROR
