"""The page in a real browser on a running server: from a room of the gallery to a server that was killed and came back.

Needs Chromium, and Node where the page is not built. Where they are missing these tests fail, unless
RETOUCH_WITHOUT_PAGE=1 is set.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect
from tests.e2e.browser import WITHOUT, Visitor, visiting
from tests.server.living import Living, begin, living

from retouch.server.rooms import gallery_rooms

pytestmark = pytest.mark.skipif(os.environ.get(WITHOUT) == "1", reason=f"{WITHOUT}=1: the page is not tried.")
ROOM = gallery_rooms()[0]
FIRST = ROOM.suggestions[0]
STEPS = {"RETOUCH_SERVER_STEP_SECONDS": "0.25"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("page"), "--fake", environment=STEPS) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, server: Living) -> Iterator[Visitor]:
    with visiting(browser, server) as somebody:
        yield somebody


def test_from_the_gallery_through_the_tree_by_keyboard(visitor: Visitor) -> None:
    visitor.begin(ROOM.title)
    page = visitor.page
    page.get_by_role("button", name=FIRST, exact=True).click()
    expect(page.locator("[role=treeitem] img[src^=data]")).to_be_visible()
    expect(visitor.pictures).to_have_count(2)
    expect(visitor.node(FIRST)).to_be_focused()

    visitor.ask("paint it blue", made=3)
    expect(visitor.selected).to_have_attribute("aria-label", "paint it blue")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(visitor.selected).to_have_attribute("aria-level", "1")
    visitor.ask("paint it red", made=4)
    page.keyboard.press("ArrowLeft")
    expect(visitor.node(FIRST)).to_be_focused()

    page.keyboard.press("s")
    expect(visitor.node(f"{FIRST}, starred")).to_be_visible()
    page.keyboard.press("Backspace")
    expect(visitor.nodes).to_have_count(2)
    page.keyboard.press("z")
    expect(visitor.nodes).to_have_count(4)
    page.keyboard.press("Shift+Z")
    expect(visitor.nodes).to_have_count(2)
    page.get_by_role("button", name="Show pruned").click()
    visitor.node(FIRST).click()
    page.keyboard.press("r")
    expect(page.get_by_role("button", name="Show pruned")).to_have_count(0)
    expect(visitor.nodes).to_have_count(4)
    page.reload()
    expect(visitor.pictures).to_have_count(4)
    expect(visitor.node(f"{FIRST}, starred")).to_be_visible()


def test_variations_compared_replayed_exported_and_brought_in(visitor: Visitor, tmp_path: Path) -> None:
    visitor.begin(ROOM.title)
    page = visitor.page
    page.get_by_role("button", name="1 picture").click()
    page.get_by_role("menuitem", name="3 variations").click()
    visitor.ask("make it bright", made=4)
    page.keyboard.press("ArrowRight")
    expect(visitor.selected).to_have_attribute("aria-label", "Variation 2, make it bright")

    page.keyboard.press("c")
    divider = page.get_by_role("slider", name="Where the two pictures part")
    expect(divider).to_be_focused()
    before = int(divider.get_attribute("aria-valuenow") or "")
    page.keyboard.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", str(before + 1))
    page.get_by_text("Difference", exact=True).click()
    expect(page.get_by_text("pixels differ")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Replay").click()
    page.get_by_role("menuitem", name="In one edit of the first").click()
    expect(visitor.pictures).to_have_count(5)

    page.goto(visitor.address)
    page.get_by_role("button", name=f"More for {ROOM.title}", exact=True).first.click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Export").click()
    archive = tmp_path / "design.zip"
    saved.value.save_as(archive)
    page.keyboard.press("Escape")
    page.locator("input[accept*=zip]").set_input_files(archive)
    expect(visitor.pictures).to_have_count(5)
    expect(visitor.node("Variation 3, make it bright")).to_be_visible()


def test_two_pictures_are_marked_compared_and_saved_by_the_keys(visitor: Visitor) -> None:
    visitor.begin(ROOM.title)
    page = visitor.page
    expect(visitor.selected).to_be_focused()
    visitor.ask("paint it blue", made=2)
    page.keyboard.press("ArrowUp")
    visitor.ask("paint it red", made=3)
    page.keyboard.press("m")
    page.keyboard.press("ArrowLeft")
    expect(visitor.node("paint it blue")).to_be_focused()
    page.keyboard.press("c")
    expect(page.get_by_role("slider", name="Where the two pictures part")).to_be_focused()
    assert len(set(page.url.split("compare=")[1].split("&")[0].split("."))) == 2
    page.keyboard.press("Escape")
    expect(visitor.node("paint it blue")).to_be_focused()
    with page.expect_download() as saved:
        page.keyboard.press("d")
    assert saved.value.suggested_filename.endswith(".png")


def test_what_is_not_to_be_had_is_said(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    page.goto(visitor.address)
    junk = tmp_path / "junk.png"
    junk.write_bytes(b"no picture")
    page.get_by_label("Begin a design").locator("input[type=file]").set_input_files(junk)
    expect(page.get_by_role("alert")).to_contain_text("PNG, JPEG")
    visitor.begin(ROOM.title)
    visitor.say("fail")
    expect(visitor.node("fail, failed")).to_be_visible()
    expect(page.get_by_label("Ask for an edit")).to_contain_text("asked to fail")


def test_a_killed_server_comes_back_and_nothing_is_lost(browser: Browser, tmp_path: Path) -> None:
    environment = {"RETOUCH_SERVER_STEP_SECONDS": "0.6"}
    killed = begin(tmp_path / "data", "--fake", environment=environment, enter=False)
    with visiting(browser, killed) as visitor:
        page = visitor.page
        page.goto(f"{killed.address}/?token={killed.token}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert "token" not in page.url
        visitor.begin(ROOM.title)
        visitor.ask("paint it blue", made=2)
        visitor.say("paint it red")
        expect(page.locator("[role=treeitem] progress")).to_be_visible()
        killed.end(signal.SIGKILL)
        expect(page.get_by_text("Reconnecting")).to_be_visible()
        port = str(urlsplit(killed.address).port)
        again = begin(tmp_path / "data", "--fake", "--port", port, environment=environment, enter=False)
        try:
            expect(page.get_by_text("Reconnecting")).to_have_count(0, timeout=40_000)
            expect(visitor.pictures).to_have_count(3, timeout=40_000)
            expect(visitor.node("paint it red")).to_be_visible()
            visitor.ask("paint it green", made=4)
        finally:
            again.end()


@pytest.mark.slow
def test_the_first_edit_with_the_pocket_model(browser: Browser, tmp_path: Path) -> None:
    patient = {"RETOUCH_SERVER_LEASE_SECONDS": "60", "RETOUCH_SERVER_PREVIEW_SECONDS": "0.2"}
    with living(tmp_path / "data", environment=patient) as server, visiting(browser, server) as visitor:
        visitor.begin(ROOM.title)
        page = visitor.page
        page.get_by_role("button", name=FIRST, exact=True).click()
        expect(page.locator("[role=treeitem] img[src^=data]")).to_be_visible(timeout=120_000)
        expect(visitor.pictures).to_have_count(2, timeout=120_000)
        expect(visitor.node(FIRST)).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_axe_finds_nothing_and_nothing_is_cut_off(
    browser: Browser, server: Living, width: int, height: int, scheme: str
) -> None:
    with visiting(browser, server, width=width, height=height, scheme=scheme) as visitor:
        page = visitor.page
        page.goto(visitor.address)
        expect(visitor.room(ROOM.title)).to_be_visible()
        _look(visitor, width)
        visitor.begin(ROOM.title)
        page.get_by_role("button", name=FIRST, exact=True).click()
        expect(visitor.pictures).to_have_count(2)
        _look(visitor, width)
        page.get_by_role("button", name="Whole picture").click()
        page.get_by_role("dialog").get_by_text("Brush", exact=True).first.click()
        page.get_by_role("button", name="Its edge").click()
        _look(visitor, width)
        page.keyboard.press("Escape")
        visitor.selected.press("c")
        expect(page.get_by_role("slider", name="Where the two pictures part")).to_be_visible()
        _look(visitor, width)


def _look(visitor: Visitor, width: int) -> None:
    assert visitor.faults() == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
