"""Small pictures of cases and answers, so that a report needs neither the benchmark nor full sizes."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from retouch.core.files import atomic_write
from retouch.core.region import Region
from retouch.core.region_overlay import overlaid
from retouch.evaluation.benchmark import BenchCase, Picture

FOLDER = "cases"
SIDE = 256
QUALITY = 82


def keep_case(folder: Path, digest: str, case: BenchCase) -> None:
    """Keep the source, with its region marked where the case tells one, and the target as small JPEGs.

    What is there stays. Raises OutputError where it cannot be written.
    """
    shown = {"source": case.source, "target": case.target, "region": _marked(case)}
    for name, picture in shown.items():
        place = case_place(folder, digest, name)
        if picture is not None and not place.is_file():
            atomic_write(place, small_jpeg(Image.fromarray(picture)))


def case_place(folder: Path, digest: str, name: str) -> Path:
    """Where a case's "source", "target" or "region" lies."""
    return folder / FOLDER / f"{digest}-{name}.jpg"


def small_jpeg(picture: Image.Image, side: int = SIDE) -> bytes:
    """A picture as a JPEG of at most `side` pixels a side."""
    small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def _marked(case: BenchCase) -> Picture | None:
    if case.mask is None or not case.mask.any():
        return None
    region = Region(mask=Image.fromarray(np.uint8(255) * case.mask), origin="told by the benchmark")
    return np.array(overlaid(Image.fromarray(case.source), region))
