"""`retouch data build`: from a domain to a finished data set, by one command."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.data import generative
from retouch.cli.data.agents import AgentOptions, write_by_agent
from retouch.cli.data.pairs import ENGINES
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json, say_table
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.datagen.build import BuildSummary, Stages
    from retouch.datagen.engine import SiftingEngine
    from retouch.datagen.judge import Standards

INTERIOR = "interior"
"""The domain that the language of rooms speaks of."""
SIZE = 256
"""Pixels of a side, of rooms and photographs."""


def build_dataset(
    *,
    domain: Annotated[str, typer.Argument(help="A domain's name or YAML file; see data domains.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the data set.", show_default=False)],
    count: Annotated[int, typer.Option(help="Pairs to make; with an engine of triples, triples to write.")] = 1000,
    engine: Annotated[str, typer.Option(help=f"{', '.join((*ENGINES, *generative.ENGINES))}.")] = "rooms",
    triples: Annotated[Path | None, typer.Option(help="Triples to take instead of writing some.")] = None,
    source: Annotated[Path | None, typer.Option(help="Folder of pictures, for the engine photos.")] = None,
    model: generative.Model = generative.DEFAULT_MODEL,
    controlnet: generative.ControlNet = None,
    candidates: generative.Candidates = None,
    keep: generative.Keep = None,
    null_share: generative.NullShare = 0.0,
    misleading_share: generative.MisleadingShare = 0.0,
    preset: generative.Preset = None,
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help="Where a chat model writes the triples.")] = None,
    chat: Annotated[str | None, typer.Option(help="The chat model's name at the endpoint.")] = None,
    chat_model: Annotated[str | None, typer.Option(help="Instead: a chat model's folder or hub id, run here.")] = None,
    seed: Annotated[int, typer.Option(help="Other seeds give other data sets.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that make pairs; 0 is this one.")] = 0,
    layout: Annotated[str, typer.Option(help="parquet, diffusers, image-folder, webdataset.")] = "parquet",
    licence: Annotated[str | None, typer.Option("--license", help="What the card states, such as cc-by-4.0.")] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
) -> None:
    """Build a data set: write triples, make pairs, keep the good ones, report on them, export them in three splits.

    Run the same command again to go on after an interruption. Triples about rooms need no model; those about other
    domains are written by a chat model, or taken from a file.

    [bold]Examples[/bold]

    retouch data build interior --count 200 --engine rooms --out runs/interior

    retouch data build interior --count 100 --engine attention-swap --out runs/swapped

    retouch data build street-food --count 500 --engine prompt-to-prompt --endpoint http://localhost:8000/v1
    --chat NAME -m stable-diffusion-v1-5/stable-diffusion-v1-5 --out runs/street-food
    """
    from retouch.datagen.build import build, facts

    asked = AgentOptions.of(domain=domain, endpoint=endpoint, model=chat, chat_model=chat_model)
    choices = generative.Choices(
        engine=engine, split="train", seed=seed, triples=out / "triples.jsonl", model=model, controlnet=controlnet,
        preset=preset, encoder=None, image_image=None, caption_image=None, directional=None, candidates=candidates,
        keep=keep, batch=8, blend=False, null_share=null_share, misleading_share=misleading_share, steps=None,
        scheduler=None, device=device, precision=precision,
    )  # fmt: skip
    stages = _stages(
        asked, choices, count=count, triples=triples, source=source, workers=workers, layout=layout, licence=licence
    )
    note = "stopping when what is at hand is done; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, ExitStack() as bars:
        summary = build(stages, out, on_stage=partial(_next_bar, bars), cancelled=cancelled)
    if json:
        say_json(facts(summary))
    else:
        _tell(summary)


def _next_bar(bars: ExitStack, stage: str) -> Callable[[int, int], None]:
    """The bar of a stage in place of the one before."""
    bars.close()
    return bars.enter_context(progress(f"{stage}:"))


def _stages(
    asked: AgentOptions,
    choices: generative.Choices,
    *,
    count: int,
    triples: Path | None,
    source: Path | None,
    workers: int,
    layout: str,
    licence: str | None,
) -> "Stages":
    from retouch.datagen.build import Stages
    from retouch.datagen.domains import load_domain

    domain = load_domain(str(asked.domain))
    of_triples = choices.engine in generative.ENGINES
    settings = {
        "domain": domain.name, "count": count, "engine": choices.engine, "seed": choices.seed,
        "triples": None if triples is None else triples.name, "model": choices.model if of_triples else None,
        "preset": choices.preset, "candidates": choices.candidates, "keep": choices.keep, "layout": layout,
        "null_share": choices.null_share, "misleading_share": choices.misleading_share, "writer": asked.model_name,
        "source": None if source is None else source.resolve().name,
    }  # fmt: skip
    return Stages(
        settings=settings,
        write=_writer(asked, choices, domain.name, count=count, triples=triples) if of_triples else None,
        engine=_engine(choices, domain.name, count=count, source=source, triples=triples),
        standards=_standards(choices),
        workers=workers,
        layout=layout,
        licence=licence,
        title=f"{domain.name}, {choices.engine}",
    )


def _writer(
    asked: AgentOptions, choices: generative.Choices, domain: str, *, count: int, triples: Path | None
) -> Callable[[Path, Callable[[int, int], None]], object]:
    """What writes the triples of a domain into a file."""
    from retouch.datagen.triples import save_told, told_rooms
    from retouch.records.triple import load_triples, save_triples

    if triples is not None:
        return lambda out, _progress: save_triples(out, load_triples(triples))
    if asked.endpoint is not None or asked.chat_model is not None:
        return lambda out, _progress: write_by_agent(out, asked, count=count, seed=choices.seed, device=choices.device)
    if domain == INTERIOR:
        return lambda out, on_progress: save_told(out, told_rooms(count, seed=choices.seed, on_progress=on_progress))
    raise SettingsError(
        f"Triples about '{domain}' are written by a chat model; give --endpoint and --chat, or --chat-model, or a file "
        "with --triples."
    )


def _engine(
    choices: generative.Choices, domain: str, *, count: int, source: Path | None, triples: Path | None
) -> Callable[[], "Callable[[], SiftingEngine]"]:
    """What makes the engine's factory, when the triples are there; raises SettingsError."""
    from retouch.datagen.splits import photos_of_all_splits, rooms_of_all_splits, triples_of_all_splits

    if choices.engine in generative.ENGINES:
        return lambda: triples_of_all_splits(generative.plan_of(choices))
    if triples is not None:
        raise SettingsError(f"The engine {choices.engine} writes its own captions; leave --triples out.")
    if choices.engine == "rooms":
        if domain != INTERIOR:
            raise SettingsError(f"The engine rooms makes interiors, not '{domain}'; take another engine.")
        return lambda: rooms_of_all_splits(count, seed=choices.seed, size=SIZE)
    if choices.engine != "photos":
        raise SettingsError(
            f"The engine '{choices.engine}' is unknown; choose {', '.join((*ENGINES, *generative.ENGINES))}."
        )
    if source is None:
        raise SettingsError("The engine photos needs pictures; name their folder with --source.")
    return lambda: photos_of_all_splits(source, count, seed=choices.seed, size=SIZE)


def _standards(choices: generative.Choices) -> "Standards":
    from retouch.datagen.judge import Standards
    from retouch.metrics.clip import load_encoder

    thresholds, source = generative.judged_by(choices)
    return Standards(encoder=partial(load_encoder, source), thresholds=thresholds)


def _tell(summary: "BuildSummary") -> None:
    rows = [(stage, f"{seconds:.0f} s") for stage, seconds in summary.seconds.items()]
    say_table(("stage", "time"), rows)
    paired, filtered = summary.paired, summary.filtered
    say(f"{paired.pairs} pairs of {paired.units} units, {paired.pairs_per_hour:.0f} an hour; kept {filtered.kept}")
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.turned_down.items()) or "none"
    say(f"turned down: {reasons}")
    say(f"The data set is in {summary.dataset}, the report on it in {summary.report}")
