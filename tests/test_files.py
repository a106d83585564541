"""Files are never seen half written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import pytest

from futurscam_lib import files

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 200_000
WRITER = """
import sys
from pathlib import Path
from futurscam_lib.files import write_atomically
print("ready", flush=True)
for turn in range(10_000):
    write_atomically(Path(sys.argv[1]), bytes([65 + turn % 26]) * int(sys.argv[2]))
"""


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """While another process writes, and after it was killed in the middle, the file is one whole version."""
    path = tmp_path / "file"
    files.write_atomically(path, b"a" * SIZE)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(SIZE)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        seen: set[int] = set()
        until = time.monotonic() + 30
        while len(seen) < 10 and time.monotonic() < until:
            data = path.read_bytes()
            assert len(data) == SIZE
            assert len(set(data)) == 1
            seen.add(data[0])
        writer.kill()

    data = path.read_bytes()
    assert len(seen) == 10
    assert len(data) == SIZE
    assert len(set(data)) == 1


def test_a_file_open_in_another_program_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two refusals, as a virus scanner causes them, and then it goes through."""
    real, refusals = os.replace, [PermissionError("in use"), PermissionError("in use")]

    def replace(old: Path, new: Path) -> None:
        if refusals:
            raise refusals.pop()
        real(old, new)

    monkeypatch.setattr(os, "replace", replace)
    files.write_atomically(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208 - names


def test_a_file_that_stays_open_elsewhere_is_left_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tries end after some seconds: the old content is unchanged, no temporary file is left."""
    path = tmp_path / "file"
    files.write_atomically(path, b"old")

    def refuse(*_: object) -> NoReturn:
        message = "in use"
        raise PermissionError(message)

    monkeypatch.setattr(os, "replace", refuse)
    begun = time.monotonic()
    with pytest.raises(PermissionError):
        files.write_atomically(path, b"new")

    assert time.monotonic() - begun < 10
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot fsync a folder")
def test_a_write_and_a_move_survive_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are on the disk before the file has its name, and the name is before the call returns."""
    steps: list[str] = []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def note_replace(old: Path, new: Path) -> None:
        steps.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)

    files.write_atomically(tmp_path / "file", b"new")
    assert steps == ["file", "replace", "folder"]

    files.move_if_absent(tmp_path / "file", tmp_path / "moved")
    assert steps[3:] == ["folder"]


def test_a_full_disk_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the bytes cannot reach the disk, the file is as it was and no temporary file is left."""
    path = tmp_path / "file"
    files.write_atomically(path, b"old")

    def refuse(_: int) -> NoReturn:
        message = "No space left on device"
        raise OSError(message)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        files.write_atomically(path, b"new")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """A missing folder is not created."""
    with pytest.raises(FileNotFoundError):
        files.write_atomically(tmp_path / "missing" / "file", b"new")


def test_a_move_never_overwrites(tmp_path: Path) -> None:
    """Both files are unchanged if the new name exists."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")

    with pytest.raises(FileExistsError):
        files.move_if_absent(old, new)
    assert (old.read_bytes(), new.read_bytes()) == (b"old", b"new")

    new.unlink()
    files.move_if_absent(old, new)
    assert new.read_bytes() == b"old"
    assert not old.exists()


def test_temporary_files_of_killed_writes_are_removed(tmp_path: Path) -> None:
    """Temporary files of this name go; those of others, and the file itself, stay."""
    kept = [tmp_path / name for name in (".last_execution", "..other.0a1b2c3d.tmp", "x.tmp")]
    left = [tmp_path / f"..last_execution.{number}.tmp" for number in ("0a1b2c3d", "ffffffff")]
    for path in (*kept, *left):
        path.touch()

    files.sweep(tmp_path / ".last_execution")

    assert set(tmp_path.iterdir()) == set(kept)
