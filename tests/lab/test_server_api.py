"""The JupyterLab of `futurscam lab`, tested through its API and in a browser."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

import futurscam_lib
from futurscam_lib import clock, settings
from futurscam_lib.runner import runner
from futurscam_lib.runner.request import Request
from tests.browser import chromium
from tests.lab.lab_server import SECONDS, Kernel, Lab, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from pymongo import MongoClient

    from futurscam_lib.settings import Settings

DEMO = Path(futurscam_lib.__file__).parent / "cli" / "demo_inbox"
NAMED = ("etl", "review", "explore")


@pytest.fixture(scope="module")
def environ(
    tmp_path_factory: pytest.TempPathFactory, mongod_uri: str, mongo_client: MongoClient[dict[str, Any]]
) -> Iterator[dict[str, str]]:
    """Environment of a home with its own database; removed at the end."""
    folder, name = tmp_path_factory.mktemp("lab"), f"test_{uuid.uuid4().hex}"
    home = folder / "Le Bureau d'été #1"
    shutil.copytree(DEMO, home / "inbox")
    _decoys(folder)
    try:
        yield environment(folder, FUTURSCAM_HOME=str(home), FUTURSCAM_DB=name, MONGO_URI=mongod_uri)
    finally:
        mongo_client.drop_database(name)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def configured(environ: dict[str, str]) -> Settings:
    """Its settings."""
    return settings.load(environ)


@pytest.fixture(scope="module")
def executed(environ: dict[str, str], configured: Settings) -> Path:
    """The executed notebook of a run that loaded the demo's inbox."""
    result = runner.run(configured, Request(since=clock.EPOCH), kernel_env=environ)
    assert result.notebook
    return Path(result.notebook)


@pytest.fixture(scope="module")
def lab(environ: dict[str, str], executed: Path) -> Iterator[Lab]:
    """The server; at the end, checks that it exits with code 0 and leaves no process."""
    assert executed.is_file()
    started = Lab.start(env=environ)
    try:
        yield started
    finally:
        assert started.stop() == 0


def _decoys(folder: Path) -> None:
    """A user's configuration: another kernel of the same name, and a Jupyter without a token."""
    kernel = folder / "jupyter-data" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["no-such-python", "{connection_file}"], "display_name": "Decoy", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), "utf-8")
    config = folder / "jupyter-config"
    config.mkdir()
    careless = {
        "ServerApp": {"ip": "0.0.0.0", "token": "", "root_dir": str(folder)},  # noqa: S104 - the decoy
        "IdentityProvider": {"token": ""},
        "LabApp": {"news_url": "http://127.0.0.1:1/feed.xml", "extension_manager": "pypi"},
    }
    (config / "jupyter_server_config.json").write_text(json.dumps(careless), "utf-8")


def inside_runs(executed: Path, configured: Settings) -> str:
    """The server's path of an executed notebook."""
    return f"runs/{executed.relative_to(configured.runs).as_posix()}"


def test_the_page_makes_no_network_requests(lab: Lab) -> None:
    """/lab is the application; news, update checks and the installation of extensions are off."""
    page = lab.client.get("/lab/tree/lab")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    start = page.text.index(">", page.text.index('id="jupyter-config-data"')) + 1
    data = json.loads(page.text[start : page.text.index("</script>", start)])
    assert data["news"] == {"disabled": True}
    assert data["extensionManager"]["can_install"] is False
    assert lab.client.get("/lab/api/update").json()["notification"] is None


@pytest.mark.parametrize("path", ["/api/contents/lab", "/api/sessions", "/api/kernelspecs", "/api/terminals"])
def test_access_needs_the_token(lab: Lab, path: str) -> None:
    """Even if the user's own configuration allows access without a token."""
    assert httpx.get(f"{lab.url}{path}").status_code == 403
    assert lab.client.get(path).status_code == 200


def test_a_working_copy_can_be_saved(lab: Lab, configured: Settings) -> None:
    """The three copies are listed; one is opened, changed and saved under another name, with a checkpoint."""
    listed = {entry["name"] for entry in lab.contents("lab").json()["content"]}
    assert listed == {f"{name}.ipynb" for name in NAMED}

    model = lab.contents("lab/etl.ipynb").json()
    assert model["writable"]
    model["content"]["cells"][0]["source"] = "# Mine"
    saved = lab.contents("lab/mine.ipynb", method="PUT", json={"type": "notebook", "content": model["content"]})

    assert saved.status_code == 201
    kept = configured.home / "lab" / "mine.ipynb"
    assert json.loads(kept.read_bytes())["cells"][0]["source"] in ("# Mine", ["# Mine"])
    assert len(lab.contents("lab/mine.ipynb/checkpoints").json()) == 1
    kept.unlink()  # Not by the server, which moves it to the trash of the person who runs the tests.


@pytest.mark.parametrize("named", ["python3", "a-kernel-of-another-machine"])
def test_the_kernel_is_the_servers_own_interpreter(lab: Lab, configured: Settings, named: str) -> None:
    """Whatever python3 kernel the user has, and whatever kernel an older notebook names."""
    specs = lab.client.get("/api/kernelspecs").json()["kernelspecs"]
    assert {name: spec["spec"]["display_name"] for name, spec in specs.items()} == {"python3": "Python 3"}

    with Kernel(lab, "lab/etl.ipynb", name=named) as kernel:
        shown = kernel.run("import os, sys; print(sys.executable, sys.flags.utf8_mode, os.environ['FUTURSCAM_HOME'])")

    assert shown == [
        {"output_type": "stream", "name": "stdout", "text": f"{sys.executable} 1 {configured.home}\n"},
    ]


@pytest.mark.parametrize("name", NAMED)
def test_run_all_cells(lab: Lab, name: str) -> None:
    """Each of the three notebooks runs without an error and has output in nearly all cells."""
    outputs = lab.run_cells(f"lab/{name}.ipynb")

    faults = {cell: entry for cell, shown in outputs.items() for entry in shown if entry["output_type"] == "error"}
    assert faults == {}
    assert sum(bool(shown) for shown in outputs.values()) >= len(outputs) - 2


def test_a_rerun_shows_changes_and_then_applies_them(
    lab: Lab, configured: Settings, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """A dry run shows the changed fields with old and new values; the applied run is marked as loaded by hand."""
    rfps = mongo_client[configured.database]["RFP"]
    post = configured.inbox / "jobpost_JobPostModelToSupplierV1_60001.json"
    data = json.loads(post.read_bytes())
    job, before = str(data["id"]), rfps.find_one({"job_id": str(data["id"])})
    assert before
    later = data | {"name": "A <b>better</b> title", "timeStamp": clock.to_text(clock.now())}
    post.write_text(json.dumps(later), "utf-8")

    dry = {cell: repr(shown) for cell, shown in lab.run_cells("lab/etl.ipynb").items()}

    assert "set dry_run = False in the cell Parameters" in dry["load"]
    assert all(text in dry["updated"] for text in ("roleTitle", before["roleTitle"], "better", "would be updated"))
    assert rfps.find_one({"job_id": job}) == before

    wet = lab.run_cells("lab/etl.ipynb", replacing=("dry_run: bool = True", "dry_run: bool = False"))

    after = rfps.find_one({"job_id": job}) or {}
    assert "better" in after["roleTitle"]
    assert after["_etl"]["run_id"].startswith("interactive-")
    assert f"labelled {after['_etl']['run_id']}" in repr(wet["load"])


def test_an_executed_notebook_is_read_only(lab: Lab, executed: Path, configured: Settings) -> None:
    """Saving it, as Jupyter does automatically, is refused with a remedy that works."""
    before = _fingerprint(configured.runs)
    path = inside_runs(executed, configured)
    model = lab.contents(path).json()
    assert model["content"]["cells"]
    assert not model["writable"]

    body = {"type": "notebook", "content": model["content"]}
    refused = lab.contents(path, method="PUT", json=body)

    assert refused.status_code == 403
    assert refused.json()["message"].startswith("This is the audit log")
    assert "Save Notebook As" in refused.json()["message"]
    assert lab.contents("lab/a copy.ipynb", method="PUT", json=body).status_code == 201
    assert lab.contents("lab", method="POST", json={"copy_from": path}).status_code == 201
    assert _fingerprint(configured.runs) == before
    for copied in ("a copy.ipynb", executed.name):
        (configured.home / "lab" / copied).unlink()


def test_nothing_else_writes_into_the_audit_log(lab: Lab, executed: Path, configured: Settings) -> None:
    """Restoring, renaming, deleting, uploading, new files and folders: each is refused, and nothing changes."""
    before = _fingerprint(configured.runs)
    path = inside_runs(executed, configured)
    text = {"type": "file", "format": "text", "content": "x"}
    assert lab.contents(f"{path}/checkpoints", method="POST").status_code == 201  # kept outside the log
    tried = [
        lab.contents(f"{path}/checkpoints/checkpoint", method="POST"),
        lab.contents(path, method="PATCH", json={"path": "lab/moved.ipynb"}),
        lab.contents("lab/etl.ipynb", method="PATCH", json={"path": "runs/moved.ipynb"}),
        lab.contents("runs", method="PATCH", json={"path": "gone"}),
        lab.contents(path, method="DELETE"),
        lab.contents("runs", method="DELETE"),
        lab.contents("runs/upload.txt", method="PUT", json=text),
        lab.contents("runs/upload.txt", method="PUT", json={**text, "chunk": 1}),
        lab.contents("lab/../runs/upload.txt", method="PUT", json=text),
        lab.contents("runs", method="POST", json={"type": "notebook"}),
        lab.contents("runs", method="POST", json={"type": "directory"}),
        lab.contents("runs", method="POST", json={"copy_from": "lab/etl.ipynb"}),
    ]

    assert [answer.status_code for answer in tried] == [403] * len(tried)
    assert _fingerprint(configured.runs) == before


def test_run_all_in_a_browser(lab: Lab) -> None:
    """After Run > Run All Cells, the hint how to apply the changes is below the load."""
    with _browser(lab, "/lab/tree/lab/etl.ipynb") as page:
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name=re.compile("^Run All Cells")).click()
        page.get_by_text("To apply it, set dry_run = False in the cell Parameters").wait_for(state="attached")


def test_an_executed_notebook_in_a_browser(lab: Lab, executed: Path, configured: Settings) -> None:
    """It opens as read-only and is not marked as changed, so Jupyter does not offer to save it."""
    with _browser(lab, f"/lab/workspaces/audit/tree/{inside_runs(executed, configured)}") as page:
        page.get_by_text("notebook is read-only").wait_for()
        assert page.get_by_text("One run of FuturScam ETL").count()
        assert page.locator(".jp-mod-dirty").count() == 0
        page.get_by_role("menuitem", name="Edit", exact=True).click()
        page.get_by_role("menuitem", name=re.compile("^Cut Cell")).click()
        page.locator(".jp-mod-dirty").first.wait_for(state="attached")


def test_a_run_in_the_review_opens_its_executed_notebook(lab: Lab, executed: Path, configured: Settings) -> None:
    """A click on its name opens the executed notebook in a new tab."""
    path = configured.home / "lab" / "review.ipynb"
    outputs = lab.run_cells("lab/review.ipynb")
    notebook = json.loads(path.read_bytes())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{k: v for k, v in entry.items() if k != "transient"} for entry in outputs[cell["id"]]]
    path.write_text(json.dumps(notebook), "utf-8")

    with _browser(lab, "/lab/workspaces/review/tree/lab/review.ipynb") as page:
        page.locator(".jp-RenderedHTMLCommon a", has_text=executed.stem).first.click()
        page.locator(".jp-NotebookPanel:visible h1", has_text="One run").wait_for()
        assert page.get_by_role("tab", name=executed.name).is_visible()


@contextmanager
def _browser(lab: Lab, path: str) -> Iterator[Page]:
    """A page with a ready kernel; checks that no request leaves the machine, and that no news prompt appears."""
    with chromium() as seen:
        page = seen.page
        page.set_default_timeout(SECONDS * 1000)
        page.goto(f"{lab.url}{path}?token={lab.token}")
        page.get_by_text("Python 3 | Idle").wait_for()
        yield page
        assert page.get_by_text("Jupyter news").count() == 0
    hosts = {urlsplit(address).hostname for address in seen.requests if not address.startswith("data:")}
    assert hosts == {"127.0.0.1"}
    assert (seen.dialogs, seen.errors) == ([], [])


def _fingerprint(folder: Path) -> dict[str, str]:
    """Everything in a folder, with a hash of its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }
