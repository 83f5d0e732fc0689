"""`retouch data report`: one page on a folder of pairs."""

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli.output import say
from retouch.core.files import check_writable


def report_folder(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder of records, such as a filter's.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.", show_default=False)],
    title: Annotated[str | None, typer.Option(help="What the page is called. (default: the folder's name)")] = None,
    examples: Annotated[int, typer.Option(help="Pairs to show of each sort: kept, on the border, turned down.")] = 12,
) -> None:
    """Write one HTML page on pairs and on those that a filter turned down; it opens anywhere, without a network.

    [bold]Example[/bold]

    retouch data report runs/data/rooms-kept -o out/rooms.html
    """
    from retouch.datagen.report.write import write_report

    check_writable(output, suffixes=(".html", ".htm"))
    say(f"Wrote {write_report(folder, output, title=title, examples=examples)}")
