"""The colours and materials a room is made of, and which colours no pocket checkpoint ever sees."""

from typing import Literal

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "white": (240, 240, 236),
    "black": (28, 28, 30),
    "grey": (128, 128, 130),
    "red": (190, 30, 35),
    "orange": (232, 118, 24),
    "yellow": (240, 200, 40),
    "green": (46, 140, 60),
    "olive": (110, 112, 50),
    "teal": (0, 112, 118),
    "blue": (40, 98, 196),
    "navy": (24, 34, 88),
    "purple": (112, 52, 150),
    "pink": (238, 140, 170),
    "brown": (112, 70, 42),
    "beige": (216, 196, 160),
    "turquoise": (64, 208, 196),
    "burgundy": (104, 16, 40),
}
"""sRGB of every colour name, reserved ones included."""

RESERVED_COLOURS: tuple[str, ...] = ("turquoise", "burgundy")
"""Kept out of all pocket training data, so that specialising to something unseen can be shown."""

TRAINED_COLOURS: tuple[str, ...] = tuple(name for name in COLOURS if name not in RESERVED_COLOURS)

Material = Literal["fabric", "wood", "metal", "marble", "glass", "leather"]
MATERIALS: tuple[Material, ...] = ("fabric", "wood", "metal", "marble", "glass", "leather")

NATURAL_COLOURS: dict[str, str] = {"wood": "brown", "metal": "grey", "marble": "white", "glass": "white"}
"""The colour a material takes when an edit names the material only; fabric and leather keep theirs."""
