"""From an instruction, a phrase or a point to the region of a picture that an edit may change."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from retouch.core.region import Region
from retouch.core.region_request import whole
from retouch.grounding.missing import Missing, NotFound, name_of
from retouch.grounding.phrases import ParsedStep, PhraseFinder, Scope
from retouch.grounding.places import where_it_comes
from retouch.grounding.segmenter import Segment, Segmenter
from retouch.grounding.select import select
from retouch.grounding.shapes import Shape, cut_out, dilated
from retouch.metrics.clip import Encoder

WhenMissing = Literal["refuse", "whole"]
"""What becomes of an edit whose object is not in the picture: nothing may change, or everything may."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Located:
    """Where one step of an instruction acts.

    region: empty where something was sought, not found, and the edit is refused.
    step: what is to be done there; None where a phrase or a point was given without an instruction.
    phrase: what was found, None for a point or the whole picture.
    score: 0…1, how sure the segmenter was; 1 for the whole picture.
    missing: what to tell where nothing was found, whatever became of it.
    """

    region: Region
    step: ParsedStep | None = None
    phrase: str | None = None
    score: float = 1.0
    missing: Missing | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Finder:
    """What regions are found with, and what is done where there is none.

    segmenter: finds phrases and points.
    encoder: chooses where a reader gives several candidates, and names what the picture shows instead; without one
        the first candidate that is there is taken.
    names: what the picture may show instead.
    when_missing: "refuse" makes the region empty, so that an edit returns the source; "whole" makes it the picture.
    margin: whether regions are dilated by 11 pixels in 512, as published.
    """

    segmenter: Segmenter
    encoder: Encoder | None = None
    names: tuple[str, ...] = ()
    when_missing: WhenMissing = "refuse"
    margin: bool = True

    def phrase(self, image: Image.Image, phrase: str) -> Located:
        """Everything in a picture that a phrase fits."""
        found = self._found(image, (phrase,))
        return self._missed(image, found) if isinstance(found, NotFound) else self._seen(found, found.shape)

    def point(self, image: Image.Image, point: tuple[float, float]) -> Located:
        """The thing at a point (x, y) in the picture's pixels; raises SettingsError where it lies outside."""
        segment = self.segmenter.segment_at(image, point)
        shape = cut_out(segment.mask)
        where = f"point {point[0]:g},{point[1]:g}"
        return Located(region=self._region(shape, f"{where} ({self.segmenter.name})"), score=segment.score)

    def step(self, image: Image.Image, step: ParsedStep) -> Located:
        """Where a step acts: its object, its place grown to where the new thing reaches, or the whole picture."""
        if step.scope is Scope.WHOLE or not step.phrases:
            return Located(region=whole(image.size), step=step)
        found = self._found(image, step.phrases)
        if isinstance(found, NotFound):
            return self._missed(image, found, step)
        place = step.scope is Scope.PLACE
        shape = where_it_comes(step.text, found.phrase, found.shape) if place else found.shape
        return self._seen(found, shape, step)

    def _found(self, image: Image.Image, phrases: tuple[str, ...]) -> "_Found | NotFound":
        if self.encoder is not None and len(phrases) > 1:
            chosen = select(image, phrases, segmenter=self.segmenter, encoder=self.encoder, names=self.names)
            if isinstance(chosen, NotFound):
                return chosen
            return _Found(phrase=chosen.winner.phrase, score=chosen.winner.segment.score, shape=chosen.shape)
        segments: list[Segment] = []
        for phrase in phrases:
            segments.append(segment := self.segmenter.segment(image, phrase))
            if segment.score >= self.segmenter.threshold and (shape := cut_out(segment.mask)).any():
                return _Found(phrase=phrase, score=segment.score, shape=shape)
        surest = max(segments, key=lambda segment: segment.score)
        match = name_of(image, surest, self.names, self.segmenter, self.encoder)
        return NotFound(phrases=phrases, score=surest.score, best_match=match)

    def _seen(self, found: "_Found", shape: Shape, step: ParsedStep | None = None) -> Located:
        origin = f"phrase '{found.phrase}' ({self.segmenter.name}, {found.score:.2f})"
        return Located(region=self._region(shape, origin), step=step, phrase=found.phrase, score=found.score)

    def _missed(self, image: Image.Image, missing: NotFound, step: ParsedStep | None = None) -> Located:
        region = whole(image.size) if self.when_missing == "whole" else _none(image, missing)
        return Located(region=region, step=step, score=missing.score, missing=missing)

    def _region(self, shape: Shape, origin: str) -> Region:
        return Region(mask=Image.fromarray(np.uint8(255) * (dilated(shape) if self.margin else shape)), origin=origin)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    phrase: str
    score: float
    shape: Shape


def locate(image: Image.Image, instruction: str, *, reader: PhraseFinder, finder: Finder) -> tuple[Located, ...]:
    """Where each step of an instruction acts in one picture.

    Steps that are applied in order are better located one by one, each in the picture that the one before left
    (`Finder.step`). Raises ModelError where the reader or the segmenter cannot be used.
    """
    return tuple(finder.step(image, step) for step in reader.read(instruction))


def _none(image: Image.Image, missing: NotFound) -> Region:
    return Region(mask=Image.new("L", image.size, 0), origin=f"nothing: {missing.sentence}")
