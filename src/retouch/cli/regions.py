"""Regions on the command line: texts to what an editor takes, to the record of a result, to a picture."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retouch.cli.output import warn
from retouch.core.errors import SettingsError
from retouch.core.region_settings import RegionSettings

if TYPE_CHECKING:
    from PIL import Image

    from retouch.core.images import LoadedImage
    from retouch.core.provenance import RegionRecord
    from retouch.core.region import Region
    from retouch.core.region_request import RegionRequest
    from retouch.editing.protocol import RegionSource

Locate = Callable[["LoadedImage", "RegionRequest", str], "Region"]
"""Looks in a picture for what was asked for: a phrase, what lies at a point, or what the instruction itself says."""

OVERLAY = (255, 0, 80)
"""The colour that marks a region."""


def read_regions(
    texts: Sequence[str], instructions: int, settings: RegionSettings | None
) -> "tuple[RegionRequest, ...]":
    """One request for each instruction, or none; raises SettingsError and ImageError for what is no region."""
    from retouch.core.region_request import parse_region

    if not texts:
        if settings is not None:
            raise SettingsError("How an edit keeps to a region is set, but there is none; give one with --region.")
        return ()
    requests = tuple(parse_region(text) for text in texts)
    if len(requests) not in (1, instructions):
        raise SettingsError(
            f"There are {len(requests)} regions for {instructions} instructions; give one, or one for each."
        )
    return requests * instructions if len(requests) == 1 else requests


def region_sources(
    requests: "Sequence[RegionRequest]", source: "LoadedImage", locate: Locate | None = None
) -> "list[RegionSource] | None":
    """What an editor takes for each request.

    Raises SettingsError where a region must be looked for and there is nothing that does, and where a box holds no
    pixel; ImageError for what is no mask of the picture's size.
    """
    if not requests:
        return None
    return [_source(request, source, locate) for request in requests]


def records(requests: "Sequence[RegionRequest]", regions: "Sequence[Region | None]") -> "tuple[RegionRecord, ...]":
    """How a result's regions were asked for and found."""
    from retouch.core.provenance import RegionRecord

    return tuple(
        RegionRecord(
            asked=request.written,
            found="the whole picture" if region is None else region.origin,
            mask_sha256="" if region is None else region.sha256,
        )
        for request, region in zip(requests, regions, strict=False)
    )


def warn_of_other_masks(written: "Sequence[RegionRecord]", masks: Sequence[str]) -> None:
    """Say which of a repeated result's regions are not those of the first."""
    for record, before in zip(written, masks, strict=False):
        if record.mask_sha256 != before:
            warn(f'The region "{record.asked}" is not the one of the result that is repeated; this one will differ.')


def write_overlay(path: Path, source: "LoadedImage", regions: "Sequence[Region | None]") -> Path:
    """Write the source with the regions marked, as `NAME-region.png` beside a result; raises OutputError."""
    from retouch.core.files import atomic_write
    from retouch.core.images import png_bytes

    place = path.with_stem(f"{path.stem}-region")
    shown = overlay(source.pixels, [region for region in regions if region is not None])
    return atomic_write(place, png_bytes(shown))


def overlay(picture: "Image.Image", regions: "Sequence[Region]") -> "Image.Image":
    """The picture with regions tinted."""
    from PIL import Image

    tinted = Image.blend(picture, Image.new("RGB", picture.size, OVERLAY), 0.5)
    for region in regions:
        picture = Image.composite(tinted, picture, region.mask)
    return picture


def _source(request: "RegionRequest", source: "LoadedImage", locate: Locate | None) -> "RegionSource":
    from retouch.core.region_request import RegionKind, region_from_box, region_from_file

    if request.kind is RegionKind.WHOLE:
        return None
    if request.kind is RegionKind.BOX:
        return region_from_box(request.numbers, source.pixels.size)
    if request.kind is RegionKind.FILE:
        return region_from_file(request.text, source.pixels.size)
    if locate is None:
        raise SettingsError(
            f'The region "{request.written}" must be looked for in the picture, which needs a segmenter; give a box '
            "or a mask's file."
        )
    return _finder(request, source, locate)


def _finder(request: "RegionRequest", source: "LoadedImage", locate: Locate) -> "RegionSource":
    from dataclasses import replace

    def find(picture: "Image.Image", instruction: str) -> "Region":
        return locate(replace(source, pixels=picture), request, instruction)

    return find
