"""The study's page in a real browser, from the first key to the file of votes.

Needs Chromium and playwright. Where they are missing these tests fail, unless RETOUCH_WITHOUT_BROWSER=1 is set.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.study.answers import answered
from retouch.evaluation.study.count import count_votes
from retouch.evaluation.study.page import Wording, write_study
from retouch.evaluation.study.values import read_ballot, read_key

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(
    os.environ.get("RETOUCH_WITHOUT_BROWSER") == "1", reason="RETOUCH_WITHOUT_BROWSER=1: the page is not tried."
)


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    assert BROWSER, "Chromium is missing: apt-get install chromium, or set RETOUCH_WITHOUT_BROWSER=1."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def study(tmp_path: Path):
    picture = np.full((24, 32, 3), 128, np.uint8)
    cases = [BenchCase(id=f"case-{n}", kind="edit", instruction=f"<b>do</b> {n}", source=picture + n) for n in range(4)]
    for folder, colour in (("a", "red"), ("b", "blue")):
        (tmp_path / folder).mkdir()
        for case in cases:
            Image.new("RGB", (32, 24), colour).save(tmp_path / folder / f"{case.id}.png")
    found = answered(cases, tmp_path / "a", tmp_path / "b")
    return write_study(found, tmp_path / "study.html", names=("A", "B"), wording=Wording(), checks=1, seed=0)


@pytest.fixture
def opened(chromium, study) -> Iterator:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, accept_downloads=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or problems.append("online"))
    page.goto(study.page.as_uri())
    yield page
    assert problems == []
    context.close()


def test_a_whole_study_by_keyboard_prefers_the_red_ones(opened, study, tmp_path: Path) -> None:
    red = """() => { const picture = document.getElementById('left'), canvas = document.createElement('canvas');
    return picture.decode().then(() => { const pen = canvas.getContext('2d'); pen.drawImage(picture, 0, 0);
    const [r, , b] = pen.getImageData(1, 1, 1, 1).data; return r > b }) }"""
    opened.fill("#name", "Ann B.")
    opened.keyboard.press("Enter")
    key = read_key(study.key)
    for trial in key.trials:
        assert opened.inner_text("#instruction").startswith("<b>do</b>")
        assert opened.evaluate(red) == (trial.left == "a")
        arrow = "ArrowDown" if trial.check == "identical" else "ArrowLeft" if trial.left == "a" else "ArrowRight"
        opened.keyboard.press(arrow)
    with opened.expect_download() as saved:
        opened.click("#save")
    assert saved.value.suggested_filename == "votes-ann-b.json"
    saved.value.save_as(tmp_path / "votes.json")
    found = count_votes(key, [read_ballot(tmp_path / "votes.json")])
    assert (found.tallies[0].a, found.tallies[0].b) == (4, 0)
    assert (found.raters[0].rater, found.raters[0].passed) == ("Ann B.", 1)


def test_progress_stays_and_a_vote_can_be_taken_back(opened) -> None:
    opened.click("text=Start")
    opened.click("[data-choice=left]")
    opened.click("[data-choice=same]")
    assert opened.inner_text("#place") == "3 of 6"
    opened.reload()
    assert opened.inner_text("#place") == "3 of 6"
    opened.keyboard.press("Backspace")
    assert opened.inner_text("#place") == "2 of 6"
    opened.click("#back")
    assert opened.is_disabled("#back")


def test_the_page_fits_a_phone_and_everything_has_a_name(opened) -> None:
    opened.click("text=Start")
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    unnamed = "[...document.querySelectorAll('button')].filter(b => !b.innerText.trim() && !b.ariaLabel).length"
    assert opened.evaluate(unnamed) == 0
    opened.click("[data-enlarge=left]")
    assert opened.is_visible("#large-picture")
    opened.keyboard.press("ArrowLeft")
    opened.keyboard.press("Escape")
    assert opened.inner_text("#place") == "1 of 6"
    before = opened.get_attribute("#left", "src")
    opened.keyboard.down("o")
    assert opened.get_attribute("#left", "src") == opened.get_attribute("#source", "src") != before
    opened.keyboard.up("o")
    assert opened.get_attribute("#left", "src") == before
