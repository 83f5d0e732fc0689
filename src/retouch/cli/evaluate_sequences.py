"""`retouch eval drift` and `diversity`: many edits one after the other, and many seeds of one."""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.metric_weights import Weights, metric_weights
from retouch.cli.output import progress, say
from retouch.core.errors import SettingsError
from retouch.core.settings import EditSettings

if TYPE_CHECKING:
    from retouch.editing.editor import Editor

Kept = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        help="How much is kept, by a metric to the source; repeat it. (default: psnr-outside, perceptual-outside)",
    ),
]
Distances = Annotated[
    list[str] | None,
    typer.Option(
        "--distance",
        help="How far results lie apart, by a metric to the target; repeat it. (default: clip-region-distance, "
        "pixel-colour-inside)",
    ),
]
NOTE = "stopping after this edit; press Ctrl-C again to stop at once."


def measure_drift(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    model: options.Model = None,
    length: Annotated[int, typer.Option(help="Edits one after the other, up to 12.")] = 8,
    rooms: Annotated[int, typer.Option(help="How many held-out rooms, rendered here.")] = 8,
    split: Annotated[str, typer.Option(help="Whose rooms: train, validation or bench.")] = "validation",
    size: Annotated[int, typer.Option(help="Pixels of a room's side.")] = 256,
    metric: Kept = None,
    weights: Weights = None,
    steps: options.Steps = None,
    text_guidance: options.TextGuidance = None,
    image_guidance: options.ImageGuidance = None,
    seed: Annotated[int, typer.Option(help="Of every edit, and of what is asked.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    json: options.Json = False,
) -> None:
    """Do 1, 2, ... edits of different things in a room: chained, merged into one, and replayed from the root.

    Each state of the room is rendered too, so that every edit so far is judged by the truth. Interrupted, the same
    command goes on where it stopped. OUT gets drift.md, drift.json, two charts and the pictures.

    [bold]Example[/bold]

    retouch eval drift --length 8 --rooms 8 --out runs/eval-drift
    """
    if size < 64:
        raise SettingsError(f"size is {size}; expected at least 64.")

    from dataclasses import asdict

    from retouch.conditioning.text import cut_text
    from retouch.editing.editor import Editor
    from retouch.evaluation.courses import courses
    from retouch.evaluation.drift import METRICS, DriftPlan
    from retouch.evaluation.drift import measure_drift as measure
    from retouch.evaluation.judges import judges
    from retouch.metrics.clip import load_encoder
    from retouch.metrics.material import WEIGHTS, MaterialJudge
    from retouch.metrics.registry import load_metrics

    settings = EditSettings(steps=steps, text_guidance=text_guidance, image_guidance=image_guidance, seed=seed)
    encoder = load_encoder("pocket/clip")
    metrics = load_metrics(metric or METRICS, encoder=encoder, weights=metric_weights(weights))
    editor = Editor.load(model or options.DEFAULT_MODEL, device=device, precision=precision, backend=backend)
    table = judges(MaterialJudge.load() if WEIGHTS.is_file() else None, encoder)
    plan = DriftPlan(
        model=_identity(editor),
        settings=settings,
        table=table,
        metrics=metrics,
        cut=lambda text: bool(cut_text(editor.checkpoint, text)),
    )
    with patient_interrupt(NOTE) as cancelled, progress("editing") as update:
        every = list(courses(rooms, length=length, split=named_split(split), seed=seed, size=size))
        found = measure(editor, every, out, plan=plan, on_progress=update, cancelled=cancelled)
    say(json_module.dumps(asdict(found), indent=2) if json else found.markdown().rstrip())


def measure_diversity(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    pairs: Annotated[Path, typer.Option(help="A folder of records.", show_default=False)],
    model: options.Model = None,
    text_guidance: Annotated[str, typer.Option(help="Values separated by commas.")] = "1,1.5,2,3",
    seeds: Annotated[int, typer.Option(help="Results of each case, 4 or more.")] = 4,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "validation",
    limit: Annotated[int, typer.Option(help="How many cases; those without a region are passed over.")] = 40,
    steps: options.Steps = None,
    image_guidance: options.ImageGuidance = None,
    scheduler: options.Scheduler = None,
    distance: Distances = None,
    encoder: Annotated[str, typer.Option(help="The CLIP model that judges.")] = "pocket/clip",
    weights: Weights = None,
    seed: Annotated[int, typer.Option(help="The first one.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    json: options.Json = False,
) -> None:
    """Say how different the results of several seeds are where the edit acts, against how well they follow.

    [bold]Example[/bold]

    retouch eval diversity --pairs runs/data/rooms-validation --seeds 4 --text-guidance 1,1.5,2,3 --out runs/diversity
    """
    if limit < 1:
        raise SettingsError(f"limit is {limit}; expected at least 1.")

    from dataclasses import asdict

    from retouch.editing.editor import Editor
    from retouch.evaluation.bench import round_trip_of
    from retouch.evaluation.calibration.cases import record_cases
    from retouch.evaluation.calibration.objectives import objectives
    from retouch.evaluation.diversity import DISTANCES, DiversityPlan
    from retouch.evaluation.diversity import measure_diversity as measure
    from retouch.metrics.clip import load_encoder
    from retouch.metrics.registry import load_metrics

    values = options.numbers("--text-guidance", text_guidance)
    settings = EditSettings(steps=steps, image_guidance=image_guidance, scheduler=scheduler, seed=seed)
    DiversityPlan(model="", text_guidance=values, seeds=seeds, settings=settings)
    judge, published = load_encoder(encoder), metric_weights(weights)
    distances = load_metrics(distance or DISTANCES, encoder=judge, weights=published)
    cases = record_cases(pairs, split=named_split(split), limit=limit)
    editor = Editor.load(model or options.DEFAULT_MODEL, device=device, precision=precision, backend=backend)
    pair = objectives(cases, judge, round_trip_of(editor.checkpoint))
    plan = DiversityPlan(model=_identity(editor), text_guidance=values, seeds=seeds, settings=settings)
    with patient_interrupt(NOTE) as cancelled, progress("editing") as update:
        found = measure(
            editor, cases, out, plan=plan, objectives=pair, distances=distances, on_progress=update, cancelled=cancelled
        )
    say(json_module.dumps(asdict(found), indent=2) if json else found.markdown().rstrip())


def _identity(editor: "Editor") -> str:
    from retouch.models.identity import identity

    unet = editor.checkpoint.unet
    return identity(editor.name, (unet.conv_in.weight, unet.conv_out.weight))
