"""The frame of a page that opens anywhere and needs nothing else: its head, shared style and sections."""

import base64
from collections.abc import Sequence
from pathlib import Path

from retouch.core.markup import Markup, joined, tag

_STYLE = Path(__file__).with_name("page.css")


def document(body: Sequence[Markup | None], *, title: str, style: str, script: str = "") -> str:
    """The whole of a page in one text, dark or light as its reader likes it.

    `style` and `script` are files of the package, and nothing of a user's, for they are not escaped.
    """
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(_STYLE.read_text(encoding="utf-8") + style)),
    ]
    foot = tag("script", Markup(script)) if script else None
    page = tag("html", tag("head", *head), tag("body", tag("main", *body), foot), lang="en")
    return f"<!doctype html>\n{page.text}\n"


def section(title: str, lead: str | Markup, *parts: Markup | None) -> Markup:
    """A part of a page under a heading, with a sentence on what it shows."""
    return tag("section", tag("h2", title), tag("p", lead, class_="lead"), joined(parts))


def jpeg_address(data: bytes) -> str:
    """A JPEG as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
