"""References without their background: the object of an opaque picture cut out, or the picture kept as it is."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from retouch.core.errors import NotFoundError, SettingsError
from retouch.core.reference import Reference
from retouch.grounding.segmenter import Segmenter
from retouch.grounding.shapes import Shape, cut_out

Background = Literal["auto", "remove", "keep"]
"""What becomes of what stands about a reference's object: "auto" keeps it where no object is found."""

LEAST_SHARE, LARGEST_SHARE = 0.01, 0.9
"""Of the picture, that an object fills: less is a speck, more the picture itself."""
_ON_BORDER = 0.4
"""Of the picture's border, that an object may touch; what touches more is what stands behind it."""
_PLAIN = 24.0
"""Levels of 255 from the border's usual colour, over all channels, up to which pixels are a plain background's."""
_PLAIN_BORDER = 0.9
"""Of the border, that must be of that colour for the background to be plain."""
_SIDE = 512
"""The longer side at which backgrounds are looked at."""
_POINTS = ((0.5, 0.5), (0.5, 0.65), (0.5, 0.35), (0.35, 0.5), (0.65, 0.5))
"""Where an object is looked for, as parts of the picture: in the middle, then about it, for it may have holes."""
_SHRUNK = (0.4, 0.55, 0.7)
"""A reference is shown to a segmenter as these parts of wider pictures: things do not fill the pictures it knows."""
_SURE = 0.4
"""How much all views must agree inside an outline, of 0…1, for it to be taken without being asked for."""


def without_background(
    reference: Reference, segmenter: Segmenter, *, background: Background = "auto", phrase: str | None = None
) -> Reference:
    """A reference whose alpha says what of it is the object.

    One that has an alpha is taken as it is. Of an opaque one it is what stands before a plain background; where that
    is none, what `phrase` names, or without one the thing in the middle, which "auto" takes only where views of several
    sizes agree about its outline.

    Raises:
        NotFoundError: nothing is found and the background is to be removed, or a phrase was given.
        SettingsError: `background` is none of its choices, or a phrase comes with one that is kept.
    """
    if background not in get_args(Background):
        raise SettingsError(f"background is {background!r}; expected one of {', '.join(get_args(Background))}.")
    if phrase is not None and background == "keep":
        raise SettingsError(
            f"'{phrase}' is to be cut out of '{reference.name}', whose background is to be kept; leave one of them out."
        )
    if reference.alpha is not None or background == "keep":
        return reference
    shape = _before_plain(reference.picture)
    if shape is None and phrase is None:
        shape = _in_the_middle(reference.picture, segmenter, least=_SURE if background == "auto" else 0.0)
    elif shape is None and phrase is not None:
        shape = _named(reference.picture, segmenter, phrase)
    if shape is not None:
        return replace(reference, alpha=Image.fromarray(np.uint8(255) * shape))
    if background == "auto" and phrase is None:
        return reference
    sought = "an object" if phrase is None else f"'{phrase}'"
    raise NotFoundError(
        f"'{reference.name}' shows nothing that can be told from its background as {sought}; give a picture with the "
        "object in its middle, cut it out yourself as a transparent PNG, or keep the background by --background keep."
    )


def _in_the_middle(picture: Image.Image, segmenter: Segmenter, *, least: float) -> Shape | None:
    """The mean of what is found at several points, in several sizes and mirrored, where it is at least that sure."""
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    masks = [mask for part in _SHRUNK for mask in _found(small, segmenter, part)]
    mirrored = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    masks += [mask[:, ::-1] for part in _SHRUNK for mask in _found(mirrored, segmenter, part)]
    objects = [mask for mask in masks if _is_object(cut_out(mask))]
    if not objects:
        return None
    together = np.stack(objects).mean(axis=0).astype(np.float32)
    shape = cut_out(together)
    if not _is_object(shape) or together[shape].mean() < least:
        return None
    return cut_out(np.asarray(Image.fromarray(together).resize(picture.size, Image.Resampling.BILINEAR)))


def _found(picture: Image.Image, segmenter: Segmenter, part: float) -> Iterator[NDArray[np.float32]]:
    """What a segmenter finds at each point, (H, W), where the picture is that part of a wider one."""
    left, top = (round(side * (1 / part - 1) / 2) for side in picture.size)
    wider = Image.fromarray(np.pad(np.asarray(picture), ((top, top), (left, left), (0, 0)), mode="edge"))
    for across, down in _POINTS:
        point = (left + int(across * picture.width), top + int(down * picture.height))
        yield segmenter.segment_at(wider, point).mask[top : top + picture.height, left : left + picture.width]


def _named(picture: Image.Image, segmenter: Segmenter, phrase: str) -> Shape | None:
    segment = segmenter.segment(picture, phrase)
    shape = cut_out(segment.mask)
    return shape if segment.score >= segmenter.threshold and shape.mean() >= LEAST_SHARE else None


def _before_plain(picture: Image.Image) -> Shape | None:
    """All but what is of the border's colour and reaches the border; None where the border is of many colours."""
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    colours = np.asarray(small).astype(np.float32)
    usual = np.median(_border(colours), axis=0)
    plain = np.sqrt(((colours - usual) ** 2).sum(axis=-1)) <= _PLAIN
    if _border(plain).mean() < _PLAIN_BORDER:
        return None
    # The median takes specks away that noise or compression left in the background.
    before = Image.fromarray(np.uint8(255) * ~_from_border(plain)).filter(ImageFilter.MedianFilter(5))
    if not _is_object(np.asarray(before) >= 128):
        return None
    return np.asarray(before.resize(picture.size, Image.Resampling.BILINEAR)) >= 128


def _is_object(shape: Shape) -> bool:
    return LEAST_SHARE <= shape.mean() <= LARGEST_SHARE and bool(_border(shape).mean() <= _ON_BORDER)


def _from_border(area: Shape) -> Shape:
    """What of an area is joined to the picture's border within it."""
    reached = area.copy()
    reached[1:-1, 1:-1] = False
    count = 0
    while (now := int(reached.sum())) != count:
        count = now
        for axis in (0, 1):
            reached = _along(area, reached, axis)
    return reached


def _along(area: Shape, reached: Shape, axis: int) -> Shape:
    """All runs of an area along an axis, 0 or 1, of which something is reached."""
    lines, found = np.moveaxis(area, axis, 1), np.moveaxis(reached, axis, 1)
    # A run has one number: how many pixels that are not of the area came before it, in its line and those above.
    runs = np.cumsum(np.pad(~lines, ((0, 0), (1, 0)), constant_values=True).ravel()).reshape(len(lines), -1)[:, 1:]
    alive = np.zeros(int(runs.max()) + 1, dtype=bool)
    alive[runs[found]] = True
    return np.moveaxis(alive[runs] & lines, 1, axis)


def _border(values: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])
