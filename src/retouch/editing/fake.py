"""A shipped fake of the editor: instant, deterministic and visible, for the tests of whatever edits."""

import hashlib
import time
from collections.abc import Callable, Sequence

from PIL import Image

from retouch.core.errors import Cancelled
from retouch.core.settings import EditSettings
from retouch.editing.protocol import ImageSource
from retouch.editing.request import prepare, required, with_alpha
from retouch.editing.result import EditProgress, EditResult, Timings

TINT = 0.4
"""How far a picture is drawn towards the instruction's colour."""


class FakeEditor:
    """Tints a picture with a colour drawn from the instruction and the seed; keeps every promise of the seam."""

    name = "fake"
    defaults = EditSettings(steps=4, scheduler="ddim", text_guidance=7.5, image_guidance=1.5)

    def edit(
        self,
        images: ImageSource | Sequence[ImageSource],
        instructions: str | Sequence[str],
        *,
        settings: EditSettings | None = None,
        count: int = 1,
        on_progress: Callable[[EditProgress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> EditResult:
        """Tint images; see `InstructionEditor.edit`."""
        started = time.perf_counter()
        prepared = prepare(images, instructions, settings=settings, count=count, defaults=self.defaults)
        pictures = tuple(image.pixels for image in prepared.images)
        _pretend(pictures, prepared.active, required(prepared.settings.steps, "steps"), on_progress, cancelled)
        rows = tuple(
            tuple(
                tuple(with_alpha(picture, image.alpha) for picture in _chain(image.pixels, prepared.instructions, seed))
                for seed in prepared.seeds
            )
            for image in prepared.images
        )
        return EditResult(
            images=tuple(tuple(chain[-1] for chain in row) for row in rows),
            intermediates=rows,
            seeds=prepared.seeds,
            instructions=prepared.instructions,
            settings=prepared.settings,
            timings=Timings(encode=0.0, denoise=0.0, decode=0.0, total=time.perf_counter() - started),
        )


def _pretend(
    pictures: tuple[Image.Image, ...],
    instructions: tuple[str, ...],
    steps: int,
    on_progress: Callable[[EditProgress], None] | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Report and listen as an editor does that takes `steps` steps for each instruction."""
    total = steps * len(instructions)
    for done in range(total + 1):
        if cancelled is not None and cancelled():
            raise Cancelled(f"The work was cancelled after {done} of {total} steps; nothing was written.")
        if on_progress is not None and done > 0:
            number = (done - 1) // steps
            on_progress(EditProgress(done=done, total=total, instruction=number, preview=lambda: pictures))


def _chain(picture: Image.Image, instructions: tuple[str, ...], seed: int) -> list[Image.Image]:
    history: list[Image.Image] = []
    for instruction in instructions:
        picture = _tinted(picture, instruction, seed) if instruction else picture
        history.append(picture)
    return history


def _tinted(picture: Image.Image, instruction: str, seed: int) -> Image.Image:
    digest = hashlib.sha256(f"{seed} {instruction}".encode()).digest()
    return Image.blend(picture, Image.new("RGB", picture.size, (digest[0], digest[1], digest[2])), TINT)
