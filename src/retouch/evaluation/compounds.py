"""Instructions that ask for several things, done at once and step by step, with and without regions."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np
from PIL import Image

from retouch.core.files import atomic_write
from retouch.core.images import png_bytes
from retouch.core.region import Region, joined
from retouch.core.settings import EditSettings
from retouch.editing.protocol import InstructionEditor, RegionFinder
from retouch.evaluation.pixels import mask, picture
from retouch.grounding.locate import Finder
from retouch.grounding.phrases import ParsedStep, PhraseFinder
from retouch.metrics.fidelity import nearer_to, psnr
from retouch.records.pair import PairRecord


@dataclass(frozen=True, kw_only=True, eq=False)
class Sought:
    """What looks for regions by words: a reader of instructions and a finder of phrases."""

    reader: PhraseFinder
    finder: Finder


@dataclass(frozen=True, kw_only=True, eq=False)
class CompoundWay:
    """Whether an instruction is divided into its steps, and whether regions are looked for."""

    name: str
    words: Sought
    split: bool
    grounded: bool


@dataclass(frozen=True, kw_only=True)
class CompoundLine:
    """One way of doing compound instructions.

    edits, steps: how many were judged, and into how many steps they were divided in the mean.
    success: the share of results that are nearer to the target than to the source where these differ.
    figure: mean PSNR in dB to the target there.
    outside: mean PSNR in dB to the source elsewhere, at most 99.
    seconds: of an edit, in the median.
    """

    way: str
    edits: int
    steps: float
    success: float
    figure: float
    outside: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Done:
    steps: int
    success: bool
    figure: float
    outside: float
    seconds: float


Watch = Callable[[Iterable[_Done]], Iterable[_Done]]
"""Counts results as they come."""


def compound_ways(words: Sought) -> tuple[CompoundWay, ...]:
    """Whole and split, without regions and with those of the words."""
    return tuple(
        CompoundWay(name=f"{cut}, {where}", words=words, split=cut == "split", grounded=where == "by words")
        for where in ("plain", "by words")
        for cut in ("at once", "split")
    )


def compound_lines(
    editor: InstructionEditor,
    every: Sequence[CompoundWay],
    records: Sequence[PairRecord],
    out: Path,
    *,
    seed: int,
    watch: Watch = lambda results: results,
) -> tuple[CompoundLine, ...]:
    """Do the instruction of every record in every way, with the same seed, and keep the results under `out`."""
    return tuple(_line(way, list(watch(_done(editor, way, records, out, seed)))) for way in every)


def compound_table(lines: Sequence[CompoundLine]) -> str:
    """The lines as a table."""
    rows = [
        "| compound instructions | edits | steps | success | to the target, dB | outside, dB | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {line.way} | {line.edits} | {line.steps:.1f} | {line.success:.0%} | {line.figure:.1f} | {line.outside:.1f} "
        f"| {line.seconds:.2f} |"
        for line in lines
    ]
    return "\n".join(rows) + "\n"


def _done(
    editor: InstructionEditor, way: CompoundWay, records: Sequence[PairRecord], out: Path, seed: int
) -> Iterator[_Done]:
    for record in records:
        source, target = picture(record.source_image), picture(record.target_image)
        start = time.perf_counter()
        steps = way.words.reader.read(record.edit_prompt)
        texts = [step.text for step in steps] if way.split else [record.edit_prompt]
        regions = _regions(way, steps) if way.grounded else None
        result = editor.edit(Image.fromarray(source), texts, settings=EditSettings(seed=seed), region=regions)
        seconds = time.perf_counter() - start
        image = result.image.convert("RGB")
        atomic_write(out / way.name.replace(", ", "-").replace(" ", "-") / f"{record.id}.png", png_bytes(image))
        output, changed = np.array(image), mask(record.mask, source)
        yield _Done(
            steps=len(texts),
            success=nearer_to(output, target, source, changed),
            figure=psnr(output, target, changed),
            outside=min(99.0, psnr(output, source, ~changed)),
            seconds=seconds,
        )


def _regions(way: CompoundWay, steps: Sequence[ParsedStep]) -> list[RegionFinder]:
    """One for each step, or all of them together; what is not found leaves the picture as it is."""
    finder = way.words.finder

    def of(step: ParsedStep) -> RegionFinder:
        return lambda shown, _: finder.step(shown, step).region

    def together(shown: Image.Image, _: str) -> Region:
        return joined([finder.step(shown, step).region for step in steps])

    return [of(step) for step in steps] if way.split else [together]


def _line(way: CompoundWay, done: Sequence[_Done]) -> CompoundLine:
    return CompoundLine(
        way=way.name,
        edits=len(done),
        steps=mean(one.steps for one in done),
        success=mean(one.success for one in done),
        figure=mean(one.figure for one in done),
        outside=mean(one.outside for one in done),
        seconds=median(one.seconds for one in done),
    )
