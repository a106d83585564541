"""The home on its disk: space, permissions, synchronised folders, network drives, long paths."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.diagnostics import disk
from tests.diagnostics.conftest import files, results_of

if TYPE_CHECKING:
    from pathlib import PurePath

    from futurscam_lib.settings import Settings


def test_a_sound_home(sound: Settings) -> None:
    """No problem, and nothing is written."""
    before = files(sound.home)

    assert {(item.name, item.state) for item in results_of(disk.CHECKS, sound)} >= {("disk", "ok"), ("rights", "ok")}
    assert files(sound.home) == before


def test_little_space(tmp_path: Path) -> None:
    """Scarce is a warning, too little a problem; a home that does not exist yet has the space of its parent."""
    assert disk.space(tmp_path / "not" / "yet", scarce=1, too_little=0).state == "ok"
    assert disk.space(tmp_path, scarce=10**18, too_little=1).state == "warning"
    result = disk.space(tmp_path, scarce=10**18, too_little=10**18)
    assert result.state == "problem"
    assert "runs" in result.remedy


def test_a_file_in_place_of_a_folder(home: Settings) -> None:
    """The remedy moves it away; the same for a folder in place of the ledger."""
    home.runs.write_text("")
    (result,) = disk.rights(home)
    assert result.state == "problem"
    assert str(home.runs) in result.remedy

    home.runs.unlink()
    home.ledger_file.mkdir(parents=True)
    (result,) = disk.rights(home)
    assert "is a folder where a file" in result.what


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder into which not even root can write")
def test_a_folder_that_cannot_be_written(home: Settings) -> None:
    """Permissions alone do not show it, so the check tries to write."""
    home.runs.symlink_to("/proc", target_is_directory=True)

    (result,) = disk.rights(home)

    assert result.state == "problem"
    assert f"Nothing can be written into {home.runs}" in result.what
    assert "chown" in result.remedy


def test_read_only_files(sound: Settings) -> None:
    """Folders and the ledger must be writable, the watermark readable; each failure has its remedy."""

    def access(path: Path, wanted: int) -> bool:
        return wanted & os.W_OK == 0 and path != sound.watermark_file

    result = disk.rights(sound, access=access)

    texts = " ".join(item.what for item in result)
    for path in (sound.home, sound.runs, sound.watermark_file, sound.ledger_file):
        assert str(path) in texts
    assert all(item.state == "problem" and item.remedy for item in result)


@pytest.mark.parametrize(
    ("folder", "program"),
    [
        (PureWindowsPath(r"C:\Users\An\OneDrive - Acme\etl"), "OneDrive"),
        (PureWindowsPath(r"C:\Users\An\OneDrive\etl"), "OneDrive"),
        (PureWindowsPath(r"D:\Work\Shared\etl"), "OneDrive"),
        (PurePosixPath("/home/an/Dropbox (Personal)/etl"), "Dropbox"),
        (PurePosixPath("/Users/an/Library/CloudStorage/GoogleDrive-an@example.com/etl"), "Google Drive"),
        (PurePosixPath("/Users/an/Library/Mobile Documents/com~apple~CloudDocs/etl"), "iCloud"),
        (PureWindowsPath(r"C:\Users\An\iCloudDrive\etl"), "iCloud"),
        (PurePosixPath("/home/an/Nextcloud"), "Nextcloud"),
        (PurePosixPath("/home/an/onedrives/etl"), ""),
        (PureWindowsPath(r"C:\FuturScam"), ""),
    ],
)
def test_synchronised_folders(folder: PurePath, program: str) -> None:
    """Recognised by name, and by OneDrive's variables; the result gives the reason and a better place."""
    result = disk.synchronised("home", folder, environ={"OneDriveCommercial": r"D:\Work"})

    assert result.state == ("warning" if program else "ok")
    if program:
        assert f"synchronised by {program}" in result.what
        assert ".last_execution" in result.what
        assert "FUTURSCAM_HOME" in result.remedy


def test_long_paths() -> None:
    """A home whose path leaves no room for the names of notebooks."""
    assert disk.path_length(PureWindowsPath(r"C:\FuturScam")).state == "ok"
    result = disk.path_length(PureWindowsPath("C:\\" + "x" * 150))
    assert result.state == "warning"
    assert "153 characters" in result.what


def test_network_drives() -> None:
    """Recognised by file system, Windows' drive options or a UNC path; the nearest mount counts."""
    mounts = [("/", "ext4", "rw"), ("/srv", "nfs4", "rw"), ("/srv/disk", "ext4", "rw"), ("/srvx", "cifs", "rw")]

    assert disk.drive(PurePosixPath("/home/an"), mounts).state == "ok"
    assert disk.drive(PurePosixPath("/srv/disk/etl"), mounts).state == "ok"
    assert disk.drive(PurePosixPath("/srv/etl"), mounts).state == "warning"
    letter = [("Z:\\", "NTFS", "rw,remote")]
    assert disk.drive(PureWindowsPath("Z:\\etl"), letter).state == "warning"
    assert disk.drive(PureWindowsPath(r"\\server\share\etl"), []).state == "warning"
    assert "FUTURSCAM_HOME" in disk.drive(PurePosixPath("/srv/etl"), mounts).remedy
