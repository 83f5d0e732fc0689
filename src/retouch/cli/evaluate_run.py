"""`retouch eval run`: models and baselines on a benchmark, with every answer and every value kept."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.evaluate_benches import pair_maker
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.metric_weights import Weights, metric_weights
from retouch.cli.output import Update, progress, say, say_json
from retouch.core.errors import SettingsError
from retouch.core.settings import MAXIMUM_COUNT, EditSettings

if TYPE_CHECKING:
    from retouch.evaluation.benchmark import Benchmark
    from retouch.evaluation.run import Progress

LIMITS = {"rooms": 500, "photos": 300}
"""How many cases of a benchmark are asked for where nothing is said; of the others all."""
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="pocket, a folder, a hub id, diffusers:SOURCE for a plain call of its pipeline, or baseline: with source, "
        "target, round-trip[:SOURCE], untrained[:SOURCE] or sdedit[:STRENGTH]; repeat it. (default: pocket)",
        show_default=False,
    ),
]
Guidances = Annotated[
    str | None, typer.Option(help="Values separated by commas; several are measured beside each other.")
]
Pairs = Annotated[
    Path | None, typer.Option(help="The same as --bench records:FOLDER: a folder of records of one's own.")
]
Encoder = Annotated[str, typer.Option(help="pocket/clip, a CLIP model's folder in transformers layout, or a hub id.")]


def run_bench(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where answers and reports go.", show_default=False)],
    model: Models = None,
    bench: Annotated[str, typer.Option(help="rooms, photos, another of `benches list`, or records:FOLDER.")] = "rooms",
    pairs: Pairs = None,
    source: Annotated[Path | None, typer.Option(help="Where the benchmark lies; of photos a folder of them.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many cases. (default: 500 rooms, 300 photos, or all)")] = None,
    baselines: Annotated[bool, typer.Option(help="Let the usual baselines take part too.")] = True,
    metric: Annotated[list[str] | None, typer.Option(help="A metric beside the benchmark's own; repeat it.")] = None,
    encoder: Encoder = "pocket/clip", weights: Weights = None,
    steps: options.Steps = None, scheduler: options.Scheduler = None, profile: options.Profile = None,
    text_guidance: Guidances = None, image_guidance: Guidances = None,
    keep_detail: options.KeepDetail = None,
    seed: Annotated[list[int] | None, typer.Option(help="The seed of every edit; repeat it. (default: 0)")] = None,
    seeds: Annotated[int, typer.Option(help="So many seeds, from the one given on.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes that make pairs; 0 makes them in this one.")] = 1,
    device: options.Device = "auto", precision: options.Precision = "auto", backend: options.Backend = "auto",
    memory: options.Memory = "auto", quantise: options.Quantise = None, size: options.Side = None,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Put a benchmark's cases to models, measure every answer, and set baselines beside them.

    Interrupted, even killed, the same command goes on where it stopped; another model or metric repeats nothing. OUT
    gets the answers, results.json, and report.md with success by kind of edit. `retouch eval report OUT` makes a page.

    [bold]Examples[/bold]

    retouch eval run --model pocket --bench rooms --limit 300 --out runs/eval-rooms

    retouch eval run --model pocket --model baseline:sdedit --image-guidance 1,1.2,1.4 --seeds 2 --out runs/eval-sweep
    """
    from retouch.evaluation.bench import Field, contestants
    from retouch.evaluation.choice import plan_of
    from retouch.evaluation.run import evaluate, summary_of

    entered = Field(
        models=tuple(model or (options.DEFAULT_MODEL,)),
        settings=EditSettings(steps=steps, scheduler=scheduler, keep_detail=keep_detail, profile=profile),
        text_guidance=_values("--text-guidance", text_guidance),
        image_guidance=_values("--image-guidance", image_guidance),
        usual=baselines, device=device, precision=precision, backend=backend,
        memory=memory, quantise=quantise, side=size,
    )  # fmt: skip
    field, drawn = contestants(entered), _seeds(seed, seeds)
    count = LIMITS.get(bench) if limit is None and pairs is None else limit
    published = metric_weights(weights)
    chosen = _bench(f"records:{pairs}" if pairs else bench, source, workers)
    plan = plan_of(
        chosen, metrics=tuple(metric or ()), encoder=encoder, weights=published, device=device, limit=count, seeds=drawn
    )
    note = "stopping after this edit; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("editing") as update:
        told = partial(_tell, update)
        results = evaluate(field, plan, out, on_progress=told, cancelled=cancelled)
    summary = summary_of(results, plan)
    if json:
        say_json(summary.facts())
    else:
        say(summary.markdown().rstrip())


def _tell(update: Update, event: "Progress") -> None:
    update(event.done, event.total, event.contestant)


def _values(name: str, text: str | None) -> tuple[float, ...]:
    return () if text is None else options.numbers(name, text)


def _seeds(given: list[int] | None, count: int) -> tuple[int, ...]:
    """The seeds asked for; raises SettingsError."""
    if not 1 <= count <= MAXIMUM_COUNT:
        raise SettingsError(f"seeds is {count}; expected a whole number from 1 to {MAXIMUM_COUNT}.")
    first = given or [0]
    if len(first) > 1 and count > 1:
        raise SettingsError("Give several --seed, or --seeds with one to begin with, not both.")
    drawn = tuple(first) if len(first) > 1 else tuple(range(first[0], first[0] + count))
    for one in drawn:
        EditSettings(seed=one)
    return drawn


def _bench(spec: str, source: Path | None, workers: int) -> "Benchmark":
    from retouch.core.cache import cache_folder
    from retouch.evaluation.benchmarks.named import load_benchmark

    return load_benchmark(spec, source=source, cache=cache_folder(), make=pair_maker(workers))
