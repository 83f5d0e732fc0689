"""`retouch data write`: triples out of rooms, by a language model, by chat agents, or those written by hand."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import options
from retouch.cli.data.agents import AgentOptions, say_agent, write_by_agent
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError
from retouch.core.files import check_writable

if TYPE_CHECKING:
    from retouch.records.triple import Complete

_WRITERS = "rooms, agent, seeds, pocket, a causal language model's folder, or a hub id."
_ENDPOINT = (
    "Of the writer agent: an OpenAI-compatible address, as http://localhost:8000/v1; "
    "its key is read from RETOUCH_LLM_KEY, OpenAI's own from OPENAI_API_KEY too."
)

Captions = Annotated[
    str | None,
    typer.Option(help="Of a language model: lines of text, .jsonl, .csv or .parquet, or a dataset's id on the hub."),
]
ChatModel = Annotated[
    str | None, typer.Option(help="Instead of an endpoint: a chat model's folder or hub id, run here.")
]


def write(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON-lines file of triples.", show_default=False)],
    writer: Annotated[str, typer.Option(help=_WRITERS)] = "rooms",
    captions: Captions = None,
    column: Annotated[str | None, typer.Option(help="Where captions are. (default: caption or input)")] = None,
    limit: Annotated[int | None, typer.Option(help="Take the first so many captions only.")] = None,
    count: Annotated[int, typer.Option(help="Triples of the writers rooms and agent.")] = 1000,
    sampling: Annotated[str, typer.Option(help="How a language model draws: brooks or conti.")] = "brooks",
    seed: Annotated[int, typer.Option(help="Other seeds give other triples.")] = 0,
    split: Annotated[str, typer.Option(help="Of the writer rooms: train, validation or bench.")] = "train",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    domain: Annotated[str | None, typer.Option(help="Of the writer agent: a domain's name or YAML file.")] = None,
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help=_ENDPOINT)] = None,
    model: Annotated[str | None, typer.Option(help="The chat model's name at the endpoint.")] = None,
    chat_model: ChatModel = None,
    price_in: Annotated[float | None, typer.Option(help="Price of a million tokens read, to show the cost.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Price of a million tokens written.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the agent. (default: the endpoint's, or 0.8)")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds an endpoint's answer may take. (default: 120)")] = None,
    attempts: Annotated[int | None, typer.Option(help="How often an endpoint is asked. (default: 6)")] = None,
    json: options.Json = False,
) -> None:
    """Write triples: a caption, an instruction, and the caption of the edited picture.

    The writer rooms needs no captions and no model, and neither does seeds, which copies triples written by hand. An
    agent is a chat model that is told a domain's rules and examples. A language model answers each caption once.
    What is no triple is counted by reason. Run the same command again to go on.

    [bold]Examples[/bold]

    retouch data write --writer rooms --count 5000 --out runs/triples.jsonl

    retouch data write --writer agent --domain interior --endpoint http://localhost:8000/v1 --model NAME --count 500
    --out runs/agent.jsonl

    retouch data write --writer agent --domain my-domain.yaml --chat-model FOLDER --count 500 --out runs/agent.jsonl

    retouch data write --writer pocket --captions captions.txt --out runs/triples.jsonl
    """
    asked = AgentOptions(
        domain=domain, endpoint=endpoint, model=model, chat_model=chat_model, price_in=price_in, price_out=price_out,
        temperature=temperature, timeout=timeout, attempts=attempts,
    )  # fmt: skip
    if writer != "agent":
        asked.refuse(writer)
    if writer in ("rooms", "agent", "seeds") and (captions is not None or count < 1):
        raise SettingsError(f"The writer {writer} makes its own captions; give --count, at least 1, and no --captions.")
    if writer == "agent":
        summary = write_by_agent(out, asked, count=count, seed=seed, device=device)
    elif writer in ("rooms", "seeds"):
        summary = _rooms(out, count, seed=seed, split=split) if writer == "rooms" else _seeds(out)
    else:
        texts = _captions(captions, column=column, limit=limit)
        summary = _written(out, texts, writer=writer, sampling=sampling, seed=seed, device=device)
    if json:
        say_json(summary)
    else:
        _tell(summary)


def _tell(summary: dict[str, Any]) -> None:
    reasons = ", ".join(f"{number} {reason}" for reason, number in dict(summary["rejected"]).items()) or "none"
    source = f"{summary['calls']} calls" if "calls" in summary else f"{summary['captions']} captions"
    say(f"{summary['file']} holds {summary['triples']} triples of {source}; rejected: {reasons}")
    if "calls" in summary:
        say_agent(summary)


def _rooms(out: Path, count: int, *, seed: int, split: str) -> dict[str, Any]:
    from retouch.datagen.triples import save_told, told_rooms

    with progress("writing triples") as update:
        made = save_told(out, told_rooms(count, seed=seed, split=named_split(split), on_progress=update))
    return {"file": str(out), "captions": made, "triples": made, "rejected": {}}


def _seeds(out: Path) -> dict[str, Any]:
    from retouch.datagen.seeds import seed_triples
    from retouch.records.triple import load_triples, save_triples

    triples = list(load_triples(seed_triples()))
    captions = len({triple.source_caption for triple in triples})
    return {"file": str(out), "captions": captions, "triples": save_triples(out, triples), "rejected": {}}


def _captions(source: str | None, *, column: str | None, limit: int | None) -> list[str]:
    from retouch.datagen.captions import read_captions

    if source is None:
        raise SettingsError("A language model needs captions; name their file with --captions.")
    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}; give at least 1.")
    return read_captions(source, column=column, limit=limit)


def _written(out: Path, texts: list[str], *, writer: str, sampling: str, seed: int, device: str) -> dict[str, Any]:
    from retouch.core.seeds import derive_seed
    from retouch.datagen.write import write_file
    from retouch.models.writer import PRESETS, complete, load_writer
    from retouch.records.triple import END

    if sampling not in PRESETS:
        raise SettingsError(f"The sampling '{sampling}' is unknown; choose {' or '.join(PRESETS)}.")
    check_writable(out)
    model = load_writer(writer, device=device)

    def of_batch(start: int) -> "Complete":
        return partial(complete, model, stop=END, seed=derive_seed(seed, "write", start), sampling=PRESETS[sampling])

    note = "stopping after this batch; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("writing triples") as update:
        settings = {"writer": writer, "sampling": sampling, "seed": seed}
        summary = write_file(texts, out, model=of_batch, settings=settings, on_progress=update, cancelled=cancelled)
    return {**asdict(summary), "file": str(summary.file)}
