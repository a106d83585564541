"""Copies of the project's PowerShell scripts for a real PowerShell; skipped if none is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from futurscam_lib import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGINES: Final = [path for name in ("pwsh", "powershell") if (path := shutil.which(name))]
"""On Windows 7 and 5.1, elsewhere 7, where they are installed."""

SCRIPTS: Final = ("run_etl.ps1", "run_etl_continuous.ps1", "scripts/futurscam.ps1", "scripts/environment.ps1")
PYTHON: Final = ".venv/Scripts/python.exe"
COMMAND: Final = ".venv/Scripts/futurscam.exe"
ON_WINDOWS: Final = sys.platform == "win32"
_SYSTEM: Final = ("sh", "dirname", "readlink", "id")
"""What a `pwsh` that is a shell script may need."""

_RECORDER: Final = """
import json, os, sys
with open(os.environ["RECORD"], "a", encoding="utf-8") as record:
    record.write(json.dumps({"arguments": sys.argv[1:], "cwd": os.getcwd(), "utf8": sys.flags.utf8_mode}) + "\\n")
print("progress", file=sys.stderr)
sys.exit(int(os.environ.get("CODE", "0")))
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the scripts, around a package that records what it is called with.

    Attributes:
        folder: The copy's folder.
        elsewhere: The folder that scripts are called from.
        programs: The folder of programs on PATH, in addition to the system's own.
        engine: The PowerShell.
    """

    folder: Path
    elsewhere: Path
    programs: Path
    engine: str

    def file(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `powershell -File` with one of the copy's scripts, from another folder."""
        return self.powershell("-File", str(self.folder / script), *arguments, environment=environment)

    def typed(self, *lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run lines as they are typed at a prompt; `$Run` and `$Loop` are the paths of the two scripts."""
        names = {"Run": "run_etl.ps1", "Loop": "run_etl_continuous.ps1"}
        paths = [f"${name} = {literal(str(self.folder / script))}" for name, script in names.items()]
        script = self.elsewhere / "typed.ps1"
        script.write_text("\n".join([*paths, *lines, "exit 0"]), "utf-8-sig")
        return self.powershell("-File", str(script), environment=environment)

    def powershell(self, *arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the engine in `elsewhere`."""
        return subprocess.run(
            [self.engine, "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", *arguments],
            cwd=self.elsewhere,
            env=self.environment() | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=240,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        """Return what a program finds in its environment; nothing of this machine's Python or uv."""
        kept = ("HOME", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "PATHEXT", "LOCALAPPDATA", "APPDATA")
        system = os.environ["SYSTEMROOT"] + r"\System32" if ON_WINDOWS else str(self.programs.parent / "system")
        return {name: os.environ[name] for name in kept if name in os.environ} | {
            "PATH": os.pathsep.join([str(self.programs), system]),
            "RECORD": str(self.record),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
        }

    @property
    def record(self) -> Path:
        """Where programs record what they are called with, a line each."""
        return self.elsewhere / "record"

    def calls(self) -> list[dict[str, Any]]:
        """Return what the package has been called with, and forget it."""
        lines = self.record.read_text("utf-8").splitlines() if self.record.exists() else []
        self.record.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def program(self, name: str, code: str) -> None:
        """Put a program on PATH that is written in Python."""
        path = self.programs / name
        if ON_WINDOWS:
            path.with_suffix(".py").write_text(code, "utf-8")
            path.with_suffix(".cmd").write_text(f'@"{sys.executable}" "%~dpn0.py" %*\n', "ascii")
        else:
            path.write_text(f"#!{sys.executable}\n{code}", "utf-8")
            path.chmod(0o755)

    def files(self) -> dict[str, bytes]:
        """Return the files of the copy, without its environment."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not {".venv", "__pycache__"} & set(path.relative_to(self.folder).parts)
        }


def literal(text: str) -> str:
    """Return a PowerShell literal of a text."""
    return "'" + text.replace("'", "''") + "'"


def put_python(folder: Path) -> None:
    """Make the Python of these tests that of a copy's `.venv`, with its packages."""
    python = folder / PYTHON
    python.parent.mkdir(parents=True)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder / ".venv")
    if ON_WINDOWS:
        shutil.copy(sys.executable, python)
    else:
        python.symlink_to(sys.executable)
        (folder / ".venv" / "lib").symlink_to(Path(sys.prefix) / "lib")
    (folder / COMMAND).touch()


def put_scripts(folder: Path) -> None:
    """Copy the scripts, and the package that records, into a folder."""
    for name in SCRIPTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(settings.PROJECT / name, folder / name)
    (folder / "futurscam_lib").mkdir()
    (folder / "futurscam_lib" / "__init__.py").touch()
    (folder / "futurscam_lib" / "__main__.py").write_text(_RECORDER, "utf-8")


@pytest.fixture(scope="session", params=ENGINES or [None], ids=lambda path: Path(path).stem if path else "none")
def engine(request: pytest.FixtureRequest) -> str:
    """Path of a PowerShell, which has been started once: the first start may have to unpack it."""
    path: str | None = request.param
    if path is None:
        pytest.skip("neither pwsh nor powershell is on PATH")
    subprocess.run([path, "-NoProfile", "-Command", "exit 0"], check=True, timeout=240)
    return path


@pytest.fixture
def bare(tmp_path: Path, engine: str) -> Copy:
    """A copy without an environment, on a machine with neither Python nor uv."""
    folder = tmp_path / "Équipe [v2] & co" / "FuturScam d'été"
    put_scripts(folder)
    for name in ("elsewhere", "programs", "system"):
        (tmp_path / name).mkdir()
    for tool in () if ON_WINDOWS else _SYSTEM:
        path = shutil.which(tool)
        assert path
        (tmp_path / "system" / tool).symlink_to(path)
    return Copy(folder, tmp_path / "elsewhere", tmp_path / "programs", engine)


@pytest.fixture
def ready(bare: Copy) -> Copy:
    """A copy with its environment."""
    put_python(bare.folder)
    return bare
