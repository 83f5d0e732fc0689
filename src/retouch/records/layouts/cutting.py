"""An object out of a picture, as an example of it: cut out on white, or cropped with some of what is around."""

from PIL import Image

Box = tuple[int, int, int, int]
MARGIN = 10
"""Pixels around a box, as Paint-by-Example's references have (arXiv 2211.13227)."""


def cropped(picture: Image.Image, box: Box, margin: int = MARGIN) -> Image.Image:
    """The part of a picture within a box (left, top, right, bottom) and `margin` pixels around it."""
    left, top, right, bottom = box
    right, bottom = min(picture.width, right + margin), min(picture.height, bottom + margin)
    return picture.crop((max(0, left - margin), max(0, top - margin), right, bottom))


def cut_out(picture: Image.Image, region: Image.Image, margin: int = MARGIN) -> Image.Image:
    """The same of what `region` (one channel) shows, on white. Raises ValueError where it shows nothing."""
    box = region.getbbox()
    if box is None:
        raise ValueError("the region is empty")
    white = Image.new("RGB", picture.size, "white")
    return cropped(Image.composite(picture.convert("RGB"), white, region), box, margin)


def blanked(picture: Image.Image, region: Image.Image) -> Image.Image:
    """A picture without what is in the region: mid-grey, 0 in a model's range of [−1, 1]."""
    grey = Image.new("RGB", picture.size, (127, 127, 127))
    return Image.composite(grey, picture.convert("RGB"), region)


def box_region(size: tuple[int, int], box: Box) -> Image.Image:
    """A region (one channel, 255 within the box) of a picture's size."""
    region = Image.new("L", size, 0)
    region.paste(255, box)
    return region
