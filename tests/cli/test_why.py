"""`futurscam why` and `futurscam raw` as their users call them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.audit.lineage.payload import indented, read_payload
from futurscam_lib.cli import why
from futurscam_lib.errors import UsageError
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import Flaw, RawRecord, Window
from tests.load.machine import INSTANTS, T0, Shelf, post, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.database import Database

    from futurscam_lib.settings import Settings

HOSTILE = b'{"name": "\x1b]0;owned\x07\xc2\x9b31m \xe2\x80\xae \xff",\r\n\t"n": 1.50}'


def futurscam(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own; its stdout is a pipe."""
    command = [sys.executable, "-m", "futurscam_lib", *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, **(env or {})}, timeout=120, check=False)


def load(home: Settings, *records: RawRecord, run_id: str = "interactive-20261123T120000Z-0a1b2c") -> None:
    """One run by hand over these."""
    shelf = Shelf(records)
    run = Run(home, [shelf], run_id=run_id, window=Window(T0), watermark=T0, dry_run=False, now=T0)
    run.extract()
    run.transform()
    run.load()


class Terminal(io.TextIOWrapper):
    """A terminal of another code page, to look at what it was sent."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__(io.BytesIO(), encoding="cp1252", errors="replace")

    def isatty(self) -> bool:
        """It is one."""
        return True

    def shown(self) -> str:
        """All that was sent."""
        self.flush()
        data: bytes = self.buffer.getvalue()  # type: ignore[attr-defined]
        return data.decode("cp1252")


def on_terminal(monkeypatch: pytest.MonkeyPatch, raw_id: str, *, pretty: bool = False) -> str:
    """What `futurscam raw` shows there."""
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        why.raw(raw_id, pretty=pretty)
    return terminal.shown()


def test_the_story_from_the_command_line(home: Settings) -> None:
    """For people and as one JSON object; from the story a payload is printed byte for byte; nothing is written."""
    data = post(name="Ingénieur ✓")
    load(home, record(data, origin="first.json"))

    text = futurscam("why", "job-1", env={"PYTHONUTF8": "1"})
    as_json = futurscam("why", "job-1", "--json", env={"PYTHONIOENCODING": "cp1252"})
    raw_id = json.loads(as_json.stdout)["steps"][0]["landed"]["raw_id"]
    raw = futurscam("raw", raw_id[:8], env={"PYTHONIOENCODING": "cp1252"})

    assert text.returncode == as_json.returncode == raw.returncode == 0
    assert "Ingénieur ✓" in text.stdout.decode()
    assert "folder: first.json, line 1" in text.stdout.decode()
    assert "by hand: the ledger does not record such runs" in text.stdout.decode()
    story: dict[str, Any] = json.loads(as_json.stdout)
    assert story.keys() == STORY
    assert story["state"] == "document"
    assert story["document"]["roleTitle"] == "Ingénieur ✓"
    assert {run["run_id"]: run["by_hand"] for run in story["runs"]} == {story["first_run_id"]: True}
    assert raw.stdout == data
    assert not home.ledger_file.exists()


STORY = {
    *("asked", "state", "job_id", "first_run_id", "first_seen_at", "steps", "document", "rejects", "runs", "notes"),
}


@pytest.mark.usefixtures("home")
def test_an_unknown_name_is_a_usage_error() -> None:
    """A job that was never seen and a payload that was never landed end with 2, and nothing on stdout."""
    for arguments in (("why", "JP404"), ("why", "JP404", "--json"), ("raw", "0" * 64), ("raw", "JP404")):
        done = futurscam(*arguments)
        assert (done.returncode, done.stdout) == (2, b""), done.stderr
        assert arguments[1] in done.stderr.decode()


@pytest.mark.usefixtures("home")
def test_a_mongodb_that_does_not_answer() -> None:
    """Both end with 3, as every command does."""
    env = {"MONGO_URI": "mongodb://127.0.0.1:9/?directConnection=true", "FUTURSCAM_MONGO_TIMEOUT_SECONDS": "0.2"}
    for arguments in (("why", "job-1"), ("raw", "0" * 64)):
        done = futurscam(*arguments, env=env)
        assert done.returncode == 3
        assert b"did not answer" in done.stderr


def test_hostile_bytes_are_unchanged_without_a_terminal(home: Settings) -> None:
    """Line ends, control characters, broken UTF-8: not one byte is changed."""
    load(home, record(HOSTILE))

    done = futurscam("raw", hashlib.sha256(HOSTILE).hexdigest())

    assert (done.returncode, done.stdout) == (0, HOSTILE)


def test_hostile_bytes_are_escaped_on_a_terminal(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal all that is no letter is an escape that can be read; lines and tabs stay."""
    load(home, record(HOSTILE))

    name, number = on_terminal(monkeypatch, hashlib.sha256(HOSTILE).hexdigest()).splitlines()

    assert name == r'{"name": "\x1b]0;owned\x07\x9b31m \u202e \xff",\x0d'
    assert number == '\t"n": 1.50}'


def test_pretty(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON is indented, also of UTF-16 and with what UTF-8 cannot hold; hostile text steers no terminal."""
    load(home, record(post(name="\ud800\x1b[31mé\u202e")))
    (landed,) = records_of(home)

    shown = on_terminal(monkeypatch, landed, pretty=True)

    assert '\n  "name": "\\ud800\\u001b[31mé\\u202e"' in shown
    assert indented('{"a":[1]}'.encode("utf-16")) == b'{\n  "a": [\n    1\n  ]\n}'


@pytest.mark.parametrize("data", [b"{", b"", b"\xff", b"[" * 100_000])
def test_pretty_needs_json(data: bytes) -> None:
    """Other payloads are refused, with the command that shows them."""
    with pytest.raises(UsageError, match="without --pretty"):
        indented(data)


def test_a_beginning_of_a_raw_id(home: Settings, database: Database[dict[str, Any]]) -> None:
    """8 digits are enough where no other payload begins so, in capitals, too; several are named."""
    load(home, record(post()), record(post(instant=INSTANTS[1])))
    first, second = sorted(records_of(home))
    database["RFP_raw"].insert_one({**database["RFP_raw"].find_one({"_id": first}), "_id": first[:9] + "0" * 55})  # type: ignore[dict-item]

    assert read_payload(home, f" {second[:8].upper()} ") == database["RFP_raw"].find_one({"_id": second})["payload"]  # type: ignore[index]
    assert read_payload(home, first)
    database["RFP_raw"].insert_one({**(database["RFP_raw"].find_one({"_id": first}) or {}), "_id": "ab" * 4 + "f" * 56})
    assert read_payload(home, "ab" * 4)
    with pytest.raises(UsageError, match=f"Several payloads begin with {first[:8]}:(?s:.*){first}"):
        read_payload(home, first[:8])
    for wrong in (second[:7], "", "folder:x", second + "0", "$ne"):
        with pytest.raises(UsageError, match="hexadecimal"):
            read_payload(home, wrong)


def test_a_payload_without_bytes(home: Settings) -> None:
    """It shows why there are none; control characters in a hostile file name are escaped."""
    flaw = Flaw("too-large", "The file has 6,000,000 bytes.")
    load(home, RawRecord.flawed(flaw, source="folder", origin="\x1b[31m.json", instant=T0, size=6_000_000, line=1))
    (landed,) = records_of(home)

    with pytest.raises(
        UsageError, match=r"were not kept: The file has 6,000,000 bytes.(?s:.*)came from .\[31m\.json"
    ) as raised:
        read_payload(home, landed)
    assert str(raised.value).isprintable()


def records_of(home: Settings) -> list[str]:
    """Ids of all landed payloads."""
    with mongo.connect(home) as client:
        return [one["_id"] for one in Collections.of(client[home.database]).raw.find()]
