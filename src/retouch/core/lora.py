"""A LoRA as somebody names it: a file or folder, and how strongly it counts."""

from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import SettingsError

MAXIMUM_SCALE = 10.0


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Low-rank updates in `source`, a .safetensors file or a folder with one, multiplied by `scale` in −10…10.

    Raises SettingsError.
    """

    source: str
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not -MAXIMUM_SCALE <= self.scale <= MAXIMUM_SCALE:
            raise SettingsError(
                f"The scale of the LoRA '{self.source}' is {self.scale}; "
                f"expected a number from {-MAXIMUM_SCALE:g} to {MAXIMUM_SCALE:g}."
            )

    @property
    def label(self) -> str:
        """`NAME:SCALE`, by the name alone, which says nothing of this machine."""
        return f"{Path(self.source).expanduser().resolve().name}:{self.scale}"


def parse_lora(text: str) -> Lora:
    """FILE or FILE:SCALE; what follows the last colon counts as the scale where it is a number.

    Raises:
        SettingsError: the text names no file, or the scale is out of range.
    """
    source, colon, scale = text.rpartition(":")
    number = _number(scale) if colon else None
    lora = Lora(source=text) if number is None else Lora(source=source, scale=number)
    if not lora.source:
        raise SettingsError(
            f"The LoRA '{text}' names no file; expected FILE or FILE:SCALE, such as style.safetensors:0.8."
        )
    return lora


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
