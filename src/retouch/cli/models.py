"""`retouch models`: list, show, convert, verify and push checkpoints."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli.options import Json, Tokenizer
from retouch.cli.output import say, say_facts, say_json, say_table
from retouch.cli.uploads import say_pushed, show_upload
from retouch.core.errors import ModelError

app = typer.Typer(help="List, inspect, convert, verify and push models.", rich_markup_mode="rich")

Source = Annotated[
    str,
    typer.Argument(help="pocket, a folder in diffusers layout, a .safetensors file, or a hub id.", show_default=False),
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub id.")]
Variant = Annotated[str | None, typer.Option(help="Variant of the weight files, such as fp16.")]


@app.command("list")
def list_models(json: Json = False) -> None:
    """List the models in the package, in the hub's cache on this machine, and known on the hub."""
    from retouch.editing.pipelines.listing import with_families
    from retouch.models.catalogue import catalogue

    entries = with_families(catalogue())
    if json:
        say_json([asdict(entry) for entry in entries])
        return
    rows = [(entry.source, entry.kind, entry.place, _megabytes(entry.size_bytes), entry.note) for entry in entries]
    say_table(("model", "kind", "where", "MB", "note"), rows)


@app.command("show")
def show_model(
    source: Source, revision: Revision = None, variant: Variant = None, tokenizer: Tokenizer = None, json: Json = False
) -> None:
    """Print what a model is: its kind, its networks, its conventions and its own defaults.

    [bold]Example[/bold]

    retouch models show timbrooks/instruct-pix2pix

    retouch models show downloads/editor.safetensors
    """
    from retouch.models.verify import verify

    report = verify(source, revision=revision, variant=variant, tokenizer=tokenizer)
    if not report.sound:
        raise ModelError(report.problems[0])
    if json:
        say_json({**asdict(report), "parameters": report.parameters})
        return
    networks = {part.name: f"{part.network}, {part.parameters / 1e6:.1f}M" for part in report.components}
    conventions = asdict(report.spec) if report.spec else {}
    say_facts({"model": source, "parameters": f"{report.parameters / 1e6:.1f}M", **networks, **conventions})


@app.command("verify")
def verify_model(
    source: Source, revision: Revision = None, variant: Variant = None, tokenizer: Tokenizer = None, json: Json = False
) -> None:
    """Check that a model is complete, loadable and free of broken numbers.

    [bold]Example[/bold]

    retouch models verify runs/my-model
    """
    from retouch.models.verify import verify

    report = verify(source, revision=revision, variant=variant, tokenizer=tokenizer)
    if json:
        say_json({**asdict(report), "parameters": report.parameters, "sound": report.sound})
    if not report.sound:
        raise ModelError(report.problems[0])
    if not json:
        say(f"{source} is sound: {report.kind}, {report.parameters / 1e6:.1f}M parameters.")


@app.command("convert")
def convert_model(
    source: Annotated[Path, typer.Argument(help="A checkpoint file or a folder.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="The new folder, or a new .safetensors file.", show_default=False)],
    like: Annotated[
        str | None,
        typer.Option(help="A model of the same shape, whose configuration and tokenizer a single file takes."),
    ] = None,
    tokenizer: Tokenizer = None,
) -> None:
    """Turn a pickled or single-file checkpoint into a form that every tool of this family loads.

    What a single file is, its weights' shapes say, where its heads and groups are Stable Diffusion's; else --like does.

    Pickles can run code when opened; they are read in a separate process that admits tensors only.

    [bold]Examples[/bold]

    retouch models convert instruct-pix2pix.ckpt my-model

    retouch models convert old-folder new-folder
    """
    from retouch.models.convert import convert

    say(f"Wrote {convert(source, out, like=like, tokenizer=tokenizer)}")


@app.command("push")
def push_model(
    *,
    folder: Annotated[Path, typer.Argument(help="A checkpoint's folder, such as a run's model.", show_default=False)],
    repository: Annotated[str, typer.Argument(metavar="REPO_ID", help="OWNER/NAME on the hub.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, without the network.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Only for those with access to the repository.")] = False,
    revision: Annotated[str | None, typer.Option(help="The branch, made where it is missing. (default: main)")] = None,
    json: Json = False,
) -> None:
    """Send a checkpoint to the hub, as whoever `hf auth login` or HF_TOKEN says.

    Everything in the folder goes but hidden files; pickles are refused.

    [bold]Examples[/bold]

    retouch models push runs/mine/model someone/kitchen-editor --dry-run

    retouch models push runs/mine/model someone/kitchen-editor --private
    """
    from retouch.core.upload import send
    from retouch.models.push import plan_upload

    upload = plan_upload(folder, repository)
    if dry_run:
        show_upload(upload, branch=revision, json=json)
    else:
        say_pushed(upload, send(upload, private=private, revision=revision), json=json)


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.0f}"
