"""A shipped fake of the editor: instant, deterministic and visible, for the tests of whatever edits."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from retouch.core.errors import Cancelled
from retouch.core.region import Region
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.editing.protocol import ImageSource, ReferenceSource, RegionSource
from retouch.editing.request import Prepared, prepare, required, with_alpha
from retouch.editing.result import EditProgress, EditResult, Timings
from retouch.editing.where import located

TINT = 0.4
"""How far a picture is drawn towards the instruction's colour."""


class FakeEditor:
    """Tints a picture with a colour drawn from instruction, references and seed; keeps every promise of the seam.

    `at_step` is called within each step with the instruction at work, to take time or to fail.
    """

    defaults = EditSettings(steps=4, scheduler="ddim", text_guidance=7.5, image_guidance=1.5)

    def __init__(self, name: str = "fake", *, at_step: Callable[[str], object] = lambda _: None) -> None:
        self.name = name
        self._at_step = at_step

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
        """Tint images; see `InstructionEditor.edit`."""
        started = time.perf_counter()
        prepared = prepare(
            images,
            instructions,
            settings=settings,
            region=region,
            references=references,
            count=count,
            defaults=self.defaults,
        )
        chains = [[_chain(image.pixels, prepared, seed) for seed in prepared.seeds] for image in prepared.images]
        shown = tuple(image.pixels for image in prepared.images for _ in prepared.seeds)
        idle = all(not step.tinted for row in chains for chain in row for step in chain)
        active = () if idle else prepared.active
        _pretend(shown, active, prepared.settings, (self._at_step, on_progress, cancelled))
        rows = tuple(
            tuple(tuple(with_alpha(step.picture, image.alpha) for step in chain) for chain in row)
            for row, image in zip(chains, prepared.images, strict=True)
        )
        regions = tuple(tuple(tuple(step.region for step in chain) for chain in row) for row in chains)
        return EditResult(
            images=tuple(tuple(chain[-1] for chain in row) for row in rows),
            intermediates=rows,
            seeds=prepared.seeds,
            instructions=prepared.instructions,
            settings=prepared.settings,
            timings=Timings(encode=0.0, denoise=0.0, decode=0.0, total=time.perf_counter() - started),
            regions=regions if prepared.regions else (),
        )


def _pretend(
    pictures: tuple[Image.Image, ...],
    instructions: tuple[str, ...],
    settings: EditSettings,
    calls: tuple[Callable[[str], object], Callable[[EditProgress], None] | None, Callable[[], bool] | None],
) -> None:
    """Report and listen as an editor does that takes its steps for each instruction."""
    at_step, on_progress, cancelled = calls
    steps = required(settings.steps, "steps")
    total = steps * len(instructions)
    for done in range(total + 1):
        if cancelled is not None and cancelled():
            raise Cancelled(f"The work was cancelled after {done} of {total} steps; nothing was written.")
        if done == 0:
            continue
        number = (done - 1) // steps
        at_step(instructions[number])
        if on_progress is not None:
            on_progress(EditProgress(done=done, total=total, instruction=number, preview=lambda: pictures))


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A picture after an instruction, where that was let act, and whether it did."""

    picture: Image.Image
    region: Region | None
    tinted: bool


def _chain(picture: Image.Image, prepared: Prepared, seed: int) -> list[_Step]:
    history: list[_Step] = []
    how = prepared.settings.region or RegionSettings().resolve()
    for number, instruction in enumerate(prepared.instructions):
        asked = prepared.regions[number] if prepared.regions else None
        acts = prepared.acts(instruction)
        region = located(asked, picture, instruction, how) if acts else None
        tints = acts and not (region is not None and region.is_empty)
        if tints:
            words = " ".join([instruction, *(reference.sha256 for reference in prepared.references)])
            tinted = _tinted(picture, words.strip(), seed)
            picture = tinted if region is None else _inside(picture, tinted, region, softness=how.feather or 0)
        history.append(_Step(picture=picture, region=region, tinted=tints))
    return history


def _inside(picture: Image.Image, tinted: Image.Image, region: Region, *, softness: int) -> Image.Image:
    # torch comes with it, which a fake is to do without where it can: the tests of the server start it often.
    from retouch.editing.composite import composite

    return composite(picture, tinted, region, softness=softness)


def _tinted(picture: Image.Image, instruction: str, seed: int) -> Image.Image:
    digest = hashlib.sha256(f"{seed} {instruction}".encode()).digest()
    return Image.blend(picture, Image.new("RGB", picture.size, (digest[0], digest[1], digest[2])), TINT)
