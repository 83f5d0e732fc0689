"""`retouch eval alignment`: how near tokens of pictures are to those of words for the same objects."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.data.splits import named_split
from retouch.cli.output import progress, say, say_json
from retouch.core.errors import SettingsError

MODEL = "An insertion model: pocket/insert, or a folder."
EXEMPLAR = "An exemplar model over the same editor, whose mapper is set beside."


def measure_alignment(
    *,
    data: Annotated[Path, typer.Option(help="A folder of records with references.", show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL)] = "pocket/insert",
    exemplar: Annotated[str | None, typer.Option(help=EXEMPLAR)] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where the report goes. (default: nowhere)")] = None,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "bench",
    limit: Annotated[int | None, typer.Option(help="How many objects. (default: all)")] = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    json: options.Json = False,
) -> None:
    """Compare mapped pictures of objects with the texts for the same objects and with those for others.

    [bold]Example[/bold]

    retouch eval alignment --data runs/data/rooms-bench --out runs/eval-alignment
    """
    from retouch.editing.device import choose_device, choose_precision
    from retouch.evaluation.alignment import (
        evaluate_alignment,
        exemplar_mapper,
        insert_mapper,
        named_objects,
        text_reader,
    )
    from retouch.models.exemplar import load_exemplar
    from retouch.models.insert import load_insert

    if limit is not None and limit < 2:
        raise SettingsError(f"limit is {limit}; expected at least 2.")
    objects = named_objects(data, split=named_split(split), limit=limit)
    place = choose_device(device)
    dtype = choose_precision(precision, place)
    insert = load_insert(model, dtype=dtype, device=place)
    mappers = {options.model_name(model): insert_mapper(insert)}
    if exemplar is not None:
        further = load_exemplar(exemplar, dtype=dtype, device=place)
        mappers[options.model_name(exemplar)] = exemplar_mapper(further)
    with progress("comparing") as update:
        result = evaluate_alignment(mappers, text_reader(insert), objects, out=out, on_progress=update)
    if json:
        say_json(asdict(result))
    else:
        say(result.markdown().rstrip())
