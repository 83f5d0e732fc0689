"""What a user may set for an edit that keeps to a region."""

import math
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from retouch.core.errors import SettingsError

MAXIMUM_PIXELS = 1000
"""How far a region can be grown, shrunk or feathered."""
TRAIN_TIMESTEPS = 1000.0
MAXIMUM_WEIGHT = 10_000.0
MAXIMUM_WIDENINGS = 10

SourceLatents = Literal["renoise", "invert"]
Attending = Literal["off", "avoid", "favour"]
Zoom = Literal["auto", "off"]


@dataclass(frozen=True, kw_only=True)
class RegionSettings:
    """How an edit keeps to its region; None means the general default.

    grow: pixels of the input by which the region grows first, or shrinks where negative; 0.
    feather: pixels of the input, inside the region, over which the result turns into the input; as many as make two
        of the model's.
    blend: (start, end), when the source's latents stand outside the region: numbers up to 1 are fractions of the noise
        schedule, a start above 1 makes both train timesteps of 1000; (100, 1). An end of 1 or less holds to the last.
    source: whether those latents are the source's with noise added, or DDIM-inverted.
    widenings: how many times a thin region is widened while there is noise, less and less so; 0.
    attend: inside the region, whether the layers that read the text are kept from tokens that are not of the edit
        ("avoid"), drawn to those that are ("favour"), or let be ("off").
    attend_weight: what is taken from or added to the logits there, in 0…10000; 10000, which no weight outlives.
    zoom: whether a small region is edited in an enlarged crop.

    Raises SettingsError.
    """

    grow: int | None = None
    feather: int | None = None
    blend: tuple[float, float] | None = None
    source: SourceLatents | None = None
    widenings: int | None = None
    attend: Attending | None = None
    attend_weight: float | None = None
    zoom: Zoom | None = None

    def __post_init__(self) -> None:
        _check_whole("grow", self.grow, -MAXIMUM_PIXELS)
        _check_whole("feather", self.feather, 0)
        _check_whole("widenings", self.widenings, 0, MAXIMUM_WIDENINGS)
        _check_weight(self.attend_weight)
        _check_blend(self.blend)
        for name, kind in (("source", SourceLatents), ("attend", Attending), ("zoom", Zoom)):
            _check_choice(name, getattr(self, name), get_args(kind))

    def over(self, others: "RegionSettings") -> "RegionSettings":
        """These settings with every None taken from others."""
        missing = (entry.name for entry in fields(self) if getattr(self, entry.name) is None)
        return replace(self, **{name: getattr(others, name) for name in missing})

    def resolve(self) -> "RegionSettings":
        """These settings with nothing left open but the feather, which depends on the picture."""
        return self.over(GENERAL_REGION_DEFAULTS)

    @property
    def blend_fractions(self) -> tuple[float, float]:
        """The resolved blend range (start, end) as fractions of the noise schedule, 1 being pure noise."""
        start, end = self.blend or DEFAULT_BLEND
        scale = TRAIN_TIMESTEPS if start > 1 else 1.0
        return start / scale, end / scale

    @property
    def blends_to_the_end(self) -> bool:
        """Whether what comes out of the loop is the source outside the region, so that all else there is a shift."""
        return self.blend_fractions[1] <= 1 / TRAIN_TIMESTEPS


def parse_blend(text: str) -> tuple[float, float]:
    """START:END as two numbers; raises SettingsError."""
    try:
        start, end = (float(part) for part in text.split(":"))
    except ValueError as problem:
        raise SettingsError(f'The blend range is "{text}"; expected START:END such as 100:1 or 0.1:0.') from problem
    return RegionSettings(blend=(start, end)).blend or DEFAULT_BLEND


def _check_whole(name: str, value: object, low: int, high: int = MAXIMUM_PIXELS) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{name} is {value!r}; expected a whole number from {low} to {high}.")


def _check_weight(value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAXIMUM_WEIGHT:
        raise SettingsError(f"attend_weight is {value!r}; expected a number from 0 to {MAXIMUM_WEIGHT:g}.")


def _check_blend(value: object) -> None:
    if value is None:
        return
    numbers = value if isinstance(value, tuple) and len(value) == 2 else ()
    right = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n)]
    if len(right) != 2 or not TRAIN_TIMESTEPS >= right[0] >= right[1] >= 0:
        raise SettingsError(
            f"blend is {value!r}; expected (start, end) with start >= end, train timesteps of 1000 such as (100, 1) "
            "or fractions such as (0.1, 0)."
        )


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise SettingsError(f"{name} is {value!r}; expected one of {', '.join(choices)}.")


DEFAULT_BLEND = (100.0, 1.0)
GENERAL_REGION_DEFAULTS = RegionSettings(
    grow=0,
    blend=DEFAULT_BLEND,
    source="renoise",
    widenings=0,
    attend="off",
    attend_weight=MAXIMUM_WEIGHT,
    zoom="auto",
)
