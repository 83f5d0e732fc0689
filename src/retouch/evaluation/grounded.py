"""Edits that keep to a region beside the same edits without one: what stays outside, what succeeds, and the time."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.errors import Cancelled, DataError
from retouch.core.files import atomic_write
from retouch.core.images import png_bytes
from retouch.core.region import Region, joined
from retouch.core.region_settings import RegionSettings
from retouch.core.region_shape import grow
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.engine import EngineEditor
from retouch.editing.own_region import OwnFinder
from retouch.editing.protocol import RegionFinder, RegionSource
from retouch.evaluation.compounds import CompoundLine, Sought, compound_lines, compound_table, compound_ways
from retouch.evaluation.judges import Case, Judge, judges
from retouch.evaluation.own_picture import own_picture
from retouch.evaluation.pixels import mask, picture
from retouch.evaluation.twins import TwinCase, judge_twins, twin_cases
from retouch.grounding.locate import locate
from retouch.metrics.clip import Encoder
from retouch.metrics.fidelity import psnr
from retouch.records.pair import PairRecord
from retouch.records.shards import read_records

AWAY = 16
"""Pixels of the model from the region's edge at which "outside" begins for the model's own picture."""
LEAST_OUTSIDE = 0.05
"""Of the picture, that must lie outside."""
CEILING = 99.0
"""What an infinite PSNR counts as, in dB."""

Picture = NDArray[np.uint8]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way of editing: how regions are kept to, and where they come from; without settings there is no region.

    `found` looks for the region in the picture; None takes the true one that the record tells. What is `bare` is not
    blended and not put into its source: of the region attention alone knows.
    """

    name: str
    settings: RegionSettings | None = None
    found: RegionFinder | None = None
    bare: bool = False


@dataclass(frozen=True, kw_only=True)
class GroundedLine:
    """One way of editing.

    edits, success: how many were judged, and the share that succeeded where they were to act.
    outside: mean PSNR in dB of the model's own picture, before the composite, to the source's round trip through the
        autoencoder, `AWAY` pixels from the true region; None where regions are looked for.
    exact: the share of results of which every pixel outside the region kept to is the source's.
    iou: of the regions looked for and the true ones, in the mean; None where they are not looked for.
    seconds: of an edit, in the median, finding the region included.
    twins, right: how many pictures of two alike, and the share in which the one that was named changed and it alone.
    """

    way: str
    edits: int
    success: float
    outside: float | None
    exact: float
    iou: float | None
    seconds: float
    twins: int
    right: float | None


@dataclass(frozen=True, kw_only=True)
class GroundedReport:
    """The ways of editing side by side, those of doing what asks for several things, and what is not measured."""

    ways: tuple[GroundedLine, ...]
    compounds: tuple[CompoundLine, ...] = ()
    note: str = ""

    def markdown(self) -> str:
        """The lines as one table, or as two, and the note."""
        tables = [_table(self.ways), *([compound_table(self.compounds)] if self.compounds else [])]
        return "\n".join([*tables, *([f"{self.note}\n"] if self.note else [])])


@dataclass(frozen=True, kw_only=True)
class GroundedPlan:
    """What is measured: at most so many records, pictures of two alike, and compound instructions; None is all.

    smaller_than: of the picture, that a region takes up at the most; given, edits without an enlarged crop stand
        beside those with one.
    """

    limit: int | None = None
    twins: int | None = None
    compounds: int | None = None
    smaller_than: float | None = None
    seed: int = 0


def ways(own: RegionFinder | None, words: RegionFinder | None, *, small: bool = False) -> tuple[Way, ...]:
    """Without a region; kept to the true one, by attention, by blending and by both; and to regions looked for.

    `own` finds those that the model shows itself; None is a model whose attention is not looked into, which keeps to
    regions in its own way. `words` finds those of phrases; of `small` regions unzoomed edits are one more way.
    """
    avoid, kept = RegionSettings(attend="avoid"), RegionSettings()
    if own is None:
        every = [Way(name="plain"), Way(name="kept to the region", settings=kept)]
    else:
        every = [
            Way(name="plain"),
            Way(name="attention alone", settings=avoid, bare=True),
            Way(name="blended", settings=kept),
            Way(name="blended and attention", settings=avoid),
            Way(name="by lime", settings=kept, found=own),
        ]
    if words is not None:
        every.append(Way(name="by words", settings=RegionSettings(), found=words))
    if small:
        kept_how = "blended" if own is not None else "kept to the region"
        every.append(Way(name=f"{kept_how}, not enlarged", settings=RegionSettings(zoom="off")))
    return tuple(every)


def evaluate_grounded(
    editor: EngineEditor,
    pairs: Path,
    out: Path,
    *,
    encoder: Encoder,
    words: Sought | None = None,
    plan: GroundedPlan | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> GroundedReport:
    """Edit held-out records in every way, with the same seeds, and judge the results.

    The first records of the split "bench" whose edits have a region, the first pictures that show two things of a kind
    (`twin_cases`), and, where `words` are looked for, the first instructions that ask for several things. `out` gets
    every result as PNG, by way. Raises DataError where there is no such record, Cancelled when interrupted.
    """
    plan = plan or GroundedPlan()
    records = [one for one in read_records(pairs, split="bench") if _counts(one, plan.smaller_than)][: plan.limit]
    if not records:
        raise DataError(f"{pairs} holds no record of the split 'bench' with such a region; make some there first.")
    alike = list(twin_cases(read_records(pairs, split="bench"), seed=plan.seed))[: plan.twins]
    several = [one for one in read_records(pairs, split="bench") if one.kind == "compound"][: plan.compounds]
    bench = _Bench(editor=editor, out=out, table=judges(None, encoder), seed=plan.seed)
    every = ways(
        _own(editor),
        None if words is None else _by_words(words),
        small=plan.smaller_than is not None,
    )
    asked = () if words is None or not several else compound_ways(words)
    watch = _Watch(len(every) * (len(records) + len(alike)) + len(asked) * len(several), on_progress, cancelled)
    lines = []
    for way in every:
        edits, sides = list(watch.over(bench.edits(way, records))), list(watch.over(bench.sides(way, alike)))
        lines.append(_line(way, edits, sides))
    compounds = compound_lines(editor, asked, several, out, seed=plan.seed, watch=watch.over)
    return GroundedReport(ways=tuple(lines), compounds=compounds, note=_note(editor))


def _own(editor: EngineEditor) -> RegionFinder | None:
    if not isinstance(editor, Editor):
        return None
    own = OwnFinder(checkpoint=editor.checkpoint)
    return lambda shown, text: own.find(shown, text).region


def _note(editor: EngineEditor) -> str:
    if isinstance(editor, Editor):
        return ""
    return (
        "The model is a pipeline, whose attention is not looked into: latent blending, attention and lime are of the "
        "in-house loop alone and left out."
    )


def _table(lines: Sequence[GroundedLine]) -> str:
    rows = [
        "| way | edits | success | own picture outside, dB | exact outside | IoU | seconds | of two, the one named |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        outside = "–" if line.outside is None else f"{line.outside:.1f}"
        iou = "–" if line.iou is None else f"{line.iou:.2f}"
        right = "–" if line.right is None else f"{line.right:.0%} of {line.twins}"
        rows.append(
            f"| {line.way} | {line.edits} | {line.success:.0%} | {outside} | {line.exact:.0%} | {iou} "
            f"| {line.seconds:.2f} | {right} |"
        )
    return "\n".join(rows) + "\n"


class _Watch:
    """Counts results as they come, and stops when that is asked for."""

    def __init__(self, total: int, on_progress: Callable[[int, int], None], cancelled: Callable[[], bool]) -> None:
        self._total, self._done = total, 0
        self._on_progress, self._cancelled = on_progress, cancelled

    def over(self, results: Iterable[Result]) -> Iterator[Result]:
        """The results, each counted; raises Cancelled."""
        for result in results:
            yield result
            self._done += 1
            self._on_progress(self._done, self._total)
            if self._cancelled():
                raise Cancelled(
                    f"Interrupted after {self._done} of {self._total} edits; nothing was written but pictures."
                )


@dataclass(frozen=True, kw_only=True)
class _Edit:
    success: bool
    outside: float | None
    exact: bool
    iou: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Bench:
    editor: EngineEditor
    out: Path
    table: Mapping[str, Judge]
    seed: int

    def edits(self, way: Way, records: Iterable[PairRecord]) -> Iterator[_Edit]:
        """Every record edited and judged."""
        for record in records:
            source, true = picture(record.source_image), _region(mask(record.mask, picture(record.source_image)))
            output, kept, seconds = self._edit(way, record.id, source, record.edit_prompt, true)
            case = Case(
                kind=record.kind,
                params=record.params,
                source=source,
                target=picture(record.target_image),
                output=output,
                round_trip=source,
                changed=mask(record.mask, source),
                object_mask=mask(record.object_mask, source),
            )
            yield _Edit(
                success=self.table[record.kind].judge(case).success,
                outside=None if way.found else self._outside(way, source, record.edit_prompt, true),
                exact=_is_exact(output, source, kept),
                iou=_iou(kept, true) if way.found and kept else None,
                seconds=seconds,
            )

    def sides(self, way: Way, cases: Iterable[TwinCase]) -> Iterator[bool]:
        """Every picture of two alike edited, and whether the right one changed."""
        for case in cases:
            output, _, _ = self._edit(way, case.id, case.source, case.instruction, _region(case.named))
            yield judge_twins(case, output).right

    def _edit(
        self, way: Way, name: str, source: Picture, instruction: str, true: Region
    ) -> tuple[Picture, Region | None, float]:
        """The result, the region that was kept to, and the seconds it took."""
        start = time.perf_counter()
        image, kept = (self._bare if way.bare else self._full)(way, Image.fromarray(source), instruction, true)
        seconds = time.perf_counter() - start
        atomic_write(self.out / way.name.replace(" ", "-").replace(",", "") / f"{name}.png", png_bytes(image))
        return np.array(image), kept, seconds

    def _full(self, way: Way, source: Image.Image, instruction: str, true: Region) -> tuple[Image.Image, Region | None]:
        region: RegionSource = None if way.settings is None else way.found or true
        settings = EditSettings(seed=self.seed, region=way.settings)
        result = self.editor.edit(source, instruction, settings=settings, region=region)
        return result.image.convert("RGB"), result.regions[0][0][0] if result.regions else None

    def _bare(self, way: Way, source: Image.Image, instruction: str, true: Region) -> tuple[Image.Image, Region]:
        own = own_picture(self.editor, source, instruction, true, settings=way.settings, blends=False, seed=self.seed)
        return own.finished(), true

    def _outside(self, way: Way, source: Picture, instruction: str, true: Region) -> float | None:
        """PSNR of the model's own picture to the source's round trip away from the region, None where nothing is."""
        shown = Image.fromarray(source)
        own = own_picture(
            self.editor, shown, instruction, true, settings=way.settings, blends=not way.bare, seed=self.seed
        )
        away = own.away(AWAY)
        return min(CEILING, psnr(own.after, own.before, away)) if away.any() else None


def _by_words(words: Sought) -> RegionFinder:
    """What finds the regions of all steps of an instruction, together."""

    def find(shown: Image.Image, instruction: str) -> Region:
        located = locate(shown, instruction, reader=words.reader, finder=words.finder)
        return joined([each.region for each in located])

    return find


def _counts(record: PairRecord, smaller_than: float | None) -> bool:
    """Whether a record's edit has a region, of which enough lies outside, and no more is inside than wanted."""
    if record.mask is None or record.kind == "null":
        return False
    region = _region(mask(record.mask, picture(record.source_image)))
    away = np.array(grow(region, AWAY).mask) == 0
    if smaller_than is not None and np.mean(np.array(region.mask) > 0) >= smaller_than:
        return False
    return bool(away.mean() >= LEAST_OUTSIDE) and bool((~away).any())


def _region(shape: NDArray[np.bool_]) -> Region:
    return Region(mask=Image.fromarray(np.uint8(255) * shape), origin="as the record tells")


def _is_exact(output: Picture, source: Picture, kept: Region | None) -> bool:
    outside = np.ones(source.shape[:2], dtype=bool) if kept is None else np.array(kept.mask) == 0
    return bool((output == source)[outside].all())


def _iou(kept: Region, true: Region) -> float:
    one, other = (np.array(region.mask) >= 128 for region in (kept, true))
    return float((one & other).sum() / max(1, (one | other).sum()))


def _line(way: Way, edits: Sequence[_Edit], sides: Sequence[bool]) -> GroundedLine:
    outside = [edit.outside for edit in edits if edit.outside is not None]
    ious = [edit.iou for edit in edits if edit.iou is not None]
    return GroundedLine(
        way=way.name,
        edits=len(edits),
        success=mean(edit.success for edit in edits),
        outside=mean(outside) if outside else None,
        exact=mean(edit.exact for edit in edits),
        iou=mean(ious) if ious else None,
        seconds=float(np.median([edit.seconds for edit in edits])),
        twins=len(sides),
        right=mean(sides) if sides else None,
    )
