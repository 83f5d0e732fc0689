"""The browser that all visits to the page share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.e2e.browser import build_page, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, with the page built."""
    build_page()
    with chromium() as started:
        yield started
