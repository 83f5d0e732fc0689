"""The seam between the product and whatever edits: the in-house loop, an adapter, or a fake."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image

from retouch.core.images import LoadedImage
from retouch.core.reference import Reference
from retouch.core.region import Region
from retouch.core.settings import EditSettings
from retouch.editing.result import EditProgress, EditResult

ImageSource = str | Path | bytes | Image.Image | LoadedImage
"""A path, an address, the bytes of a file, a PIL image, or a picture read before."""


RegionFinder = Callable[[Image.Image, str], Region | None]
"""Looks for an instruction's region in the picture that it is applied to, RGB; None is the whole picture."""

RegionSource = Region | RegionFinder | None
"""Where an instruction acts: a region, what finds it, or None for the whole picture."""


ReferenceSource = Reference | ImageSource
"""A picture of an object: read, weighed and cut out already, or read with its transparency."""


class InstructionEditor(Protocol):
    """Edits images by instruction, by pictures of an object, or by both."""

    @property
    def name(self) -> str:
        """What the model is called, as it was asked for."""
        ...

    @property
    def defaults(self) -> EditSettings:
        """The model's own settings, used where a request leaves them open."""
        ...

    def edit(
        self,
        images: ImageSource | Sequence[ImageSource],
        instructions: str | Sequence[str],
        *,
        settings: EditSettings | None = None,
        region: RegionSource | Sequence[RegionSource] = None,
        references: Sequence[ReferenceSource] = (),
        count: int = 1,
        on_progress: Callable[[EditProgress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> EditResult:
        """Edit one or more images by one or more instructions, each applied to the result before it.

        Args:
            images: pictures of any sizes.
            instructions: an empty one leaves the picture as it is, to the bit, unless there are references.
            settings: what is open in them is the model's default.
            region: one for all instructions, or one for each. Outside it the picture stays as it is, to the bit; an
                empty region returns it, a full one is the edit without a region.
            references: pictures of the object to put in, views of one or objects of their own as the model takes them.
            count: results made of each picture, with the seeds `seed`, `seed + 1`, ….
            on_progress: called after every step.
            cancelled: asked at every step; True ends the edit.

        Raises:
            Cancelled: `cancelled` answered True.
            ImageError: a picture cannot be read, or a region is not of its size.
            ModelError: the model cannot do this (it reads no references, or nothing else), or there is not enough
                memory.
            SettingsError: a setting is out of range.
        """
        ...
