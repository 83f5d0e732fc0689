"""The words of a picture that is flipped from left to right."""

import re

_SIDES = re.compile(r"(?<![A-Za-z])(left|right)(?=most|-hand|(?![A-Za-z]))", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left", "Left": "Right", "Right": "Left", "LEFT": "RIGHT", "RIGHT": "LEFT"}


def mirrored(text: str) -> str:
    """The text with the words for left and right exchanged; doing it twice gives the text back."""
    return _SIDES.sub(lambda found: _OTHER.get(found.group(), _OTHER[found.group().lower()]), text)


def mentions_side(text: str) -> bool:
    """Whether a text names left or right, so that a flipped picture needs other words."""
    return _SIDES.search(text) is not None
