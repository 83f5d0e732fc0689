"""Pairs to look at: source and target side by side, the instruction, and the scores with what failed marked."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from retouch.core.images import load_image
from retouch.core.markup import Markup, tag
from retouch.core.page import jpeg_address
from retouch.datagen.filter import REJECTED
from retouch.datagen.report.survey import Side, Specimen
from retouch.records.shards import read_rows

SIDE = 240
_QUALITY = 80
_SHORT: Mapping[str, str] = {
    "image-image": "pictures",
    "caption-source": "source",
    "caption-target": "target",
    "directional": "direction",
    "change": "change",
}
REASONS: Mapping[str, str] = {
    "image-image": "The pictures are too different",
    "caption-source": "The source does not show its caption",
    "caption-target": "The target does not show its caption",
    "directional": "Pictures and captions do not change alike",
    "change": "The pictures hardly differ",
    "near-duplicate": "Much like a pair that was kept",
}
"""The reasons of a filter, in words."""

Places = tuple[Side, int]


def thumbnails(folder: Path, specimens: Sequence[Specimen]) -> Mapping[Places, tuple[str, str]]:
    """Source and target of each pair as JPEG data addresses. Raises DataError where a shard is broken."""
    made: dict[Places, tuple[str, str]] = {}
    sides: tuple[tuple[Side, Path], ...] = (("kept", folder), ("rejected", folder / REJECTED))
    for side, place in sides:
        rows = sorted({one.row for one in specimens if one.side == side})
        if rows:
            found = read_rows(place, rows, ("source_image", "target_image"))
            for row, images in zip(rows, found, strict=True):
                made[side, row] = (_address(images["source_image"]), _address(images["target_image"]))
    return made


def cards(specimens: Sequence[Specimen], pictures: Mapping[Places, tuple[str, str]]) -> Markup:
    """A grid of pairs."""
    return tag("div", *(_card(one, pictures[one.side, one.row]) for one in specimens), class_="cards")


def _card(one: Specimen, pictures: tuple[str, str]) -> Markup:
    shown = [
        tag("img", src=address, alt=alt, loading="lazy")
        for address, alt in zip(pictures, ("Source", "Target"), strict=True)
    ]
    head = tag("p", tag("span", one.kind, class_="kind"), _verdict(one), class_="head")
    words = tag("p", one.instruction, class_="words")
    return tag(
        "figure", tag("div", *shown, class_="pair"), tag("figcaption", head, words, _scores(one)), class_=one.side
    )


def _verdict(one: Specimen) -> Markup | None:
    if not one.least:
        return None
    reason = _SHORT.get(str(one.reason), one.reason)
    return tag("span", "kept" if one.side == "kept" else f"turned down by {reason}", class_="verdict")


def _scores(one: Specimen) -> Markup | None:
    if not one.least:
        return None
    entries = []
    for protocol, least in one.least.items():
        name, value = protocol.split("/")[1], one.scores[protocol]
        state = "failed" if value < least else None
        entries.append(tag("div", tag("dt", _SHORT.get(name, name)), tag("dd", f"{value:.3f}"), class_=state))
    return tag("dl", *entries)


def _address(data: object) -> str:
    with load_image(data if isinstance(data, bytes) else b"").pixels as image:
        small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, format="JPEG", quality=_QUALITY)
    return jpeg_address(stream.getvalue())
