"""`retouch data filter`: the pairs whose pictures and captions fit."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json, say_table


def filter_folder(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of those that pass.", show_default=False)],
    preset: Annotated[str, typer.Option(help="brooks, brooks-code, conti, langdesign or pocket.")] = "pocket",
    encoder: Annotated[str | None, typer.Option(help="A CLIP model. (default: the preset's)")] = None,
    image_image: Annotated[float | None, typer.Option(help="Least cosine of the two pictures.")] = None,
    caption_image: Annotated[float | None, typer.Option(help="Least cosine of either picture and its caption.")] = None,
    directional: Annotated[float | None, typer.Option(help="Least cosine of both changes.")] = None,
    near_duplicates: Annotated[
        int | None, typer.Option(help="Turn down what differs from a kept pair in at most N of 64 bits.")
    ] = None,
    minimum_change: Annotated[
        float | None, typer.Option(help="Least mean difference of the two pictures, of 0 to 1.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Keep the pairs whose pictures and captions fit; the others go to OUT/rejected. Scores stay in the records.

    A preset's thresholds mean something for its own encoder only; with another, give all three.

    [bold]Examples[/bold]

    retouch data filter runs/data/rooms --out runs/data/rooms-kept

    retouch data filter runs/data/made --out runs/data/kept --preset brooks --directional 0.15

    retouch data filter runs/data/made --out runs/data/kept --near-duplicates 4 --minimum-change 0.005
    """
    from retouch.datagen.filter import filter_pairs
    from retouch.datagen.judge import Limits
    from retouch.datagen.thresholds import chosen
    from retouch.metrics.clip import Encoder
    from retouch.models.clip import load_clip

    given = {"image_image": image_image, "caption_image": caption_image, "directional": directional}
    thresholds, source = chosen(preset, encoder=encoder, **given)
    limits = Limits(near_duplicates=near_duplicates, minimum_change=minimum_change)
    judge = Encoder(load_clip(source))
    note = "stopping after this batch; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("filtering") as update:
        summary = filter_pairs(
            folder, out, encoder=judge, thresholds=thresholds, limits=limits, on_progress=update, cancelled=cancelled
        )
    if json:
        say_json({**asdict(summary), "folder": str(summary.folder), "pairs": summary.pairs})
        return
    reasons = ", ".join(f"{count} by {measure}" for measure, count in summary.rejected.items()) or "none"
    say_table(
        ("edit", "kept", "rejected"), [(kind, str(kept), str(out)) for kind, (kept, out) in summary.by_kind.items()]
    )
    say(f"{summary.folder} holds {summary.kept} of {summary.pairs} pairs; turned down: {reasons}")
