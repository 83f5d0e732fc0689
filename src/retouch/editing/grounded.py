"""Regions found by words, as edits take them: looked for in the picture that each instruction is applied to."""

import re
from collections.abc import Callable, Sequence

from PIL import Image

from retouch.core.region import Region
from retouch.editing.protocol import RegionFinder
from retouch.grounding.locate import Finder, Located, WhenMissing
from retouch.grounding.missing import left_alone, refusal, taken_whole
from retouch.grounding.phrases import ParsedStep, PhraseFinder, Role

Tell = Callable[[str], None]
"""Hears what an edit does without: one sentence."""

_REMOVAL = re.compile(
    r"\s*(?:please\s+)?(?:remove|delete|erase|clear away|take (?:out|away|off)|get rid of|"
    r"make .+ (?:disappear|vanish))\b",
    re.IGNORECASE,
)


def instruction_steps(instructions: Sequence[str], reader: PhraseFinder) -> tuple[ParsedStep, ...]:
    """The steps of all instructions, in order: what `edit` is given instead, with `region_of_step` for each.

    Raises ModelError where the reader cannot be used.
    """
    return tuple(step for instruction in instructions for step in reader.read(instruction))


def region_of_step(step: ParsedStep, finder: Finder, *, tell: Tell = lambda _: None) -> RegionFinder:
    """What looks for the region of a step; see `region_of_phrase`.

    A step that removes what is not there leaves the picture as it is, and says so, instead of being refused.
    """
    return lambda picture, _: allowed(finder.step(picture, step), finder.when_missing, tell, removal=removes(step))


def region_of_phrase(phrase: str, finder: Finder, *, tell: Tell = lambda _: None) -> RegionFinder:
    """What looks for a phrase; it raises NotFoundError where nothing fits and the finder refuses such edits."""
    return lambda picture, instruction: allowed(
        finder.phrase(picture, phrase), finder.when_missing, tell, removal=asks_for_removal(instruction)
    )


def region_of_point(point: tuple[float, float], finder: Finder) -> RegionFinder:
    """What looks for the thing at a point (x, y) of the picture, in its pixels."""

    def find(picture: Image.Image, _: str) -> Region:
        return finder.point(picture, point).region

    return find


def removes(step: ParsedStep) -> bool:
    """Whether a step takes something away: by its parts where they are known, else by its verb."""
    roles = {span.role for span in step.spans}
    if roles & {Role.NEW, Role.ATTRIBUTE}:
        return False
    return asks_for_removal(step.text)


def asks_for_removal(instruction: str) -> bool:
    """Whether an instruction takes something away, by its verb."""
    return _REMOVAL.match(instruction) is not None


def allowed(located: Located, when_missing: WhenMissing, tell: Tell, *, removal: bool) -> Region:
    """The region that was found, or what is done without; raises NotFoundError where that is to be refused."""
    if located.missing is None:
        return located.region
    if when_missing == "whole":
        tell(taken_whole([located.missing]))
    elif removal:
        tell(left_alone([located.missing]))
    else:
        raise refusal([located.missing])
    return located.region
