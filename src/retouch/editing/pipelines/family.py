"""What a family of editing pipelines is: its classes, what its arguments are called, and what it can do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from torch import Generator, Tensor

from retouch.core.settings import EditSettings

Sizes = Literal["area", "listed", "fixed"]
"""How a family sees pictures: any proportions of one area, those of a list, or what its pipeline computes itself."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ask:
    """One call of a pipeline: an instruction for a picture, RGB, of the model's size.

    mask: mode L, white where the picture may change; None for all of it.
    settings: resolved.
    """

    instruction: str
    picture: Image.Image
    references: tuple[Image.Image, ...]
    mask: Image.Image | None
    settings: EditSettings
    generator: Generator


# Pipelines have no common type for their call: what goes in differs by class and is theirs to check.
Arguments = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """A row of the table of families.

    name: what people call it.
    pipeline, inpaint: diffusers' classes, for whole pictures and for regions, which have the same components.
    text_guidance, image_guidance: what the pipeline calls them, None where it has none.
    negative: whether it reads a negative text.
    references, region_references: pictures of objects that it takes beside the picture, without a region and with one.
    sizes, patch: see `Sizes`; sides are multiples of `patch` times the autoencoder's factor.
    least, widest: pixels of a shorter side, and how many times as long as wide a picture may be.
    defaults: steps and guidance; `undistilled` are those of checkpoints of the class that are not distilled.
    models: ids on the hub; `gated` ones want their licence accepted first.
    billions: parameters of each network of the first of them, in thousands of millions.
    reads_pictures: whether its text encoder reads pictures too, for which transformers wants torchvision.
    lora: whether the class takes LoRAs.
    ask: the arguments beside those that all have; `decode` latents at work, as the scheduler holds them, to pixels
        (B, 3, H, W) from −1 to 1 of a size (width, height).
    notes: what else to know, in a few words.
    switches: arguments of the class that its saved settings leave out, by its folder and its index.
    """

    name: str
    pipeline: str
    inpaint: str | None = None
    text_guidance: str | None = "guidance_scale"
    image_guidance: str | None = None
    negative: bool = False
    references: int = 0
    region_references: int = 0
    sizes: Sizes = "area"
    patch: int = 2
    least: int = 1
    widest: float = 10.0
    defaults: EditSettings
    undistilled: EditSettings | None = None
    licence: str
    gated: bool = False
    models: tuple[str, ...]
    billions: Mapping[str, float]
    reads_pictures: bool = False
    lora: bool = True
    ask: Callable[[Any, Ask], Arguments]
    decode: Callable[[Any, Tensor, tuple[int, int]], Tensor]
    notes: str = ""
    switches: Callable[[Path, Mapping[str, object]], Mapping[str, bool]] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names that a `model_index.json` may give."""
        return (self.pipeline,) if self.inpaint is None else (self.pipeline, self.inpaint)
