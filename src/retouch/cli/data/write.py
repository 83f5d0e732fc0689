"""`retouch data write`: triples out of rooms or by a language model."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.interrupt import patient_interrupt
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError
from retouch.core.files import check_writable

if TYPE_CHECKING:
    from retouch.records.triple import Complete


def write(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON-lines file of triples.", show_default=False)],
    writer: Annotated[
        str, typer.Option(help="rooms, pocket, a causal language model's folder, or a hub id.")
    ] = "rooms",
    captions: Annotated[
        Path | None, typer.Option(help="Captions: lines of text, .jsonl or .csv; not for the writer rooms.")
    ] = None,
    count: Annotated[int, typer.Option(help="Triples of the writer rooms.")] = 1000,
    sampling: Annotated[str, typer.Option(help="How a language model draws: brooks or conti.")] = "brooks",
    seed: Annotated[int, typer.Option(help="Other seeds give other triples.")] = 0,
    split: Annotated[str, typer.Option(help="Of the writer rooms: train, validation or bench.")] = "train",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    json: options.Json = False,
) -> None:
    """Write triples: a caption, an instruction, and the caption of the edited picture.

    The writer rooms needs no captions and no model. A language model answers each caption once; answers that are no
    triple are counted by reason. Run the same command again to go on.

    [bold]Examples[/bold]

    retouch data write --writer rooms --count 5000 --out runs/triples.jsonl

    retouch data write --writer pocket --captions captions.txt --out runs/triples.jsonl
    """
    if writer == "rooms":
        from retouch.datagen.triples import room_triples
        from retouch.records.triple import save_triples

        if captions is not None or count < 1:
            raise SettingsError("The writer rooms makes its own captions; give --count, at least 1, and no --captions.")
        with progress("writing triples") as update:
            made = save_triples(out, room_triples(count, seed=seed, split=named_split(split), on_progress=update))
        summary = {"file": str(out), "captions": made, "triples": made, "rejected": {}}
    else:
        summary = _written(out, writer=writer, captions=captions, sampling=sampling, seed=seed, device=device)
    if json:
        say_json(summary)
        return
    reasons = ", ".join(f"{number} {reason}" for reason, number in dict(summary["rejected"]).items()) or "none"
    say(f"{out} holds {summary['triples']} triples of {summary['captions']} captions; rejected: {reasons}")


def _written(out: Path, *, writer: str, captions: Path | None, sampling: str, seed: int, device: str) -> dict[str, Any]:
    from retouch.core.seeds import derive_seed
    from retouch.datagen.captions import read_captions
    from retouch.datagen.write import write_file
    from retouch.models.writer import PRESETS, complete, load_writer
    from retouch.records.triple import END

    if captions is None:
        raise SettingsError("A language model needs captions; name their file with --captions.")
    if sampling not in PRESETS:
        raise SettingsError(f"The sampling '{sampling}' is unknown; choose {' or '.join(PRESETS)}.")
    texts = read_captions(captions)
    check_writable(out)
    model = load_writer(writer, device=device)

    def of_batch(start: int) -> "Complete":
        return partial(complete, model, stop=END, seed=derive_seed(seed, "write", start), sampling=PRESETS[sampling])

    note = "stopping after this batch; press Ctrl-C again to stop at once."
    with patient_interrupt(note) as cancelled, progress("writing triples") as update:
        settings = {"writer": writer, "sampling": sampling, "seed": seed}
        summary = write_file(texts, out, model=of_batch, settings=settings, on_progress=update, cancelled=cancelled)
    return {**asdict(summary), "file": str(summary.file)}
