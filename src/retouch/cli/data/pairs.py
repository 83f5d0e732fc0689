"""`retouch data pairs`: pairs by an engine."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data import cluster, generative
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.datagen.workers import EngineFactory

ENGINES = ("rooms", "photos")
"""The engines whose pairs are exact by construction."""
DEFAULT_COUNT = 100
Seed = Annotated[int, typer.Option(help="Other seeds give other pairs.")]
Workers = Annotated[int | None, typer.Option(help="Processes; 0 is this one. (default: 1; with a model 0)")]
Only = Annotated[
    str | None, typer.Option(help="Kinds of edit to make alone, such as add,remove; rooms only.", show_default=False)
]


def make(
    *,
    out: Annotated[str, typer.Option("--out", "-o", help="The folder of records.", show_default=False)],
    engine: Annotated[str, typer.Option(help=f"{', '.join((*ENGINES, *generative.ENGINES))}.")] = "rooms",
    count: Annotated[int | None, typer.Option(help="How many pairs to make. (default: 100; of triples all)")] = None,
    seed: Seed = 0,
    workers: Workers = None,
    source: Annotated[Path | None, typer.Option(help="Folder of pictures, for the engine photos.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "train",
    size: Annotated[int, typer.Option(help="Pixels of a picture's side; with a model it is the model's own.")] = 256,
    references: Annotated[int, typer.Option(help="Views of the edited object with each pair; rooms only.")] = 0,
    reserved: Annotated[bool, typer.Option(help="Rooms of the kind and colours that no pocket model sees.")] = False,
    only: Only = None,
    triples: generative.Triples = None,
    model: generative.Model = generative.DEFAULT_MODEL,
    controlnet: generative.ControlNet = None,
    preset: generative.Preset = None,
    encoder: generative.Encoder = None,
    image_image: generative.ImageImage = None,
    caption_image: generative.CaptionImage = None,
    directional: generative.Directional = None,
    candidates: generative.Candidates = None,
    keep: generative.Keep = None,
    batch: generative.Batch = 8,
    blend: generative.Blend = False,
    null_share: generative.NullShare = 0.0,
    misleading_share: generative.MisleadingShare = 0.0,
    steps: options.Steps = None,
    scheduler: generative.Scheduler = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    on: cluster.Cluster = None,
    gpus: cluster.Gpus = 0.0,
    json: options.Json = False,
) -> None:
    """Make pairs by an engine; run the same command again to resume, or with more to extend.

    The same seed gives the same bytes, whatever the number of workers and however often it was interrupted.

    [bold]Examples[/bold]

    retouch data pairs --engine rooms --count 1000 --out runs/data/rooms --workers 2

    retouch data pairs --engine attention-swap --triples runs/triples.jsonl --out runs/data/swapped
    """
    place = _place(on, workers=workers, gpus=gpus, size=size)
    if triples is not None or engine in generative.ENGINES:
        choices = generative.Choices(
            engine=engine, split=split, seed=seed, triples=triples, model=model, controlnet=controlnet, preset=preset,
            encoder=encoder, image_image=image_image, caption_image=caption_image, directional=directional,
            candidates=candidates, keep=keep, batch=batch, blend=blend, null_share=null_share,
            misleading_share=misleading_share, steps=steps, scheduler=scheduler, device=device, precision=precision,
        )  # fmt: skip
        sifted = generative.factory_of(choices, size=size)
        generative.sift(sifted, engine, out=out, count=count, workers=workers or 0, place=place, json=json)
        return
    factory = engine_factory(
        engine, source=source, split=split, seed=seed, size=size, references=references, reserved=reserved, only=only
    )
    _make(factory, engine, out=out, count=count, workers=workers, place=place, json=json)


def _place(on: str | None, *, workers: int | None, gpus: float, size: int) -> cluster.Place | None:
    """Where pairs of a size are made; raises SettingsError for sizes that no engine makes."""
    if not 32 <= size <= 2048:
        raise SettingsError(f"The size is {size}; give 32 to 2048 pixels.")
    return cluster.place(on, workers=workers, gpus=gpus)


def _make(
    factory: "EngineFactory",
    engine: str,
    *,
    out: str,
    count: int | None,
    workers: int | None,
    place: cluster.Place | None,
    json: bool,
) -> None:
    from retouch.datagen.run import make_pairs

    wanted, processes = DEFAULT_COUNT if count is None else count, 1 if workers is None else workers
    if place is not None:
        from retouch.datagen.cluster import make_on_cluster

        work = partial(make_on_cluster, factory, count=wanted, out=out, resources=place.resources())
        cluster.run(engine, lambda watch: work(watch=watch), json=json)
        return
    note = "stopping after the pairs at hand; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress(f"making pairs of {engine}") as update:
        summary = make_pairs(
            factory, count=wanted, out=Path(out), workers=processes, on_progress=update, cancelled=cancelled
        )
    if json:
        facts = {"folder": str(summary.folder), "pairs": summary.pairs, "made": summary.made}
        say_json({**facts, "seconds": summary.seconds, "pairs_per_hour": summary.pairs_per_hour})
        return
    speed = f", {summary.pairs_per_hour:.0f} an hour" if summary.made else ""
    say(f"{summary.folder} holds {summary.pairs} pairs, {summary.made} of them new{speed}")


def engine_factory(
    name: str,
    *,
    source: Path | None,
    split: str,
    seed: int,
    size: int,
    references: int = 0,
    reserved: bool = False,
    only: str | None = None,
) -> "EngineFactory":
    """What makes the engine called `name`, in this process and in workers; raises SettingsError."""
    if name not in ENGINES:
        raise SettingsError(f"The engine '{name}' is unknown; choose {', '.join((*ENGINES, *generative.ENGINES))}.")
    named = named_split(split)
    if not 0 <= references <= 16:
        raise SettingsError(f"The number of references is {references}; give 0 to 16.")
    if name == "rooms":
        from retouch.datagen.rooms import RoomEngine, edit_kinds

        kinds = edit_kinds(only or "")
        return partial(
            RoomEngine, seed=seed, split=named, size=size, references=references, reserved=reserved, only=kinds
        )
    if source is None:
        raise SettingsError("The engine photos needs pictures; name their folder with --source.")
    from retouch.datagen.photos.engine import photo_engine_factory

    return photo_engine_factory(source, seed=seed, split=named, size=size)
