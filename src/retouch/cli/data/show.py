"""`retouch data show`: a sheet of pairs to look at."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli.output import say
from retouch.core.errors import DataError
from retouch.core.files import atomic_write, check_writable


def show_pairs(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG to write.", show_default=False)],
    count: Annotated[int, typer.Option(help="How many pairs to show.")] = 64,
    start: Annotated[int, typer.Option(help="How many pairs to skip.")] = 0,
    kind: Annotated[str | None, typer.Option(help="Only this kind of edit, such as recolour.")] = None,
    side: Annotated[int, typer.Option(help="Pixels of a picture's longer side.")] = 160,
    columns: Annotated[int, typer.Option(help="Pairs in a row.")] = 4,
) -> None:
    """Draw a sheet of pairs: source and target side by side, the instruction below.

    [bold]Example[/bold]

    retouch data show runs/data/rooms -o out/pairs.png --count 64
    """
    from retouch.core.contact import Cell, contact_sheet
    from retouch.core.images import load_image, png_bytes
    from retouch.records.shards import read_records

    check_writable(output, suffixes=(".png",))
    records = (record for record in read_records(folder, columns=("params",)) if kind in (None, record.kind))
    cells = [
        Cell(
            images=tuple(load_image(data).pixels for data in (record.source_image, record.target_image)),
            caption=f"[{record.kind}] {record.edit_prompt}",
        )
        for record in islice(records, start, start + count)
    ]
    if not cells:
        raise DataError(f'"{folder}" holds no such pairs; ask for others or make some with: retouch data pairs.')
    atomic_write(output, png_bytes(contact_sheet(cells, columns=columns, side=side)))
    say(f"Wrote {len(cells)} pairs to {output}")
