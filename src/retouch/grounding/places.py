"""Where something comes that an instruction puts to a place: the place, grown to the side that its preposition says."""

import re
from dataclasses import dataclass

from retouch.grounding.shapes import Growth, Shape, box_of, grown

REACH = 0.5
"""Of the place's width: about what a lamp, a vase or a plant takes up on what it stands on."""


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Prepositions, and how far the region goes to each side, in `REACH`."""

    words: tuple[str, ...]
    left: float = 0.0
    up: float = 0.0
    right: float = 0.0
    down: float = 0.0


_ABOUT = _Side(words=(), left=0.5, up=1.0, right=0.5, down=0.5)
# The longest first, as "on the left of" begins like "on".
_SIDES: tuple[_Side, ...] = (
    _Side(words=("to the left of", "on the left of", "on the left side of", "left of"), left=1.0),
    _Side(words=("to the right of", "on the right of", "on the right side of", "right of"), right=1.0),
    _Side(words=("in front of",), left=0.25, right=0.25, down=0.5),
    _Side(words=("next to", "beside", "near", "by", "close to", "alongside", "around"), left=1.0, up=0.5, right=1.0),
    _Side(words=("under", "underneath", "below", "beneath"), down=0.5),
    _Side(words=("above", "over", "behind"), up=1.5),
    _Side(words=("on top of", "on", "onto", "upon", "atop"), up=1.0),
    _Side(words=("in", "into", "inside", "within", "against", "across", "at")),
)


def growth_of(text: str, phrase: str, shape: Shape) -> Growth:
    """How far the shape of a place grows, in pixels, by the word that stands before its phrase in the text.

    "on the table" goes up by half of the table's width, "above the sofa" by three quarters, "next to the bed" by a half
    to both sides and a quarter up, "in the vase" nowhere; where no known word stands there, a little to all sides.
    """
    box = box_of(shape)
    if box is None:
        return Growth()
    side = _side(text, phrase)
    unit = REACH * (box[2] - box[0])
    left, up, right, down = (round(share * unit) for share in (side.left, side.up, side.right, side.down))
    return Growth(left=left, up=up, right=right, down=down)


def where_it_comes(text: str, phrase: str, shape: Shape) -> Shape:
    """The region of what comes: the place, and where it would reach beyond."""
    return grown(shape, growth_of(text, phrase, shape))


def _side(text: str, phrase: str) -> _Side:
    before = " ".join(text.lower().split()).partition(" ".join(phrase.lower().split()))[0]
    for side in _SIDES:
        for words in side.words:
            if re.search(rf"(?:^|\W){words}(?: the| a| an)?\s*$", before):
                return side
    return _ABOUT
