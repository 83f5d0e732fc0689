"""`retouch data import` and `export`: pairs in the layouts of others."""

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.output import progress, say, say_json


def import_folder(
    *,
    source: Annotated[Path, typer.Argument(help="A folder of the layout.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of records.", show_default=False)],
    layout: Annotated[str, typer.Option(help="image-folder or instruct-pix2pix.")] = "image-folder",
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "train",
    workers: Annotated[int, typer.Option(help="Processes; 0 does everything in this one.")] = 1,
    json: options.Json = False,
) -> None:
    """Bring pairs of another layout into records; run the same command again to resume.

    image-folder: pictures beside a metadata.jsonl that names them, as Hugging Face datasets read them.
    instruct-pix2pix: the folders of InstructPix2Pix's own dataset, with its seeds.json.

    [bold]Example[/bold]

    retouch data import my-pairs --out runs/data/mine
    """
    from retouch.datagen.imported import import_engine_factory
    from retouch.datagen.run import make_pairs

    factory, count = import_engine_factory(source, layout=layout, split=named_split(split))
    with progress("importing pairs") as update:
        summary = make_pairs(factory, count=count, out=out, workers=workers, on_progress=update)
    if json:
        say_json({"folder": str(summary.folder), "pairs": summary.pairs, "made": summary.made})
        return
    say(f"{summary.folder} holds {summary.pairs} pairs, {summary.made} of them new")


def export_folder(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new folder.", show_default=False)],
    layout: Annotated[str, typer.Option(help="image-folder or instruct-pix2pix.")] = "image-folder",
) -> None:
    """Write records in a layout that other tools read.

    [bold]Examples[/bold]

    retouch data export runs/data/rooms --out runs/rooms-folder

    retouch data export runs/data/rooms --out runs/rooms-ip2p --layout instruct-pix2pix
    """
    from retouch.datagen.imported import export_pairs

    with progress("exporting pairs") as update:
        count = export_pairs(folder, out, layout=layout, on_progress=update)
    say(f"Wrote {count} pairs to {out}")
