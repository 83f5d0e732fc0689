"""`retouch data import`, `export` and `push`: pairs in the layouts of others, and on the hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.cli.uploads import say_pushed, show_upload
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.datagen.imported import OnError
    from retouch.records.layouts.row import ReadOptions, ReferenceManner

WRITTEN = "image-folder, instruct-pix2pix, parquet, diffusers or webdataset."
READ = "image-folder, instruct-pix2pix, diffusers, magicbrush, ultraedit, pipe, open-images, webdataset or parquet."
OwnSplit = Annotated[
    str | None, typer.Option(help="train, validation or bench, for all. (default: the source's own, or train)")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD=NAME", help="Where the source keeps a field, such as source=before; repeatable."),
]
Licence = Annotated[str | None, typer.Option("--license", help="What the card states, such as cc-by-4.0.")]


def import_folder(
    *,
    source: Annotated[str, typer.Argument(help="A folder, Parquet files, or a dataset's id.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of records.", show_default=False)],
    layout: Annotated[str, typer.Option(help=READ)] = "image-folder",
    split: OwnSplit = None,
    column: Columns = None,
    masks: Annotated[str | None, typer.Option(help="pipe: where PIPE_Masks is, for masks and references.")] = None,
    reference: Annotated[str, typer.Option(help="pipe: the object as a cut-out on white, or a crop.")] = "cut-out",
    boxes: Annotated[Path | None, typer.Option(help="open-images: the boxes. (default: in the folder)")] = None,
    classes: Annotated[Path | None, typer.Option(help="open-images: the names. (default: in the folder)")] = None,
    on_error: Annotated[str, typer.Option(help="A row that gives no pair: stop, or skip and count it.")] = "stop",
    limit: Annotated[int | None, typer.Option(help="Look at this many rows only; more extend the folder.")] = None,
    workers: Annotated[int, typer.Option(help="Threads that decode pictures.")] = 1,
    json: options.Json = False,
) -> None:
    """Bring pairs of another layout into records; run the same command again to resume.

    Sources are read row by row, those on the hub without keeping them. docs/datasets.md describes the layouts.

    [bold]Examples[/bold]

    retouch data import my-pairs --out runs/data/mine

    retouch data import osunlp/MagicBrush --layout magicbrush --out runs/data/magicbrush --limit 1000

    retouch data import pairs.parquet --layout diffusers --column source=before --column target=after --out runs/data/b
    """
    from retouch.datagen.imported import import_pairs

    if on_error not in ("stop", "skip"):
        raise SettingsError(f"--on-error is '{on_error}'; choose stop or skip.")
    note = "stopping after the rows at hand; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("importing pairs") as update:
        summary = import_pairs(
            source,
            out,
            layout=layout,
            split=None if split is None else named_split(split),
            options=_read_options(column or [], masks, reference, boxes, classes),
            on_error=cast("OnError", on_error),
            limit=limit,
            workers=workers,
            on_progress=lambda rows: update(rows, limit),
            cancelled=cancelled,
        )
    if json:
        facts = {"folder": str(summary.folder), "pairs": summary.pairs, "made": summary.made}
        say_json({**facts, "skipped": dict(summary.skipped)})
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.skipped.items()) or "none"
    say(f"{summary.folder} holds {summary.pairs} pairs, {summary.made} of them new; rows left out: {reasons}")


def export_folder(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new folder.", show_default=False)],
    layout: Annotated[str, typer.Option(help=WRITTEN)] = "image-folder",
    licence: Licence = None,
) -> None:
    """Write records in a layout that other tools read, with a card; the folder appears when all of it is written.

    [bold]Examples[/bold]

    retouch data export runs/data/rooms --out runs/rooms-folder

    retouch data export runs/data/rooms --out runs/rooms-diffusers --layout diffusers --license cc0-1.0
    """
    from retouch.datagen.exported import export_pairs

    with progress("exporting pairs") as update:
        count = export_pairs(folder, out, layout=layout, licence=licence, on_progress=update)
    say(f"Wrote {count} pairs to {out}")


def push_folder(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records, or an exported one.", show_default=False)],
    repository: Annotated[str, typer.Argument(metavar="REPO_ID", help="OWNER/NAME on the hub.", show_default=False)],
    layout: Annotated[str, typer.Option(help=f"For records: {WRITTEN}")] = "parquet",
    licence: Licence = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, without the network.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Only for those with access to the repository.")] = False,
    revision: Annotated[str | None, typer.Option(help="The branch, made where it is missing. (default: main)")] = None,
    json: options.Json = False,
) -> None:
    """Send pairs to the hub as a dataset, with their card, as whoever `hf auth login` or HF_TOKEN says.

    [bold]Examples[/bold]

    retouch data push runs/data/rooms someone/rooms --dry-run

    retouch data push runs/data/rooms someone/rooms --private --license cc0-1.0
    """
    from retouch.core.upload import send
    from retouch.datagen.push import planned_dataset

    with progress("exporting pairs") as update:
        planned = planned_dataset(folder, repository, layout=layout, licence=licence, on_progress=update)
        with planned as upload:
            if dry_run:
                show_upload(upload, branch=revision, json=json)
            else:
                say_pushed(upload, send(upload, private=private, revision=revision), json=json)


def _read_options(
    columns: list[str], masks: str | None, reference: str, boxes: Path | None, classes: Path | None
) -> "ReadOptions":
    from retouch.records.layouts.row import ReadOptions

    if reference not in ("cut-out", "crop"):
        raise SettingsError(f"--reference is '{reference}'; choose cut-out or crop.")
    pairs = [column.partition("=") for column in columns]
    for name, _, value in pairs:
        if not (name and value):
            raise SettingsError(f"--column is '{name}'; expected FIELD=NAME, such as source=before.")
    return ReadOptions(
        columns={name: value for name, _, value in pairs},
        masks=masks,
        reference=cast("ReferenceManner", reference),
        boxes=boxes,
        classes=classes,
    )
