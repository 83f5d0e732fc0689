"""The best and the worst cases of a contestant, to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from retouch.core.page import jpeg_address
from retouch.evaluation.answers import FOLDER
from retouch.evaluation.measures import Column
from retouch.evaluation.results import CaseFacts, Results, Row, of_model
from retouch.evaluation.thumbnails import case_place, small_jpeg

SIDE = 208
"""Pixels of a picture's longer side on the page."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One answer with its case; `pictures` by what they show, as addresses that hold them."""

    case: CaseFacts
    row: Row
    pictures: Mapping[str, str]


def ranked(results: Results, model: str, columns: Sequence[Column]) -> list[Row]:
    """A contestant's rows from best to worst by the first column, where that is equal by the second, and so on.

    Of several seeds each is a row; rows without a value in the first column are left out.
    """
    rows = [row for row in of_model(results, model) if columns[0].name in row.values]

    def place(row: Row) -> tuple[float, ...]:
        return tuple(_worth(column, row.values.get(column.name)) for column in columns)

    return sorted(rows, key=place, reverse=True)


def _worth(column: Column, value: float | None) -> float:
    """The larger the better; nothing is worth less than anything."""
    if value is None:
        return float("-inf")
    return value if column.better == "higher" else -value


def best_and_worst(
    results: Results, folders: Sequence[Path], model: str, columns: Sequence[Column], count: int
) -> tuple[list[Example], list[Example]]:
    """Up to `count` of each, none in both, with small pictures out of the folders of the runs."""
    rows = ranked(results, model, columns)
    several = min(count, len(rows) // 2) if len(rows) > 1 else 0
    if not several and rows and count:
        return [_example(results, folders, rows[0])], []
    worst = rows[len(rows) - several :][::-1]
    return (
        [_example(results, folders, row) for row in rows[:several]],
        [_example(results, folders, row) for row in worst],
    )


def _example(results: Results, folders: Sequence[Path], row: Row) -> Example:
    case = next(case for case in results.cases if case.id == row.case)
    pictures: dict[str, str] = {}
    for folder in folders:
        for name in ("region", "source", "target"):
            place = case_place(folder, case.digest, name)
            if name not in pictures and place.is_file():
                pictures[name] = _picture(place)
        answer = folder / FOLDER / f"{row.answer}.png"
        if "output" not in pictures and answer.is_file():
            pictures["output"] = _picture(answer)
    return Example(case=case, row=row, pictures=pictures)


def _picture(place: Path) -> str:
    """The picture, smaller, as an address; "" where it is damaged."""
    try:
        with Image.open(place) as image:
            return jpeg_address(small_jpeg(image, SIDE))
    except (OSError, UnidentifiedImageError):
        return ""
