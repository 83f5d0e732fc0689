"""Bring what a caller gives to `edit` into one checked form, and results into the form of their input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.images import LoadedImage, load_image
from retouch.core.settings import EditRequest, EditSettings
from retouch.editing.protocol import ImageSource

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A request with its pictures read, its instructions stripped, its settings resolved, its seeds listed."""

    images: tuple[LoadedImage, ...]
    instructions: tuple[str, ...]
    settings: EditSettings
    seeds: tuple[int, ...]

    @property
    def active(self) -> tuple[str, ...]:
        """The instructions that ask for anything."""
        return tuple(text for text in self.instructions if text)


def prepare(
    images: ImageSource | Sequence[ImageSource],
    instructions: str | Sequence[str],
    *,
    settings: EditSettings | None,
    count: int,
    defaults: EditSettings,
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
    first = required(resolved.seed, "seed")
    return Prepared(
        images=loaded,
        instructions=tuple(text.strip() for text in request.instructions),
        settings=resolved,
        seeds=tuple(range(first, first + request.count)),
    )


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
