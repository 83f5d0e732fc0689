"""How much of a large picture's sharpness an edit keeps, with its detail carried over and by plain enlargement."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.contact import Cell, contact_sheet
from retouch.core.errors import Cancelled, DataError
from retouch.core.files import atomic_write
from retouch.core.images import load_image, png_bytes
from retouch.core.settings import EditSettings
from retouch.editing.detail import keeps_detail
from retouch.editing.engine import Engine
from retouch.editing.protocol import InstructionEditor
from retouch.evaluation.pixels import mask, picture
from retouch.metrics.sharpness import sharpness
from retouch.records.shards import read_records

OUTSIDE, INSIDE, WHOLE = "outside the region", "inside the region", "whole picture"
LEAST_PIXELS = 400
"""Of a part, for its sharpness to be measured."""
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_SHOWN = 256
"""Pixels of a side of what the sheet shows of each picture, at its own size."""
_SHEET = 12
"""Pictures on the sheet at the most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DetailCase:
    """A picture, RGB, what to do to it, and where that acts, (H, W), None: nobody knows."""

    name: str
    source: Image.Image
    instruction: str
    region: NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True)
class DetailLine:
    """The sharpness of one part of results as a share of the source's, in the median, with detail kept and without."""

    part: str
    pictures: int
    kept: float
    plain: float


@dataclass(frozen=True, kw_only=True)
class DetailReport:
    """The parts of the pictures side by side."""

    lines: tuple[DetailLine, ...]

    def markdown(self) -> str:
        """The lines as a table."""
        rows = ["| sharpness, of the source's | pictures | detail kept | plain enlargement |", "|---|---|---|---|"]
        rows += [f"| {line.part} | {line.pictures} | {line.kept:.0%} | {line.plain:.0%} |" for line in self.lines]
        return "\n".join(rows) + "\n"


def record_cases(folder: Path, engine: Engine, *, limit: int | None = None) -> tuple[DetailCase, ...]:
    """The first records of the split "bench" that a model sees smaller and whose edits have a region."""
    found: list[DetailCase] = []
    for record in read_records(folder, split="bench"):
        if len(found) == limit:
            break
        source = picture(record.source_image)
        region = mask(record.mask, source)
        if record.kind != "null" and region.any() and _is_large(Image.fromarray(source), engine):
            found.append(
                DetailCase(
                    name=record.id, source=Image.fromarray(source), instruction=record.edit_prompt, region=region
                )
            )
    return tuple(found)


def picture_cases(
    folder: Path, instruction: str, engine: Engine, *, limit: int | None = None
) -> tuple[DetailCase, ...]:
    """The first pictures of a folder, by name, that a model sees smaller, all with one instruction."""
    found: list[DetailCase] = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES):
        if len(found) == limit:
            break
        source = load_image(path).pixels
        if _is_large(source, engine):
            found.append(DetailCase(name=path.stem, source=source, instruction=instruction))
    return tuple(found)


def evaluate_detail(
    editor: InstructionEditor,
    cases: Sequence[DetailCase],
    out: Path,
    *,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DetailReport:
    """Edit every picture twice with one seed, without a region, and measure what is left of its sharpness.

    `out` gets both results of each as PNG, and `sheet.png`: source, plain and kept, cut out about where the edit acts.
    Raises DataError where there is no case, Cancelled when interrupted.
    """
    if not cases:
        raise DataError("There is no picture that the model sees smaller than it is; give larger ones.")
    shares: dict[str, list[tuple[float, float]]] = {}
    cells: list[Cell] = []
    for done, case in enumerate(cases, start=1):
        kept, plain = (_edited(editor, case, seed, keep_detail=keeps) for keeps in (True, False))
        for name, result in (("kept", kept), ("plain", plain)):
            atomic_write(out / name / f"{case.name}.png", png_bytes(result))
        for part, where in _parts(case):
            own = sharpness(np.asarray(case.source), where)
            shares.setdefault(part, []).append(
                (sharpness(np.asarray(kept), where) / own, sharpness(np.asarray(plain), where) / own)
            )
        if len(cells) < _SHEET:
            cells.append(_cell(case, plain, kept))
        on_progress(done, len(cases))
        if cancelled():
            raise Cancelled(f"Interrupted after {done} of {len(cases)} pictures; nothing was written but pictures.")
    atomic_write(out / "sheet.png", png_bytes(contact_sheet(cells, columns=1, side=_SHOWN)))
    return DetailReport(lines=tuple(_lines(shares)))


def _is_large(source: Image.Image, engine: Engine) -> bool:
    return keeps_detail(engine.fit(source.size), None)


def _edited(editor: InstructionEditor, case: DetailCase, seed: int, *, keep_detail: bool) -> Image.Image:
    settings = EditSettings(seed=seed, keep_detail=keep_detail)
    return editor.edit(case.source, case.instruction, settings=settings).image.convert("RGB")


def _parts(case: DetailCase) -> Iterable[tuple[str, NDArray[np.bool_]]]:
    """The parts of a case that are large enough, and of the source sharp at all."""
    if case.region is None:
        every = ((WHOLE, np.ones((case.source.height, case.source.width), dtype=bool)),)
    else:
        every = ((OUTSIDE, ~case.region), (INSIDE, case.region))
    for part, where in every:
        if where[1:-1, 1:-1].sum() >= LEAST_PIXELS and sharpness(np.asarray(case.source), where) > 0:
            yield part, where


def _cell(case: DetailCase, plain: Image.Image, kept: Image.Image) -> Cell:
    box = _about(case)
    return Cell(images=tuple(image.crop(box) for image in (case.source, plain, kept)), caption=case.instruction)


def _about(case: DetailCase) -> tuple[int, int, int, int]:
    """The square of the sheet's size about the edge of where a case acts, or about the middle."""
    width, height = case.source.size
    x, y = width // 2, height // 2
    if case.region is not None:
        rows, columns = np.nonzero(case.region)
        # About the left end, so that both the region and what lies beside it are seen.
        x, y = int(columns.min()), int(np.median(rows))
    side = min(_SHOWN, width, height)
    left, top = (min(max(middle - side // 2, 0), length - side) for middle, length in ((x, width), (y, height)))
    return left, top, left + side, top + side


def _lines(shares: dict[str, list[tuple[float, float]]]) -> Iterator[DetailLine]:
    for part in (OUTSIDE, INSIDE, WHOLE):
        if part in shares:
            kept, plain = zip(*shares[part], strict=True)
            yield DetailLine(part=part, pictures=len(kept), kept=median(kept), plain=median(plain))
