"""The pages in a real browser: function, security and accessibility."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.audit.history import History
from futurscam_lib.review.run_page import ensure
from futurscam_lib.runner import runner
from futurscam_lib.runner.request import Request
from tests.browser import DESK, PHONE, chromium
from tests.made_runs import MadeRuns, counts, executed
from tests.review import hostile
from tests.test_hostile import ALERTS, documents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    from futurscam_lib.settings import Settings

T0 = clock.parse("2026-11-02T08:05:00Z")
HOUR = timedelta(hours=1)
LONG = "abcdefghij" * 60

CONTRASTS = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts(colour).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("script")) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(back(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${element.outerHTML.slice(0, 80)}`);
  }
  return poor;
}"""


@pytest.fixture
def page(made: MadeRuns, written: Callable[..., Path]) -> Path:
    """The review of 14 runs, of which one failed and one is missing."""
    for number in range(14):
        if number == 5:
            continue
        sources = {"folder": counts(inserted=number * 200, rejected=number % 2)}
        reasons = {"reject_reasons": {"missing id": 1}, "oddities": {"seniority: Guru": 1}} if number % 2 else {}
        status = "failed" if number == 9 else "crashed" if number == 11 else "ok"
        made.add(
            T0 + number * HOUR,
            status=status,
            seconds=(number * 7) % 13 + 1,
            sources=sources,
            error="It broke." if status == "failed" else "",
            **reasons,
        )
    return written(T0 + 13.5 * HOUR)


def table(page: Page, caption: str) -> Locator:
    """The table whose caption begins with this text."""
    return page.locator("table", has=page.locator("caption", has_text=re.compile(f"^{caption}")))


def column(cells: Locator, number: int) -> list[str]:
    """The visible texts of one column."""
    return [text.strip() for text in cells.locator(f"tbody tr:visible td:nth-child({number})").all_inner_texts()]


def test_hostile_payloads_and_a_tampered_notebook_do_nothing(home: Settings) -> None:
    """In a real run, review and browser: no script, request, dialog or console error; links work."""
    home.inbox.mkdir()
    for name, data in documents():
        (home.inbox / name).write_bytes(data)
    (home.inbox / "reject.json").write_text(json.dumps({"name": ALERTS["script"]}), "utf-8")
    real = runner.run(home, Request(since=clock.EPOCH))
    assert real.status == "ok"
    bad = ALERTS["script"] + hostile.HTML["svg"]
    made = MadeRuns(home, clock.parse(real.watermark["after"]))
    tampered = made.add(
        clock.now(),
        status="failed",
        notebook=hostile.file(),
        error=bad,
        started_by=bad,
        reject_reasons={bad: 1},
        oddities={f"{bad}: {bad}": 1},
        sources={bad: counts(inserted=1)},
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "futurscam_lib", "review", "--json"],
        capture_output=True,
        encoding="utf-8",
        env=dict(os.environ),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    assert output["counts"]["runs"] == 2
    opened = [home.runs / "review.html", *(home.runs / "html" / f"{name}.html" for name in (real.run_id, tampered))]

    with chromium() as seen:
        for path in opened:
            seen.open(path)
            assert seen.page.evaluate("window.pwned") is None
            assert "alert(1)" in seen.page.inner_text("body")
            assert seen.page.locator("iframe, object, embed, svg, form, base, link, video").count() == 0
            assert seen.page.locator("script").count() == (1 if path == opened[0] else 0)
        seen.page.goto(opened[0].as_uri())
        table(seen.page, "Runs$").get_by_role("link", name=tampered).click()
        assert seen.page.url == opened[2].as_uri()
        for link in seen.page.locator("main a").all():
            assert (link.get_attribute("href") or "https://").startswith(("https://", "http://", "mailto:"))
        seen.page.get_by_role("link", name="All runs").click()
        assert seen.page.url == opened[0].as_uri()
        seen.assert_quiet(*opened)


def test_the_policy_blocks_scripts(made: MadeRuns) -> None:
    """A script that is inserted into a finished page does not run, because of the page's policy."""
    made.add(T0)
    path = ensure(made.settings, History.of(made.settings).find("last"))
    evil = '<script>window.pwned = 1</script><img src=x onerror="pwned=1"><img src="https://evil.example/x.png">'
    path.write_text(path.read_text("utf-8").replace("<main", f"{evil}<main"), "utf-8")

    with chromium() as seen:
        seen.page.goto(path.as_uri())
        assert seen.page.evaluate("window.pwned") is None
        assert set(seen.requests) - set(seen.blocked) == {path.as_uri()}
        assert len(seen.blocked) == 2
        assert len(seen.complaints) >= 4


def test_the_links_lead_to_the_runs_and_back(page: Path, made: MadeRuns) -> None:
    """From a finding to the page of the run, to the failed cell, and back."""
    failed = next(name for name in made.made if "T1705" in name)
    target = page.parent / "html" / f"{failed}.html"

    with chromium() as seen:
        seen.open(page)
        table(seen.page, "Findings").get_by_role("link", name=failed).click()
        assert seen.page.url == target.as_uri()
        assert seen.page.get_by_text("It broke.").count() == 1
        seen.page.get_by_role("link", name="To the failed cell").click()
        assert seen.page.locator(":target").inner_text().count("RetryLater") >= 1
        seen.page.get_by_role("link", name="All runs").click()
        assert seen.page.url == page.as_uri()
        for link in seen.page.locator("main a").all():
            assert (page.parent / str(link.get_attribute("href"))).is_file()
        seen.assert_quiet(page, target)


def test_a_table_sorts_and_filters(page: Path) -> None:
    """Numbers sort by value, durations by length, empty cells last; a filter keeps the rows with every word."""
    with chromium() as seen:
        seen.open(page)
        runs = table(seen.page, "Runs$")
        took = runs.get_by_role("button", name="took")
        took.click()
        assert column(runs, 4) == [*(f"{number} s" for number in (1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12)), ""]
        assert runs.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
        took.click()
        assert column(runs, 4) == [*(f"{number} s" for number in (12, 11, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)), ""]
        assert runs.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
        runs.get_by_role("button", name="extracted").click()
        cells = column(runs, 5)
        assert cells[:-1] == sorted(cells[:-1], key=lambda text: int(text.replace(",", "")))
        assert runs.locator("th[aria-sort]").count() == 1
        runs.get_by_role("button", name="status").click()
        assert column(runs, 3) == ["crashed", "failed", *["ok"] * 11]
        field = seen.page.get_by_label("Filter Runs", exact=True)
        field.fill("FAILED 17:05")
        assert column(runs, 3) == ["failed"]
        assert seen.page.locator(".filter", has=field).get_by_role("status").inner_text() == "1 of 13"
        field.fill("nowhere")
        assert column(runs, 3) == []
        field.fill("")
        assert len(column(runs, 3)) == 13
        seen.assert_quiet(page)


def test_the_keyboard_reaches_everything(page: Path) -> None:
    """Tab reaches the skip link first, then fields, headers and links; the focus is visible."""
    with chromium() as seen:
        seen.open(page)
        seen.page.keyboard.press("Tab")
        assert focused(seen.page) == "Skip to the content"
        assert seen.page.locator(".skip").bounding_box()["y"] >= 0
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("document.activeElement.id") == "main"
        tab_to(seen.page, "Filter Runs")
        seen.page.keyboard.type("ok")
        runs = table(seen.page, "Runs$")
        assert set(column(runs, 3)) == {"ok"}
        tab_to(seen.page, "took")
        outline = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        seen.page.keyboard.press("Enter")
        cells = column(runs, 4)
        assert cells == sorted(cells, key=lambda text: int(text.split()[0]))
        seen.page.keyboard.press("Space")
        assert column(runs, 4) == cells[::-1]
        tab_to(seen.page, column(runs, 2)[0])
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_url("**/html/*.html")


def focused(page: Page) -> str:
    """The name of the element that has the focus."""
    name = "const e = document.activeElement; return e.labels?.length ? e.labels[0].textContent : e.textContent"
    return " ".join(str(page.evaluate(f"(() => {{ {name} }})()")).split())


def tab_to(page: Page, name: str) -> None:
    """Press Tab until this element has the focus."""
    for _ in range(300):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    pytest.fail(f"Tab never reached {name}.")


def test_a_phone_shows_it_without_scrolling_sideways(made: MadeRuns, written: Callable[..., Path]) -> None:
    """Tables scroll inside their boxes, even with long words."""
    shown = executed("failed", {}, text=LONG)
    last = made.add(T0, status="failed", error=LONG, notebook=shown, started_by=LONG, oddities={f"a: {LONG}": 1})
    made.add(T0 + HOUR, sources={LONG: counts(inserted=1)})
    page = written(T0 + 2 * HOUR)

    with chromium(size=PHONE) as seen:
        for path in (page, page.parent / "html" / f"{last}.html"):
            seen.open(path)
            assert not seen.is_too_wide()
        seen.open(page)
        box = seen.page.locator(".scroll", has=table(seen.page, "Runs by hour"))
        assert box.evaluate("e => e.scrollWidth > e.clientWidth && e.tabIndex === 0")
        seen.assert_quiet(page, page.parent / "html" / f"{last}.html")


@pytest.mark.parametrize("width", [1000, 1130, 1280])
def test_a_desktop_shows_all_hours_of_a_day(made: MadeRuns, written: Callable[..., Path], width: int) -> None:
    """All 24 columns fit on the screen, and no word is cut or overlaps the next."""
    for hour in range(24):
        for minute in range(12 if hour in {3, 9} else 1):
            made.add(T0 + hour * HOUR + minute * HOUR / 20, status="failed" if minute % 2 or hour == 15 else "ok")
    page = written(T0 + 64 * HOUR)

    with chromium(size={"width": width, "height": 900}) as seen:
        seen.open(page)
        box = seen.page.locator(".scroll", has=table(seen.page, "Runs by hour"))
        texts = set(box.locator("td").all_inner_texts())
        assert {"ok", "none", "failed", "6/12 failed"} <= {" ".join(text.split()) for text in texts}
        assert box.evaluate("e => e.scrollWidth <= e.clientWidth")
        assert box.locator("td").evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth).length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark(page: Path, made: MadeRuns, scheme: str) -> None:
    """The page follows the system's colour scheme, and all text has enough contrast (WCAG AA)."""
    run = page.parent / "html" / f"{made.made[8]}.html"
    made_of: list[Any] = []
    with chromium(scheme=scheme) as seen:
        for path in (page, run):
            seen.open(path)
            made_of += seen.page.evaluate(CONTRASTS)
            background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[scheme]
    assert made_of == []


def test_it_works_without_scripts(page: Path) -> None:
    """The same tables and links, without sorting and filtering."""
    with chromium(scripts=False) as seen:
        seen.page.goto(page.as_uri())
        assert len(column(table(seen.page, "Runs$"), 1)) == 13
        assert seen.page.locator("button, input").count() == 0


def test_a_screen_reader_can_navigate(page: Path, made: MadeRuns) -> None:
    """Landmarks, headings in order, captions, column headers, descriptions of pictures, and a language."""
    run = page.parent / "html" / f"{made.made[0]}.html"
    with chromium(size=DESK) as seen:
        for path in (page, run):
            seen.open(path)
            names = seen.page.locator(":is(h1,h2,h3,h4,h5,h6)").evaluate_all("all => all.map(e => e.tagName)")
            levels = [int(name[1]) for name in names]
            assert levels[0] == 1
            assert levels.count(1) == 1
            assert all(after <= before + 1 for before, after in pairwise(levels))
            assert seen.page.locator("header").count() == seen.page.locator("main").count() == 1
            assert seen.page.get_attribute("html", "lang") == "en"
        seen.open(page)
        assert seen.page.locator("table").count() == seen.page.locator("table > caption").count() >= 9
        assert seen.page.locator("th:not([scope])").count() == 0
        pictures = seen.page.locator("main img").all()
        assert len(pictures) == 2
        assert all((picture.get_attribute("alt") or "").count(": ") >= 1 for picture in pictures)
        assert all(picture.evaluate("e => e.naturalWidth") > 100 for picture in pictures)
