"""Line ends of all scripts, as git hands them out."""

from __future__ import annotations

import subprocess

from futurscam_lib import settings

PROJECT = settings.PROJECT


def test_git_hands_scripts_out_with_the_line_ends_of_their_system() -> None:
    """`.gitattributes` sets them, on any system."""
    scripts = [path for pattern in ("*.ps1", "*.bat", "*.sh") for path in PROJECT.glob(pattern)]
    scripts += [path for path in PROJECT.glob("scripts/*") if path.is_file()]
    wanted = {path.relative_to(PROJECT).as_posix(): "lf" if path.suffix == ".sh" else "crlf" for path in scripts}
    assert len(wanted) >= len(("run_etl.ps1", "run_etl.bat", "run_etl.sh"))

    said = subprocess.run(
        ["git", "check-attr", "eol", "--", *wanted],  # noqa: S607 - the git of whoever runs the tests
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert dict(line.split(": eol: ") for line in said.splitlines()) == wanted
