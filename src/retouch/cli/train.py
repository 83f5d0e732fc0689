"""`retouch train`: train a network, as a kind with its usual settings or as a recipe file says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say_facts
from retouch.core.errors import Cancelled, SettingsError

if TYPE_CHECKING:
    from retouch.training.recipe import OwnLoop, Recipe

WHICH = "The kind to train, or with --recipe one of its functions. (default: the only one)"
DATA = "A folder of records, several times for several; with --recipe where its folders lie. (default: runs/data)"
RUNS = Path("runs")
PICTURES = "For a subject: a folder of 3 to 5 pictures of it; NAME.mask.png beside NAME says where it is in one."
BACKGROUND = "What is about a subject in pictures without a mask: auto (cut it out where it is found), remove, keep."
LORA = "Train low-rank updates of this rank: distil, instruct, subject, and lora, which is nothing else. (lora: 16)"
OBJECTIVE = "For distil: guidance (the teacher's guided steps in one pass) or consistency. (default: guidance)"
STUDENT_STEPS = "For distil: in how many steps the student is to edit. (default: 4; consistency: 2)"
TEACHER = "For distil: how its teacher is guided by the {}. (default: the teacher's own)"
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="A Python file whose functions return run configurations.")
]
Checkpointing = Annotated[
    bool | None, typer.Option("--checkpointing", help="Recompute activations, for memory against time.")
]


def train(
    *,
    which: Annotated[str | None, typer.Argument(metavar="KIND", help=WHICH, show_default=False)] = None,
    recipe: RecipeFile = None,
    data: Annotated[list[Path] | None, typer.Option(help=DATA, show_default=False)] = None,
    pictures: Annotated[Path | None, typer.Option(help=PICTURES, show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="For a subject: what it is called.", show_default=False)] = None,
    background: Annotated[str, typer.Option(help=BACKGROUND)] = "auto",
    base: Annotated[str, typer.Option(help="What a kind starts from: pocket, a folder or a hub id.")] = "pocket",
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the run is kept and resumed.")] = RUNS,
    lora: Annotated[int | None, typer.Option(help=LORA)] = None,
    objective: Annotated[str | None, typer.Option(help=OBJECTIVE, show_default=False)] = None,
    student_steps: Annotated[int | None, typer.Option(help=STUDENT_STEPS)] = None,
    text_guidance: Annotated[float | None, typer.Option(help=TEACHER.format("instruction"))] = None,
    image_guidance: Annotated[float | None, typer.Option(help=TEACHER.format("source"))] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps in all. (default: the kind's or recipe's)")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step. (default: the kind's)")] = None,
    accumulate: Annotated[int | None, typer.Option(help="Parts a batch is computed in. (default: 1)")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest. (default: the kind's)")] = None,
    schedule: Annotated[str | None, typer.Option(help="constant, linear or cosine. (default: the kind's)")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16. (default: auto)")] = None,
    optimiser: Annotated[str | None, typer.Option(help="adamw or adamw8bit. (default: adamw)")] = None,
    checkpointing: Checkpointing = None,
    size: Annotated[int | None, typer.Option(help="Longest side of pictures in pixels. (default: the base's)")] = None,
    cache: Annotated[bool, typer.Option(help="Encode all pictures ahead, or each whenever it is used.")] = True,
    seed: Annotated[int | None, typer.Option(help="Of everything random. (default: 0)")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a clip, controlnet, distil, exemplar, generate, insert, instruct, ip-adapter, lora, parser, placement,
    reader, segmenter, subject, vae or writer.

    Run the same command again to resume. Losses, figures and pictures go to TensorBoard files in the run's folder, the
    model to its folder `model`. Several processes share a run when started by torchrun or accelerate launch.

    [bold]Examples[/bold]

    retouch train instruct --lora 8 --data pairs --base timbrooks/instruct-pix2pix --out runs/style

    retouch train --recipe recipes/pocket.py vae

    retouch train subject --pictures photos/chair --name lucky-chair
    """
    if recipe is not None:
        chosen = (lora, batch_size, accumulate, learning_rate, schedule, precision, optimiser, checkpointing, size)
        student = (objective, student_steps, text_guidance, image_guidance)
        _refuse_beside_recipe(*chosen, *student, seed, pictures, name, None if cache else cache)
        _run(*_from_recipe(recipe, which, data, out), steps=steps, device=device)
        return
    if which is None or not (data or pictures):
        raise SettingsError("Name a kind and its --data, or a --recipe; `retouch train --help` shows both.")
    from retouch.training.choices import Choices, Material, Student
    from retouch.training.usual import usual_recipe

    out = out / name if name is not None and out == RUNS else out
    choices = Choices.named(batch_size=batch_size, accumulate=accumulate, learning_rate=learning_rate, seed=seed,
        schedule=schedule, precision=precision, optimiser=optimiser, checkpointing=checkpointing)  # fmt: skip
    student = Student.named(objective, steps=student_steps, text_guidance=text_guidance, image_guidance=image_guidance)
    material = Material(data=data or (), base=base, out=out, lora=lora, size=size, cache=cache, pictures=pictures,
        name=name, background=background, student=student)  # fmt: skip
    _run(usual_recipe(which, material, choices), which, out, steps=steps, device=device)


def _refuse_beside_recipe(*chosen: object) -> None:
    if any(value is not None for value in chosen):
        raise SettingsError("A recipe says how it trains; beside --recipe give --steps alone, or change the file.")


def _from_recipe(
    recipe: Path, member: str | None, data: list[Path] | None, out: Path
) -> tuple["Recipe | OwnLoop", str, Path]:
    from retouch.training.run import read_recipe

    if data is not None and len(data) > 1:
        raise SettingsError(f"A recipe finds its record folders in one place; {len(data)} --data were given.")
    where = data[0] if data else Path("runs/data")
    name = member or recipe.stem
    return read_recipe(recipe, member, data=where, out=out), name, out / name


def _run(configuration: "Recipe | OwnLoop", name: str, folder: Path, *, steps: int | None, device: str) -> None:
    from retouch.training.run import run_recipe

    note = "stopping after this step and saving; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress(f"training {name}") as update:
        report = run_recipe(
            configuration,
            folder,
            device=device,
            steps=steps,
            on_prepared=lambda done, total: update(done, total, "pictures encoded"),
            on_progress=lambda event: update(
                event.step, event.steps, f"loss {event.loss:.4f}, {event.samples_per_second:.1f} samples/s"
            ),
            cancelled=cancelled,
        )
    if not report.first:
        return
    if report.interrupted:
        again = "go on" if report.resumes else "start over"
        raise Cancelled(f"Stopped at step {report.steps}; run the same command again to {again}.")
    figures = {name: f"{value:.4g}" for name, value in report.figures.items()}
    say_facts({"steps": report.steps, **figures, "folder": report.folder})
