"""Stand-ins for models, for the tests of the server: instant or as slow as asked, and the same every time."""

import time
from collections.abc import Sequence

from PIL import Image

from retouch.core.errors import ModelError, NotFoundError
from retouch.core.reference import Reference
from retouch.core.region import Region
from retouch.core.region_request import region_from_box
from retouch.editing.fake import FakeEditor
from retouch.editing.protocol import RegionFinder
from retouch.server.worker.grounds import Tell

MISSING = "missing"
"""A phrase with this word is never found."""
FAILING = "fail"
"""An instruction of this word makes the edit fail."""
HANGING = "hang"
"""An instruction of this word hangs in its first step, for ever."""


def slow_editor(name: str, seconds: float) -> FakeEditor:
    """A `FakeEditor` under a name of the server's list, `seconds` a step; some instructions make it fail or hang."""

    def at_step(instruction: str) -> None:
        if instruction == FAILING:
            raise ModelError("This edit was asked to fail; ask for another one.")
        while instruction == HANGING:
            time.sleep(60)
        time.sleep(seconds)

    return FakeEditor(name, at_step=at_step)


class FakeGrounds:
    """Finds the middle of a picture for every phrase, and what lies about a point."""

    def steps(self, instruction: str, tell: Tell) -> tuple[tuple[str, RegionFinder], ...]:
        """See `Grounds.steps`: one step."""
        return ((instruction, self.phrase(instruction, tell)),)

    def phrase(self, phrase: str, tell: Tell) -> RegionFinder:  # noqa: ARG002
        """See `Grounds.phrase`."""

        def find(picture: Image.Image, _: str) -> Region:
            if MISSING in phrase.split():
                raise NotFoundError(f"The picture shows no '{phrase}'; say what else is meant.")
            width, height = picture.size
            return region_from_box((width / 4, height / 4, width * 3 / 4, height * 3 / 4), picture.size)

        return find

    def point(self, point: tuple[float, float]) -> RegionFinder:
        """See `Grounds.point`."""

        def find(picture: Image.Image, _: str) -> Region:
            reach = min(picture.size) / 4
            left, top = point[0] - reach, point[1] - reach
            return region_from_box((left, top, left + 2 * reach, top + 2 * reach), picture.size)

        return find

    def place(self, references: Sequence[Reference], seed: int) -> RegionFinder:  # noqa: ARG002
        """See `Grounds.place`."""
        return self.phrase("the place", lambda _: None)

    def cut_out(self, reference: Reference, tell: Tell) -> Reference:  # noqa: ARG002
        """See `Grounds.cut_out`: all of it."""
        return reference
