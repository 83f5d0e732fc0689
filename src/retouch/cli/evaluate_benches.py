"""`retouch eval benches`: the benchmarks by name; RoomsBench rendered here and held to what was published."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data.pairs import engine_factory
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json, say_table
from retouch.core.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from retouch.evaluation.benchmarks.named import MakePairs
    from retouch.evaluation.benchmarks.rooms import RoomsBench

app = typer.Typer(help="The benchmarks: list them, render RoomsBench, check it.", rich_markup_mode="rich")
NOTE = "stopping after the pairs at hand; press Ctrl-C again to stop at once."
Folder = Annotated[Path | None, typer.Argument(help="Where RoomsBench lies. (default: in the cache folder)")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Where to. (default: into the cache folder)")]


@app.callback()
def benches() -> None:
    """The benchmarks: list them, render RoomsBench, check it."""


@app.command("list")
def list_benches(*, json: options.Json = False) -> None:
    """List the benchmarks that `--bench` knows, with what they tell and the metrics they are published in."""
    from retouch.evaluation.benchmarks.named import BENCHES, RECORDS

    if json:
        facts = ("cases", "tells", "metrics", "origin")
        say_json({name: {fact: getattr(bench, fact) for fact in facts} for name, bench in BENCHES.items()})
        return
    cells = [(name, one.cases, one.tells, ", ".join(one.metrics), one.origin) for name, one in BENCHES.items()]
    own = (f"{RECORDS}FOLDER", "its own", "records of your own", "as rooms", "`retouch data`")
    say_table(("benchmark", "cases", "what it tells", "metrics", "from"), [*cells, own])


@app.command("make")
def make_bench(
    name: Annotated[str, typer.Argument(help="rooms, the one that is made here.", show_default=False)],
    *,
    out: Out = None,
    count: Annotated[int | None, typer.Option(help="The first so many cases alone. (default: all)")] = None,
    workers: Annotated[int, typer.Option(help="Processes that render; 0 renders in this one.")] = 1,
    json: options.Json = False,
) -> None:
    """Render RoomsBench, the same pixels on one platform, and see that it is what was published.

    Interrupted, the same command goes on where it stopped; the first N cases hold all kinds of edit in equal numbers.

    [bold]Example[/bold]

    retouch eval benches make rooms --workers 4
    """
    if name != "rooms":
        raise SettingsError(f"The benchmark '{name}' is not made here; only rooms is, the others are read.")
    if count is not None and count < 1:
        raise SettingsError(f"count is {count}; expected at least 1.")
    bench = _rooms(out, make=pair_maker(workers))
    bench.complete(count)
    _say(bench, count, json=json)


@app.command("check")
def check_bench(folder: Folder = None, *, json: options.Json = False) -> None:
    """Hold the cases of RoomsBench that are rendered in FOLDER to what was published; say which of both promises held.

    [bold]Example[/bold]

    retouch eval benches check runs/benches/rooms
    """
    _say(_rooms(folder, make=None), None, json=json)


def pair_maker(workers: int) -> "MakePairs":
    """What makes the pairs of a benchmark in so many processes, with progress, until it is interrupted.

    It raises MissingExtraError for rooms where this machine cannot render them as they were published.
    """

    def make(engine: str, *, count: int, out: Path, source: Path | None, references: int) -> None:
        from retouch.datagen.run import make_pairs
        from retouch.evaluation.benchmarks.rooms import SEED, SIZE

        if engine == "rooms":
            _see_to_variant()
        factory = engine_factory(engine, source=source, split="bench", seed=SEED, size=SIZE, references=references)
        with patient_interrupt(NOTE) as cancelled, progress(f"making pairs of {engine}") as update:
            make_pairs(factory, count=count, out=out, workers=workers, on_progress=update, cancelled=cancelled)

    return make


def _see_to_variant() -> None:
    from retouch.evaluation.benchmarks.rooms import VARIANT
    from retouch.scenes.render.variant import available_variant

    found = available_variant()
    if found != VARIANT:
        raise MissingExtraError(
            f"RoomsBench was published from Mitsuba's variant {VARIANT}, but only {found} works here and draws other "
            "light; install LLVM 19 to 22 (libllvm19 on Debian), or copy a rendered RoomsBench and name its folder."
        )


def _rooms(folder: Path | None, make: "MakePairs | None") -> "RoomsBench":
    from retouch.core.cache import cache_folder
    from retouch.evaluation.benchmarks.named import load_rooms

    return load_rooms(folder, cache=cache_folder(), make=make)


def _say(bench: "RoomsBench", limit: int | None, *, json: bool) -> None:
    """Check the first cases of a bench and say what held."""
    note = "stopping after this case; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("checking") as update:
        found = bench.check(limit, on_progress=update, cancelled=cancelled)
    if json:
        facts = {"cases": found.cases, "of": found.published, "same": found.same, "agreement": found.agreement}
        say_json({"folder": str(bench.folder), "version": bench.version, **facts})
    else:
        say(f"{bench.folder}: {found.sentence()}")
