"""`retouch data`: triples and pairs to learn from: written, made, filtered, brought in and out, looked at."""

from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from retouch.cli import options
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json, say_table
from retouch.core.errors import DataError, SettingsError
from retouch.core.files import atomic_write, check_writable

if TYPE_CHECKING:
    from retouch.datagen.workers import EngineFactory
    from retouch.records.pair import Split
    from retouch.records.triple import Complete

app = typer.Typer(help="Write triples, make and filter pairs, bring them in and out.", rich_markup_mode="rich")
ENGINES = ("rooms", "photos")


@app.command("write")
def write(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON-lines file of triples.", show_default=False)],
    writer: Annotated[
        str, typer.Option(help="rooms, pocket, a causal language model's folder, or a hub id.")
    ] = "rooms",
    captions: Annotated[
        Path | None, typer.Option(help="Captions: lines of text, .jsonl or .csv; not for the writer rooms.")
    ] = None,
    count: Annotated[int, typer.Option(help="Triples of the writer rooms.")] = 1000,
    sampling: Annotated[str, typer.Option(help="How a language model draws: brooks or conti.")] = "brooks",
    seed: Annotated[int, typer.Option(help="Other seeds give other triples.")] = 0,
    split: Annotated[str, typer.Option(help="Of the writer rooms: train, validation or bench.")] = "train",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    json: options.Json = False,
) -> None:
    """Write triples: a caption, an instruction, and the caption of the edited picture.

    The writer rooms needs no captions and no model. A language model answers each caption once; answers that are no
    triple are counted by reason. Run the same command again to go on.

    [bold]Examples[/bold]

    retouch data write --writer rooms --count 5000 --out runs/triples.jsonl

    retouch data write --writer pocket --captions captions.txt --out runs/triples.jsonl
    """
    if writer == "rooms":
        from retouch.datagen.triples import room_triples
        from retouch.records.triple import save_triples

        if captions is not None or count < 1:
            raise SettingsError("The writer rooms makes its own captions; give --count, at least 1, and no --captions.")
        with progress("writing triples") as update:
            made = save_triples(out, room_triples(count, seed=seed, split=_split(split), on_progress=update))
        summary = {"file": str(out), "captions": made, "triples": made, "rejected": {}}
    else:
        summary = _written(out, writer=writer, captions=captions, sampling=sampling, seed=seed, device=device)
    if json:
        say_json(summary)
        return
    reasons = ", ".join(f"{number} {reason}" for reason, number in dict(summary["rejected"]).items()) or "none"
    say(f"{out} holds {summary['triples']} triples of {summary['captions']} captions; rejected: {reasons}")


def _written(out: Path, *, writer: str, captions: Path | None, sampling: str, seed: int, device: str) -> dict[str, Any]:
    from retouch.core.seeds import derive_seed
    from retouch.datagen.captions import read_captions
    from retouch.datagen.write import write_file
    from retouch.models.writer import PRESETS, complete, load_writer
    from retouch.records.triple import END

    if captions is None:
        raise SettingsError("A language model needs captions; name their file with --captions.")
    if sampling not in PRESETS:
        raise SettingsError(f"The sampling '{sampling}' is unknown; choose {' or '.join(PRESETS)}.")
    texts = read_captions(captions)
    check_writable(out)
    model = load_writer(writer, device=device)

    def of_batch(start: int) -> "Complete":
        return partial(complete, model, stop=END, seed=derive_seed(seed, "write", start), sampling=PRESETS[sampling])

    note = "stopping after this batch; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("writing triples") as update:
        settings = {"writer": writer, "sampling": sampling, "seed": seed}
        summary = write_file(texts, out, model=of_batch, settings=settings, on_progress=update, cancelled=cancelled)
    return {**asdict(summary), "file": str(summary.file)}


@app.command("pairs")
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
    with progress(f"making pairs of {engine}") as update:
        summary = make_pairs(factory, count=count, out=out, workers=workers, on_progress=update)
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
    named = _split(split)
    if not 32 <= size <= 2048 or not 0 <= references <= 16:
        raise SettingsError(f"size {size} or references {references} is out of range; give 32 to 2048 and 0 to 16.")
    if name == "rooms":
        from retouch.datagen.rooms import RoomEngine

        return partial(RoomEngine, seed=seed, split=named, size=size, references=references)
    if source is None:
        raise SettingsError("The engine photos needs pictures; name their folder with --source.")
    from retouch.datagen.photos.engine import photo_engine_factory

    return photo_engine_factory(source, seed=seed, split=named, size=size)


def _split(name: str) -> "Split":
    from retouch.records.pair import SPLITS

    if name not in SPLITS:
        raise SettingsError(f"The split '{name}' is unknown; choose one of {', '.join(SPLITS)}.")
    return cast("Split", name)


@app.command("filter")
def filter_folder(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of those that pass.", show_default=False)],
    preset: Annotated[str, typer.Option(help="brooks, brooks-code, conti, langdesign or pocket.")] = "pocket",
    encoder: Annotated[str | None, typer.Option(help="A CLIP model. (default: the preset's)")] = None,
    image_image: Annotated[float | None, typer.Option(help="Least cosine of the two pictures.")] = None,
    caption_image: Annotated[float | None, typer.Option(help="Least cosine of either picture and its caption.")] = None,
    directional: Annotated[float | None, typer.Option(help="Least cosine of both changes.")] = None,
    json: options.Json = False,
) -> None:
    """Keep the pairs whose pictures and captions fit; the others go to OUT/rejected. Scores stay in the records.

    A preset's thresholds mean something for its own encoder only; with another, give all three.

    [bold]Examples[/bold]

    retouch data filter runs/data/rooms --out runs/data/rooms-kept

    retouch data filter runs/data/made --out runs/data/kept --preset brooks --directional 0.15
    """
    from retouch.datagen.filter import filter_pairs
    from retouch.datagen.thresholds import chosen
    from retouch.metrics.clip import Encoder
    from retouch.models.clip import load_clip

    given = {"image_image": image_image, "caption_image": caption_image, "directional": directional}
    thresholds, source = chosen(preset, encoder=encoder, **given)
    judge = Encoder(load_clip(source))
    with progress("filtering") as update:
        summary = filter_pairs(folder, out, encoder=judge, thresholds=thresholds, on_progress=update)
    if json:
        say_json({**asdict(summary), "folder": str(summary.folder), "pairs": summary.pairs})
        return
    reasons = ", ".join(f"{count} by {measure}" for measure, count in summary.rejected.items()) or "none"
    say_table(
        ("edit", "kept", "rejected"), [(kind, str(kept), str(out)) for kind, (kept, out) in summary.by_kind.items()]
    )
    say(f"{summary.folder} holds {summary.kept} of {summary.pairs} pairs; turned down: {reasons}")


@app.command("import")
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

    factory, count = import_engine_factory(source, layout=layout, split=_split(split))
    with progress("importing pairs") as update:
        summary = make_pairs(factory, count=count, out=out, workers=workers, on_progress=update)
    if json:
        say_json({"folder": str(summary.folder), "pairs": summary.pairs, "made": summary.made})
        return
    say(f"{summary.folder} holds {summary.pairs} pairs, {summary.made} of them new")


@app.command("export")
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


@app.command("show")
def show_pairs(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG to write.", show_default=False)],
    count: Annotated[int, typer.Option(help="How many pairs to show.")] = 64,
    start: Annotated[int, typer.Option(help="How many pairs to skip.")] = 0,
    kind: Annotated[str | None, typer.Option(help="Only this kind of edit, such as recolour.")] = None,
    side: Annotated[int, typer.Option(help="Pixels of a picture's longer side.")] = 160,
    columns: Annotated[int, typer.Option(help="Pairs in a row.")] = 4,
) -> None:
    """Draw a sheet of pairs: source and target side by side, the instruction below.

    [bold]Example[/bold]

    retouch data show runs/data/rooms -o out/pairs.png --count 64
    """
    from retouch.core.contact import Cell, contact_sheet
    from retouch.core.images import load_image, png_bytes
    from retouch.records.shards import read_records

    check_writable(output, suffixes=(".png",))
    records = (record for record in read_records(folder, columns=("params",)) if kind in (None, record.kind))
    cells = [
        Cell(
            images=tuple(load_image(data).pixels for data in (record.source_image, record.target_image)),
            caption=f"[{record.kind}] {record.edit_prompt}",
        )
        for record in islice(records, start, start + count)
    ]
    if not cells:
        raise DataError(f'"{folder}" holds no such pairs; ask for others or make some with: retouch data pairs.')
    atomic_write(output, png_bytes(contact_sheet(cells, columns=columns, side=side)))
    say(f"Wrote {len(cells)} pairs to {output}")
