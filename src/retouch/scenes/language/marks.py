"""Marks inside a text that say what its parts name, put in while it is composed and taken out when it is done."""

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["TARGET", "NEW", "ATTRIBUTE", "PLACE"]

_LETTERS: dict[str, Role] = {"T": "TARGET", "N": "NEW", "A": "ATTRIBUTE", "P": "PLACE"}
# Private use: no text of ours has them.
_OPEN, _CLOSE, _STEP, _STEP_END = "\ue000", "\ue001", "\ue002", "\ue003"
_MARKS = re.compile(f"{_OPEN}[TNAP]|[{_CLOSE}{_STEP}{_STEP_END}]")
_BEFORE_PLACES = re.compile(r"(?:(?:to|on) )?(?:the )?(?:left|right) of |.*?\b(?=the )")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Characters `start` to `end` (exclusive) of a text, and what they name."""

    start: int
    end: int
    role: Role


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A text, its parts in order, and where each of its steps lies in it, (start, end)."""

    text: str
    parts: tuple[Part, ...]
    steps: tuple[tuple[int, int], ...]


def mark(text: str, role: Role) -> str:
    """The text with marks around it; an article at the start of how something looks stays outside."""
    article = next((a for a in ("a ", "an ") if role == "ATTRIBUTE" and text.startswith(a)), "")
    return f"{article}{_OPEN}{role[0]}{text.removeprefix(article)}{_CLOSE}" if text else text


def mark_place(text: str) -> str:
    """A place in words with marks around what it is told by: "on ⟨the table⟩"; without "the" it is left alone."""
    found = _BEFORE_PLACES.match(text)
    return text if found is None else text[: found.end()] + mark(text[found.end() :], "PLACE")


def mark_unmarked(text: str, pattern: str, role: Role) -> str:
    """Mark every match of a pattern that lies outside the marks there are."""
    pieces = re.split(f"({_OPEN}[^{_CLOSE}]*{_CLOSE})", text)
    return "".join(
        piece if piece.startswith(_OPEN) else re.sub(pattern, lambda found: mark(found.group(), role), piece)
        for piece in pieces
    )


def mark_step(text: str) -> str:
    """The text with marks around it as one step of a longer one."""
    return f"{_STEP}{text}{_STEP_END}"


def without_marks(text: str) -> str:
    """The text alone."""
    return _MARKS.sub("", text)


def read_marks(text: str) -> Marked:
    """Take the marks out of a text; one without steps is one step itself."""
    plain, parts, steps, position = "", [], [], 0
    opened: tuple[int, Role] | None = None
    step = 0
    for found in _MARKS.finditer(text):
        plain += text[position : found.start()]
        position, sign = found.end(), found.group()[0]
        if sign == _OPEN:
            opened = len(plain), _LETTERS[found.group()[1]]
        elif sign == _CLOSE and opened is not None:
            parts.append(Part(start=opened[0], end=len(plain), role=opened[1]))
        elif sign == _STEP:
            step = len(plain)
        elif sign == _STEP_END:
            steps.append((step, len(plain)))
    plain += text[position:]
    return Marked(text=plain, parts=tuple(parts), steps=tuple(steps) or ((0, len(plain)),))
