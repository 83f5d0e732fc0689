"""`retouch eval subject`: objects of held-out rooms, taught from a few views and judged by others."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import Update, progress, say, say_json
from retouch.core.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from retouch.editing.editor import Editor
    from retouch.evaluation.subject_cases import SubjectCase
    from retouch.training.choices import Choices

MODEL = "The model that is taught: an exemplar's folder or a published one. (default: pocket/exemplar)"


def measure_subjects(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and subjects go.", show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL, show_default=False)] = "pocket/exemplar",
    subjects: Annotated[int, typer.Option(help="How many objects, each of another kind.")] = 4,
    steps: Annotated[int | None, typer.Option(help="Steps to teach each in. (default: the kind's)")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest. (default: the kind's)")] = None,
    size: Annotated[int, typer.Option(help="Pixels of a room's side.")] = 256,
    seed: Annotated[int, typer.Option(help="The seed of every edit and training.")] = 0,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Teach objects of held-out rooms, and measure how like held-out views they are before and after.

    Run the same command again to go on: what was taught is kept.

    [bold]Example[/bold]

    retouch eval subject --subjects 4 --out runs/eval-subject
    """
    from retouch.editing.editor import Editor
    from retouch.evaluation.subject import evaluate_subjects
    from retouch.evaluation.subject_cases import subject_cases
    from retouch.metrics.clip import load_encoder
    from retouch.training.choices import Choices

    base, encoder = Editor.load(model, device=device), load_encoder("pocket/clip")
    choices = Choices(steps=steps, learning_rate=learning_rate, seed=seed)
    note = "stopping after this step; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("teaching") as update:
        cases = list(subject_cases(subjects, size=size))
        teach = _teaching(model, out / "subjects", choices, device=device, update=update, cancelled=cancelled)
        summary = evaluate_subjects(cases, out, base=base, teach=teach, encoder=encoder, seed=seed, cancelled=cancelled)
    if json:
        say_json(asdict(summary))
    else:
        say(summary.markdown().rstrip())


def _teaching(
    model: str,
    folder: Path,
    choices: "Choices",
    *,
    device: str,
    update: Update,
    cancelled: "Callable[[], bool]",
) -> "Callable[[SubjectCase], Editor]":
    from retouch.core.images import png_bytes
    from retouch.editing.editor import Editor
    from retouch.training.choices import Material
    from retouch.training.run import run_recipe
    from retouch.training.usual import usual_recipe

    def teach(case: "SubjectCase") -> "Editor":
        pictures, run = folder / case.name / "pictures", folder / case.name
        pictures.mkdir(parents=True, exist_ok=True)
        for number, view in enumerate(case.taught):
            shown = view.picture.copy()
            if view.alpha is not None:
                shown.putalpha(view.alpha)
            (pictures / f"view-{number}.png").write_bytes(png_bytes(shown))
        material = Material(data=(), base=model, out=run, pictures=pictures, name=case.name)
        report = run_recipe(
            usual_recipe("subject", material, choices), run, device=device, cancelled=cancelled,
            on_progress=lambda event: update(event.step, event.steps, f"{case.name}: loss {event.loss:.4f}"),
        )  # fmt: skip
        if report.interrupted:
            raise Cancelled(f"Stopped while teaching '{case.name}'; run the same command again to go on.")
        return Editor.load(run / "model", device=device)

    return teach
