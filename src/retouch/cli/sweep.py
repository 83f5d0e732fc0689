"""`retouch sweep`: one edit over ranges of guidance and seeds, on one labelled sheet."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.networks import import_networks
from retouch.cli.output import progress, say, warn
from retouch.cli.regions import Words, places, read_regions
from retouch.core.errors import SettingsError
from retouch.core.files import atomic_write, check_writable
from retouch.core.lora import parse_lora
from retouch.core.settings import MAXIMUM_COUNT, EditSettings

if TYPE_CHECKING:
    from retouch.core.images import LoadedImage
    from retouch.editing.editor import Editor
    from retouch.editing.pipelines.editor import PipelineEditor
    from retouch.editing.sweep import SweepCell

IMAGE_GUIDANCES = (1.0, 1.5)
"""What is swept over where no guidance is named, of models that have one by the image."""

TEXTS = "Values separated by commas. (default: ¾, 1 and 1½ times the model's own; its own beside --image-guidance)"
IMAGES = "Values separated by commas. (default: 1,1.5 where the model has it; its own beside --text-guidance)"


def sweep(
    *,
    image: options.Picture,
    instruction: Annotated[str, typer.Argument(metavar="INSTRUCTION", help="What to do.")],
    output: options.Output,
    text_guidance: Annotated[
        str | None,
        typer.Option(help=TEXTS, show_default=False),
    ] = None,
    image_guidance: Annotated[
        str | None,
        typer.Option(help=IMAGES, show_default=False),
    ] = None,
    seed: options.Seed = None,
    count: Annotated[int, typer.Option(help="How many seeds for each combination.")] = 1,
    model: options.Model = None, tokenizer: options.Tokenizer = None, lora: options.Loras = None,
    steps: options.Steps = None, scheduler: options.Scheduler = None, negative: options.Negative = None,
    keep_detail: options.KeepDetail = None, region: options.Regions = None, blend: options.Blend = None,
    grow: options.Grow = None, shrink: options.Shrink = None, feather: options.Feather = None,
    attend_inside: options.AttendInside = None, invert: options.Invert = None, zoom: options.ZoomIn = None,
    segmenter: options.SegmenterSource = None, reader: options.Reader = None,
    when_missing: options.WhenMissing = "refuse",
    device: options.Device = "auto", precision: options.Precision = "auto", backend: options.Backend = "auto",
    memory: options.Memory = "auto", quantise: options.Quantise = None, size: options.Side = None,
    side: Annotated[int, typer.Option(help="Pixels of a picture's longer side on the sheet.")] = 256,
) -> None:  # fmt: skip
    """Draw one edit over ranges of guidance and seeds: text guidance to the right, all else downwards.

    [bold]Example[/bold]

    retouch sweep room.png "make the sofa green" -o sheet.png --text-guidance 1.5,2,3 --count 2 --region "the sofa"
    """
    how = options.region_settings(
        blend=blend, grow=grow, shrink=shrink, feather=feather, attend_inside=attend_inside, invert=invert, zoom=zoom
    )
    settings = EditSettings(
        steps=steps, scheduler=scheduler, negative=negative, seed=seed, keep_detail=keep_detail, region=how
    )
    grid = _grid(text_guidance, image_guidance, count)
    if not instruction.strip():
        raise SettingsError('The instruction is empty; say what to do, such as "make the sofa green".')
    check_writable(output, suffixes=(".png",))

    words = Words(segmenter=segmenter, reader=reader, when_missing=when_missing, device=device)
    plan = _Plan(instruction=instruction, settings=settings, regions=tuple(region or ()), grid=grid, count=count)
    source = _picture(image)
    import_networks(model, segmenter, reader)
    from retouch.editing.load import load_editor

    load = partial(
        load_editor, model or options.DEFAULT_MODEL, tokenizer=tokenizer, loras=tuple(map(parse_lora, lora or ())),
        device=device, precision=precision, backend=backend, memory=memory, quantise=quantise, side=size,
    )  # fmt: skip
    rows = _swept(plan, source, words, cache(load))
    for warning in dict.fromkeys(text for row in rows for cell in row for text in cell.warnings):
        warn(warning)
    _draw(rows, output, side=side)
    say(f"Wrote {len(rows) * count} results to {output}")


def _picture(image: str) -> "LoadedImage":
    from retouch.core.images import load_image

    return load_image(image)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What was asked for."""

    instruction: str
    settings: EditSettings
    regions: tuple[str, ...]
    grid: "_Grid"
    count: int


def _swept(
    plan: _Plan, source: "LoadedImage", words: Words, editor: "Callable[[], Editor | PipelineEditor]"
) -> "tuple[tuple[SweepCell, ...], ...]":
    from retouch.editing.load import checkpoint_of
    from retouch.editing.sweep import sweep as run_sweep
    from retouch.editing.sweep import usual_text_guidance

    asked = read_regions(plan.regions, 1, plan.settings.region)
    where = places([plan.instruction], asked, source, words, own=lambda: checkpoint_of(editor()))
    ready = editor()
    texts, images = plan.grid.over(ready.defaults, usual_text_guidance(ready))
    with patient_interrupt("stopping after this step.") as cancelled, progress("sweeping") as update:
        return run_sweep(
            ready,
            source,
            where.instructions,
            text_guidance=texts,
            image_guidance=images,
            seeds=plan.count,
            settings=plan.settings,
            region=where.sources or None,
            on_progress=update,
            cancelled=cancelled,
        )


@dataclass(frozen=True, kw_only=True)
class _Grid:
    texts: tuple[float, ...] | None
    images: tuple[float, ...] | None

    def over(
        self, defaults: EditSettings, usual: tuple[float, ...]
    ) -> tuple[tuple[float, ...], tuple[float | None, ...]]:
        """The values to sweep over: those named, with the model's own of the other; of none `usual` and the images'."""
        own = usual if defaults.text_guidance is None else (defaults.text_guidance,)
        texts = self.texts or (usual if self.images is None else own)
        if self.images is not None or defaults.image_guidance is None:
            return texts, self.images or (None,)
        return texts, IMAGE_GUIDANCES if self.texts is None else (defaults.image_guidance,)


def _grid(text_guidance: str | None, image_guidance: str | None, count: int) -> _Grid:
    """The values asked for, all within range; raises SettingsError."""
    grid = _Grid(
        texts=None if text_guidance is None else options.numbers("--text-guidance", text_guidance),
        images=None if image_guidance is None else options.numbers("--image-guidance", image_guidance),
    )
    for text in grid.texts or ():
        EditSettings(text_guidance=text)
    for image in grid.images or ():
        EditSettings(image_guidance=image)
    if not 1 <= count <= MAXIMUM_COUNT:
        raise SettingsError(f"count is {count}; expected a whole number from 1 to {MAXIMUM_COUNT}.")
    return grid


def _draw(rows: "tuple[tuple[SweepCell, ...], ...]", output: Path, *, side: int) -> None:
    from retouch.core.contact import Cell, contact_sheet
    from retouch.core.images import png_bytes

    columns = len({cell.settings.text_guidance for row in rows for cell in row})
    # The rows come by combination; on the sheet the text guidance runs to the right.
    ordered = [
        cell
        for first in range(0, len(rows), columns)
        for one in zip(*rows[first : first + columns], strict=True)
        for cell in one
    ]
    cells = [Cell(images=(cell.image,), caption=cell.label) for cell in ordered]
    atomic_write(output, png_bytes(contact_sheet(cells, columns=columns, side=side)))
