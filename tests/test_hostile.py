"""Hostile input stays data: a run over hostile payloads and file names."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bs4
import nbformat
import orjson
import pytest
from nbconvert import HTMLExporter

import futurscam_lib
from futurscam_lib import clock
from futurscam_lib.runner import runner
from futurscam_lib.runner.request import Request

# That nbconvert has nothing to show for a scrap is as it should be.
pytestmark = pytest.mark.filterwarnings("ignore:Your element with mimetype")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo.database import Database

    from futurscam_lib.settings import Settings

POST = Path(futurscam_lib.__file__).parent / "cli" / "demo_inbox" / "jobpost_JobPostModelToSupplierV1_60001.json"
ALERTS = {
    "script": "<script>alert(1)</script><ScRiPt src=//evil.example/x.js></sCrIpT>",
    "handler": '"><img src=x onerror=alert(1)><svg/onload=alert(1)><b onmouseover="alert(1)">',
    "quote": "' onfocus='alert(1)' autofocus x='",
    "breakout": "</pre></td></table></div></script></style></textarea><script>alert(1)</script>",
    "frame": '<iframe src="https://evil.example"></iframe><object data="//evil.example"></object><embed src=//e.be>',
    "picture": '<img src="https://evil.example/pixel.gif"><link rel=stylesheet href="//evil.example/x.css">',
    "link": '<a href="javascript:alert(1)">x</a> [x](javascript:alert(1)) javascript:alert(1)',
    "mathematics": "$\\href{javascript:alert(1)}{x}$ $$\\frac{$ \\(x\\) \\[x\\] \\begin{equation}x\\end{equation}",
    "template": "{{7*7}} {% raw %} ${7*7} %s %(x)s {0} `id` $(id)",
    "terminal": "\x1b[2J\x1b]0;pwned\x07 \u202etxet\u202c \x00 \u2028",
    "markdown": "# heading\n\n```\n<script>alert(1)</script>\n```\n![x](https://evil.example/x.png) <https://evil.example>",
}
MATHEMATICS = ("$\\href", "$$", "\\(x", "\\[x", "\\begin{equation}", "$x^2$")
DATES = {"timeStamp", "applicationDeadline", "publishDate", "startDate", "endDate"}

COMPANY = {"name", "department", "showDepartment", "street", "zipcode", "city", "region", "country"}
KEYS = {
    "": {
        *(
            "_id",
            "_etl",
            "job_id",
            "reference",
            "roleTitle",
            "role",
            "job_desc",
            "job_url",
            "seniority",
            "remoteOption",
            "isActive",
        ),
        *("RFP_type", "company", "conditions", "skills", "languages", "publishedAt", "deadlineAt", "serviceProvider"),
        *("questions", "metadata"),
    },
    "company": COMPANY,
    "conditions": {"dailyRate", "fixedMargin", "fromAt", "toAt", "startImmediately", "occupation"},
    "conditions.dailyRate": {"currency", "min", "max"},
    "skills": {"name", "seniority", "lastUsed"},
    "languages": {"language", "level"},
    "metadata": {"name", "mail", "role"},
    "_etl": {
        *("source", "source_id", "version", "content_hash", "transform_version", "raw_id", "first_run_id", "run_id"),
        *("first_seen_at", "changed_at"),
    },
}


def post(number: object, **changes: Any) -> dict[str, Any]:
    """A good post with its own id."""
    made: dict[str, Any] = json.loads(POST.read_bytes())
    return {**made, "id": f"hostile-{number}", **changes}


def with_text(value: Any, change: Callable[[str, str], str], name: str = "") -> Any:
    """Return a copy with every text changed."""
    if isinstance(value, dict):
        return {key: with_text(inner, change, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_text(inner, change, name) for inner in value]
    return change(name, value) if isinstance(value, str) else value


def with_keys(value: Any) -> Any:
    """Return a copy in which every object also has keys with a meaning in MongoDB, JavaScript or Python."""
    if isinstance(value, list):
        return [with_keys(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    more = {"$where": "sleep(10000)", "$set": {"job_id": "pwned"}, "a.b": 1, "": 2, "__proto__": {"x": 1}, "_id": 1}
    return {**more, **{key: with_keys(inner) for key, inner in value.items()}, "_etl": {"version": "9"}, "\x00": 3}


def nested(depth: int) -> bytes:
    """Lists and objects in each other, as JSON."""
    return b'[{"a":' * (depth // 2) + b"null" + b"}]" * (depth // 2)


def saying(text: str, post: dict[str, Any]) -> bytes:
    """A post that begins with a text and has it in every field that may hold any text."""

    def change(name: str, value: str) -> str:
        return value if name in DATES or name == "id" else f"{text} {value} {text}"

    return orjson.dumps({text: text, **with_text(post, change)})


def documents() -> Iterator[tuple[str, bytes]]:
    """Files that become one document each."""
    for number, (kind, text) in enumerate(ALERTS.items()):
        yield f"text-{kind}.json", saying(text, post(f"text-{number}"))
    yield "keys.json", orjson.dumps(with_keys(post("keys")))
    for name in (
        "$where",
        "a.b.c",
        "__proto__",
        "'; db.dropDatabase(); '",
        "../../../etc/passwd",
        "<script>alert(2)</script>",
    ):
        yield f"id-{hashlib.sha256(name.encode()).hexdigest()[:8]}.json", orjson.dumps(post(0, id=name))
    deep = orjson.dumps(post("nested", extra="HERE")).replace(b'"HERE"', nested(300))
    yield "nested-300.json", deep
    big = orjson.dumps(post("numbers")).replace(b'"sequenceNumber":60001', b'"sequenceNumber":' + b"9" * 40)
    yield "numbers.json", big.replace(b'"minDailyRate":680.0', b'"minDailyRate":1e300')
    yield (
        "nul.json",
        orjson.dumps(post("nul", name="Null\x00 Terminator\x00")).replace(b"hostile-nul", b"hostile-\\u0000nul"),
    )
    yield "number-too-large.json", orjson.dumps(post("number-too-large")).replace(b"680.0", b"1e400")
    yield "digits.json", orjson.dumps(post("digits")).replace(b"60001}", b"9" * 5000 + b"}")
    yield "nan.json", orjson.dumps(post("nan")).replace(b"680.0", b"NaN")
    yield "infinity.json", orjson.dumps(post("infinity")).replace(b"680.0", b"-Infinity")
    yield "surrogate.json", orjson.dumps(post("surrogate")).replace(b'"name":"Senior', b'"name":"\\ud800 Senior')
    yield (
        "surrogate-bytes.json",
        orjson.dumps(post("surrogate-bytes")).replace(b'"name":"Senior', b'"name":"\xed\xa0\x80 Senior'),
    )
    yield "odd-keys.json", orjson.dumps({**with_keys(post("odd-keys")), "skillInfo": {"skills": {"$gt": ""}}})
    # Files are read by name, and these come first: they are the ones that the tables show.
    for number, (name, text) in enumerate(zip(NAMES, cycle(ALERTS.values()), strict=False)):
        yield name, saying(text, post(f"name-{number}"))
    weird = ["$\\frac{$", "普通话 \U0001f9d1\u200d\U0001f4bb", "\ue000\U0010ffff", "a" * 5000, "<svg onload=alert(1)>"]
    # Often enough to be drawn.
    skills = [{"name": name, "seniority": name} for name in weird] * 9
    yield "skills.json", orjson.dumps(post("skills", skillInfo={"skills": skills}))


def rejects() -> Iterator[tuple[str, bytes]]:
    """Files that become one reject each."""
    good = orjson.dumps(post("reject"))
    for number, (kind, text) in enumerate(ALERTS.items()):
        yield f"reject-date-{kind}.json", orjson.dumps(post(f"reject-{number}", timeStamp=text))
        yield f"reject-id-{kind}.json", orjson.dumps({**post(0), "id": {"$ne": text}, text: text})
        yield f"reject-broken-{kind}.json", f"{text} is no JSON".encode()
    yield "reject-nested.json", nested(5000)
    yield "reject-nul.json", good.replace(b'"name":"Senior', b'"name":"\x00 Senior')
    yield "reject-only-nul.json", b"\x00" * 100
    yield "reject-list.json", orjson.dumps([["<script>alert(3)</script>"]])
    yield "reject-long-id.json", orjson.dumps(post("x" * 300))
    yield "reject-future.json", orjson.dumps(post("future", timeStamp="9999-12-31T23:59:59Z"))


NAMES = [
    *("..json", "...json", "..a.json", "..\\..\\windows\\evil.json", "%2e%2e%2fevil.json", "con.json", "NUL.json"),
    *(
        "aux .json",
        "lpt1.json.json",
        "<img src=x onerror=alert(1)>.json",
        "$x^2$.json",
        "[x](javascript:alert(1)).json",
    ),
    *(
        "`id`.json",
        "$(id).json",
        "{{7*7}}.json",
        "a\nb.json",
        "\x1b[2J.json",
        "\u202enosj.json",
        "-rf.json",
        "'\";--.json",
    ),
]
if sys.platform != "linux":
    NAMES = [name for name in NAMES if not set(name) & set('<>:"/\\|?*\n\x1b') and name not in {"con.json", "NUL.json"}]


class Running(HTMLParser):
    """Collects what a browser would run or fetch for some HTML, each as a short text."""

    def __init__(self, html: str) -> None:
        """Parse at once."""
        super().__init__()
        self.found: Counter[str] = Counter()
        self.inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at a tag and its attributes."""
        self.inside = tag
        if tag in {
            "script",
            "iframe",
            "object",
            "embed",
            "link",
            "meta",
            "base",
            "form",
            "svg",
            "frame",
            "audio",
            "video",
        }:
            self.found[f"{tag} {dict(attrs)}"] += 1
        for name, value in attrs:
            address = "".join((value or "").split()).lower()
            if name.startswith("on") or "script:" in address or (name == "style" and "url" in address):
                self.found[f"{tag} {name}={value}"] += 1
            if name in {"src", "srcset", "data", "poster", "background"} and not address.startswith(
                "data:image/png;base64,"
            ):
                self.found[f"{tag} {name}={value}"] += 1

    def handle_data(self, data: str) -> None:
        """Record the text of a script."""
        if self.inside in {"script", "style"}:
            self.found[f"{self.inside}: {data}"] += 1

    def handle_endtag(self, tag: str) -> None:
        """Text behind a script is text."""
        if tag == self.inside:
            self.inside = ""


def typeset(html: str) -> list[str]:
    """Texts of a payload that MathJax would take for mathematics."""
    soup = bs4.BeautifulSoup(html, "html.parser")
    left_alone = {"script", "noscript", "style", "textarea", "pre", "code", "annotation", "annotation-xml", "title"}
    return [
        text
        for text in soup.find_all(string=True)
        if any(mark in text for mark in MATHEMATICS)
        and not any(p.name in left_alone or "tex2jax_ignore" in (p.get("class") or ()) for p in text.parents)
    ]


def assert_nothing_runs(notebook: Path, harmless: Path) -> None:
    """Rendered, the notebook runs and fetches what the same notebook does without any payload, and no more."""
    for template in ("lab", "classic"):
        html, plain = (
            HTMLExporter(template_name=template).from_notebook_node(nbformat.read(path, as_version=4))[0]
            for path in (notebook, harmless)
        )
        assert Running(html).found - Running(plain).found == Counter()
        assert typeset(html) == []


def keys_of(value: Any, place: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the place and the keys of each object of a document."""
    if isinstance(value, dict):
        yield place, frozenset(value)
        for key, inner in value.items():
            yield from keys_of(inner, f"{place}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner, place)


def texts_of(value: Any) -> Iterator[str]:
    """Every text of a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_of(inner)


@pytest.fixture
def harmless(home: Settings) -> Path:
    """The notebook of a run over an empty inbox."""
    home.inbox.mkdir()
    return runner.run(home, Request(dry_run=True)).notebook


def test_a_hostile_inbox_is_only_data(home: Settings, harmless: Path, database: Database[dict[str, Any]]) -> None:
    """Each file is a valid document or a reject, the run succeeds, and its notebook runs nothing in a browser."""
    good, bad = dict(documents()), dict(rejects())
    for name, data in (good | bad).items():
        (home.inbox / name).write_bytes(data)
    with (home.inbox / "reject-huge.json").open("wb") as file:
        file.write(b'{"id":"<script>alert(4)</script>","name":"')
        file.truncate(50_000_000)
    (home.inbox / "reject-cut.json").write_bytes(b'["<script>alert(5)</script>')
    (home.inbox / "<b>out<").symlink_to(home.home.parent, target_is_directory=True)

    result = runner.run(home, Request())

    assert (result.status, result.error) == ("ok", "")
    assert result.counts == {
        "extracted": len(good) + len(bad) + 2,
        "inserted": len(good),
        **dict.fromkeys(("updated", "unchanged", "stale"), 0),
        "rejected": len(bad) + 2,
        "dropped": 0,
    }

    made = {document["_etl"]["raw_id"]: document for document in database.RFP.find()}
    kept = [reject["origin"].partition("[")[0] for reject in database.RFP_rejects.find()]
    assert {name for name, data in good.items() if hashlib.sha256(data).hexdigest() not in made} == set()
    assert sorted(kept) == sorted([*bad, "reject-huge.json", "reject-cut.json"])
    assert database.RFP_raw.count_documents({}) == result.counts["extracted"]

    for document in made.values():
        assert [(place, keys ^ KEYS[place]) for place, keys in keys_of(document) if keys != KEYS[place]] == []
        assert Running(document["job_desc"]).found == Counter()
        assert "<img" not in document["job_desc"]
        assert document["job_url"].startswith("https://") or document["job_url"] == ""
        assert not any(character in text for text in texts_of(document) for character in "\x00\x1b\u202e")
    assert database.RFP.find_one({"job_id": "$where"}) is not None
    assert database.RFP.count_documents({"job_id": "hostile-nul"}) == 1
    assert "pwned" not in {document["job_id"] for document in made.values()}

    assert_nothing_runs(result.notebook, harmless)
    cells = {cell["id"]: json.dumps(cell) for cell in json.loads(result.notebook.read_bytes())["cells"]}
    shown = {"extract-sample", "transform", "transform-sample", "rejected", "inserted", "skills", "glue"}
    assert {name for name in shown if "alert(1)" not in cells[name]} == set()
    assert "$\\\\href" in cells["transform-sample"]


@pytest.mark.skipif(sys.platform != "linux", reason="a path longer than the system takes is made as Linux allows it")
def test_a_hostile_name_in_a_failure_is_only_text(home: Settings, harmless: Path) -> None:
    """A source's error about an unreadable file is shown at the top of the notebook, as text."""
    ugly = "<img src=x onerror=alert(1)> $x^2$ [x](javascript:alert(1)) "
    here = os.open(home.inbox, os.O_RDONLY)
    for _ in range(20):
        folder = ugly.replace("/", "") + "d" * 180
        os.mkdir(folder, dir_fd=here)
        inner = os.open(folder, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)

    result = runner.run(home, Request(since=clock.EPOCH))

    assert (result.status, int(result.exit_code)) == ("failed", 3)
    assert "onerror=alert(1)" in result.error
    assert_nothing_runs(result.notebook, harmless)
