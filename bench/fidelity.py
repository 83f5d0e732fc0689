"""What each profile costs and gives: likeness to the exact run at 50 steps, RoomsBench success, seconds.

    python bench/fidelity.py [--limit 60] [--model pocket] [--steps 50] [--own-steps N] [--out runs/fidelity]

Every contender edits the same cases of RoomsBench with the same seed. Likeness is the PSNR of its picture to that of
the model's own settings at so many steps; success is the judge of the kind of edit. Seconds are of the edit alone, turn
about. With `--own-steps` the profiles take their shares of so many steps, all of them guided, as of a model that needs
as many. `--contender NAME=MODEL[,PROFILE]` adds another checkpoint, such as `student=pocket/fast`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from retouch.core.errors import RetouchError
from retouch.core.settings import PROFILES, EditSettings
from retouch.editing.editor import Editor
from retouch.evaluation.bench import round_trip_of
from retouch.evaluation.benchmark import BenchCase, Picture
from retouch.evaluation.benchmarks.named import load_benchmark
from retouch.evaluation.calibration.objectives import Objective, objectives
from retouch.evaluation.chart import Chart, Mark, Series
from retouch.metrics.clip import load_encoder
from retouch.scenes.render.variant import cache_folder

EXACT = "reference"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of a contender: dB to the reference in the mean and at least, share of success, dB outside, median seconds."""

    contender: str
    steps: int
    likeness: float
    least: float
    success: float
    outside: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A loaded editor and how it is asked."""

    name: str
    editor: Editor
    settings: EditSettings

    def edit(self, case: BenchCase) -> tuple[Picture, float]:
        """The picture, (H, W, 3) uint8, and the seconds that it took, with nothing kept of edits before."""
        self.editor.checkpoint.kept.clear()
        began = time.perf_counter()
        made = self.editor.edit(Image.fromarray(case.source), case.instruction, settings=self.settings).image
        return np.asarray(made.convert("RGB")), time.perf_counter() - began


def main() -> None:
    """Print a table; write it as JSON and as a picture."""
    asked = _arguments()
    try:
        cases = tuple(load_benchmark("rooms", source=asked.source, cache=cache_folder()).cases(asked.limit))
        editor = Editor.load(asked.model, device=asked.device)
    except RetouchError as error:
        raise SystemExit(str(error)) from error
    exact = Contender(name=EXACT, editor=editor, settings=EditSettings(steps=asked.steps, seed=0))
    field = [Contender(name=name, editor=editor, settings=_profile(name, asked.own_steps)) for name in PROFILES]
    field += [_added(text, asked.device) for text in asked.contender]
    pair = objectives(cases, load_encoder("pocket/clip"), round_trip_of(editor.checkpoint))
    print(f"{asked.model}, {len(cases)} cases of RoomsBench, reference of {asked.steps} steps", flush=True)
    found = _measured([exact, *field], cases, pair)
    print(
        "\n| | steps | dB to the reference | least | success | dB outside | s an edit | times as fast |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    for each in found:
        print(
            f"| {each.contender} | {each.steps} | {each.likeness:.1f} | {each.least:.1f} | {each.success:.0%} | "
            f"{each.outside:.1f} | {each.seconds:.2f} | {found[0].seconds / each.seconds:.1f} |"
        )
    asked.out.mkdir(parents=True, exist_ok=True)
    content = json.dumps([asdict(each) for each in found], indent=2) + "\n"
    (asked.out / "fidelity.json").write_text(content, encoding="utf-8")
    (asked.out / "fidelity.svg").write_text(_chart(found[1:]).svg(), encoding="utf-8")
    print(f"\n{asked.out / 'fidelity.json'}, {asked.out / 'fidelity.svg'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--contender", action="append", default=[], metavar="NAME=MODEL[,PROFILE]")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument(
        "--own-steps", type=int, metavar="N", help="what profiles take shares of (default: the model's)"
    )
    parser.add_argument("--source", type=Path, help="where RoomsBench lies (default: the cache)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("runs/fidelity"))
    return parser.parse_args()


def _profile(name: str, own_steps: int | None) -> EditSettings:
    settings = EditSettings(profile=name, seed=0)
    return settings if own_steps is None else settings.resolve(EditSettings(steps=own_steps))


def _added(text: str, device: str) -> Contender:
    name, _, rest = text.partition("=")
    model, _, profile = rest.partition(",")
    settings = EditSettings(profile=profile or None, seed=0)
    return Contender(name=name, editor=Editor.load(model, device=device), settings=settings)


def _measured(
    field: Sequence[Contender], cases: Sequence[BenchCase], pair: tuple[Objective, Objective]
) -> list[Figures]:
    """Case by case, so that what else the machine does meets all alike; the first case is done once more ahead."""
    for each in field:
        each.edit(cases[0])
    made: dict[str, list[tuple[Picture, float]]] = {each.name: [] for each in field}
    for number, case in enumerate(cases, start=1):
        for each in field:
            made[each.name].append(each.edit(case))
        print(f"\r{number} of {len(cases)}", end="", flush=True)
    reference = [picture for picture, _ in made[field[0].name]]
    return [_figures(each, made[each.name], reference, cases, pair) for each in field]


def _figures(
    contender: Contender,
    made: Sequence[tuple[Picture, float]],
    reference: Sequence[Picture],
    cases: Sequence[BenchCase],
    pair: tuple[Objective, Objective],
) -> Figures:
    decibels = [_decibels(picture, other) for (picture, _), other in zip(made, reference, strict=True)]

    def mean(of: Objective) -> float:
        scores = [of.score(case, picture) for case, (picture, _) in zip(cases, made, strict=True)]
        return statistics.fmean(score for score in scores if score is not None)

    return Figures(
        contender=contender.name,
        steps=contender.settings.resolve(contender.editor.defaults).steps or 0,
        likeness=statistics.fmean(decibels),
        least=min(decibels),
        success=mean(pair[0]),
        outside=mean(pair[1]),
        seconds=statistics.median(seconds for _, seconds in made),
    )


def _decibels(one: Picture, other: Picture) -> float:
    error = float(np.square(one.astype(float) - other.astype(float)).mean())
    return 99.0 if error == 0 else min(99.0, 10 * float(np.log10(255**2 / error)))


def _chart(found: Sequence[Figures]) -> Chart:
    def series(name: str, value: Callable[[Figures], float]) -> Series:
        ordered = sorted(found, key=lambda each: each.seconds)
        marks = [Mark(x=each.seconds, y=value(each), label=each.contender) for each in ordered]
        return Series(name=name, marks=tuple(marks), large=True)

    return Chart(
        title="What speed costs",
        x="seconds an edit",
        y="dB to the reference; % success",
        series=(series("likeness", lambda each: each.likeness), series("success", lambda each: 100 * each.success)),
    )


if __name__ == "__main__":
    main()
