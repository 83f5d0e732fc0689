"""`retouch eval calibrate`: find the guidance and the steps that suit a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.metric_weights import Weights, metric_weights
from retouch.cli.output import progress, say
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.editing.editor import Editor
    from retouch.evaluation.benchmark import BenchCase
    from retouch.evaluation.calibration.values import Grid

Values = Annotated[
    str | None, typer.Option(help="Values separated by commas. (default: the model's alone)", show_default=False)
]

Follows = Annotated[
    str | None,
    typer.Option(help="success, or a metric that reads what was asked, as clip-directional. (default: what suits)"),
]
Keeps = Annotated[str | None, typer.Option(help="A metric to the source alone, as psnr-outside. (default: what suits)")]


def calibrate_guidance(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and scores go.", show_default=False)],
    pairs: Annotated[Path | None, typer.Option(help="A folder of records.", show_default=False)] = None,
    bench: Annotated[str | None, typer.Option(help="A benchmark in its place, by name.", show_default=False)] = None,
    source: Annotated[
        Path | None, typer.Option(help="Where the benchmark lies. (default: the cache or the hub)")
    ] = None,
    model: options.Model = None,
    text_guidance: Annotated[str, typer.Option(help="Values separated by commas.")] = "1.25,1.5,2,3",
    image_guidance: Values = None,
    steps: Values = None,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "validation",
    limit: Annotated[int, typer.Option(help="How many cases, both halves together.")] = 120,
    budget: Annotated[
        int | None, typer.Option(help="How many edits at the most. (default: what halving takes)")
    ] = None,
    follows: Follows = None,
    keeps: Keeps = None,
    may_lose: Annotated[float, typer.Option(help="Of what the defaults keep, in that metric's unit.")] = 0.0,
    encoder: Annotated[str, typer.Option(help="The CLIP model that judges.")] = "pocket/clip",
    weights: Weights = None,
    seed: Annotated[int, typer.Option(help="Of every edit and of the halves.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto", backend: options.Backend = "auto",
    json: options.Json = False,
) -> None:  # fmt: skip
    """Try settings on half of the cases, dropping poor ones early, and hold the best to the other half.

    Interrupted, the same command goes on where it stopped. OUT gets calibration.md, calibration.json and pareto.svg.

    [bold]Example[/bold]

    retouch eval calibrate --pairs runs/data/rooms-validation --text-guidance 1.25,1.5,2,3 --image-guidance 1,1.2 \
        --steps 4,8 --out runs/calibration
    """
    grid = _grid(text_guidance, image_guidance, steps)
    if limit < 1 or may_lose < 0:
        raise SettingsError(f"limit is {limit} and may-lose {may_lose:g}; expected at least 1 and 0.")

    from retouch.editing.editor import Editor
    from retouch.evaluation.bench import round_trip_of
    from retouch.evaluation.calibration.objectives import check_names, objectives
    from retouch.evaluation.calibration.report import report_json
    from retouch.evaluation.calibration.run import Plan, Watch, calibrate
    from retouch.metrics.clip import load_encoder

    check_names(follows, keeps)
    published = metric_weights(weights)
    called, cases = _cases(pairs, bench, source, split=split, limit=limit)
    editor = Editor.load(model or options.DEFAULT_MODEL, device=device, precision=precision, backend=backend)
    there_and_back = round_trip_of(editor.checkpoint)
    pair = objectives(cases, load_encoder(encoder), there_and_back, follows=follows, keeps=keeps, weights=published)
    named = f"{len(cases)} of {called}"
    plan = Plan(model=_identity(editor), cases=named, grid=grid, budget=budget, seed=seed, may_lose=may_lose)
    note = "stopping after this edit; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("calibrating") as update:
        watch = Watch(on_progress=update, cancelled=cancelled)
        found = calibrate(editor, cases, out, plan=plan, follows=pair[0], keeps=pair[1], watch=watch)
    say(report_json(found).rstrip() if json else found.markdown().rstrip())


def _cases(
    pairs: Path | None, bench: str | None, source: Path | None, *, split: str, limit: int
) -> "tuple[str, tuple[BenchCase, ...]]":
    """What the cases are called, and the cases; raises SettingsError where none or two are named."""
    from retouch.core.cache import cache_folder
    from retouch.evaluation.benchmarks.named import load_benchmark
    from retouch.evaluation.calibration.cases import record_cases

    if (pairs is None) == (bench is None):
        raise SettingsError("Name the cases either by --pairs FOLDER or by --bench NAME.")
    if pairs is not None:
        return f"{pairs.name}, {split}", record_cases(pairs, split=named_split(split), limit=limit)
    found = load_benchmark(str(bench), source=source, cache=cache_folder())
    return f"{found.name} {found.version}", tuple(found.cases(limit))


def _grid(text_guidance: str, image_guidance: str | None, steps: str | None) -> "Grid":
    from retouch.evaluation.calibration.values import Grid

    return Grid(
        text_guidance=options.numbers("--text-guidance", text_guidance),
        image_guidance=() if image_guidance is None else options.numbers("--image-guidance", image_guidance),
        steps=() if steps is None else options.whole_numbers("--steps", steps),
    )


def _identity(editor: "Editor") -> str:
    from retouch.models.identity import identity

    unet = editor.checkpoint.unet
    return identity(editor.name, (unet.conv_in.weight, unet.conv_out.weight))
