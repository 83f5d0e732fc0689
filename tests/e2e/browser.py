"""The built page in the system's Chromium, for tests: what is needed, and somebody who looks at it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright
from tests.server.living import Living

from retouch.server.page import PAGE, has_page

WITHOUT = "RETOUCH_WITHOUT_PAGE"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
_FAULTS = """rules => axe.run(document, {runOnly: rules}).then(found => found.violations.map(
    one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 160)).join(" | ")))"""


def build_page() -> None:
    """Bring the page up to date with its sources where npm is there; fail in a sentence where there is no page."""
    if shutil.which("npm"):
        command = ["make", "--silent", "-C", str(ROOT), "web"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_plain_environment())
        assert done.returncode == 0, f"The page could not be built: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert has_page(), f"{PAGE} is missing: install Node 20.19 or newer with npm, or set {WITHOUT}=1."


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    assert CHROMIUM, f"Chromium is missing: apt-get install chromium, or set {WITHOUT}=1."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@dataclass
class Visitor:
    """Somebody at a page; `problems` has what no visit may have: errors of scripts, requests of other hosts."""

    page: Page
    address: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("console", self._said)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address + "/", "data:", "blob:")):
            self.problems.append(f"asked: {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
            self.problems.append(f"said: {message.text}")

    def room(self, title: str) -> Locator:
        """A room of the gallery."""
        rooms = self.page.get_by_label("Begin a design").get_by_role("button")
        return rooms.filter(has=self.page.get_by_text(title, exact=True))

    def begin(self, room: str) -> None:
        """Take a room of the gallery."""
        self.page.goto(self.address)
        self.room(room).click()
        expect(self.nodes).to_have_count(1)

    @property
    def nodes(self) -> Locator:
        """All pictures of the tree that are shown."""
        return self.page.get_by_role("treeitem")

    @property
    def pictures(self) -> Locator:
        """Those that are made."""
        return self.page.locator("[role=treeitem] img[src*=thumbnail]")

    @property
    def selected(self) -> Locator:
        """The picture that is selected."""
        return self.page.locator("[role=treeitem][aria-selected=true]")

    def node(self, words: str) -> Locator:
        """The picture that is spoken of in these words first."""
        return self.page.locator(f'[role=treeitem][aria-label^="{words}"]')

    def say(self, words: str) -> None:
        """Branch from what is selected, by keyboard alone."""
        self.selected.press("Enter")
        expect(self.page.get_by_role("textbox", name="What should change")).to_be_focused()
        self.page.keyboard.type(words)
        self.page.keyboard.press("Enter")

    def ask(self, words: str, made: int) -> None:
        """`say`, and wait until so many pictures are made."""
        self.say(words)
        expect(self.pictures).to_have_count(made, timeout=30_000)

    def faults(self) -> list[str]:
        """What axe finds against WCAG 2.1 AA in what is shown."""
        assert AXE.is_file(), f"{AXE} is missing: make web, or set {WITHOUT}=1."
        # Evaluated, not added as an element, which the page's policy refuses.
        self.page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        return self.page.evaluate(_FAULTS, _RULES)


@contextmanager
def visiting(
    browser: Browser, server: Living, *, width: int = 1440, height: int = 900, scheme: str = "light"
) -> Iterator[Visitor]:
    """A fresh browser's visit of somebody whom the server knows already; nothing may have gone wrong at its end."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        accept_downloads=True,
    )
    for cookie in server.client.cookies.jar:
        context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": server.address}])
    visitor = Visitor(page=context.new_page(), address=server.address)
    visitor.page.set_default_timeout(20_000)
    yield visitor
    context.close()
    assert visitor.problems == []
