"""MagicBrush (osunlp/MagicBrush): turns of an editing session, each with the region it was to change."""

from functools import partial
from pathlib import Path

from PIL import Image

from retouch.core.images import load_image
from retouch.records.layouts.tables import TableLayout, read_tables

_WHITE = 250


def painted_region(mask: Path | bytes) -> Image.Image:
    """The region of a mask that is the picture with a hole: where it is transparent, or white if it nowhere is.

    255 inside the region, 0 elsewhere. Raises ImageError.
    """
    loaded = load_image(mask, base_name="mask")
    if loaded.alpha is not None:
        return loaded.alpha.point([255] * 128 + [0] * 128)
    darkest = loaded.pixels.convert("RGB").split()
    white = [channel.point([0] * _WHITE + [255] * (256 - _WHITE)) for channel in darkest]
    whole = Image.merge("RGB", white)
    return whole.convert("L").point([0] * 255 + [255])


LAYOUT = TableLayout(
    source=("source_img",),
    target=("target_img",),
    instruction=("instruction",),
    mask=("mask_img",),
    params=("img_id", "turn_index"),
    region=painted_region,
)

read_magicbrush = partial(read_tables, layout=LAYOUT)
