"""Pieces of HTML and SVG in which every text is escaped: only what is made here counts as markup."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

_VOID = ("meta", "img", "rect", "line", "path")


@dataclass(frozen=True)
class Markup:
    """Text that is markup already."""

    text: str


Child = Markup | str | int | None


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """An element; children that are no markup are escaped, None is left out.

    Attributes are named as in Python: `class_` for class, `aria_label` for aria-label.
    """
    opened = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{opened}/>")
    return Markup(f"<{name}{opened}>{joined(children).text}</{name}>")


def joined(children: Iterable[Child]) -> Markup:
    """Several pieces as one."""
    return Markup("".join(_text(child) for child in children if child is not None))


def _text(child: Markup | str | int) -> str:
    return child.text if isinstance(child, Markup) else escape(str(child))


def _number(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
