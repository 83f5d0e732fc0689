"""`retouch eval regions` and `retouch eval parser`: what finds things in pictures, and what reads instructions."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

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
