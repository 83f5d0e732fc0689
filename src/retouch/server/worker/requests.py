"""From a request as the tree keeps it to what an editor takes: instructions, settings, regions and references."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image, ImageOps

from retouch.core.errors import NotFoundError
from retouch.core.reference import Reference, load_reference
from retouch.core.region import Region, joined
from retouch.core.region_request import PAINTED, region_from_box, region_from_file
from retouch.core.settings import EditSettings
from retouch.designs.request import Request, Where
from retouch.editing.protocol import RegionFinder, RegionSource
from retouch.server.worker.grounds import Grounds, Tell

Uploads = Callable[[str], bytes]
"""The bytes of an upload by its id."""
Places = tuple[tuple[str, RegionSource], ...]


@dataclass(frozen=True, kw_only=True)
class Means:
    """What reads a request: what finds things, what reads uploads by their ids, and who hears what is done without."""

    grounds: Grounds
    uploads: Uploads
    tell: Tell = lambda _: None


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What an editor is called with; `regions` has one for each instruction, or none where all of the picture is."""

    instructions: tuple[str, ...]
    settings: EditSettings
    regions: tuple[RegionSource, ...]
    references: tuple[Reference, ...]


def arguments(request: Request, picture: Image.Image, means: Means, *, seed: int) -> Arguments:
    """What an editor takes for a request on a picture.

    A region that the instruction itself names divides it into its steps. References without transparency are cut out of
    their background where that can be told. With references alone, a region `auto` is one that is proposed for them.

    Raises:
        ImageError: an upload is no mask of the picture's size.
        NotFoundError: what is to be found is not there.
        SettingsError: a box lies outside the picture.
        ServerError: an upload is gone.
    """
    references = tuple(
        means.grounds.cut_out(load_reference(means.uploads(shown.upload), weight=shown.weight), means.tell)
        for shown in request.references
    )
    if _proposes(request):
        places: Places = ((request.instruction, means.grounds.place(references, seed)),)
    else:
        places = _places(request, picture, means)
    settings = replace(
        request.settings,
        seed=seed,
        region=request.settings.region if places else None,
        reference=request.settings.reference if references else None,
    )
    return Arguments(
        instructions=tuple(text for text, _ in places) or (request.instruction,),
        settings=settings,
        regions=tuple(region for _, region in places),
        references=references,
    )


def look_up(request: Request, picture: Image.Image, means: Means) -> Region:
    """Find a request's region without the edit; raises NotFoundError where nothing is, and as `arguments` does."""
    told: list[str] = []
    places = _places(request, picture, replace(means, tell=told.append))
    found = [_in(picture, text, source) for text, source in places]
    regions = [region for region in found if region is not None]
    if not regions:
        return Region(mask=Image.new("L", picture.size, 255), origin="the whole picture")
    region = joined(regions)
    if region.is_empty:
        raise NotFoundError(told[0] if told else "Nothing was found there; try other words, or another point.")
    return region


def share_of(mask: Image.Image) -> float:
    """How much of a picture a mask covers, in 0…1."""
    histogram = mask.histogram()
    return sum(level * count for level, count in enumerate(histogram)) / (255 * sum(histogram))


def _proposes(request: Request) -> bool:
    """Whether a place is to be proposed for the references, since no words say it."""
    region = request.region
    automatic = region is not None and region.kind == "auto" and not region.invert
    return automatic and bool(request.references) and not request.instruction.strip()


def _places(request: Request, picture: Image.Image, means: Means) -> Places:
    """The instructions, each with where it acts; none where all of the picture may change."""
    where, instruction = request.region, request.instruction
    if where is None or (where.kind == "whole" and not where.invert):
        return ()
    if where.kind == "auto":
        found: Places = means.grounds.steps(instruction, means.tell)
    else:
        found = ((instruction, _source(where, picture, means)),)
    return tuple((text, _inverted(source)) for text, source in found) if where.invert else found


def _source(where: Where, picture: Image.Image, means: Means) -> RegionSource:
    if where.kind == "box":
        return region_from_box(where.numbers, picture.size)
    if where.kind == "point":
        return means.grounds.point((where.numbers[0], where.numbers[1]))
    if where.kind == "mask":
        return replace(region_from_file(means.uploads(where.upload or ""), picture.size), origin=PAINTED)
    return None if where.kind == "whole" else means.grounds.phrase(where.phrase, means.tell)


def _inverted(source: RegionSource) -> RegionFinder:
    def find(picture: Image.Image, instruction: str) -> Region:
        region = _in(picture, instruction, source)
        if region is None:
            return Region(mask=Image.new("L", picture.size, 0), origin="nothing of the picture")
        return Region(mask=ImageOps.invert(region.mask), origin=f"all but {region.origin}")

    return find


def _in(picture: Image.Image, instruction: str, source: RegionSource) -> Region | None:
    return source if isinstance(source, Region) or source is None else source(picture, instruction)
