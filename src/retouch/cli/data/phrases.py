"""`retouch data phrases`: phrases for what the pictures of records show, for a segmenter to learn from."""

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.output import progress, say, say_json


def write_folder_phrases(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records of rooms or photographs.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="(default: FOLDER-phrases.jsonl beside it)")] = None,
    seed: Annotated[int, typer.Option(help="Other seeds give other words.")] = 0,
    json: options.Json = False,
) -> None:
    """Write phrases for what the source pictures show, and for what they do not, without rendering anything.

    Rooms are made again from their seeds; photographs are told by the object that their records name.

    [bold]Example[/bold]

    retouch data phrases runs/data/rooms
    """
    from retouch.datagen.phrases.write import write_phrases
    from retouch.records.phrases import phrases_place

    place = out or phrases_place(folder)
    with progress("writing phrases") as update:
        summary = write_phrases(folder, place, seed=seed, on_progress=lambda done: update(done, None, "pictures"))
    if json:
        say_json({"file": str(summary.file), "pictures": summary.pictures, "phrased": summary.phrased,
                  "phrases": summary.phrases})  # fmt: skip
        return
    say(f"{summary.file} holds {summary.phrases} phrases for {summary.phrased} of {summary.pictures} pictures")
