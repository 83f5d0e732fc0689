"""`retouch rooms`: pictures of generated rooms, to look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli.output import progress, say
from retouch.core.errors import SettingsError
from retouch.core.files import atomic_write, check_writable

if TYPE_CHECKING:
    from PIL import Image

app = typer.Typer(help="Generate rooms and look at them.", rich_markup_mode="rich")
SHEET_COLUMNS = 8


@app.callback()
def rooms() -> None:
    """Generate rooms and look at them."""


@app.command("render")
def render_rooms(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.", show_default=False)],
    count: Annotated[int, typer.Option(help="How many rooms.")] = 16,
    seed: Annotated[int, typer.Option(help="The first room's number; the others follow.")] = 0,
    size: Annotated[int, typer.Option(help="Pixels of a side.")] = 256,
    samples: Annotated[int, typer.Option(help="Light paths a pixel; more is finer and slower.")] = 8,
    split: Annotated[str, typer.Option(help="train, validation or bench.")] = "train",
    sheet: Annotated[bool, typer.Option("--sheet", help="Write one sheet.png as well.")] = False,
) -> None:
    """Render rooms as PNG files named by their seeds.

    [bold]Example[/bold]

    retouch rooms render --count 64 --out out/rooms --sheet
    """
    from retouch.core.contact import Cell, contact_sheet
    from retouch.core.images import png_bytes
    from retouch.scenes.seeds import scene_seeds

    if count < 1 or not 32 <= size <= 2048 or samples < 1:
        raise SettingsError(
            f"{count} rooms of {size} pixels with {samples} samples were asked for; "
            "give at least 1 room, 32 to 2048 pixels and 1 sample."
        )
    check_writable(out / "sheet.png")
    cells: list[Cell] = []
    with progress("rendering") as update:
        for done, room_seed in enumerate(scene_seeds(split, count, start=seed), start=1):
            image, words = _render(room_seed, size=size, samples=samples)
            atomic_write(out / f"room-{room_seed:010d}.png", png_bytes(image))
            cells.append(Cell(images=(image,), caption=f"{room_seed} {words}"))
            update(done, count)
    if sheet:
        atomic_write(out / "sheet.png", png_bytes(contact_sheet(cells, columns=SHEET_COLUMNS, side=size)))
    say(f"Wrote {count} rooms to {out}")


def _render(seed: int, *, size: int, samples: int) -> "tuple[Image.Image, str]":
    from PIL import Image

    from retouch.scenes.layout import sample_room
    from retouch.scenes.render import render

    room = sample_room(seed)
    image = Image.fromarray(render(room, size=size, samples=samples, seed=seed).image)
    return image, f"{room.type}, {room.light}"
