"""Which pairs are good enough: thresholds of the four similarities, and those that others published."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from retouch.core.errors import SettingsError
from retouch.metrics.pairs import MEASURES, PairMeasure

LARGE_CLIP = "openai/clip-vit-large-patch14"
POCKET_CLIP = "pocket/clip"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The least similarity of each kind, cosines in [−1, 1]; `caption_image` is for either picture's own caption."""

    image_image: float
    caption_image: float
    directional: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not -1 <= value <= 1:
                raise SettingsError(f"The threshold {name} is {value}; a cosine lies between -1 and 1.")

    def least(self) -> Mapping[PairMeasure, float]:
        """The threshold of each measure."""
        values = (self.image_image, self.caption_image, self.caption_image, self.directional)
        return dict(zip(MEASURES, values, strict=True))


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Thresholds and the encoder they were chosen for: with another they mean something else."""

    thresholds: Thresholds
    encoder: str
    source: str


PRESETS: Mapping[str, Preset] = {
    "brooks": Preset(
        thresholds=Thresholds(image_image=0.75, caption_image=0.2, directional=0.2),
        encoder=LARGE_CLIP,
        source="InstructPix2Pix, arXiv 2211.09800, section 3.1",
    ),
    "brooks-code": Preset(
        thresholds=Thresholds(image_image=0.7, caption_image=0.2, directional=0.2),
        encoder=LARGE_CLIP,
        source="InstructPix2Pix, generate_img_dataset.py",
    ),
    "conti": Preset(
        thresholds=Thresholds(image_image=0.65, caption_image=0.2, directional=0.15),
        encoder=LARGE_CLIP,
        source="the rebuilt InstructPix2Pix, generate_img_dataset.ipynb",
    ),
    "langdesign": Preset(
        thresholds=Thresholds(image_image=0.4, caption_image=0.2, directional=0.2),
        encoder=LARGE_CLIP,
        source="LangDesign's script",
    ),
    "pocket": Preset(
        thresholds=Thresholds(image_image=0.2, caption_image=0.2, directional=0.1),
        encoder=POCKET_CLIP,
        source="`retouch data calibrate` on rooms and photographs of the validation split",
    ),
}


def preset(name: str) -> Preset:
    """The preset called `name`. Raises SettingsError where there is none."""
    if name not in PRESETS:
        raise SettingsError(f"The preset '{name}' is unknown; choose {', '.join(PRESETS)}, or give thresholds.")
    return PRESETS[name]


def chosen(
    name: str,
    *,
    encoder: str | None = None,
    image_image: float | None = None,
    caption_image: float | None = None,
    directional: float | None = None,
) -> tuple[Thresholds, str]:
    """The preset's thresholds, those given in their places, and the encoder to judge by.

    Raises SettingsError for an unknown preset, or another encoder than its own without all three thresholds.
    """
    found = preset(name)
    given = {"image_image": image_image, "caption_image": caption_image, "directional": directional}
    made = {measure: value for measure, value in given.items() if value is not None}
    if encoder not in (None, found.encoder) and len(made) < len(given):
        raise SettingsError(
            f"The preset '{name}' was chosen for {found.encoder}, not for {encoder}; "
            "leave the encoder out, or give all three thresholds."
        )
    return replace(found.thresholds, **made), encoder or found.encoder
