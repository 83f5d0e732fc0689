"""Stand-ins for models, for the tests of the server: instant or as slow as asked, and the same every time."""

import time
from collections.abc import Callable, Sequence

from PIL import Image

from retouch.core.errors import ModelError, NotFoundError
from retouch.core.reference import Reference
from retouch.core.region import Region
from retouch.core.region_request import region_from_box
from retouch.core.settings import EditSettings
from retouch.editing.fake import FakeEditor
from retouch.editing.protocol import ImageSource, ReferenceSource, RegionFinder, RegionSource
from retouch.editing.result import EditProgress, EditResult
from retouch.server.worker.grounds import Tell

MISSING = "missing"
"""A phrase with this word is never found."""
FAILING = "fail"
"""An instruction of this word makes the edit fail."""
_STEPS = 4


class SlowEditor:
    """`FakeEditor` under a name of the server's list, `seconds` a step; it fails where the instruction says so."""

    defaults = EditSettings(steps=_STEPS, scheduler="ddim", text_guidance=7.5, image_guidance=1.5)

    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self._seconds = seconds

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
        """See `InstructionEditor.edit`."""
        if FAILING in (instructions, *instructions):
            raise ModelError("This edit was asked to fail; ask for another one.")

        def slowly(event: EditProgress) -> None:
            time.sleep(self._seconds)
            if on_progress is not None:
                on_progress(event)

        return FakeEditor().edit(
            images,
            instructions,
            settings=settings,
            region=region,
            references=references,
            count=count,
            on_progress=slowly,
            cancelled=cancelled,
        )


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
