"""What comes back from an edit, and what is told while it runs."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from retouch.core.region import Region
from retouch.core.settings import EditSettings


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds spent: reading pictures and texts, denoising, decoding and fitting back, and in all."""

    encode: float
    denoise: float
    decode: float
    total: float


@dataclass(frozen=True, kw_only=True, eq=False)
class EditResult:
    """The results of one request.

    images: for each input, for each seed, the picture after the last instruction, at the input's own size.
    intermediates: for each input, for each seed, for each instruction the picture after it; the last is
        the one in `images`.
    seeds: the seed of each result of an input, in order.
    settings: as they were used, with nothing left open; its seed is the first.
    regions: like `intermediates`, where each instruction was let act, grown but not feathered, None for the whole
        picture; () where no region was asked for.
    warnings: one sentence each, such as what was cut off an instruction that was too long.
    """

    images: tuple[tuple[Image.Image, ...], ...]
    intermediates: tuple[tuple[tuple[Image.Image, ...], ...], ...]
    seeds: tuple[int, ...]
    instructions: tuple[str, ...]
    settings: EditSettings
    timings: Timings
    regions: tuple[tuple[tuple[Region | None, ...], ...], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def image(self) -> Image.Image:
        """The first result of the first input."""
        return self.images[0][0]


@dataclass(frozen=True, kw_only=True, eq=False)
class EditProgress:
    """How far an edit is: `done` of `total` steps, over all pictures, seeds and instructions.

    `instruction` counts from 0; `preview` decodes what the pictures at work look like so far, at the
    model's size, which takes about as long as a step.
    """

    done: int
    total: int
    instruction: int
    preview: Callable[[], tuple[Image.Image, ...]]
