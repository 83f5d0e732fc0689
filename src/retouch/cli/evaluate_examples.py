"""`retouch eval insertion`, `inpainting` and `alignment`: objects put in from pictures of them, on held-out rooms."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json, warn
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from retouch.core.region import Region
    from retouch.editing.protocol import InstructionEditor
    from retouch.evaluation.example_contestants import ChooseRegion, ExampleContestant
    from retouch.evaluation.examples import ExampleCase, Picture
    from retouch.models.placement import PlacementModel

DATA = "A folder of bench records of rooms with references."
READER = "What reads pictures in the place of words: pocket/insert, or a folder."
ENCODER = "What it is compared with: pocket/clip, a CLIP model's folder in transformers layout, or a hub id."
NONE = "none"
_Place = tuple[str, str, str]
"""A device, a precision and a backend."""
INSERT = "What puts objects in without a region: pocket/insert, a folder, or none."
EXEMPLAR = "What fills regions by example: pocket/exemplar, a folder, or none."
PLACEMENT = "What proposes places: pocket/placement, a folder, or none."


def measure_insertion(
    *,
    data: Annotated[Path, typer.Option(help=DATA, show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    model: options.Model = None,
    insert: Annotated[str, typer.Option(help=INSERT)] = "pocket/insert",
    exemplar: Annotated[str, typer.Option(help=EXEMPLAR)] = "pocket/exemplar",
    ip_adapter: options.IPAdapter = None,
    placement: Annotated[str, typer.Option(help=PLACEMENT)] = "pocket/placement",
    limit: Annotated[int | None, typer.Option(help="How many objects. (default: all)")] = None,
    seed: Annotated[int, typer.Option(help="The seed of every edit.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    json: options.Json = False,
) -> None:
    """Put objects into held-out rooms without being told where, and set the figures of all ways side by side.

    [bold]Example[/bold]

    retouch eval insertion --data runs/data/rooms-bench --limit 60 --out runs/eval-insertion
    """
    from retouch.editing.load import load_editor
    from retouch.evaluation.example_contestants import EditsByWords

    place: _Place = (device, precision, backend)
    editor = load_editor(model or options.DEFAULT_MODEL, device=device, precision=precision, backend=backend)
    contestants: list[ExampleContestant] = [EditsByWords("words", _edit(editor))]
    if insert != NONE:
        contestants.append(_by_example("insert", insert, place))
    if ip_adapter is not None:
        contestants.append(_adapted(model or options.DEFAULT_MODEL, ip_adapter, place))
    if placement != NONE:
        contestants += _placed(placement, exemplar, place)
    _measure(editor, contestants, data, out, limit=limit, seed=seed, json=json)


def measure_inpainting(
    *,
    data: Annotated[Path, typer.Option(help=DATA, show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    model: options.Model = None,
    exemplar: Annotated[str, typer.Option(help=EXEMPLAR)] = "pocket/exemplar",
    sheet: Annotated[int, typer.Option(help="How many objects the sheet of m and s shows; 0 for no sheet.")] = 2,
    limit: Annotated[int | None, typer.Option(help="How many objects. (default: all)")] = None,
    seed: Annotated[int, typer.Option(help="The seed of every edit.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    json: options.Json = False,
) -> None:
    """Put objects into held-out rooms where the records say, and set the figures of all ways side by side.

    [bold]Example[/bold]

    retouch eval inpainting --data runs/data/rooms-bench --limit 60 --out runs/eval-inpainting
    """
    from retouch.editing.load import load_editor
    from retouch.evaluation.example_contestants import Collage, EditsByWords, true_region

    editor = load_editor(model or options.DEFAULT_MODEL, device=device, precision=precision, backend=backend)
    contestants: list[ExampleContestant] = [EditsByWords("words", _edit(editor), region=true_region), Collage()]
    if exemplar != NONE:
        contestants.append(_by_example("exemplar", exemplar, (device, precision, backend), region=true_region))
    _measure(editor, contestants, data, out, limit=limit, seed=seed, json=json)
    if exemplar != NONE and sheet > 0:
        _write_sheet(exemplar, (device, precision, backend), data, out, count=sheet, seed=seed)


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
    editor: "InstructionEditor",
    contestants: "Sequence[ExampleContestant]",
    data: Path,
    out: Path,
    *,
    limit: int | None,
    seed: int,
    json: bool,
) -> None:
    import numpy as np

    from retouch.editing.editor import Editor
    from retouch.evaluation.bench import round_trip_of
    from retouch.evaluation.example_contestants import SourceRoundTrip, TrueRoundTrip
    from retouch.evaluation.examples import ExampleJudge, example_cases
    from retouch.evaluation.insertion import evaluate_insertion
    from retouch.grounding.pocket_segmenter import load_pocket_segmenter
    from retouch.metrics.clip import load_encoder

    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}; expected at least 1.")
    # What the autoencoders of pipelines lose is less than what an edit changes; see `PipelineEngine.reconstruct`.
    trip = round_trip_of(editor.checkpoint) if isinstance(editor, Editor) else np.array
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


def _edit(editor: "InstructionEditor") -> "Callable[[Image.Image, str, int, Region | None], Image.Image]":
    from retouch.core.settings import EditSettings

    def edit(picture: "Image.Image", instruction: str, seed: int, region: "Region | None") -> "Image.Image":
        return editor.edit(picture, instruction, settings=EditSettings(seed=seed), region=region).image

    return edit


def _by_example(name: str, source: str, place: _Place, *, region: "ChooseRegion | None" = None) -> "ExampleContestant":
    from retouch.editing.load import load_editor
    from retouch.editing.pipelines.editor import PipelineEditor
    from retouch.evaluation.example_contestants import EditsByExample, everywhere

    editor = load_editor(source, device=place[0], precision=place[1], backend=place[2])
    # Pipelines read references beside words, not in their place.
    return EditsByExample(name, editor, words=isinstance(editor, PipelineEditor), region=region or everywhere)


def _adapted(model: str, adapter: str, place: _Place) -> "ExampleContestant":
    """The editor that words are told, which an adapter shows the references too."""
    from retouch.cli.references import Pictures
    from retouch.editing.load import load_editor
    from retouch.evaluation.example_contestants import EditsByExample

    source, scale = Pictures(texts=("",), ip_adapter=adapter).adapter or (adapter, 1.0)
    editor = load_editor(
        model, device=place[0], precision=place[1], backend=place[2], ip_adapter=source, ip_adapter_scale=scale
    )
    return EditsByExample("IP-Adapter and words", editor, words=True)


def _placed(source: str, exemplar: str, place: _Place) -> "list[ExampleContestant]":
    """At the place that a model proposes: the exemplar model, and a collage."""
    from retouch.editing.device import choose_device
    from retouch.evaluation.example_contestants import Collage
    from retouch.models.placement import load_placement

    region = _proposed(load_placement(source, device=str(choose_device(place[0]))))
    collage = Collage("collage where it is proposed", region=region)
    if exemplar == NONE:
        return [collage]
    return [_by_example("exemplar where it is proposed", exemplar, place, region=region), collage]


def _write_sheet(exemplar: str, place: _Place, data: Path, out: Path, *, count: int, seed: int) -> None:
    """Write `guidance.png`: a few objects with m and s over their ranges."""
    import numpy as np
    from PIL import Image

    from retouch.core.files import atomic_write
    from retouch.core.images import png_bytes
    from retouch.core.reference_settings import ReferenceSettings
    from retouch.core.settings import EditSettings
    from retouch.editing.editor import Editor
    from retouch.editing.load import load_editor
    from retouch.evaluation.examples import example_cases
    from retouch.evaluation.inpainting import guidance_sheet

    editor = load_editor(exemplar, device=place[0], precision=place[1], backend=place[2])
    if not isinstance(editor, Editor):
        warn(f"'{exemplar}' is a pipeline, which has no m beside its s, so that there is no sheet of both.")
        return

    def answer(case: "ExampleCase", detail: float, scale: float, seed: int) -> "Picture":
        settings = EditSettings(seed=seed, text_guidance=scale, reference=ReferenceSettings(detail=detail))
        shown = Image.fromarray(case.source)
        made = editor.edit(shown, "", settings=settings, region=case.region, references=case.references)
        return np.array(made.image.convert("RGB"))

    note = "stopping after this picture; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("drawing m and s") as update:
        cases = example_cases(data, limit=count)
        drawn = guidance_sheet(answer, cases, seed=seed, on_progress=update, cancelled=cancelled)
    atomic_write(out / "guidance.png", png_bytes(drawn))
    say(f"{out / 'guidance.png'}  m from 0 to 1 and s from 1 to 7")


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
