"""Two models' answers to the same cases, found by the cases' ids, and cases out of a list of one's own."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from retouch.core.errors import DataError
from retouch.core.images import load_image
from retouch.evaluation.benchmark import BenchCase

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A case that both models answered, and where the answers lie."""

    case: BenchCase
    a: Path
    b: Path


def answered(cases: Iterable[BenchCase], a: Path, b: Path, *, limit: int | None = None) -> tuple[Answered, ...]:
    """The cases that either folder has a picture of, named by the case's id.

    Raises:
        DataError: a folder is missing, or no case has a picture in both.
    """
    for folder in (a, b):
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder; expected one of pictures named by the ids of cases.")
    found: list[Answered] = []
    for case in cases:
        if limit is not None and len(found) >= limit:
            break
        one, other = _picture(a, case.id), _picture(b, case.id)
        if one is not None and other is not None:
            found.append(Answered(case=case, a=one, b=other))
    if not found:
        raise DataError(f"No case has a picture in both {a} and {b}; expected files such as <id of the case>.png.")
    return tuple(found)


def listed_cases(path: Path) -> tuple[BenchCase, ...]:
    """Cases out of JSON lines: `id`, `instruction`, `source` (a picture, from the list's folder) and maybe `kind`.

    Raises:
        DataError: the list or a picture cannot be read, or a line lacks something.
        ImageError: a picture is none.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{path} cannot be read; expected JSON lines of id, instruction and source.") from problem
    return tuple(_listed(line, number, path) for number, line in enumerate(lines, start=1))


def _listed(line: str, number: int, path: Path) -> BenchCase:
    try:
        found = json.loads(line)
        name, instruction, source = (str(found[part]) for part in ("id", "instruction", "source"))
    except (ValueError, KeyError, TypeError) as problem:
        raise DataError(f"Line {number} of {path} is no JSON object of id, instruction and source.") from problem
    picture = load_image(path.parent / source).pixels
    return BenchCase(
        id=name, kind=str(found.get("kind", "edit")), instruction=instruction, source=np.array(picture.convert("RGB"))
    )


def _picture(folder: Path, name: str) -> Path | None:
    places = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((place for place in places if place.is_file()), None)


def shown(picture: Image.Image, like: tuple[int, int], side: int) -> Image.Image:
    """A picture as the page shows it: of the source's size, so that sizes give nothing away, at most `side` pixels."""
    scale = min(1.0, side / max(like))
    size = (max(1, round(like[0] * scale)), max(1, round(like[1] * scale)))
    plain = picture.convert("RGB")
    return plain if plain.size == size else plain.resize(size, Image.Resampling.LANCZOS)
