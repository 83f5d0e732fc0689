"""What the command line prints: results on standard output, everything else on standard error."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

WIDE = 240
SECONDS_BETWEEN_LINES = 30


class Update(Protocol):
    """Tells how far the work is, `total` None where nobody knows; `note` is shown beside, such as a speed."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None: ...


def say(text: str) -> None:
    """One line of a result, on standard output."""
    print(text)


def say_json(value: Mapping[str, object] | Sequence[object]) -> None:
    """A result for programs: one JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output; wide when it goes into a file or a pipe."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDE, highlight=False).print(table)


def say_facts(facts: Mapping[str, object]) -> None:
    """Names and values, one pair a line, on standard output."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        say(f"{name:<{width}}  {value}")


def warn(text: str) -> None:
    """A warning, on standard error."""
    _stderr().print(Text.assemble(("warning: ", "bold yellow"), text), soft_wrap=True)


def fail(text: str) -> None:
    """An error in one line, on standard error."""
    line = " ".join(text.split())
    _stderr().print(Text.assemble(("error: ", "bold red"), (line, "red")), soft_wrap=True)


@contextmanager
def progress(description: str) -> Iterator[Update]:
    """A progress bar on standard error; yields `update(done, total, note="")`.

    Where standard error is no terminal, a line at the most every half minute takes the bar's place.
    """
    console = _stderr()
    if not console.is_terminal:
        yield _line_writer(description)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=None, note="")
        yield lambda done, total, note="": bar.update(task, completed=done, total=total, note=note)


def _line_writer(description: str) -> Update:
    last = time.monotonic()

    def write(done: int, total: int | None, note: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            of = "" if total is None else f" of {total}"
            print(f"{description}: {done}{of} {note}".rstrip(), file=sys.stderr, flush=True)

    return write


def _stderr() -> Console:
    # Made anew each time, so that a redirected standard error is honoured.
    return Console(stderr=True, highlight=False)
