"""No secret on disk or on the screen, wherever a run fails and whatever its notebook does."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from pymongo import MongoClient

from futurscam_lib.load import local_server
from futurscam_lib.runner import engine
from tests.runner.conftest import GLUE, SUMMARY, post, soon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.runner.conftest import Workshop

# Letters and digits stay what they are in every encoding, so this is found in whatever form a password is written.
CORE = "Zwiebel77kuchen"
PASSWORD = f"a@b/{CORE}?#[]% é+\"'&<x>\\"
ENCODED = quote(PASSWORD, safe="")
TELLS = """
import json, logging, os, sys, warnings, html
from urllib.parse import unquote
from futurscam_lib import settings
uri = settings.load().mongo_uri.get_secret_value()
password = uri.split("//")[1].split("@")[0].partition(":")[2]
forms = [uri, password, unquote(password), unquote(uri)]
for form in forms:
    print(form, repr(form), json.dumps(form), html.escape(form))
    print(form, file=sys.stderr)
    warnings.warn(form)
    logging.getLogger("papermill").error("%s", form)
    os.write(2, form.encode())
    display(form, {form: [form]})
    display({"text/html": f"<b>{html.escape(form)}</b>", "application/json": {form: form}}, raw=True)
"""
RAISES = TELLS + "\nraise ValueError(f'could not connect to {uri} with {unquote(password)}')"
DIES = TELLS + "\nos.write(2, f'fatal: {uri} {unquote(password)}'.encode())\nos._exit(7)"
GLUES = TELLS + "\nsummary['failures'] = {'folder': {'error': 'RetryLater', 'message': uri}}\n" + GLUE
DISAGREES = TELLS + "\nsummary['run_id'] = unquote(password)\n" + GLUE


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a mongod that asks for passwords; its user `admin` has that one."""
    folder = tmp_path_factory.mktemp("guarded")
    port = local_server._free_port()
    command: list[Any] = [
        *(local_server.mongod_binary(), "--auth", "--dbpath", folder, "--port", str(port)),
        *("--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25"),
        *(["--nounixsocket"] if os.name == "posix" else []),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
            client.admin.command("createUser", "admin", pwd=PASSWORD, roles=["root"])
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def check_silence(workshop: Workshop, *printed: str) -> None:
    """Neither what was printed nor any file of the home but `.env` holds the secret; a run wrote some."""
    for text in printed:
        assert CORE not in text
    telling = [
        name
        for name, data in workshop.files().items()
        if name != ".env" and any(CORE.encode(encoding) in data for encoding in ("ascii", "utf-16-le"))
    ]
    assert telling == []


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_run_that_connects_with_a_password(
    workshop: Workshop, guarded: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The run succeeds, and the password is only where the operator put it."""
    uri = f"mongodb://admin:{ENCODED}@{guarded}/?authSource=admin"
    monkeypatch.setenv("MONGO_URI", uri if place == "environment" else "")
    if place == ".env":
        (workshop.home / ".env").write_text(f'MONGO_URI="{uri}"\n', "utf-8")
    workshop.receive("new.jsonl", post("a"))
    workshop.project_notebook(before={"run": TELLS})

    done = workshop.command("run", "--json")

    assert done.returncode == 0, done.stderr
    others = [workshop.command(*words) for words in (("status",), ("config", "show"), ("db", "uri"))]
    assert [other.returncode for other in others] == [0, 0, 0]
    check_silence(workshop, *(text for one in (done, *others) for text in (one.stdout, one.stderr)))
    assert "***" in str(workshop.notebooks())


@pytest.mark.parametrize(
    ("uri", "exit_code"),
    [
        (f"mongodb://admin:{ENCODED}x@HOST/?authSource=admin", 4),
        (f"mongodb://admin:{ENCODED}@127.0.0.1:1/", 3),
        (f"mongodb://a:x@HOST/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:{CORE}", 4),
        (f"mongodb://HOST/?tls=true&tlsCertificateKeyFile=/none&tlsCertificateKeyFilePassword={CORE}%40", 2),
        (f"mongodb://admin:a/{CORE}@HOST/", 2),
        (f"mongodb://admin:{CORE}%zz@HOST/", 2),
        (f"mongodb://admin:{CORE}", 2),
        (f"http://admin:{CORE}@HOST/", 2),
    ],
)
def test_a_run_with_an_unusable_mongo_uri(
    workshop: Workshop, guarded: str, monkeypatch: pytest.MonkeyPatch, uri: str, exit_code: int
) -> None:
    """Wrong password, nobody there, options that do not fit, a password that was not encoded, no URI at all."""
    monkeypatch.setenv("MONGO_URI", uri.replace("HOST", guarded))
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "1")

    done = workshop.command("run")

    assert done.returncode == exit_code, done.stderr
    assert "MONGO_URI" in done.stderr or "MongoDB did not answer" in done.stderr
    assert "Traceback" not in done.stderr
    check_silence(workshop, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("cell", "exit_code"), [(RAISES, 1), (DIES, 1), (GLUES, 3), (DISAGREES, 1), (TELLS + "\nsys.exit(uri)", 1)]
)
def test_a_notebook_that_leaks_its_secret(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, cell: str, exit_code: int
) -> None:
    """Printed, shown, logged, raised, glued, printed at exit: nothing stored or printed contains the secret."""
    monkeypatch.setenv("MONGO_URI", f"mongodb://admin:{ENCODED}@127.0.0.1:1/")
    workshop.notebook(SUMMARY, cell)

    done = workshop.command("run")

    assert done.returncode == exit_code
    assert "***" in done.stderr
    check_silence(workshop, done.stdout, done.stderr)
    assert "***" in workshop.last.facts["error"]
    assert "***" in str(workshop.notebooks())


def test_a_run_that_was_killed(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had saved until then holds no secret either, nor does what the next run makes of it."""
    monkeypatch.setenv("MONGO_URI", f"mongodb://admin:{ENCODED}@127.0.0.1:1/")
    workshop.notebook(SUMMARY, TELLS, "open('waits', 'w').close()\nimport time\ntime.sleep(60)")
    process = workshop.start("run")
    soon((workshop.home / "waits").exists)
    process.kill()
    stdout, stderr = process.communicate()
    check_silence(workshop, stdout, stderr)

    workshop.notebook(SUMMARY, GLUE)
    done = workshop.command("run")

    assert done.returncode == 0
    assert len(workshop.notebooks()) == 2
    check_silence(workshop, done.stdout, done.stderr)


def test_an_error_of_the_runner_itself(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of the runner are in the ledger without secrets."""
    uri = f"mongodb://admin:{ENCODED}@127.0.0.1:1/"
    monkeypatch.setenv("MONGO_URI", uri)
    workshop.notebook(SUMMARY, GLUE)

    def execute(*_: object, **__: object) -> None:
        raise OSError(f"{uri} {PASSWORD}")

    monkeypatch.setattr(engine, "execute", execute)

    with pytest.raises(OSError, match=CORE):
        workshop.run()

    assert workshop.last.facts["error"] == "*** ***"
    check_silence(workshop)
