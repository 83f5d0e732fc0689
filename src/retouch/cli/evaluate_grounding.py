"""`retouch eval regions`, `parser` and `grounded`: what finds things, what reads, and the edits kept to regions."""

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.evaluation.compounds import Sought

DATA = "A folder of records, several times for several; its phrases lie in FOLDER-phrases.jsonl beside it."
TEXTS = "A file of marked instructions, several times for several."


def measure_regions(
    *,
    data: Annotated[list[Path], typer.Option(help=DATA, show_default=False)],
    segmenter: Annotated[str, typer.Option(help="pocket/segmenter, or a folder.")] = "pocket/segmenter",
    limit: Annotated[int | None, typer.Option(help="Pictures a folder at the most. (default: all)")] = None,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "bench",
    seed: Annotated[int, typer.Option(help="Of the points, and of phrases that have to be made.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write report.md and report.json.")] = None,
    json: options.Json = False,
) -> None:
    """Say how well a segmenter finds held-out phrases, by kind of phrase, and points; and what it refuses.

    Phrases that are not there yet are made, without rendering anything.

    [bold]Example[/bold]

    retouch eval regions --segmenter pocket/segmenter --data runs/data/rooms-bench --data runs/data/photos-bench
    """
    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}; expected at least 1.")
    from retouch.datagen.phrases.write import phrases_file
    from retouch.evaluation.regions import evaluate_regions
    from retouch.grounding.pocket_segmenter import load_pocket_segmenter

    finder, named = load_pocket_segmenter(segmenter), named_split(split)
    folders = {folder: phrases_file(folder, seed=seed) for folder in data}
    note = "stopping after this picture; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("finding") as update:
        summary = evaluate_regions(
            finder, folders, split=named, limit=limit, seed=seed, out=out, cancelled=cancelled,
            on_progress=lambda done: update(done, None),
        )  # fmt: skip
    if json:
        say_json(asdict(summary))
    else:
        say(summary.markdown().rstrip())


def measure_parser(
    *,
    texts: Annotated[list[Path], typer.Option(help=TEXTS, show_default=False)],
    parser: Annotated[str, typer.Option(help="pocket/parser, or a folder.")] = "pocket/parser",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write report.md and report.json.")] = None,
    json: options.Json = False,
) -> None:
    """Say how well a parser finds the parts of instructions and splits those that ask for two things.

    [bold]Example[/bold]

    retouch eval parser --texts tests/goldens/photo_instructions.jsonl --texts runs/data/marked-validation.jsonl
    """
    from retouch.evaluation.parser import evaluate_parser
    from retouch.grounding.pocket_parser import load_parser

    summary = evaluate_parser(load_parser(parser), {file.stem: file for file in texts}, out=out)
    if json:
        say_json(asdict(summary))
    else:
        say(summary.markdown().rstrip())


def measure_grounded(
    *,
    pairs: Annotated[Path, typer.Option(help="A folder of bench records of rooms.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    model: options.Model = None,
    segmenter: Annotated[str, typer.Option(help="As of `retouch region`; none leaves words out.")] = "pocket",
    reader: Annotated[str, typer.Option(help="As of `retouch region`.")] = "pocket",
    limit: Annotated[int | None, typer.Option(help="How many records. (default: all)")] = None,
    twins: Annotated[int | None, typer.Option(help="How many pictures of two things of a kind. (default: all)")] = None,
    compounds: Annotated[int | None, typer.Option(help="How many compound instructions. (default: all)")] = None,
    smaller_than: Annotated[
        float | None,
        typer.Option(help="Only regions of less than this share of the picture, also without an enlarged crop."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of every edit.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    json: options.Json = False,
) -> None:
    """Edit held-out rooms with and without a region, with the same seeds, and set the figures side by side.

    [bold]Examples[/bold]

    retouch eval grounded --pairs runs/data/rooms-bench --limit 100 --out runs/eval-grounded

    retouch eval grounded --pairs runs/data/rooms-1024 --smaller-than 0.05 --out runs/eval-small
    """
    from retouch.core.files import atomic_write
    from retouch.editing.device import choose_device
    from retouch.editing.load import load_editor
    from retouch.evaluation.grounded import GroundedPlan, evaluate_grounded
    from retouch.metrics.clip import load_encoder

    for name, count in (("limit", limit), ("twins", twins), ("compounds", compounds)):
        if count is not None and count < 1:
            raise SettingsError(f"{name} is {count}; expected at least 1.")
    if smaller_than is not None and not 0 < smaller_than <= 1:
        raise SettingsError(f"smaller_than is {smaller_than}; expected a share above 0, up to 1.")
    plan = GroundedPlan(limit=limit, twins=twins, compounds=compounds, smaller_than=smaller_than, seed=seed)
    editor = load_editor(model or options.DEFAULT_MODEL, device=device, precision=precision, backend=backend)
    words = None if segmenter == "none" else _sought(segmenter, reader, str(choose_device(device)))
    note = "stopping after this edit; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("editing") as update:
        report = evaluate_grounded(
            editor, pairs, out, encoder=load_encoder("pocket/clip"), words=words, plan=plan, on_progress=update,
            cancelled=cancelled,
        )  # fmt: skip
    atomic_write(out / "report.json", dumps(asdict(report), indent=2).encode())
    atomic_write(out / "report.md", report.markdown().encode())
    if json:
        say_json(asdict(report))
    else:
        say(report.markdown().rstrip())


def _sought(segmenter: str, reader: str, device: str) -> "Sought":
    from retouch.evaluation.compounds import Sought
    from retouch.grounding.locate import Finder
    from retouch.grounding.readers import find_reader
    from retouch.grounding.segmenters.load import load_segmenter

    finder = Finder(segmenter=load_segmenter(segmenter, device=device))
    return Sought(reader=find_reader(reader, device=device), finder=finder)
