"""Where something comes that an instruction puts to a place: the place, grown to the side that its preposition says."""

import math
import re
from dataclasses import dataclass

from retouch.grounding.shapes import Growth, Shape, grown


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Prepositions, and how far the region goes to each side, in parts of the picture's side.

    As measured on additions to rooms: what comes is about 0.2 wide and 0.25 high, whatever it is put to.
    """

    words: tuple[str, ...]
    left: float = 0.0
    up: float = 0.0
    right: float = 0.0
    down: float = 0.0
    leaves_place: bool = False
    """Whether what comes stands clear of the place, which then may not change."""


_ANYWHERE = _Side(words=(), left=0.1, up=0.16, right=0.1, down=0.05)
# The longest first, as "on the left of" begins like "on".
_SIDES: tuple[_Side, ...] = (
    _Side(words=("left of", "left side of"), left=0.38, up=0.12, down=0.1, leaves_place=True),
    _Side(words=("right of", "right side of"), right=0.38, up=0.12, down=0.1, leaves_place=True),
    _Side(words=("in front of",), left=0.06, right=0.06, down=0.15),
    _Side(
        words=("next to", "beside", "near", "by", "close to", "alongside", "around"),
        left=0.3, up=0.12, right=0.3, down=0.14,
    ),
    _Side(words=("under", "underneath", "below", "beneath"), left=0.1, right=0.1, down=0.08),
    _Side(words=("above", "over", "behind"), left=0.05, up=0.38, right=0.05, leaves_place=True),
    _Side(words=("on top of", "on", "onto", "upon", "atop"), left=0.05, up=0.16, right=0.05),
    _Side(words=("in", "into", "inside", "within", "against", "across", "at")),
)  # fmt: skip
_SIDE_IN_PHRASE = re.compile(r"(?:the )?(?:left|right)(?: side)? of\b")


def growth_of(text: str, phrase: str, shape: Shape) -> Growth:
    """How far the shape of a place grows, in pixels, by the word that stands before its phrase in the text.

    "on the table" goes up by 0.16 of the picture's side (the root of its area) and "above the sofa" by 0.38; where no
    known word stands there, a little to all sides.
    """
    return _growth(_side(text, phrase), shape)


def where_it_comes(text: str, phrase: str, shape: Shape) -> Shape:
    """The region of what comes: the place and what is within reach, or, above it and to one side, the latter alone."""
    side = _side(text, phrase)
    reached = grown(shape, _growth(side, shape))
    beyond = reached & ~shape
    return beyond if side.leaves_place and beyond.any() else reached


def _growth(side: _Side, shape: Shape) -> Growth:
    unit = math.sqrt(shape.size)
    left, up, right, down = (round(share * unit) for share in (side.left, side.up, side.right, side.down))
    return Growth(left=left, up=up, right=right, down=down)


def _side(text: str, phrase: str) -> _Side:
    phrase, text = (" ".join(each.lower().split()) for each in (phrase, text))
    # The last mention is the place: in "a stool left of the stool" the first one is what comes.
    mentions = list(re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", text))
    before = text[: mentions[-1].start()] if mentions else ""
    own = _SIDE_IN_PHRASE.match(phrase)
    if own:
        before += own.group()
    for side in _SIDES:
        for words in side.words:
            if re.search(rf"(?:^|\W){words}(?: the| a| an)?\s*$", before):
                return side
    return _ANYWHERE
