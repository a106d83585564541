"""Executing a notebook: the content of its file after success and every kind of failure."""

from __future__ import annotations

import hashlib
import html
import json
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import nbformat
import psutil
import pytest
from nbconvert import HTMLExporter

from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.runner.engine import Execution, execute, finish, part_path, unknown_parameters
from futurscam_lib.runner.notebook_file import publishable, to_bytes
from futurscam_lib.settings.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PARAMETERS = '# as papermill reads it\nword: str = ""  # a comment, x = 1\nmany: int | None = None'
SWALLOWS_INTERRUPTS = """
import time
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("no")
"""
WAITS = "import time\nprint('started', flush=True)\ntime.sleep(300)"


def notebook_of(*cells: str, parameters: str | None = PARAMETERS) -> nbformat.NotebookNode:
    """A notebook of code cells, the first one tagged `parameters`."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    if parameters is not None:
        cell = nbformat.v4.new_code_cell(parameters)
        cell.metadata["tags"] = ["parameters"]
        notebook.cells.insert(0, cell)
    return notebook


@dataclass
class Lab:
    """A folder to execute notebooks in."""

    folder: Path

    @property
    def source(self) -> Path:
        """The notebook to execute."""
        return self.folder / "etl.ipynb"

    @property
    def final(self) -> Path:
        """The executed notebook."""
        return self.folder / "runs" / "2026-11" / "r1.ipynb"

    @property
    def part(self) -> Path:
        """The same while it grows."""
        return part_path(self.final)

    def write(self, *cells: str, parameters: str | None = PARAMETERS) -> None:
        """Write the notebook to execute."""
        nbformat.write(notebook_of(*cells, parameters=parameters), self.source)

    def run(self, *cells: str, secrets: tuple[str, ...] = (), seconds: float = 60, **options: Any) -> Execution:
        """Write it and execute it."""
        self.write(*cells)
        settings: dict[str, Any] = {"parameters": {"word": "given"}, "kernel_env": {}, "cwd": self.folder, **options}
        return execute(
            self.source,
            output=self.final,
            redact=Redactor(secrets),
            budget=timedelta(seconds=seconds),
            **settings,
        )

    def finish(self, status: str = "ok", headline: str = "It went well.") -> nbformat.NotebookNode:
        """Close the part and read the final file, which must be valid."""
        finish(self.part, self.final, status=status, headline=headline)
        notebook = nbformat.read(self.final, as_version=4)
        nbformat.validate(notebook)
        return notebook


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A fresh one."""
    return Lab(tmp_path)


def cell_states(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """State by source of each code cell but the parameters."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and not cell.metadata.get("tags")]
    return {cell.source: cell.metadata.papermill.status for cell in code}


def printed(notebook: nbformat.NotebookNode) -> str:
    """Return everything that its cells wrote to their standard streams."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def soon(happened: Callable[[], object], seconds: float = 30) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_successful_execution(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    """Cells completed, parameters injected, no final file before the end, one afterwards, nothing printed."""
    execution = lab.run(
        "print(word, many)", "import os\nos.write(1, b'low level')", parameters={"word": "é\"'\\", "many": 7}
    )

    assert (execution.status, execution.error_name, execution.error, execution.failed_cell) == ("ok", "", "", None)
    assert lab.part.exists()
    assert not lab.final.exists()
    digest = finish(lab.part, lab.final, status="ok", headline="3 inserted, 2 updated")
    assert not lab.part.exists()
    notebook = nbformat.read(lab.final, as_version=4)
    assert set(cell_states(notebook).values()) == {"completed"}
    assert "é\"'\\ 7" in printed(notebook)
    assert notebook.metadata.futurscam.status == "ok"
    assert notebook.metadata.papermill.parameters == {"word": "é\"'\\", "many": 7}
    assert notebook.metadata.papermill.exception is None
    assert "3 inserted" in notebook.cells[0].source
    assert len(digest) == 64
    assert [path.name for path in lab.final.parent.iterdir()] == ["r1.ipynb"]
    assert capfd.readouterr() == ("", "")


def test_a_raising_cell(lab: Lab) -> None:
    """The error's name and text are returned; later cells did not run and are marked so."""
    execution = lab.run(
        "1",
        "from futurscam_lib.errors import RetryLater\nraise RetryLater('\\x1b[31mThe mailbox\\x1b[0m ' + 'x' * 3000)",
        "2",
    )

    assert (execution.status, execution.error_name) == ("failed", "RetryLater")
    assert execution.error.startswith("The mailbox xxx")
    assert len(execution.error) == 2000
    notebook = lab.finish(execution.status)
    assert list(cell_states(notebook).values()) == ["completed", "failed", "pending"]
    assert execution.failed_cell is not None
    assert notebook.cells[execution.failed_cell].source.startswith("from futurscam_lib")
    assert "papermill-error-cell" in notebook.cells[execution.failed_cell - 1].source
    assert notebook.metadata.papermill.exception is True
    assert str(notebook).count("papermill-error-cell-tag") == 1


def test_sys_exit_is_a_failure(lab: Lab) -> None:
    """After `sys.exit(0)` the remaining cells do not run; papermill alone would report success."""
    execution = lab.run("import sys\nsys.exit(0)", "2")

    assert (execution.status, execution.error_name) == ("failed", "SystemExit")
    assert cell_states(lab.finish(execution.status)) == {"import sys\nsys.exit(0)": "failed", "2": "pending"}


def test_a_cell_that_is_allowed_to_raise(lab: Lab) -> None:
    """A cell tagged `raises-exception` shows its error; the run goes on and is ok."""
    source = notebook_of("1 / 0", "print('after')")
    source.cells[1].metadata["tags"] = ["raises-exception"]
    nbformat.write(source, lab.source)

    execution = execute(
        lab.source,
        output=lab.final,
        parameters={},
        redact=Redactor([]),
        budget=timedelta(minutes=1),
        cwd=lab.folder,
        kernel_env={},
    )

    assert execution.status == "ok"
    assert "after" in printed(execution.notebook)
    assert "papermill-error-cell" not in str(execution.notebook)


@pytest.mark.parametrize(
    ("death", "reason"),
    [("os._exit(3)", "exit code 3"), ("os.kill(os.getpid(), 9)", "SIGKILL"), ("ctypes.string_at(0)", "SIGSEGV")],
)
def test_a_kernel_that_dies(lab: Lab, death: str, reason: str) -> None:
    """The running cell is marked failed with the reason; no later cell is marked completed."""
    execution = lab.run("import os, ctypes", death, "2")

    assert (execution.status, execution.error_name) == ("failed", "DeadKernelError")
    assert reason in execution.error
    notebook = lab.finish(execution.status)
    assert list(cell_states(notebook).values()) == ["completed", "failed", "pending"]
    assert execution.failed_cell is not None
    (output,) = notebook.cells[execution.failed_cell].outputs
    assert (output.ename, output.evalue) == ("DeadKernelError", execution.error)


def test_a_kernel_that_never_starts(lab: Lab) -> None:
    """The run failed, no cell did; the message holds what the kernel said, without secrets."""
    # Python's last words are that it has no module of this name; what else it says differs between versions.
    execution = lab.run("1", kernel_env={"PYTHONHOME": "/nowhere"}, secrets=("encodings",))

    assert (execution.status, execution.error_name, execution.failed_cell) == ("failed", "DeadKernelError", None)
    assert "***" in execution.error
    assert "encodings" not in execution.error
    assert cell_states(lab.finish(execution.status)) == {"1": "pending"}


def test_a_kernel_that_cannot_even_be_launched(lab: Lab) -> None:
    """An error of the system is reported like any other failure."""
    execution = lab.run("1", cwd=lab.folder / "missing")

    assert (execution.status, execution.error_name, execution.failed_cell) == ("failed", "FileNotFoundError", None)
    assert cell_states(lab.finish(execution.status)) == {"1": "pending"}


@pytest.mark.parametrize("cell", [WAITS, SWALLOWS_INTERRUPTS], ids=["heeds the interrupt", "ignores the interrupt"])
def test_a_used_up_budget(lab: Lab, cell: str) -> None:
    """The run ends soon after its budget, with or without the cell's help, and the notebook says why."""
    begin = time.monotonic()
    execution = lab.run("1", cell, "2", seconds=4, grace=timedelta(seconds=1))

    assert time.monotonic() - begin < 4 + 1 + 10
    assert (execution.status, execution.error_name) == ("timed out", "TimeoutError")
    assert "The time budget of 4 s was used up" in execution.error
    notebook = lab.finish(execution.status)
    assert list(cell_states(notebook).values()) == ["completed", "failed", "pending"]
    assert execution.failed_cell is not None
    assert execution.error in str(notebook.cells[execution.failed_cell].outputs)


def test_a_cell_that_ignores_the_interrupt(lab: Lab) -> None:
    """It may even reach its end after the budget: the next cell does not begin, the run timed out."""
    swallows = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('went on')"
    execution = lab.run(swallows, "print('too late')", seconds=4)

    assert execution.status == "timed out"
    assert cell_states(execution.notebook) == {swallows: "failed", "print('too late')": "pending"}
    assert printed(execution.notebook) == "went on\n"


def test_a_flood_of_output(lab: Lab) -> None:
    """A cell that prints without end neither outlives the budget nor fills the disk."""
    begin = time.monotonic()
    execution = lab.run("while True:\n    print('x' * 1000)", seconds=4)

    assert time.monotonic() - begin < 4 + 5 + 15
    assert execution.status == "timed out"
    assert "left out" in printed(execution.notebook)
    assert lab.part.stat().st_size < 6_000_000


CHILD = """
import sys
from datetime import timedelta
from pathlib import Path
from futurscam_lib.settings.redaction import Redactor
from futurscam_lib.runner.engine import execute

folder = Path(sys.argv[1])
execution = execute(
    folder / "etl.ipynb", output=folder / "runs/2026-11/r1.ipynb", parameters={"word": "given"}, redact=Redactor([]),
    budget=timedelta(minutes=2), cwd=folder, kernel_env={}, heartbeat=timedelta(seconds=0.05),
)
print(execution.status, execution.error_name, execution.failed_cell)
"""


@pytest.fixture
def supervisor(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """Another process that executes a notebook and is in the middle of its second cell."""
    lab.write("1", WAITS, "2")
    command = [sys.executable, "-c", CHILD, str(lab.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        soon(lambda: lab.part.exists() and '"started\\n"' in lab.part.read_text("utf-8"))
        yield process
        process.kill()


def test_ctrl_c(lab: Lab, supervisor: subprocess.Popen[str]) -> None:
    """The supervisor ends its kernel, marks the cell and comes back with an execution for the ledger."""
    (kernel,) = psutil.Process(supervisor.pid).children()
    supervisor.send_signal(signal.SIGINT)
    out, err = supervisor.communicate(timeout=20)

    assert (out, err) == ("failed KeyboardInterrupt 5\n", "")
    assert not kernel.is_running()
    notebook = lab.finish("failed")
    assert list(cell_states(notebook).values()) == ["completed", "failed", "pending"]
    assert "interrupted from outside" in str(notebook.cells[5].outputs)


def test_a_killed_supervisor(lab: Lab, supervisor: subprocess.Popen[str]) -> None:
    """It leaves a valid part and no final file; its kernel ends; a later run closes the part as crashed."""
    (kernel,) = psutil.Process(supervisor.pid).children()
    supervisor.kill()
    supervisor.wait(10)

    assert not lab.final.exists()
    soon(lambda: not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE)
    assert "has not ended" in nbformat.read(lab.part, as_version=4).cells[0].source
    notebook = lab.finish("crashed", "Killed after 3 minutes.")
    assert list(cell_states(notebook).values()) == ["completed", "failed", "pending"]
    assert notebook.metadata.futurscam.status == "crashed"
    assert notebook.metadata.papermill.exception is True
    assert printed(notebook) == "started\n"
    assert "Killed after 3 minutes." in notebook.cells[0].source
    assert [output.get("ename") for output in notebook.cells[4].outputs] == [None, "crashed"]


def test_the_kernel_is_this_interpreter(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernelspec of the same name, first in Jupyter's path, is not taken; UTF-8, folder, environment are as asked."""
    decoy = lab.folder / "decoy" / "kernels" / "python3"
    decoy.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "decoy", "language": "python"}
    (decoy / "kernel.json").write_text(json.dumps(spec))
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(lab.folder / "decoy"))
    monkeypatch.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", "nobody")
    monkeypatch.setenv("IPYTHONDIR", str(lab.folder / "ipython"))

    execution = lab.run(
        "import sys, os\nprint(sys.executable, sys.flags.utf8_mode, os.getcwd(), os.environ['MONGO'])",
        kernel_env={"MONGO": "here"},
    )

    assert printed(execution.notebook) == f"{sys.executable} 1 {lab.folder} here\n"
    assert not list(lab.folder.rglob("*.sqlite*"))


def test_the_transport_is_encrypted(lab: Lab) -> None:
    """The sockets that carry code and output speak CurveZMQ, as the kernel itself sees them."""
    execution = lab.run(
        "import zmq",
        "kernel = get_ipython().kernel\n"
        "sockets = [kernel.shell_stream.socket, kernel.control_stream.socket, kernel.iopub_socket.io_thread.socket]\n"
        "print({socket.get(zmq.MECHANISM) for socket in sockets} == {zmq.CURVE})",
    )

    assert printed(execution.notebook) == "True\n"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"wrod": "x"}, "wrod"),
        ({"x": 1}, "x"),
        ({"word": timedelta(1)}, "timedelta"),
        ({"many": float("nan")}, "finite"),
    ],
)
def test_an_invalid_parameter_is_refused(lab: Lab, parameters: dict[str, Any], message: str) -> None:
    """Papermill alone would use the default value or fail half-way; here nothing starts."""
    with pytest.raises(UsageError, match=message):
        lab.run("1", parameters=parameters)
    assert not lab.part.exists()


def test_a_notebook_without_parameters_or_none_at_all(lab: Lab) -> None:
    """Without a cell tagged `parameters` papermill injects on top, where later cells overwrite it."""
    lab.write("word = 'mine'", parameters=None)
    assert unknown_parameters(lab.source, ["word"]) == ["word"]
    with pytest.raises(UsageError, match="declares none"):
        execute(
            lab.source,
            output=lab.final,
            parameters={"word": "given"},
            redact=Redactor([]),
            budget=timedelta(minutes=1),
            cwd=lab.folder,
            kernel_env={},
        )
    lab.write("1", parameters="word = (")
    with pytest.raises(UsageError, match="not Python"):
        unknown_parameters(lab.source, ["word"])
    lab.source.write_text("no notebook")
    with pytest.raises(UsageError, match="cannot be read"):
        unknown_parameters(lab.source, ["word"])


def test_which_parameters_are_declared(lab: Lab) -> None:
    """As Python reads the cell: with any annotation, with an equals sign in a comment, but not inside a string."""
    lab.write("1", parameters=f'{PARAMETERS}\na = b = 1\ntext = """\nc = 1\n"""')

    assert unknown_parameters(lab.source, ["word", "many", "a", "b", "c", "x"]) == ["c", "x"]


def test_no_secret_is_stored_or_shown(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    """Printed, printed in two pieces, coloured, as HTML and JSON, in a traceback, in a parameter, in the log: `***`."""
    secret = "hunter22'<x>"  # noqa: S105 - the point of the test
    execution = lab.run(
        "import os, sys, time\nsecret = os.environ['PASSWORD']",
        "print(secret)\nsys.stdout.write(secret[:5])\nsys.stdout.flush()\ntime.sleep(0.5)\nprint(secret[5:])",
        "print(f'{secret[:4]}\\x1b[31m{secret[4:]}\\x1b[0m')",
        "import html\ndisplay({'text/html': html.escape(secret), 'application/json': {secret: [secret]}}, raw=True)",
        "os.write(2, secret.encode())\nraise ValueError(secret)",
        secrets=(secret,),
        kernel_env={"PASSWORD": secret},
        parameters={"word": secret},
        progress=True,
    )
    lab.finish(execution.status)

    captured = capfd.readouterr()
    assert (execution.error_name, execution.error) == ("ValueError", "***")
    assert captured.out == ""
    assert "Executing" in captured.err
    for text in (lab.final.read_text("utf-8"), captured.err, str(execution)):
        assert "hunter" not in text
        assert "r22" not in text


def test_paths_with_braces_and_accents(tmp_path: Path) -> None:
    """Paths are formatted by papermill; here it sees none, and the notebook holds names, not this machine's folders."""
    lab = Lab(tmp_path / "données {word} {0} ü")
    lab.folder.mkdir()

    execution = lab.run("print(word)")

    assert execution.status == "ok"
    notebook = lab.finish()
    assert (notebook.metadata.papermill.input_path, notebook.metadata.papermill.output_path) == (
        "etl.ipynb",
        "r1.ipynb",
    )
    assert str(tmp_path) not in lab.final.read_text("utf-8")


def test_nothing_is_overwritten(lab: Lab) -> None:
    """A final file or part that exists stops the run before a kernel starts, and `finish` too."""
    lab.final.parent.mkdir(parents=True)
    lab.part.write_text("another run's")
    with pytest.raises(FileExistsError, match="nothing was started"):
        lab.run("1")
    lab.final.write_text("an older run's")
    with pytest.raises(FileExistsError, match="not overwritten"):
        finish(lab.part, lab.final, status="ok", headline="")

    assert (lab.part.read_text(), lab.final.read_text()) == ("another run's", "an older run's")


def test_readers_always_get_a_whole_notebook(lab: Lab) -> None:
    """The part is complete at each moment, even while a run saves as fast as it can."""
    stop, seen, broken = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append(len(json.loads(lab.part.read_bytes())["cells"]))
            except FileNotFoundError:
                continue
            except ValueError as error:
                broken.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        lab.run(
            "import time\nfor _ in range(100):\n    print('x' * 10_000, flush=True)\n    time.sleep(0.01)",
            heartbeat=timedelta(0),
        )
    finally:
        stop.set()
        reader.join()

    assert len(seen) > 10
    assert broken == []


def test_the_heartbeat_saves_earlier_output_of_a_silent_cell(lab: Lab) -> None:
    """The part contains the output of a running cell, even if no further message arrives."""
    go = lab.folder / "go"

    def answer() -> None:
        soon(lambda: lab.part.exists() and '"started\\n"' in lab.part.read_text("utf-8"))
        go.touch()

    reader = threading.Thread(target=answer)
    reader.start()
    execution = lab.run(
        "import time, pathlib\nprint('started', flush=True)",
        "while not pathlib.Path('go').exists():\n    time.sleep(0.02)",
        heartbeat=timedelta(seconds=0.1),
        seconds=30,
    )
    reader.join()

    assert execution.status == "ok"


def test_a_full_disk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed save ends the run and its kernel with an error for the operator."""
    saves = iter(range(100))

    def write(path: Path, data: bytes) -> None:
        if next(saves) >= 4:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr("futurscam_lib.runner.cell_states.write_atomically", write)
    before = psutil.Process().children()  # the worker's mongod may be one of them

    with pytest.raises(OperatorMustAct, match="No space left on device"):
        lab.run("1", "2", "3")
    assert psutil.Process().children() == before
    json.loads(lab.part.read_bytes())


def test_importing_the_engine_is_cheap() -> None:
    """Importing the engine does not import papermill, which takes seconds."""
    code = "import sys, futurscam_lib.runner.engine; print({'papermill', 'nbformat', 'zmq'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_what_a_kernel_sends_becomes_a_valid_notebook() -> None:
    """Lone surrogates, numbers where text belongs, missing parts: the file is a notebook that any reader takes."""
    notebook = notebook_of("print('a')")
    notebook.cells[1].outputs = nbformat.from_dict(
        [
            {"output_type": "stream", "name": "stdout", "text": "a\ud800b"},
            {
                "output_type": "display_data",
                "data": {"text/html": 5, "application/json": {"\udfff": 1}},
                "metadata": None,
            },
            {"output_type": "error", "ename": None, "evalue": "\ud800", "traceback": None},
        ]
    )

    published = publishable(notebook, Redactor(["code", "stdout", "text/html"]))

    nbformat.validate(published)
    to_bytes(published).decode()
    assert published.cells[1].outputs[0].text == "a?b"


def test_a_picture_stays_a_picture() -> None:
    """A short secret that occurs by chance in base64 is left; a picture whose bytes hold a secret is emptied."""
    notebook = notebook_of("1")
    chance, holds = "abcd" * 12, "eCBodW50ZXIyMiB4"  # The latter is "x hunter22 x".
    notebook.cells[1].outputs = [
        nbformat.v4.new_output("display_data", data={"image/png": text}) for text in (chance, holds)
    ]

    published = publishable(notebook, Redactor(["abcd", "hunter22"]))

    assert [output.data["image/png"] for output in published.cells[1].outputs] == [chance, ""]


HOSTILE = (
    "</pre><script>alert(1)</script> [x](javascript:alert(1)) **b** `c` <b>\n\n"
    "# Big $\\href{javascript:alert(2)}{x}$\n\x1b[31mred\x00"
)


def test_a_headline_stays_text(lab: Lab) -> None:
    """Error texts may quote a payload: a browser shows them as text, never as markup."""
    lab.final.parent.mkdir(parents=True)
    nbformat.write(notebook_of("1"), lab.part)

    notebook = lab.finish("failed", HOSTILE)

    notebook.cells = notebook.cells[:1]
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    (text,) = re.findall(r"<pre [^>]*>([^<]*)</pre>", page)
    assert html.unescape(text).split("\n") == [
        "</pre><script>alert(1)</script> [x](javascript:alert(1)) **b** `c` <b>",
        "# Big $\\href{javascript:alert(2)}{x}$",  # MathJax, too, leaves <pre> alone.
        "red",
    ]
    assert re.findall(r"<(script|b|strong|em|code|h1)\b", page) == []


def test_the_part_on_disk_is_not_read_back(lab: Lab) -> None:
    """The supervising process closes its own copy of the notebook."""
    execution = lab.run("print(word)")
    lab.part.write_bytes(lab.part.read_bytes().replace(b"given", b"FORGED"))
    digest = finish(lab.part, lab.final, status="ok", headline="x", notebook=execution.notebook)

    assert "given" in printed(nbformat.read(lab.final, as_version=4))
    assert "FORGED" not in lab.final.read_text("utf-8")
    assert hashlib.sha256(lab.final.read_bytes()).hexdigest() == digest
    assert execution.notebook.metadata.futurscam.status == "running"


def test_the_last_saved_notebook_is_passed_on_after_a_failure(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """`saved` gets the notebook, so the disk is not read again; it is not called if nothing was saved."""
    saves, saved_notebooks = iter(range(100)), []

    def write(path: Path, data: bytes) -> None:
        if next(saves) >= left:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr("futurscam_lib.runner.cell_states.write_atomically", write)
    left = 0
    with pytest.raises(OperatorMustAct):
        lab.run("1", saved=saved_notebooks.append)
    assert saved_notebooks == []

    left = 3
    with pytest.raises(OperatorMustAct):
        lab.run("1", saved=saved_notebooks.append)
    assert [to_bytes(notebook) for notebook in saved_notebooks] == [lab.part.read_bytes()]


def test_finish_replaces_the_status_cell(lab: Lab) -> None:
    """Closed twice (a kill between two steps), the notebook still begins with one status cell, the last."""
    lab.final.parent.mkdir(parents=True)
    nbformat.write(notebook_of("1"), lab.part)
    lab.finish("failed", "first")
    lab.final.rename(lab.part)

    notebook = lab.finish("crashed", "second")

    (status,) = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert re.sub(r"<[^>]*>", "", status) == "second"


@pytest.mark.parametrize(
    "content", [b"", b'{"cells": [', b"[]", b"{}", b"\xff\xfe", b'{"cells": [1], "nbformat": 4, "nbformat_minor": 5}']
)
def test_a_part_that_is_not_a_notebook_is_refused(lab: Lab, content: bytes) -> None:
    """The error names the part, which stays as it is."""
    lab.final.parent.mkdir(parents=True)
    lab.part.write_bytes(content)

    with pytest.raises(ValueError, match=r"r1\.ipynb\.part cannot be read as a notebook"):
        finish(lab.part, lab.final, status="crashed", headline="")
    assert lab.part.read_bytes() == content
    assert not lab.final.exists()
