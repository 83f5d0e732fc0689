"""Open Images: pictures with boxes around objects, to learn putting back what is taken out, as in Paint-by-Example."""

import csv
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from retouch.core.errors import DataError
from retouch.core.images import load_image
from retouch.records.layouts.cutting import Box, blanked, box_region, cropped
from retouch.records.layouts.places import local_folder
from retouch.records.layouts.row import Broken, Pictures, ReadOptions, Row, Rows, split_named
from retouch.records.pair import Split

AREAS = (0.02, 0.8)
"""The part of a picture that a box may cover, from and to (arXiv 2211.13227)."""
KIND = "exemplar"
_SIDES = ("XMin", "YMin", "XMax", "YMax")
_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_open_images(source: str, options: ReadOptions) -> Rows:
    """The boxes of a folder of pictures, one row each; those too small or too large for an example are passed over.

    The target is the picture, the source the same with the box blanked, the mask the box, and the reference what
    was in it with ten pixels around. `options.boxes` is the published table of boxes (`*bbox*.csv` in the folder),
    `options.classes` that of names (`*class-descriptions*.csv`). Raises DataError where there is no table of boxes.
    """
    folder = local_folder(source)
    boxes = _table(options.boxes, folder, "*bbox*.csv")
    if boxes is None:
        raise DataError(f"{folder} holds no *bbox*.csv; name the table of boxes with --boxes.")
    names = _names(_table(options.classes, folder, "*class-descriptions*.csv"))
    split = _split_of(boxes)
    for number, values in enumerate(_lines(boxes), 2):
        where = f"Line {number} of {boxes}"
        try:
            box = _box(values)
        except (KeyError, TypeError, ValueError):
            yield Broken(where=where, reason="line", problem=f"{where} is no box")
            continue
        if AREAS[0] <= (box[2] - box[0]) * (box[3] - box[1]) <= AREAS[1]:
            yield _row(folder, values, box, names=names, split=split, where=where)


def _row(
    folder: Path,
    values: Mapping[str, str],
    box: tuple[float, float, float, float],
    *,
    names: Mapping[str, str],
    split: Split | None,
    where: str,
) -> Row | Broken:
    picture = _picture(folder, values["ImageID"], split)
    if picture is None:
        return Broken(where=where, reason="partner", problem=f"{where} has no picture {values['ImageID']} in {folder}")
    name = names.get(values["LabelName"], values["LabelName"])
    return Row(
        where=where,
        pictures=partial(_pictures, picture, box),
        instruction=f"insert the {name.lower()}",
        object=name.lower(),
        params={"kind": KIND, "image": values["ImageID"], "label": values["LabelName"]},
        split=split,
    )


def _pictures(path: Path, box: tuple[float, float, float, float]) -> Pictures:
    picture = load_image(path).pixels
    pixels = _pixels(picture.size, box)
    region = box_region(picture.size, pixels)
    return Pictures(
        source=blanked(picture, region),
        target=picture,
        mask=region,
        object_mask=region,
        references=(cropped(picture, pixels),),
    )


def _pixels(size: tuple[int, int], box: tuple[float, float, float, float]) -> Box:
    left, top, right, bottom = (round(value * side) for value, side in zip(box, (*size, *size), strict=True))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _box(values: Mapping[str, str]) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(values[side]) for side in _SIDES)
    if not (values["ImageID"] and values["LabelName"] and 0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError("no box")
    return left, top, right, bottom


def _picture(folder: Path, name: str, split: Split | None) -> Path | None:
    """A picture beside the table, or in the folder of its split as the downloads have it."""
    if "/" in name or name.startswith("."):
        return None
    published = {"bench": "test"}.get(split or "", split or "train")
    places = (folder, folder / published, folder / f"{published}_{name[0]}", folder / "images")
    found = (place / f"{name}{suffix}" for place in places for suffix in _SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def _split_of(boxes: Path) -> Split | None:
    return next((split for part in boxes.stem.split("-") if (split := split_named(part))), None)


def _table(given: Path | None, folder: Path, pattern: str) -> Path | None:
    return given or next(iter(sorted(folder.glob(pattern))), None)


def _names(path: Path | None) -> Mapping[str, str]:
    """Names by label; the table has no head in the releases before the seventh."""
    if path is None:
        return {}
    with _opened(path) as file:
        return {line[0]: line[1] for line in csv.reader(file) if len(line) == 2}


def _lines(path: Path) -> Iterator[Mapping[str, str]]:
    with _opened(path) as file:
        yield from csv.DictReader(file)


def _opened(path: Path):
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); give a table of Open Images.") from error
