"""The page's region dialog by the keys alone, what an edit is told of its edge, and drafts that outlive a reload."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.e2e.browser import WITHOUT, Visitor, visiting
from tests.server.living import Json, Living, living

from retouch.server.rooms import gallery_rooms

pytestmark = pytest.mark.skipif(os.environ.get(WITHOUT) == "1", reason=f"{WITHOUT}=1: the page is not tried.")
ROOM = gallery_rooms()[0]
EXAMPLE = Path(__file__).parents[2] / "examples" / "bedroom.png"
DIALOG = "Where should it change?"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("region"), "--fake") as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, server: Living) -> Iterator[Visitor]:
    with visiting(browser, server) as somebody:
        somebody.begin(ROOM.title)
        yield somebody


def asked(server: Living, page: Page, words: str) -> Json:
    """The request of the picture that was asked for with these words."""
    project = re.search(r"designs/(\w+)", page.url)
    assert project
    nodes = server.tree(project[1])["nodes"]
    return next(node["request"] for node in nodes if node["request"] and node["request"]["instruction"] == words)


def opened(page: Page, tool: str) -> Locator:
    page.get_by_label("Ask for an edit").get_by_role("button", name="Whole picture").click()
    dialog = page.get_by_role("dialog", name=DIALOG)
    dialog.get_by_text(tool, exact=True).first.click()
    return dialog


def pressed(slider: Locator, key: str, times: int) -> None:
    for _ in range(times):
        slider.press(key)


def test_a_region_is_painted_by_the_keys_and_its_edge_is_asked_for_again(visitor: Visitor, server: Living) -> None:
    page = visitor.page
    dialog = opened(page, "Brush")
    dialog.get_by_role("button", name="Draw with the keys").click()
    stage = dialog.get_by_role("application")
    expect(stage).to_be_focused()
    for key in ("Space", "Shift+ArrowRight", "ArrowDown", "]", "Space"):
        page.keyboard.press(key)
    expect(stage.get_by_role("status")).to_have_text(re.compile(r"Lifted: \d+ across, \d+ down"))
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Its edge").click()
    pressed(dialog.get_by_role("slider", name="Grow or shrink"), "ArrowRight", 3)
    pressed(dialog.get_by_role("slider", name="Soft edge"), "ArrowRight", 5)
    assert visitor.faults() == []
    dialog.get_by_role("button", name="Use this").click()
    expect(page.get_by_role("textbox", name="What should change")).to_be_focused()
    visitor.ask("paint it", made=2)

    request = asked(server, page, "paint it")
    assert request["region"]["kind"] == "mask"
    assert (request["settings"]["region"]["grow"], request["settings"]["region"]["feather"]) == (3, 5)
    details = page.get_by_label("Details of the picture")
    expect(details.get_by_text("3 px", exact=True)).to_be_visible()
    expect(details.get_by_text("5 px", exact=True)).to_be_visible()
    page.get_by_role("button", name="Again with").click()
    page.get_by_role("button", name="a painted area").click()
    expect(dialog.get_by_role("slider", name="Grow or shrink")).to_have_attribute("aria-valuenow", "3")


def test_a_box_and_an_object_are_chosen_by_the_keys(visitor: Visitor) -> None:
    dialog = opened(visitor.page, "Box")
    stage = dialog.get_by_role("application")
    stage.focus()
    for key in ("Space", "Shift+ArrowRight", "Shift+ArrowDown", "Space", "ArrowLeft"):
        visitor.page.keyboard.press(key)
    edges = [int(dialog.get_by_label(name).input_value()) for name in ("Left", "Top", "Right", "Bottom")]
    assert edges[2] - edges[0] == edges[3] - edges[1] >= 8
    dialog.get_by_text("Click", exact=True).click()
    stage.press("Enter")
    expect(dialog.get_by_text("Found:")).to_be_visible()


def test_a_draft_outlives_a_reload_until_it_is_sent(visitor: Visitor, server: Living) -> None:
    page = visitor.page
    dialog = opened(page, "Find by name")
    dialog.get_by_label("What to find").fill("the sofa")
    dialog.get_by_role("button", name="Use this").click()
    page.get_by_label("Ask for an edit").locator("input[type=file]").set_input_files(EXAMPLE)
    page.get_by_role("button", name="How it is followed").click()
    pressed(page.get_by_role("slider", name="The words beside it"), "ArrowLeft", 4)
    words = page.get_by_role("textbox", name="What should change")
    words.fill("put it there")
    page.reload()
    expect(words).to_have_value("put it there")
    expect(page.get_by_role("img", name="Reference 1")).to_be_visible()
    expect(page.get_by_role("button", name="“the sofa”")).to_be_visible()
    words.press("Enter")
    expect(visitor.pictures).to_have_count(2, timeout=30_000)
    request = asked(server, page, "put it there")
    assert request["settings"]["reference"]["words"] == pytest.approx(0.6)
    assert request["region"]["phrase"] == "the sofa"
    visitor.selected.press("ArrowUp")
    page.reload()
    expect(words).to_have_value("")
    expect(page.get_by_role("img", name="Reference 1")).to_have_count(0)


def test_what_a_draft_names_and_the_server_lost_is_said(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_label("Ask for an edit").locator("input[type=file]").set_input_files(EXAMPLE)
    expect(page.get_by_role("img", name="Reference 1")).to_be_visible()
    page.evaluate(
        """() => Object.keys(localStorage).filter(key => key.startsWith("retouch-draft-")).forEach(key =>
        localStorage.setItem(key, localStorage.getItem(key).replace(/"upload":"\\w+"/, '"upload":"lost"')))"""
    )
    page.reload()
    expect(page.get_by_text("no longer on the server")).to_be_visible()
    expect(page.get_by_role("img", name="Reference 1")).to_have_count(0)
