"""What a user may set for one edit, validated, and the request that carries it."""

from dataclasses import dataclass, field, fields, replace

from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.reference_settings import ReferenceSettings
from retouch.core.region_settings import RegionSettings
from retouch.core.seeds import MAXIMUM_SEED

MAXIMUM_STEPS = 1000
MAXIMUM_GUIDANCE = 100.0
MAXIMUM_COUNT = 64
MAXIMUM_TEXT = 10_000
MAXIMUM_REUSE = 10
SCHEDULERS = ("euler-ancestral", "euler", "ddim", "dpm++", "unipc", "pndm", "lcm")
"""Names of the schedulers; `retouch.diffusion.schedules` makes them."""
ALL_FINE_LAYERS = 10
"""More than the finest level of a network has."""


@dataclass(frozen=True, kw_only=True)
class EditSettings:
    """The settings of one edit; None means the model's own default.

    `steps` in 1…1000; `scheduler` one of `SCHEDULERS`; `text_guidance` s_T and
    `image_guidance` s_I in 0…100; `guidance_interval` (start, end) as fractions of the run in
    which guidance acts; `negative` the text of the branch without the instruction, `negative_image`
    the text of the branch without the image; `seed` in 0…2**63 − 1; `keep_detail` whether the input's own
    detail comes along, None: where the input is larger than the model sees it; `region` how an edit that has a
    region keeps to it; `reference` how one that has references follows them; `reuse` 1…10: the network's coarse levels
    are computed every so many steps, and in between its last `fine_layers` 1…10, of the finest level, which has two or
    three, at most; `profile` one of `PROFILES`, which sets what is open for speed. For a model that
    fills regions by example, `text_guidance` is the guidance by the reference, s. Raises SettingsError.
    """

    steps: int | None = None
    scheduler: str | None = None
    text_guidance: float | None = None
    image_guidance: float | None = None
    guidance_interval: tuple[float, float] | None = None
    negative: str | None = None
    negative_image: str | None = None
    seed: int | None = None
    keep_detail: bool | None = None
    region: RegionSettings | None = None
    reference: ReferenceSettings | None = None
    reuse: int | None = None
    fine_layers: int | None = None
    profile: str | None = None

    def __post_init__(self) -> None:
        _check_integer("steps", self.steps, 1, MAXIMUM_STEPS)
        _check_integer("seed", self.seed, 0, MAXIMUM_SEED)
        _check_number("text_guidance", self.text_guidance, 0.0, MAXIMUM_GUIDANCE)
        _check_number("image_guidance", self.image_guidance, 0.0, MAXIMUM_GUIDANCE)
        _check_interval(self.guidance_interval)
        if self.keep_detail not in (None, True, False):
            raise SettingsError(f"keep_detail is {self.keep_detail!r}; expected True, False or None.")
        if not isinstance(self.region, RegionSettings | None):
            raise SettingsError(f"region is {self.region!r}; expected RegionSettings, or None.")
        if not isinstance(self.reference, ReferenceSettings | None):
            raise SettingsError(f"reference is {self.reference!r}; expected ReferenceSettings, or None.")
        _check_integer("reuse", self.reuse, 1, MAXIMUM_REUSE)
        _check_integer("fine_layers", self.fine_layers, 1, ALL_FINE_LAYERS)
        if self.profile is not None and self.profile not in PROFILES:
            raise SettingsError(f"The profile is {self.profile!r}; choose one of {', '.join(PROFILES)}.")
        for name in ("scheduler", "negative", "negative_image"):
            _check_text(name, getattr(self, name))
        if self.scheduler is not None:
            check_scheduler(self.scheduler)

    def resolve(self, defaults: "EditSettings") -> "EditSettings":
        """These settings with every None taken from the profile, then `defaults`, then from the general ones.

        The general ones: guidance during the whole run, empty negative texts, seed 0, nothing reused; those of a
        region are filled in where there is one.
        """
        quick = self if self.profile is None else _fill(self, _of_profile(PROFILES[self.profile], defaults))
        return _fill(_fill(quick, defaults), GENERAL_DEFAULTS)


def check_scheduler(name: str) -> None:
    """Raise SettingsError where a scheduler's name is none of `SCHEDULERS`."""
    if name not in SCHEDULERS:
        raise SettingsError(f"The scheduler '{name}' is unknown; choose one of {', '.join(SCHEDULERS)}.")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How speed is bought: the share of a model's own steps, at least `least` of them, every how many steps the network
    is computed whole, and how many of its last layers in between."""

    share: float = 1.0
    least: int = 1
    reuse: int = 1
    fine_layers: int = ALL_FINE_LAYERS


PROFILES: dict[str, Profile] = {
    "exact": Profile(),
    "balanced": Profile(reuse=2),
    "fast": Profile(share=0.35, least=2, reuse=3, fine_layers=1),
}
"""The profiles by name; `bench/fidelity.py` measures what each costs."""


def _of_profile(profile: Profile, defaults: EditSettings) -> EditSettings:
    own = defaults.steps
    steps = None if own is None else min(own, max(profile.least, round(profile.share * own)))
    return EditSettings(steps=steps, reuse=profile.reuse, fine_layers=profile.fine_layers)


def _fill(settings: EditSettings, defaults: EditSettings) -> EditSettings:
    missing = (entry.name for entry in fields(settings) if getattr(settings, entry.name) is None)
    filled = replace(settings, **{name: getattr(defaults, name) for name in missing})
    if settings.region is not None and defaults.region is not None:
        filled = replace(filled, region=settings.region.over(defaults.region))
    if settings.reference is not None and defaults.reference is not None:
        filled = replace(filled, reference=settings.reference.over(defaults.reference))
    return filled


@dataclass(frozen=True, kw_only=True)
class EditRequest:
    """Pictures to edit, the instructions applied to each in sequence, and how.

    `count` results are made of every picture, with the seeds `seed`, `seed + 1`, …. An empty
    instruction leaves the picture as it is. Raises SettingsError.
    """

    images: tuple[Image.Image, ...]
    instructions: tuple[str, ...]
    settings: EditSettings = field(default_factory=EditSettings)
    count: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.images, tuple) or not self.images:
            raise SettingsError("An edit needs at least one image, in a tuple.")
        if not isinstance(self.instructions, tuple) or not self.instructions:
            raise SettingsError("An edit needs at least one instruction, in a tuple of texts.")
        for instruction in self.instructions:
            _check_text("instruction", instruction)
        _check_integer("count", self.count, 1, MAXIMUM_COUNT)
        if self.settings.seed is not None:
            _check_integer("seed + count", self.settings.seed + self.count - 1, 0, MAXIMUM_SEED)


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{name} is {value!r}; expected a whole number from {low} to {high}.")


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise SettingsError(f"{name} is {value!r}; expected a number from {low:g} to {high:g}.")


def _check_interval(value: object) -> None:
    if value is None:
        return
    if not isinstance(value, tuple) or len(value) != 2:
        raise SettingsError(f"guidance_interval is {value!r}; expected two fractions (start, end).")
    _check_number("guidance_interval start", value[0], 0.0, 1.0)
    _check_number("guidance_interval end", value[1], 0.0, 1.0)
    if value[0] is None or value[1] is None or value[0] > value[1]:
        raise SettingsError(f"guidance_interval is {value!r}; the start must not lie after the end.")


def _check_text(name: str, value: object) -> None:
    if value is None and name != "instruction":
        return
    if not isinstance(value, str):
        raise SettingsError(f"{name} is {value!r}; expected a text.")
    if len(value) > MAXIMUM_TEXT:
        raise SettingsError(f"{name} has {len(value)} characters; at most {MAXIMUM_TEXT} are accepted.")


GENERAL_DEFAULTS = EditSettings(
    guidance_interval=(0.0, 1.0), negative="", negative_image="", seed=0, reuse=1, fine_layers=ALL_FINE_LAYERS
)
