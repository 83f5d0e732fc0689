"""`retouch eval`: measure a model on held-out pairs, a writer on held-out captions."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.evaluate_benches import app as benches
from retouch.cli.evaluate_calibrate import calibrate_guidance
from retouch.cli.evaluate_cocoee import measure_cocoee
from retouch.cli.evaluate_detail import measure_detail
from retouch.cli.evaluate_examples import measure_alignment, measure_inpainting, measure_insertion
from retouch.cli.evaluate_grounding import measure_grounded, measure_parser, measure_regions
from retouch.cli.evaluate_report import compare, report
from retouch.cli.evaluate_run import run_bench
from retouch.cli.evaluate_sequences import measure_diversity, measure_drift
from retouch.cli.evaluate_study import app as study_app
from retouch.cli.evaluate_subject import measure_subjects
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

app = typer.Typer(help="Measure models on held-out pairs.", rich_markup_mode="rich")
app.command("run")(run_bench)
app.command("report")(report)
app.command("compare")(compare)
app.command("regions")(measure_regions)
app.command("parser")(measure_parser)
app.command("grounded")(measure_grounded)
app.command("detail")(measure_detail)
app.command("insertion")(measure_insertion)
app.command("inpainting")(measure_inpainting)
app.command("alignment")(measure_alignment)
app.command("subject")(measure_subjects)
app.command("cocoee")(measure_cocoee)
app.command("calibrate")(calibrate_guidance)
app.command("drift")(measure_drift)
app.command("diversity")(measure_diversity)
app.add_typer(study_app, name="study")
app.add_typer(benches, name="benches")
ENCODER = "pocket/clip, a CLIP model's folder in transformers layout, or a hub id."


@app.callback()
def evaluation() -> None:
    """Measure models on held-out pairs."""


@app.command("writer")
def run_writer_bench(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and triples go.", show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help="pocket, a folder or a hub id.")] = "pocket",
    count: Annotated[int, typer.Option(help="How many captions of held-out rooms.")] = 500,
    sampling: Annotated[str, typer.Option(help="brooks or conti: published settings.")] = "brooks",
    temperature: Annotated[float | None, typer.Option(help="Above 0. (default: the sampling's)")] = None,
    top_p: Annotated[float | None, typer.Option(help="Above 0, at most 1. (default: the sampling's)")] = None,
    seed: Annotated[int, typer.Option(help="Of the rooms and of everything drawn.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    json: options.Json = False,
) -> None:
    """Let a language model write instruction triples for captions of rooms it never saw, and judge every one.

    A triple obeys where exactly one thing changes, what is removed was there, and the new caption shows what the
    instruction says. OUT gets report.md, report.json and triples.jsonl.

    [bold]Example[/bold]

    retouch eval writer --model runs/writer/model --count 500 --out runs/eval-writer
    """
    if count < 1:
        raise SettingsError(f"count is {count}; expected at least 1.")

    from retouch.evaluation.writer import evaluate_writer
    from retouch.models.writer import PRESETS, load_writer

    if sampling not in PRESETS:
        raise SettingsError(f"The sampling '{sampling}' is unknown; choose {' or '.join(PRESETS)}.")
    changes = {"temperature": temperature, "top_p": top_p}
    drawn = replace(PRESETS[sampling], **{name: value for name, value in changes.items() if value is not None})
    writer = load_writer(model, device=device)
    note = "stopping after this batch; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("writing") as update:
        summary = evaluate_writer(
            writer, out, count=count, seed=seed, sampling=drawn, on_progress=update, cancelled=cancelled
        )
    if json:
        say_json(asdict(summary))
    else:
        say(summary.markdown().rstrip())


@app.command("materials")
def fit_material_judge(
    *,
    train: Annotated[Path, typer.Option(help="Room pairs to fit on.", show_default=False)],
    held_out: Annotated[Path, typer.Option(help="Room pairs of the validation split.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where. (default: into the package)")] = None,
    limit: Annotated[int, typer.Option(help="Objects to fit on at the most.")] = 4000,
) -> None:
    """Fit the judge that names an object's material, and say how often it is right on objects it never saw.

    [bold]Example[/bold]

    retouch eval materials --train runs/data/rooms --held-out runs/data/rooms-validation
    """
    from retouch.evaluation.materials import fit_materials
    from retouch.metrics.material import WEIGHTS

    place = out or WEIGHTS
    fitted = fit_materials(train, held_out, out=place, limit=limit)
    say(f"Fitted on {fitted.crops} objects; right on {fitted.accuracy:.1%} of {fitted.held_out} others: {place}")


@app.command("retrieval")
def measure_retrieval(
    *,
    data: Annotated[Path, typer.Option(help="A folder of records with captions.", show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help=ENCODER)] = "pocket/clip",
    limit: Annotated[int, typer.Option(help="Among how many records the right one must be found.")] = 100,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "bench",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write report.md and report.json.")] = None,
    json: options.Json = False,
) -> None:
    """Say how often an encoder of texts and pictures finds an unseen picture's caption, and a caption's picture.

    [bold]Example[/bold]

    retouch eval retrieval --model runs/clip/model --data runs/data/rooms-bench --limit 100
    """
    from retouch.evaluation.retrieval import evaluate_retrieval
    from retouch.metrics.clip import load_encoder

    if limit < 2:
        raise SettingsError(f"limit is {limit}; expected at least 2.")
    encoder, named = load_encoder(model), named_split(split)
    with progress("ranking") as update:
        result = evaluate_retrieval(encoder, data, limit=limit, split=named, out=out, on_progress=update)
    if json:
        say_json(asdict(result))
    else:
        say(result.markdown().rstrip())


@app.command("generate")
def measure_generation(
    *,
    data: Annotated[Path, typer.Option(help="A folder of records with captions.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where report and pictures go.", show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help="A text-to-image model.", show_default=False)],
    control: Annotated[str | None, typer.Option(help="The folder of a ControlNet for edges.")] = None,
    encoder: Annotated[str, typer.Option(help=ENCODER)] = "pocket/clip",
    limit: Annotated[int, typer.Option(help="How many pictures to make.")] = 100,
    choices: Annotated[int, typer.Option(help="Among how many captions the right one must rank first.")] = 10,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "bench",
    steps: options.Steps = None,
    seed: Annotated[int, typer.Option(help="The first picture's seed.")] = 0,
    json: options.Json = False,
) -> None:
    """Make pictures of held-out captions and say how often an encoder ranks the right caption first.

    With --control each is held to the edges of the record's own picture, and their F1 is measured.

    [bold]Example[/bold]

    retouch eval generate --model runs/generate/model --encoder runs/clip/model --data runs/data/rooms-bench \
        --out runs/eval-generate
    """
    from retouch.evaluation.generate import GenerationPlan, evaluate_generation
    from retouch.metrics.clip import load_encoder
    from retouch.models.control import load_control
    from retouch.models.load import load

    if choices < 2 or limit < choices:
        raise SettingsError(
            f"choices is {choices} and limit {limit}; expected at least 2 choices and as many pictures."
        )
    plan = GenerationPlan(limit=limit, split=named_split(split), choices=choices, steps=steps, seed=seed)
    network = None if control is None else load_control(control)
    judge, checkpoint = load_encoder(encoder), load(model)
    note = "stopping after this batch; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("making pictures") as update:
        result = evaluate_generation(
            checkpoint, judge, data, out, plan=plan, control=network, on_progress=update, cancelled=cancelled
        )
    if json:
        say_json(asdict(result))
    else:
        say(result.markdown().rstrip())
