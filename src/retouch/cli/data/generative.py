"""What `retouch data pairs` asks of the engines that make pairs of triples, and the run of one."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from retouch.cli.data import cluster
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.datagen.engine import SiftingEngine
    from retouch.datagen.generative.plan import Plan, TechniqueName
    from retouch.datagen.sift import SiftSummary
    from retouch.datagen.thresholds import Thresholds

ENGINES = ("attention-swap", "prompt-to-prompt", "controlnet")
"""The engines that make pairs of triples by a text-to-image model."""
DEFAULT_MODEL = "pocket/generate"

Triples = Annotated[
    Path | None, typer.Option(help="JSON lines of caption, edit and output, for rooms and engines with a model.")
]
Model = Annotated[
    str, typer.Option("--model", "-m", help="A text-to-image model: pocket/generate, a folder, a hub id.")
]
ControlNet = Annotated[str | None, typer.Option(help="A ControlNet for Canny edges. (default: pocket/controlnet)")]
Preset = Annotated[
    str | None,
    typer.Option(
        help="brooks, brooks-code, conti, langdesign or pocket. (default: pocket; for hub models as published)"
    ),
]
Encoder = Annotated[str | None, typer.Option(help="A CLIP model to judge by. (default: the preset's)")]
ImageImage = Annotated[float | None, typer.Option(help="Least cosine of the two pictures.")]
CaptionImage = Annotated[float | None, typer.Option(help="Least cosine of either picture and its caption.")]
Directional = Annotated[float | None, typer.Option(help="Least cosine of both changes.")]
Candidates = Annotated[int | None, typer.Option(help="Tries at a triple at the most. (default: the engine's)")]
Keep = Annotated[int | None, typer.Option(help="Pairs of a triple at the most. (default: 4, controlnet 1)")]
Batch = Annotated[int, typer.Option(help="Candidates made together; controlnet always makes 5.")]
Scheduler = Annotated[
    str | None,
    typer.Option(help="See `retouch edit`. (default: euler-ancestral for attention-swap, else ddim)"),
]
Blend = Annotated[bool, typer.Option("--blend", help="prompt-to-prompt: keep what the changed words do not touch.")]
NullShare = Annotated[float, typer.Option(help="Share of kept triples that also ask for nothing.")]
MisleadingShare = Annotated[
    float, typer.Option(help="Share of absent objects, for each kept triple, that are to be removed in vain.")
]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The options of a run, as they were given."""

    engine: str
    split: str
    seed: int
    triples: Path | None
    model: str
    controlnet: str | None
    preset: str | None
    encoder: str | None
    image_image: float | None
    caption_image: float | None
    directional: float | None
    candidates: int | None
    keep: int | None
    batch: int
    blend: bool
    null_share: float
    misleading_share: float
    steps: int | None
    scheduler: str | None
    device: str
    precision: str


def factory_of(choices: Choices, *, size: int) -> "Callable[[], SiftingEngine]":
    """What makes the engine of a run, in this process and in workers; raises SettingsError, DataError.

    `size` is that of rooms rendered for triples.
    """
    from retouch.datagen.generative.plan import engine_factory
    from retouch.datagen.told_rooms import told_room_engine_factory

    if choices.engine in ENGINES:
        return engine_factory(plan_of(choices))
    if choices.engine != "rooms" or choices.triples is None:
        raise SettingsError(f"The engine {choices.engine} writes its own captions; leave --triples out.")
    return told_room_engine_factory(choices.triples, size=size)


def sift(
    factory: "Callable[[], SiftingEngine]",
    engine: str,
    *,
    out: str,
    count: int | None,
    workers: int,
    place: cluster.Place | None,
    json: bool,
) -> None:
    """Make the pairs of an engine of triples and say what came of it."""
    from retouch.datagen.sift import sift_pairs

    if place is not None:
        from retouch.datagen.cluster import sift_on_cluster

        if count is not None:
            raise SettingsError("On a cluster all triples are gone through; leave --count out.")
        work = partial(sift_on_cluster, factory, out=out, resources=place.resources())
        cluster.run(engine, lambda watch: work(watch=watch), json=json)
        return
    note = "stopping after this triple; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress(f"making pairs by {engine}") as update:
        summary = sift_pairs(
            factory, out=Path(out), count=count, workers=workers, on_progress=update, cancelled=cancelled
        )
    if json:
        say_json({**asdict(summary), "folder": str(summary.folder), "pairs_per_hour": summary.pairs_per_hour})
        return
    say(_told(summary))


def judged_by(choices: Choices) -> tuple["Thresholds", str]:
    """The thresholds of a run and the encoder they are for; raises SettingsError."""
    from retouch.datagen.generative.plan import usual_preset
    from retouch.datagen.thresholds import chosen

    usual = (
        usual_preset(cast("TechniqueName", choices.engine), choices.model) if choices.engine in ENGINES else "pocket"
    )
    return chosen(
        choices.preset or usual,
        encoder=choices.encoder,
        image_image=choices.image_image,
        caption_image=choices.caption_image,
        directional=choices.directional,
    )


def plan_of(choices: Choices) -> "Plan":
    """The plan of a run; raises SettingsError, DataError or ModelError before any model is loaded."""
    from retouch.datagen.generative.plan import Plan
    from retouch.datagen.generative.still import StillShares
    from retouch.records.triple import load_triples

    if choices.triples is None:
        raise SettingsError(f"The engine {choices.engine} makes pairs of triples; name their file with --triples.")
    thresholds, encoder = judged_by(choices)
    return Plan(
        technique=cast("TechniqueName", choices.engine),
        triples=tuple(load_triples(choices.triples)),
        thresholds=thresholds,
        encoder=encoder,
        model=choices.model,
        control=choices.controlnet,
        seed=choices.seed,
        split=named_split(choices.split),
        keep=choices.keep,
        candidates=choices.candidates,
        batch=choices.batch,
        steps=choices.steps,
        scheduler=choices.scheduler,
        blend=choices.blend,
        still=StillShares(null=choices.null_share, misleading=choices.misleading_share),
        device=choices.device,
        precision=choices.precision,
    )


def _told(summary: "SiftSummary") -> str:
    speed = f", {summary.pairs_per_hour:.0f} an hour" if summary.made else ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.rejected.items()) or "none"
    return (
        f"{summary.folder} holds {summary.pairs} pairs of {summary.units} triples, {summary.made} of them new{speed}; "
        f"{summary.empty} triples gave none; turned down: {reasons}"
    )
