"""A spool returns its entries in order, from memory or from disk."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from bson.binary import Binary
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.load.spool import CHUNK_BYTES, CHUNK_ITEMS, IN_MEMORY_BYTES, Spool, chunked

if TYPE_CHECKING:
    from pathlib import Path


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    """Every value that the stages pass on survives: dates, bytes, nulls, nested lists."""
    entry = {
        "instant": datetime(2026, 11, 23, 12, 0, 0, 223_000, tzinfo=UTC),
        "payload": Binary(b"\x00\xff"),
        "flaw": None,
        "nested": {"list": [1, 2.5, "é\x00", True]},
    }
    with Spool(tmp_path / "made" / "for it") as kept:
        for number in range(2500):
            kept.append({**entry, "number": number})

        assert len(kept) == 2500
        chunks = list(kept.chunks())

    assert [len(chunk) for chunk in chunks] == [1000, 1000, 500]
    entries = [item for chunk in chunks for item in chunk]
    assert [item["number"] for item in entries] == list(range(2500))
    assert entries[0]["instant"] == entry["instant"]
    assert bytes(entries[0]["payload"]) == b"\x00\xff"
    assert entries[0]["flaw"] is None
    assert entries[0]["nested"]["list"][2] == "é\x00"


def test_an_empty_spool_has_no_chunks(tmp_path: Path) -> None:
    """A run without records passes nothing on."""
    with Spool(tmp_path) as kept:
        assert len(kept) == 0
        assert list(kept.chunks()) == []


def test_a_large_spool_goes_to_disk(tmp_path: Path) -> None:
    """Eight times the limit needs only the memory of the limit and two chunks, and leaves no file."""
    payload = Binary(b"x" * 100_000)
    count = 8 * IN_MEMORY_BYTES // len(payload)
    tracemalloc.start()
    try:
        with Spool(tmp_path) as kept:
            for number in range(count):
                kept.append({"number": number, "payload": payload})
            numbers = [item["number"] for chunk in kept.chunks() for item in chunk]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert numbers == list(range(count))
    assert peak < IN_MEMORY_BYTES + 2 * CHUNK_BYTES + (8 << 20)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_spool_accepts_nothing(tmp_path: Path) -> None:
    """Its entries are discarded; closing twice is allowed."""
    kept = Spool(tmp_path)
    kept.append({"a": 1})
    kept.close()
    kept.close()

    with pytest.raises(ValueError, match="closed"):
        kept.append({"a": 2})


@given(st.lists(st.integers(0, 2 * CHUNK_BYTES) | st.integers(0, CHUNK_BYTES // 5), max_size=40))
def test_chunks_hold_everything_once(sizes: list[int]) -> None:
    """In order, and no chunk goes on when it has enough."""
    chunks = list(chunked(sizes, size=lambda item: item))

    assert [item for chunk in chunks for item in chunk] == sizes
    assert all(chunk and sum(chunk[:-1]) < CHUNK_BYTES for chunk in chunks)
    assert all(sum(chunk) >= CHUNK_BYTES for chunk in chunks[:-1])


def test_chunks_are_made_as_they_are_asked_for() -> None:
    """A stream without end gives its first chunk."""

    def endless() -> Any:
        while True:
            yield "x"

    assert len(next(chunked(endless(), size=len))) == CHUNK_ITEMS
