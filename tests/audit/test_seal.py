"""The seal: entries that need the key, the adoption of a key, and the messages without it."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import SecretStr

from futurscam_lib import clock
from futurscam_lib.audit import entries
from futurscam_lib.audit.ledger import Ledger, _write
from futurscam_lib.audit.seal import Head, Seal, head_path, write_head
from futurscam_lib.audit.verify import verify
from futurscam_lib.errors import OperatorMustAct, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.made_runs import MadeRuns

T0 = clock.parse("2026-11-02T08:00:00Z")
NOW = clock.parse("2026-11-20T00:00:00Z")
KEY = "a key of more than sixteen letters"
OTHER = f"another {KEY}"
LINES = 6


@pytest.fixture
def log(made: MadeRuns) -> MadeRuns:
    """Three runs without a key."""
    for hour in range(LINES // 2):
        made.add(T0 + timedelta(hours=hour))
    return made


@pytest.fixture
def sealed(made: MadeRuns) -> MadeRuns:
    """Three runs with a key."""
    use(made, KEY)
    for hour in range(LINES // 2):
        made.add(T0 + timedelta(hours=hour))
    return made


def use(made: MadeRuns, key: str | None) -> Ledger:
    """Set a key, or none; gives the ledger as a run with it has it."""
    made.settings = made.settings.model_copy(update={"ledger_key": SecretStr(key) if key else None})
    return Ledger.of(made.settings)


def append(ledger: Ledger) -> None:
    """Add a line."""
    ledger.append("reset", at=NOW, run_id="x", facts={})


def wrong(made: MadeRuns) -> list[str]:
    """Return the findings in the ledger: places and texts."""
    findings = verify(made.settings, now=NOW).serious
    return [f"{finding.place}: {finding.what}" for finding in findings if finding.place.startswith("ledger")]


def lines(made: MadeRuns) -> list[bytes]:
    """The ledger's lines."""
    return made.settings.ledger_file.read_bytes().splitlines(keepends=True)


def with_mac(raw: bytes, mac: str) -> bytes:
    """A line with another MAC, which no hash covers."""
    old = orjson.loads(raw)
    old.pop("mac", None)
    return entries.line_of(entries.LedgerEntry(**old, mac=mac)) + b"\n"


def forge(made: MadeRuns, macs: Callable[[int, str], str]) -> None:
    """Rewrite the last line with a valid hash but without the key; `macs` makes each line's MAC from its own."""
    before = [entries.read_entry(raw.strip()) for raw in lines(made)]
    *kept, last = before
    facts = {**last.facts, "seconds": 777.0}
    new = entries.chained(kept[-1], event=last.event, run_id=last.run_id, at=clock.parse(last.at), facts=facts)
    written = [entries.line_of(one) + b"\n" for one in [*kept, new]]
    olds = [*(one.mac for one in kept), ""]
    made.settings.ledger_file.write_bytes(
        b"".join(with_mac(raw, macs(number, olds[number - 1])) for number, raw in enumerate(written, start=1))
    )
    write_head(made.settings.ledger_file, new.seq, new.hash, seal=None)


def test_any_mac_is_compared() -> None:
    """Non-ASCII or unencodable text does not match."""
    seal = Seal(KEY)

    for mac in ("é" * 64, "\ud800", ""):
        assert not seal.fits_line("0" * 64, mac)
        assert not seal.fits_head(Head(1, "0" * 64, mac))
    assert seal.fits_line("0" * 64, seal.of_line("0" * 64))


@pytest.mark.parametrize("line", [1, LINES])
def test_a_mac_beyond_ascii_in_a_line(sealed: MadeRuns, line: int) -> None:
    """Verification reports it and the next run refuses to start."""
    changed = lines(sealed)
    changed[line - 1] = with_mac(changed[line - 1], "é" * 64)
    sealed.settings.ledger_file.write_bytes(b"".join(changed))

    assert wrong(sealed) == [f"ledger.jsonl, line {line}: It is sealed with another key."]
    with pytest.raises(OperatorMustAct, match=f"line {line}"):
        Ledger.of(sealed.settings).heal(at=NOW)


def test_a_mac_beyond_ascii_in_the_head(sealed: MadeRuns) -> None:
    """The same."""
    path = head_path(sealed.settings.ledger_file)
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "mac": "é"}) + b"\n")

    assert "is not sealed with the key" in wrong(sealed)[0]
    with pytest.raises(OperatorMustAct, match="is not sealed with the key"):
        append(Ledger.of(sealed.settings))


@pytest.mark.parametrize("head", ["none of the key's", "missing"])
def test_what_follows_the_adoption_of_a_key_cannot_be_cut_off(log: MadeRuns, head: str) -> None:
    """Without the key nobody can make a head that ends at the adoption, nor by sealing again."""
    ledger = use(log, KEY)
    ledger.seal(at=NOW, facts={})
    for _ in range(4):
        append(ledger)
    kept = lines(log)[: LINES + 1]
    log.settings.ledger_file.write_bytes(b"".join(kept))
    if head == "missing":
        head_path(log.settings.ledger_file).unlink()
    else:
        adopting = entries.read_entry(kept[-1].strip())
        write_head(log.settings.ledger_file, adopting.seq - 1, adopting.prev, seal=None)

    said = "is missing" if head == "missing" else "is not sealed with the key"
    assert said in wrong(log)[0]
    for go_on in (append, Ledger.check, lambda ledger: ledger.seal(at=NOW, facts={})):
        with pytest.raises(OperatorMustAct, match=said):
            go_on(ledger)
    assert lines(log) == kept


@pytest.mark.parametrize(
    "macs",
    [lambda _, old: old, lambda _, old: old or "0" * 64, lambda number, old: old if number == 1 else ""],
    ids=["none at the end", "a made-up one at the end", "none but the first line's"],
)
def test_sealing_needs_a_new_key(sealed: MadeRuns, macs: Callable[[int, str], str]) -> None:
    """Unsealed lines after lines sealed with this key were written by somebody else."""
    forge(sealed, macs)
    before = lines(sealed)

    with pytest.raises(
        OperatorMustAct, match="line 1 is sealed with FUTURSCAM_LEDGER_KEY, so that key is not new"
    ) as no:
        Ledger.of(sealed.settings).seal(at=NOW, facts={})
    assert "restore the ledger from a backup" in str(no.value)
    assert "move" not in str(no.value)
    assert lines(sealed) == before


def test_a_key_is_adopted_once(log: MadeRuns) -> None:
    """Not twice in a row, not when there is nothing to seal, and not again after another one was in use."""
    ledger = use(log, KEY)
    ledger.seal(at=NOW, facts={})
    with pytest.raises(UsageError, match="sealed with this key already"):
        ledger.seal(at=NOW, facts={})
    append(ledger)

    other = use(log, OTHER)
    other.seal(at=NOW, facts={})
    assert wrong(log) == []
    with pytest.raises(OperatorMustAct, match="set a new one"):
        use(log, KEY).seal(at=NOW, facts={})
    append(other)
    use(log, OTHER)
    assert wrong(log) == []


def test_there_must_be_a_line_to_seal(made: MadeRuns) -> None:
    """And none is made."""
    with pytest.raises(UsageError, match="no line to seal yet"):
        use(made, KEY).seal(at=NOW, facts={})
    assert not made.settings.ledger_file.exists()


@pytest.mark.parametrize("key", [None, OTHER, KEY], ids=["no key", "another key", "a key that is new"])
def test_where_the_key_may_be_wrong_the_ledger_stays(log: MadeRuns, key: str | None) -> None:
    """No message suggests to move the audit log away if the account may only lack the key."""
    if key != KEY:
        use(log, KEY).seal(at=NOW, facts={})
    before = lines(log)
    ledger = use(log, key)

    for go_on in (append, Ledger.check, lambda ledger: ledger.heal(at=NOW)):
        with pytest.raises(OperatorMustAct, match="FUTURSCAM_LEDGER_KEY") as caught:
            go_on(ledger)
        assert "Nothing was written" in str(caught.value)
        assert "Set it" in str(caught.value) or "set that one" in str(caught.value)
        assert "futurscam runs seal" in str(caught.value)
        assert "move" not in str(caught.value)
        assert "futurscam runs verify` tells what else was changed" not in str(caught.value)
    assert lines(log) == before


def test_a_lost_key_is_replaced(sealed: MadeRuns) -> None:
    """As the message says: set a new key, then `runs seal`."""
    ledger = use(sealed, OTHER)
    ledger.seal(at=NOW, facts={})
    append(ledger)

    assert wrong(sealed) == []


@pytest.mark.parametrize("had", [None, KEY], ids=["unsealed", "sealed"])
@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("steps", range(6))
def test_a_kill_during_adoption_of_a_key_is_recoverable(
    log: MadeRuns, monkeypatch: pytest.MonkeyPatch, steps: int, *, done: bool, torn: bool, had: str | None
) -> None:
    """For a kill before or after each write: the key is adopted, at the latest by the next try, and runs work."""
    if had:
        use(log, had).seal(at=NOW, facts={})
        append(Ledger.of(log.settings))
    if torn:
        with log.settings.ledger_file.open("ab") as file:
            file.write(b'{"at":')
    left = iter(range(steps))

    def killed(real: Callable[..., None], *asked: Any, **more: Any) -> None:
        is_due = next(left, None) is None
        if done or not is_due:
            real(*asked, **more)
        if is_due:
            raise KeyboardInterrupt

    ledger = use(log, OTHER)
    with monkeypatch.context() as broken, suppress(KeyboardInterrupt):
        broken.setattr("futurscam_lib.audit.ledger.write_head", partial(killed, write_head))
        broken.setattr("futurscam_lib.audit.ledger._write", partial(killed, _write))
        ledger.seal(at=NOW, facts={})

    try:
        ledger.heal(at=NOW)
    except OperatorMustAct:
        ledger.seal(at=NOW, facts={})
    append(ledger)
    assert wrong(log) == []


def test_a_head_that_another_program_keeps_open_while_a_key_is_adopted(
    log: MadeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: the key is not adopted, because the head could not be written."""
    before = lines(log)

    def taken(*_: object, **__: object) -> None:
        raise PermissionError(13, "in use")

    ledger = use(log, KEY)
    with monkeypatch.context() as broken:
        broken.setattr("futurscam_lib.audit.seal.write_atomically", taken)
        with pytest.raises(OperatorMustAct, match=r"could not be written \(in use\)"):
            ledger.seal(at=NOW, facts={})
    assert lines(log) == before

    ledger.seal(at=NOW, facts={})
    assert wrong(log) == []


def test_the_old_key_after_a_kill_while_a_new_one_was_adopted(sealed: MadeRuns) -> None:
    """Nothing is lost: the message names the command to repeat."""
    last = next(Ledger.of(sealed.settings).backwards())
    write_head(sealed.settings.ledger_file, last.seq, last.hash, seal=Seal(OTHER))

    with pytest.raises(OperatorMustAct, match="If `futurscam runs seal` with a new key was interrupted, set that key"):
        append(Ledger.of(sealed.settings))

    use(sealed, OTHER).seal(at=NOW, facts={})
    assert wrong(sealed) == []


@pytest.mark.parametrize("seq", [1, LINES - 2])
def test_an_old_head_must_fit_its_line_before_another_is_written(log: MadeRuns, seq: int) -> None:
    """Also in code that does not read all lines: a new head would remove the trace."""
    write_head(log.settings.ledger_file, seq, "f" * 64, seal=None)

    with pytest.raises(OperatorMustAct, match=f"line {seq} is not the line that had been written"):
        append(Ledger.of(log.settings))

    there = entries.read_entry(lines(log)[seq - 1].strip())
    write_head(log.settings.ledger_file, seq, there.hash, seal=None)
    append(Ledger.of(log.settings))


def test_a_head_whose_number_is_a_boolean(log: MadeRuns) -> None:
    """`true` is 1 to Python."""
    first = entries.read_entry(lines(log)[0].strip())
    head = {"seq": True, "hash": first.hash, "mac": ""}
    head_path(log.settings.ledger_file).write_bytes(orjson.dumps(head) + b"\n")

    assert wrong(log)[0].endswith("ledger.head is not the head of a ledger.")
