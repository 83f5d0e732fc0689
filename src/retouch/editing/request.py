"""Bring what a caller gives to `edit` into one checked form, and results into the form of their input."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.images import LoadedImage, load_image
from retouch.core.reference import MAXIMUM_REFERENCES, Reference, load_reference
from retouch.core.reference_settings import ReferenceSettings
from retouch.core.region import Region
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditRequest, EditSettings
from retouch.editing.protocol import ImageSource, ReferenceSource, RegionSource

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A request with its pictures read, its instructions stripped, its settings resolved, its seeds listed.

    `regions` has one for each instruction, or none where no region was asked for; `references` are for all of them.
    """

    images: tuple[LoadedImage, ...]
    instructions: tuple[str, ...]
    settings: EditSettings
    seeds: tuple[int, ...]
    regions: tuple[RegionSource, ...] = ()
    references: tuple[Reference, ...] = ()

    @property
    def active(self) -> tuple[str, ...]:
        """The instructions that ask for anything: those with words, and with references all."""
        return tuple(text for text in self.instructions if self.acts(text))

    def acts(self, instruction: str) -> bool:
        """Whether an instruction asks for anything."""
        return bool(instruction or self.references)


def prepare(
    images: ImageSource | Sequence[ImageSource],
    instructions: str | Sequence[str],
    *,
    settings: EditSettings | None,
    region: RegionSource | Sequence[RegionSource],
    count: int,
    defaults: EditSettings,
    references: Sequence[ReferenceSource] = (),
) -> Prepared:
    """Read and check the arguments of `InstructionEditor.edit`; raises ImageError and SettingsError."""
    sources = [images] if isinstance(images, (str, bytes)) or not isinstance(images, Sequence) else images
    texts = (instructions,) if isinstance(instructions, str) else tuple(instructions)
    loaded = tuple(source if isinstance(source, LoadedImage) else load_image(source) for source in sources)
    request = EditRequest(
        images=tuple(image.pixels for image in loaded),
        instructions=texts,
        settings=settings or EditSettings(),
        count=count,
    )
    resolved = request.settings.resolve(defaults)
    regions = _regions(region, len(texts), loaded)
    shown = _references(references)
    for each in shown:
        if each.region is not None:
            for image in loaded:
                each.region.check_size(image.pixels.size)
    if regions:
        resolved = replace(resolved, region=(resolved.region or RegionSettings()).resolve())
    if shown:
        resolved = replace(resolved, reference=(resolved.reference or ReferenceSettings()).resolve())
    first = required(resolved.seed, "seed")
    return Prepared(
        images=loaded,
        instructions=tuple(text.strip() for text in request.instructions),
        settings=resolved,
        seeds=tuple(range(first, first + request.count)),
        regions=regions,
        references=shown,
    )


def _references(given: Sequence[ReferenceSource]) -> tuple[Reference, ...]:
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise SettingsError("The references are no list of pictures; give them in one, even where it is one picture.")
    if len(given) > MAXIMUM_REFERENCES:
        raise SettingsError(f"There are {len(given)} references; at most {MAXIMUM_REFERENCES} are taken.")
    return tuple(each if isinstance(each, Reference) else load_reference(each) for each in given)


def _regions(
    region: RegionSource | Sequence[RegionSource], count: int, images: Sequence[LoadedImage]
) -> tuple[RegionSource, ...]:
    given = tuple(region) if isinstance(region, Sequence) else (region,) * count
    if all(one is None for one in given):
        return ()
    if len(given) != count:
        raise SettingsError(f"There are {len(given)} regions for {count} instructions; give one, or one for each.")
    for one in given:
        if isinstance(one, Region):
            for image in images:
                one.check_size(image.pixels.size)
    return given


def required(value: Value | None, name: str) -> Value:
    """A resolved setting; raises SettingsError where neither the request nor the model set it."""
    if value is None:
        raise SettingsError(f"The model has no default for {name}; set it.")
    return value


def with_alpha(pixels: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """A result with the transparency of its input."""
    if alpha is None:
        return pixels
    result = pixels.copy()
    result.putalpha(alpha)
    return result
