"""Contact sheets: many small pictures in a grid, each with its caption below."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from retouch.core.errors import SettingsError

MARGIN = 8
FONT_SIZE = 13
INK, PAPER = "black", "white"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The pictures shown side by side in one place of the grid, and the words below them."""

    images: tuple[Image.Image, ...]
    caption: str = ""


def contact_sheet(cells: Sequence[Cell], *, columns: int, side: int = 192) -> Image.Image:
    """Draw `cells` row by row, `columns` in each row, every picture within `side` x `side` pixels.

    Captions are broken into as many lines as they need. Raises SettingsError for no cells or columns.
    """
    if not cells or columns < 1 or side < 1:
        raise SettingsError("A contact sheet needs at least one picture, one column and one pixel.")
    font = ImageFont.load_default(FONT_SIZE)
    width = max(len(cell.images) for cell in cells) * (side + MARGIN) - MARGIN
    captions = ["\n".join(_wrap(cell.caption, width, font)) for cell in cells]
    line_height = FONT_SIZE + 4
    text_height = max(caption.count("\n") + 1 if caption else 0 for caption in captions) * line_height
    step = (width + 2 * MARGIN, side + text_height + 2 * MARGIN)
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (min(columns, len(cells)) * step[0], rows * step[1]), PAPER)
    for index, (cell, caption) in enumerate(zip(cells, captions, strict=True)):
        left, top = index % columns * step[0] + MARGIN, index // columns * step[1] + MARGIN
        for position, image in enumerate(cell.images):
            sheet.paste(_thumbnail(image, side), (left + position * (side + MARGIN), top))
        ImageDraw.Draw(sheet).multiline_text((left, top + side + 2), caption, fill=INK, font=font)
    return sheet


def _thumbnail(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _wrap(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
