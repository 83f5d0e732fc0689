"""Regions on the command line: texts to what an editor takes, to the record of a result, to a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retouch.cli.output import warn
from retouch.core.errors import SettingsError
from retouch.core.region_settings import RegionSettings

if TYPE_CHECKING:
    from retouch.core.images import LoadedImage
    from retouch.core.provenance import RegionRecord
    from retouch.core.region import Region
    from retouch.core.region_request import RegionRequest
    from retouch.editing.own_region import OwnFinder
    from retouch.editing.protocol import RegionSource
    from retouch.grounding.locate import Finder, WhenMissing
    from retouch.grounding.phrases import PhraseFinder
    from retouch.models.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Words:
    """What finds regions by words, as the options name it; None is the default."""

    segmenter: str | None = None
    reader: str | None = None
    scorer: str | None = None
    when_missing: str = "refuse"
    margin: bool = True
    device: str = "auto"

    def finder(self) -> "Finder":
        """The finder; raises SettingsError, ModelError and MissingExtraError."""
        from retouch.editing.device import choose_device
        from retouch.grounding.locate import Finder
        from retouch.grounding.segmenters.load import DEFAULT_SEGMENTER, load_segmenter
        from retouch.metrics.clip import load_encoder
        from retouch.models.pocket import POCKET
        from retouch.scenes.catalogue import TRAINED_KINDS

        missing, where = self._when_missing(), str(choose_device(self.device))
        return Finder(
            segmenter=load_segmenter(self.segmenter or DEFAULT_SEGMENTER, device=where),
            encoder=load_encoder(self.scorer, device=where) if self.scorer else None,
            names=TRAINED_KINDS if self.segmenter in (None, POCKET, DEFAULT_SEGMENTER) else (),
            when_missing=missing,
            margin=self.margin,
        )

    def own_finder(self, checkpoint: "Checkpoint") -> "OwnFinder":
        """What finds the regions of a model itself; raises SettingsError."""
        from retouch.editing.own_region import OwnFinder

        return OwnFinder(checkpoint=checkpoint, when_missing=self._when_missing(), margin=self.margin)

    def words_reader(self) -> "PhraseFinder":
        """What reads instructions; raises as `finder` does."""
        from retouch.editing.device import choose_device
        from retouch.grounding.readers import DEFAULT_READER, find_reader

        return find_reader(self.reader or DEFAULT_READER, device=str(choose_device(self.device)))

    def _when_missing(self) -> "WhenMissing":
        if self.when_missing not in ("refuse", "whole"):
            raise SettingsError(f'--when-missing is "{self.when_missing}"; expected refuse or whole.')
        return self.when_missing


@dataclass(frozen=True, kw_only=True)
class Places:
    """Instructions, and for each where it acts, as it was asked for and as an editor takes it; none without regions."""

    instructions: tuple[str, ...]
    asked: "tuple[RegionRequest, ...]" = ()
    sources: "tuple[RegionSource, ...]" = ()


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


def places(
    instructions: Sequence[str],
    requests: "Sequence[RegionRequest]",
    source: "LoadedImage",
    words: Words,
    *,
    own: "Callable[[], Checkpoint]",
) -> Places:
    """What an editor takes for each instruction; those whose region is `auto` are divided into their steps.

    `own` gives the editor's checkpoint; it is asked for only where the model itself is to show the region.

    Raises SettingsError where a box holds no pixel; ImageError for what is no mask of the picture's size; what
    `Words.finder` and the reader raise.
    """
    if not requests:
        return Places(instructions=tuple(instructions))
    from retouch.core.region_request import RegionKind
    from retouch.editing.grounded import instruction_steps, region_of_step
    from retouch.editing.own_region import region_of_model

    kinds = {request.kind for request in requests}
    reader = words.words_reader() if RegionKind.AUTO in kinds else None
    finder = words.finder() if kinds & {RegionKind.AUTO, RegionKind.PHRASE, RegionKind.POINT} else None
    found: list[tuple[str, RegionRequest, RegionSource]] = []
    for instruction, request in zip(instructions, requests, strict=True):
        if reader is not None and finder is not None and request.kind is RegionKind.AUTO:
            steps = instruction_steps([instruction], reader)
            found += [(step.text, request, region_of_step(step, finder, tell=warn)) for step in steps]
        elif request.kind is RegionKind.LIME:
            found.append((instruction, request, region_of_model(words.own_finder(own()), tell=warn)))
        else:
            found.append((instruction, request, _source(request, source, finder)))
    texts, asked, sources = zip(*found, strict=True)
    return Places(instructions=texts, asked=asked, sources=sources)


def region_of_reference(text: str, source: "LoadedImage", words: Words) -> "Region | None":
    """The part of the source that a reference is for, None for all of it.

    Raises SettingsError for what cannot be one, ImageError for a mask of another size or no mask; NotFoundError and
    what `Words.finder` raises.
    """
    from retouch.core.region import Region
    from retouch.core.region_request import RegionKind, parse_region

    request = parse_region(text)
    if request.kind in (RegionKind.AUTO, RegionKind.LIME):
        raise SettingsError(f'--reference-region is "{text}"; give a box, a point, a mask, a phrase or whole.')
    found = _source(request, source, words.finder() if request.kind in (RegionKind.PHRASE, RegionKind.POINT) else None)
    region = found if isinstance(found, Region) or found is None else found(source.pixels, "")
    if region is not None and region.is_empty:
        raise SettingsError(f'--reference-region "{text}" is empty; mark where the reference is to be read.')
    return region


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


def write_overlay(path: Path, source: "LoadedImage", regions: "Sequence[Region | None]") -> Path | None:
    """Write the source with the regions marked, as `NAME-region.png` beside a result; None where there are none.

    Raises OutputError.
    """
    from retouch.core.files import atomic_write
    from retouch.core.images import png_bytes
    from retouch.core.region import joined
    from retouch.core.region_overlay import overlaid

    shown = [region for region in regions if region is not None]
    if not shown:
        return None
    place = path.with_stem(f"{path.stem}-region")
    atomic_write(place, png_bytes(overlaid(source.pixels, joined(shown))))
    return place


def _source(request: "RegionRequest", source: "LoadedImage", finder: "Finder | None") -> "RegionSource":
    from retouch.core.region_request import RegionKind, region_from_box, region_from_file
    from retouch.editing.grounded import region_of_phrase, region_of_point

    if request.kind is RegionKind.BOX:
        return region_from_box(request.numbers, source.pixels.size)
    if request.kind is RegionKind.FILE:
        return region_from_file(request.text, source.pixels.size)
    if finder is None or request.kind is RegionKind.WHOLE:
        return None
    if request.kind is RegionKind.POINT:
        return region_of_point((request.numbers[0], request.numbers[1]), finder)
    return region_of_phrase(request.text, finder, tell=warn)
