"""`retouch data filter`: the pairs whose pictures and captions fit."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data import cluster
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json, say_table
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.datagen.judge import Standards
    from retouch.records.pair import JSON


def filter_folder(
    *,
    folder: Annotated[str, typer.Argument(help="A folder of records.", show_default=False)],
    out: Annotated[str, typer.Option("--out", "-o", help="The folder of those that pass.", show_default=False)],
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
    on: cluster.Cluster = None,
    workers: Annotated[int | None, typer.Option(help="With --cluster: its workers. (default: 2)")] = None,
    gpus: cluster.Gpus = 0.0,
    json: options.Json = False,
) -> None:
    """Keep the pairs whose pictures and captions fit; the others go to OUT/rejected. Scores stay in the records.

    A preset's thresholds mean something for its own encoder only; with another, give all three.

    [bold]Examples[/bold]

    retouch data filter runs/data/rooms --out runs/data/rooms-kept

    retouch data filter runs/data/made --out runs/data/kept --preset brooks --directional 0.15

    retouch data filter runs/data/made --out runs/data/kept --near-duplicates 4 --minimum-change 0.005

    retouch data filter s3://bucket/made --out s3://bucket/kept --cluster auto --workers 8 --gpus 1
    """
    from retouch.datagen.judge import Limits, Standards
    from retouch.datagen.thresholds import chosen
    from retouch.metrics.clip import load_encoder

    given = {"image_image": image_image, "caption_image": caption_image, "directional": directional}
    thresholds, source = chosen(preset, encoder=encoder, **given)
    limits = Limits(near_duplicates=near_duplicates, minimum_change=minimum_change)
    standards = Standards(encoder=partial(load_encoder, source), thresholds=thresholds, limits=limits)
    place = cluster.place(on, workers=workers, gpus=gpus)
    if place is None:
        _filter_here(Path(folder), Path(out), standards, json=json)
        return
    if near_duplicates is not None:
        raise SettingsError("Near-duplicates are not looked for on a cluster; filter what comes of it once more, here.")
    # The settings to resume by are the encoder's own, whichever device it works on.
    settings = standards.judge().criteria.settings()
    if gpus:
        standards = replace(standards, encoder=partial(load_encoder, source, device="cuda"))
    _filter_there(folder, out, standards, settings, place, json=json)


def _filter_here(folder: Path, out: Path, standards: "Standards", *, json: bool) -> None:
    from retouch.datagen.filter import filter_pairs

    encoder = standards.encoder()
    note = "stopping after this batch; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("filtering") as update:
        summary = filter_pairs(
            folder,
            out,
            encoder=encoder,
            thresholds=standards.thresholds,
            limits=standards.limits,
            on_progress=update,
            cancelled=cancelled,
        )
    if json:
        say_json({**asdict(summary), "folder": str(summary.folder), "pairs": summary.pairs})
        return
    reasons = ", ".join(f"{count} by {measure}" for measure, count in summary.rejected.items()) or "none"
    say_table(
        ("edit", "kept", "rejected"), [(kind, str(kept), str(out)) for kind, (kept, out) in summary.by_kind.items()]
    )
    say(f"{summary.folder} holds {summary.kept} of {summary.pairs} pairs; turned down: {reasons}")


def _filter_there(
    folder: str, out: str, standards: "Standards", settings: Mapping[str, "JSON"], place: cluster.Place, *, json: bool
) -> None:
    from retouch.datagen.cluster import filter_on_cluster
    from retouch.datagen.filter import sieve_of

    work = partial(
        filter_on_cluster,
        folder,
        out,
        sieve_factory=partial(sieve_of, standards),
        sieve_settings=settings,
        resources=place.resources(),
    )
    cluster.run("filtering", lambda watch: work(watch=watch), json=json)
