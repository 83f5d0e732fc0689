"""`retouch eval insertion`, `inpainting` and `alignment`: objects put in from pictures of them, on held-out rooms."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from retouch.core.region import Region
    from retouch.editing.editor import Editor
    from retouch.evaluation.example_contestants import ExampleContestant
    from retouch.evaluation.examples import ExampleCase
    from retouch.models.placement import PlacementModel

DATA = "A folder of bench records of rooms with references."
READER = "What reads pictures in the place of words: pocket/insert, or a folder."
ENCODER = "What it is compared with: pocket/clip, a CLIP model's folder in transformers layout, or a hub id."
PLACEMENT = "What proposes places: pocket/placement, a folder, or none."


def measure_insertion(
    *,
    data: Annotated[Path, typer.Option(help=DATA, show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    model: options.Model = None,
    placement: Annotated[str, typer.Option(help=PLACEMENT)] = "pocket/placement",
    limit: Annotated[int | None, typer.Option(help="How many objects. (default: all)")] = None,
    seed: Annotated[int, typer.Option(help="The seed of every edit.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
) -> None:
    """Put objects into held-out rooms without being told where, and set the figures of all ways side by side.

    [bold]Example[/bold]

    retouch eval insertion --data runs/data/rooms-bench --limit 60 --out runs/eval-insertion
    """
    from retouch.editing.editor import Editor
    from retouch.evaluation.example_contestants import EditsByWords

    editor = Editor.load(model or options.DEFAULT_MODEL, device=device, precision=precision)
    contestants: list[ExampleContestant] = [EditsByWords("words", _edit(editor))]
    if placement != "none":
        contestants += _placed(placement, device=str(editor.checkpoint.device))
    _measure(editor, contestants, data, out, limit=limit, seed=seed, json=json)


def measure_inpainting(
    *,
    data: Annotated[Path, typer.Option(help=DATA, show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    model: options.Model = None,
    limit: Annotated[int | None, typer.Option(help="How many objects. (default: all)")] = None,
    seed: Annotated[int, typer.Option(help="The seed of every edit.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
) -> None:
    """Put objects into held-out rooms where the records say, and set the figures of all ways side by side.

    [bold]Example[/bold]

    retouch eval inpainting --data runs/data/rooms-bench --limit 60 --out runs/eval-inpainting
    """
    from retouch.editing.editor import Editor
    from retouch.evaluation.example_contestants import Collage, EditsByWords, true_region

    editor = Editor.load(model or options.DEFAULT_MODEL, device=device, precision=precision)
    contestants = [EditsByWords("words", _edit(editor), region=true_region), Collage()]
    _measure(editor, contestants, data, out, limit=limit, seed=seed, json=json)


def measure_alignment(
    *,
    data: Annotated[Path, typer.Option(help=DATA, show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help=READER)] = "pocket/insert",
    encoder: Annotated[str, typer.Option(help=ENCODER)] = "pocket/clip",
    limit: Annotated[int, typer.Option(help="How many objects to tell apart.")] = 100,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "bench",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write report.md and report.json.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    json: options.Json = False,
) -> None:
    """Say how near a model brings pictures of objects to the words for them, and to the words for other objects.

    [bold]Example[/bold]

    retouch eval alignment --model pocket/insert --data runs/data/rooms-bench --out runs/eval-alignment
    """
    from retouch.evaluation.alignment import evaluate_alignment, shown_objects
    from retouch.metrics.clip import load_encoder
    from retouch.models.insert import load_insert

    if limit < 2:
        raise SettingsError(f"limit is {limit}; expected at least 2.")
    named = named_split(split)
    objects = shown_objects(data, split=named, limit=limit)
    insert, judge = load_insert(model, device=device), load_encoder(encoder, device=device)
    with progress("comparing") as update:
        result = evaluate_alignment(insert, judge, objects, split=named, out=out, on_progress=update)
    if json:
        say_json(asdict(result))
    else:
        say(result.markdown().rstrip())


def _measure(
    editor: "Editor",
    contestants: "Sequence[ExampleContestant]",
    data: Path,
    out: Path,
    *,
    limit: int | None,
    seed: int,
    json: bool,
) -> None:
    from retouch.evaluation.bench import round_trip_of
    from retouch.evaluation.example_contestants import SourceRoundTrip, TrueRoundTrip
    from retouch.evaluation.examples import ExampleJudge, example_cases
    from retouch.evaluation.insertion import evaluate_insertion
    from retouch.grounding.pocket_segmenter import load_pocket_segmenter
    from retouch.metrics.clip import load_encoder

    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}; expected at least 1.")
    trip = round_trip_of(editor.checkpoint)
    cases = example_cases(data, limit=limit)
    judge = ExampleJudge(segmenter=load_pocket_segmenter(), encoder=load_encoder("pocket/clip"))
    note = "stopping after this edit; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("editing") as update:
        summary = evaluate_insertion(
            [SourceRoundTrip(trip), *contestants, TrueRoundTrip(trip)], cases, out, judge=judge, round_trip=trip,
            seed=seed, on_progress=update, cancelled=cancelled,
        )  # fmt: skip
    if json:
        say_json(asdict(summary))
    else:
        say(summary.markdown().rstrip())


def _edit(editor: "Editor") -> "Callable[[Image.Image, str, int, Region | None], Image.Image]":
    from retouch.core.settings import EditSettings

    def edit(picture: "Image.Image", instruction: str, seed: int, region: "Region | None") -> "Image.Image":
        return editor.edit(picture, instruction, settings=EditSettings(seed=seed), region=region).image

    return edit


def _placed(source: str, *, device: str) -> "list[ExampleContestant]":
    """A collage at the place that a model proposes."""
    from retouch.evaluation.example_contestants import Collage
    from retouch.models.placement import load_placement

    return [Collage("collage where it is proposed", region=_proposed(load_placement(source, device=device)))]


def _proposed(model: "PlacementModel") -> "Callable[[ExampleCase, int], Region]":
    """The likeliest place; an empty region, which nothing comes into, where none stands out."""
    from PIL import Image

    from retouch.core.errors import NotFoundError
    from retouch.core.region import Region
    from retouch.editing.placement import proposed_regions

    def region(case: "ExampleCase", seed: int) -> "Region":
        picture = Image.fromarray(case.source)
        try:
            return proposed_regions(model, picture, case.references, seed=seed)[0].region
        except NotFoundError as error:
            return Region(mask=Image.new("L", picture.size, 0), origin=f"nothing: {error}")

    return region
