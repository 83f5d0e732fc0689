"""Where an edit may change a picture."""

from dataclasses import dataclass

from PIL import Image

from retouch.core.errors import SettingsError


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """The part of a picture that an edit may change.

    mask: mode L, of the picture's size: 255 where it may, 0 where every pixel stays as it is, between where edges
        are soft.
    origin: how it came about, in words, for the record: "box 10,20,90,80", "phrase 'the lamp'".
    """

    mask: Image.Image
    origin: str

    def __post_init__(self) -> None:
        if self.mask.mode != "L":
            raise SettingsError(f"A region's mask is of mode {self.mask.mode}; expected one grey channel (mode L).")
