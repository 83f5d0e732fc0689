"""Edits that keep to a region beside the same edits without one: what stays outside, what succeeds, and the time."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from retouch.conditioning.image import reconstruct, to_images, to_pixels
from retouch.core.errors import Cancelled, DataError
from retouch.core.files import atomic_write
from retouch.core.fit import Fit
from retouch.core.images import png_bytes
from retouch.core.region import Region
from retouch.core.region_settings import RegionSettings
from retouch.core.region_shape import grow
from retouch.core.settings import EditSettings
from retouch.editing.chain import edit_once
from retouch.editing.editor import Editor
from retouch.editing.follow import Follower
from retouch.editing.inside import Inside
from retouch.editing.protocol import RegionFinder, RegionSource
from retouch.editing.technique import Pass
from retouch.evaluation.judges import Case, Judge, judges
from retouch.evaluation.run import mask, picture
from retouch.evaluation.twins import TwinCase, judge_twins, twin_cases
from retouch.metrics.clip import Encoder
from retouch.metrics.fidelity import psnr
from retouch.records.pair import PairRecord
from retouch.records.shards import read_records

AWAY = 16
"""Pixels from the region's edge at which "outside" begins for the model's own picture."""
LEAST_OUTSIDE = 0.05
"""Of the picture, that must lie outside."""
CEILING = 99.0
"""What an infinite PSNR counts as, in dB."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way of editing: how regions are kept to, and where they come from; without settings there is no region.

    `found` looks for the region in the picture, by the words; None takes the true one that the record tells.
    """

    name: str
    settings: RegionSettings | None = None
    found: RegionFinder | None = None


@dataclass(frozen=True, kw_only=True)
class GroundedLine:
    """One way of editing.

    edits, success: how many were judged, and the share that succeeded where they were to act.
    outside: mean PSNR in dB of the model's own picture, before the composite, to the source's round trip through the
        autoencoder, `AWAY` pixels from the true region; None where regions are found by words.
    exact: the share of results of which every pixel outside the region kept to is the source's.
    seconds: of an edit, in the median, finding the region included.
    twins, right: how many pictures of two alike, and the share in which the one that was named changed and it alone.
    """

    way: str
    edits: int
    success: float
    outside: float | None
    exact: float
    seconds: float
    twins: int
    right: float | None


def ways(finder: RegionFinder | None) -> tuple[Way, ...]:
    """Without a region; kept to the true one, with and without attention to the words of the edit; and by words."""
    usual = (
        Way(name="plain"),
        Way(name="blended", settings=RegionSettings()),
        Way(name="attention", settings=RegionSettings(attend="avoid")),
    )
    return usual if finder is None else (*usual, Way(name="by words", settings=RegionSettings(), found=finder))


def evaluate_grounded(
    editor: Editor,
    pairs: Path,
    out: Path,
    *,
    encoder: Encoder,
    finder: RegionFinder | None = None,
    limit: int | None = None,
    twins: int | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[GroundedLine, ...]:
    """Edit held-out records in every way, with the same seeds, and judge the results.

    The first `limit` records of the split "bench" whose edits have a region, and the first `twins` pictures that show
    two things of a kind (`twin_cases`). `out` gets every result as PNG, by way. Raises DataError where there is no
    such record, Cancelled when interrupted.
    """
    records = [one for one in read_records(pairs, split="bench") if _is_regional(one)][:limit]
    if not records:
        raise DataError(f"{pairs} holds no record of the split 'bench' with a region; make some there first.")
    alike = list(twin_cases(read_records(pairs, split="bench"), seed=seed))[:twins]
    bench = _Bench(editor=editor, out=out, table=judges(None, encoder), seed=seed)
    every = ways(finder)
    total, done = len(every) * (len(records) + len(alike)), 0
    lines = []
    for way in every:
        edits, sides = [], []
        for made, results in ((edits, bench.edits(way, records)), (sides, bench.sides(way, alike))):
            for result in results:
                made.append(result)
                done += 1
                on_progress(done, total)
                if cancelled():
                    raise Cancelled(f"Interrupted after {done} of {total} edits; nothing was written but pictures.")
        lines.append(_line(way, edits, sides))
    return tuple(lines)


def markdown(lines: Sequence[GroundedLine]) -> str:
    """The lines as a table."""
    rows = [
        "| way | edits | success | own picture outside, dB | exact outside | seconds | of two, the one named |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        outside = "–" if line.outside is None else f"{line.outside:.1f}"
        right = "–" if line.right is None else f"{line.right:.0%} of {line.twins}"
        rows.append(
            f"| {line.way} | {line.edits} | {line.success:.0%} | {outside} | {line.exact:.0%} | {line.seconds:.2f} "
            f"| {right} |"
        )
    return "\n".join(rows) + "\n"


@dataclass(frozen=True, kw_only=True)
class _Edit:
    success: bool
    outside: float | None
    exact: bool
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Bench:
    editor: Editor
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
        region: RegionSource = None if way.settings is None else way.found or true
        settings = EditSettings(seed=self.seed, region=way.settings)
        start = time.perf_counter()
        result = self.editor.edit(Image.fromarray(source), instruction, settings=settings, region=region)
        seconds = time.perf_counter() - start
        image = result.image.convert("RGB")
        atomic_write(self.out / way.name.replace(" ", "-") / f"{name}.png", png_bytes(image))
        return np.array(image), result.regions[0][0][0] if result.regions else None, seconds

    @torch.no_grad()
    def _outside(self, way: Way, source: Picture, instruction: str, true: Region) -> float:
        """PSNR of the model's own picture to the source's round trip, away from the region."""
        checkpoint = self.editor.checkpoint
        spec, shown = checkpoint.spec, Image.fromarray(source)
        fit = Fit.for_model(shown.size, native=spec.native_size, multiple=spec.size_multiple)
        pixels = to_pixels([fit.apply(shown)])
        settings = EditSettings(seed=self.seed).resolve(self.editor.defaults)
        link = Pass(instruction=instruction, number=0, seeds=[self.seed], alike=[0])
        inside = None
        if way.settings is not None:
            shape = np.array(fit.apply(true.mask, method=Image.Resampling.BOX), dtype=np.float32) / 255
            inside = Inside(masks=torch.from_numpy(shape)[None, None], settings=way.settings.resolve())
        follower = Follower(on_progress=None, cancelled=None)
        own = edit_once(self.editor.technique, pixels, link, settings, follower, inside=inside)
        own, round_trip = (np.array(to_images(each)[0]) for each in (own, reconstruct(checkpoint, pixels)))
        away = np.array(fit.apply(grow(true, AWAY).mask)) == 0
        return min(CEILING, psnr(own, round_trip, away))


def _is_regional(record: PairRecord) -> bool:
    """Whether a record's edit has a region, of which enough lies outside."""
    if record.mask is None or record.kind == "null":
        return False
    away = np.array(grow(_region(mask(record.mask, picture(record.source_image))), AWAY).mask) == 0
    return bool(away.mean() >= LEAST_OUTSIDE) and bool((~away).any())


def _region(shape: NDArray[np.bool_]) -> Region:
    return Region(mask=Image.fromarray(np.uint8(255) * shape), origin="as the record tells")


def _is_exact(output: Picture, source: Picture, kept: Region | None) -> bool:
    outside = np.ones(source.shape[:2], dtype=bool) if kept is None else np.array(kept.mask) == 0
    return bool((output == source)[outside].all())


def _line(way: Way, edits: Sequence[_Edit], sides: Sequence[bool]) -> GroundedLine:
    outside = [edit.outside for edit in edits if edit.outside is not None]
    return GroundedLine(
        way=way.name,
        edits=len(edits),
        success=mean(edit.success for edit in edits),
        outside=mean(outside) if outside else None,
        exact=mean(edit.exact for edit in edits),
        seconds=float(np.median([edit.seconds for edit in edits])),
        twins=len(sides),
        right=mean(sides) if sides else None,
    )
