"""`retouch data pairs`: pairs that know the answer, by an engine."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.datagen.workers import EngineFactory

ENGINES = ("rooms", "photos")


def make(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of records.", show_default=False)],
    engine: Annotated[str, typer.Option(help="rooms or photos.")] = "rooms",
    count: Annotated[int, typer.Option(help="How many pairs the folder shall hold.")] = 100,
    seed: Annotated[int, typer.Option(help="Other seeds give other pairs.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; 0 does everything in this one.")] = 1,
    source: Annotated[Path | None, typer.Option(help="Folder of pictures, for the engine photos.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "train",
    size: Annotated[int, typer.Option(help="Pixels of a picture's side.")] = 256,
    references: Annotated[int, typer.Option(help="Views of the edited object with each pair; rooms only.")] = 0,
    json: options.Json = False,
) -> None:
    """Make pairs that know the answer; run the same command again to resume, or with more to extend.

    The same seed gives the same bytes, whatever the number of workers and however often it was interrupted.

    [bold]Examples[/bold]

    retouch data pairs --engine rooms --count 1000 --out runs/data/rooms --workers 2

    retouch data pairs --engine photos --source pictures --count 500 --out runs/data/photos
    """
    from retouch.datagen.run import make_pairs

    factory = engine_factory(engine, source=source, split=split, seed=seed, size=size, references=references)
    note = "stopping after the pairs at hand; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress(f"making pairs of {engine}") as update:
        summary = make_pairs(factory, count=count, out=out, workers=workers, on_progress=update, cancelled=cancelled)
    if json:
        facts = {"folder": str(summary.folder), "pairs": summary.pairs, "made": summary.made}
        say_json({**facts, "seconds": summary.seconds, "pairs_per_hour": summary.pairs_per_hour})
        return
    speed = f", {summary.pairs_per_hour:.0f} an hour" if summary.made else ""
    say(f"{summary.folder} holds {summary.pairs} pairs, {summary.made} of them new{speed}")


def engine_factory(
    name: str, *, source: Path | None, split: str, seed: int, size: int, references: int = 0
) -> "EngineFactory":
    """What makes the engine called `name`, in this process and in workers; raises SettingsError."""
    if name not in ENGINES:
        raise SettingsError(f"The engine '{name}' is unknown; choose {' or '.join(ENGINES)}.")
    named = named_split(split)
    if not 32 <= size <= 2048 or not 0 <= references <= 16:
        raise SettingsError(f"size {size} or references {references} is out of range; give 32 to 2048 and 0 to 16.")
    if name == "rooms":
        from retouch.datagen.rooms import RoomEngine

        return partial(RoomEngine, seed=seed, split=named, size=size, references=references)
    if source is None:
        raise SettingsError("The engine photos needs pictures; name their folder with --source.")
    from retouch.datagen.photos.engine import photo_engine_factory

    return photo_engine_factory(source, seed=seed, split=named, size=size)
