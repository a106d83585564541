"""A queue between two steps that stays in memory while it is small and on disk when it grows.

Where the system allows it, the file has no name and disappears with the process, however the process ends.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import bson
from bson.codec_options import CodecOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

IN_MEMORY_BYTES: Final = 16 << 20
_BUFFER_BYTES: Final = 1 << 18
CHUNK_ITEMS: Final = 1000
CHUNK_BYTES: Final = 16 << 20
CODEC: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True)


T = TypeVar("T")


def chunked(items: Iterable[T], *, size: Callable[[T], int]) -> Iterator[list[T]]:
    """Split into lists of at most `CHUNK_ITEMS` items or about `CHUNK_BYTES`, whichever is reached first."""
    chunk: list[T] = []
    held = 0
    for item in items:
        chunk.append(item)
        held += size(item)
        if len(chunk) == CHUNK_ITEMS or held >= CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


class Spool:
    """Append entries, then read them in the same order, as often as needed.

    Entries are BSON documents, so the database can take them without a second encoding.
    """

    def __init__(self, folder: Path) -> None:
        """Use `folder` for data that does not fit into memory."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by close()
            max_size=IN_MEMORY_BYTES, buffering=_BUFFER_BYTES, dir=str(folder)
        )
        self._count, self._end = 0, 0

    def __len__(self) -> int:
        """Entries appended so far."""
        return self._count

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add an entry."""
        self._file.seek(self._end)
        self._end += self._file.write(bson.encode(entry))
        self._count += 1

    def chunks(self) -> Iterator[list[dict[str, Any]]]:
        """Yield all entries in chunks."""
        at = 0
        while at < self._end:
            # Several readers may take turns: each continues after its own last chunk.
            self._file.seek(at)
            sized = ((len(entry), bson.decode(entry, CODEC)) for entry in self._encoded())
            chunk = next(chunked(sized, size=lambda pair: pair[0]))
            at += sum(length for length, _ in chunk)
            yield [entry for _, entry in chunk]

    def close(self) -> None:
        """Discard all entries."""
        self._file.close()

    def _encoded(self) -> Iterator[bytes]:
        # A BSON document begins with its length.
        while head := self._file.read(4):
            yield head + self._file.read(int.from_bytes(head, "little") - len(head))
