"""What finds things in pictures for a worker: the seam, and the finder of the pocket family behind it."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from retouch.core.reference import Reference

if TYPE_CHECKING:
    from retouch.editing.protocol import RegionFinder
    from retouch.grounding.locate import Finder

Tell = Callable[[str], None]
"""Hears what an edit does without: one sentence."""


class Grounds(Protocol):
    """Finds regions by words and points, reads instructions, and cuts objects out of their background.

    What it returns looks when it is called with a picture, and raises NotFoundError where nothing fits.
    """

    def steps(self, instruction: str, tell: Tell) -> "tuple[tuple[str, RegionFinder], ...]":
        """The steps of an instruction and where each acts."""
        ...

    def phrase(self, phrase: str, tell: Tell) -> "RegionFinder":
        """Everything that a phrase fits."""
        ...

    def point(self, point: tuple[float, float]) -> "RegionFinder":
        """The thing at a point (x, y) of the picture."""
        ...

    def place(self, references: Sequence[Reference], seed: int) -> "RegionFinder":
        """A place proposed for an object."""
        ...

    def cut_out(self, reference: Reference, tell: Tell) -> Reference:
        """The reference with an alpha that says what of it is the object, where that can be told."""
        ...


class PocketGrounds:
    """Finds by the pocket family's segmenter, reader and proposer, each loaded when first asked for."""

    def __init__(self, device: str = "auto") -> None:
        self._asked = device

    def steps(self, instruction: str, tell: Tell) -> "tuple[tuple[str, RegionFinder], ...]":
        """See `Grounds.steps`."""
        from retouch.editing.grounded import instruction_steps, region_of_step
        from retouch.grounding.readers import DEFAULT_READER, find_reader

        reader = find_reader(DEFAULT_READER, device=self._device)
        found = instruction_steps([instruction], reader)
        return tuple((step.text, region_of_step(step, self._finder, tell=tell)) for step in found)

    def phrase(self, phrase: str, tell: Tell) -> "RegionFinder":
        """See `Grounds.phrase`."""
        from retouch.editing.grounded import region_of_phrase

        return region_of_phrase(phrase, self._finder, tell=tell)

    def point(self, point: tuple[float, float]) -> "RegionFinder":
        """See `Grounds.point`."""
        from retouch.editing.grounded import region_of_point

        return region_of_point(point, self._finder)

    def place(self, references: Sequence[Reference], seed: int) -> "RegionFinder":
        """See `Grounds.place`."""
        from retouch.editing.placement import region_by_placement
        from retouch.models.placement import load_placement

        return region_by_placement(load_placement(device=self._device), references, seed=seed)

    def cut_out(self, reference: Reference, tell: Tell) -> Reference:
        """See `Grounds.cut_out`."""
        from retouch.grounding.references import without_background

        found = without_background(reference, self._finder.segmenter)
        if found.alpha is None:
            tell("No object stands out in the reference; all of it is taken. Give it transparency to say what.")
        return found

    @cached_property
    def _device(self) -> str:
        from retouch.editing.device import choose_device

        return str(choose_device(self._asked))

    @cached_property
    def _finder(self) -> "Finder":
        from retouch.grounding.locate import Finder
        from retouch.grounding.segmenters.load import DEFAULT_SEGMENTER, load_segmenter
        from retouch.scenes.catalogue import TRAINED_KINDS

        return Finder(segmenter=load_segmenter(DEFAULT_SEGMENTER, device=self._device), names=TRAINED_KINDS)
