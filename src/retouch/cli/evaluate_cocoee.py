"""`retouch eval cocoee`: the benchmark of Paint-by-Example."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from PIL import Image

    from retouch.core.reference import Reference
    from retouch.core.region import Region
    from retouch.editing.protocol import InstructionEditor
    from retouch.evaluation.cocoee import Answer

ROOT = "The benchmark's folder: id_list.npy, GT_3500, Ref_3500 and Mask_bbox_3500."
REFERENCES = "A folder of real pictures that the results are held against, such as COCO's test2017."
MODEL = "What fills a region by example: pocket/exemplar, a folder, or a hub id."
_WORDS = "put the object of the reference picture here"
"""What a pipeline is told, because it reads references beside words and not in their place."""
ENCODER = "The CLIP model that measures; published figures are those of openai/clip-vit-base-patch32."


def measure_cocoee(
    *,
    root: Annotated[Path, typer.Option(help=ROOT, show_default=False)],
    references: Annotated[Path, typer.Option("--reference-set", help=REFERENCES, show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL)] = "pocket/exemplar",
    encoder: Annotated[str, typer.Option(help=ENCODER)] = "pocket/clip",
    limit: Annotated[int | None, typer.Option(help="How many cases. (default: all)")] = None,
    seed: Annotated[int, typer.Option(help="The seed of every edit.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    json: options.Json = False,
) -> None:
    """Fill every region of COCOEE with its reference's object; report CLIP-FID, QS and region CLIP.

    Interrupted, the same command goes on where it stopped.

    [bold]Example[/bold]

    retouch eval cocoee --root test_bench --reference-set coco/test2017 --out runs/eval-cocoee
    """
    from retouch.editing.device import choose_device
    from retouch.editing.load import load_editor
    from retouch.evaluation.cocoee import cocoee_cases, evaluate_cocoee, reference_set
    from retouch.metrics.clip import load_encoder

    if limit is not None and limit < 2:
        raise SettingsError(f"limit is {limit}; expected at least 2.")
    cases, real = cocoee_cases(root, limit=limit), reference_set(references)
    editor = load_editor(model, device=device, precision=precision, backend=backend)
    seeing = load_encoder(encoder, device=choose_device(device))
    note = "stopping after this picture; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("editing") as update:
        report = evaluate_cocoee(
            _answer(editor), cases, real, out, model=options.model_name(model), encoder=seeing, seed=seed,
            on_progress=update, cancelled=cancelled,
        )  # fmt: skip
    if json:
        say_json(asdict(report))
    else:
        say(report.markdown().rstrip())


def _answer(editor: "InstructionEditor") -> "Answer":
    from retouch.core.settings import EditSettings
    from retouch.editing.pipelines.editor import PipelineEditor

    words = _WORDS if isinstance(editor, PipelineEditor) else ""

    def answer(picture: "Image.Image", region: "Region", reference: "Reference", seed: int) -> "Image.Image":
        settings = EditSettings(seed=seed)
        return editor.edit(picture, words, settings=settings, region=region, references=[reference]).image

    return answer
