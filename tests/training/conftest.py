"""A small folder of records: plain squares that change colour, in both splits."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from retouch.core.images import png_bytes
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import open_writer

COLOURS = {"red": (190, 30, 35), "green": (46, 140, 60), "blue": (40, 98, 196), "white": (240, 240, 236)}


def square(colour: str, *, left: int) -> bytes:
    image = Image.new("RGB", (64, 64), (120, 110, 100))
    ImageDraw.Draw(image).rectangle((left, 16, left + 31, 47), fill=COLOURS[colour])
    return png_bytes(image)


def square_mask(*, left: int, value: int = 255) -> bytes:
    image = Image.new("L", (64, 64))
    ImageDraw.Draw(image).rectangle((left, 16, left + 31, 47), fill=value)
    return png_bytes(image)


def squares(split: Split, count: int) -> list[PairRecord]:
    names = list(COLOURS)
    made = []
    for number in range(count):
        before, after, left = names[number % 4], names[(number + 1 + number // 4) % 4], 8 * (number % 4)
        made.append(
            PairRecord(
                id=f"square-{split}-{number}",
                source_image=square(before, left=left),
                target_image=square(after, left=left),
                edit_prompt=f"make the left square {after}",
                source_caption=f"a {before} square",
                target_caption=f"a {after} square",
                mask=square_mask(left=left),
                object_mask=square_mask(left=left),
                segments=square_mask(left=left, value=1),
                engine="squares",
                seed=number,
                params={
                    "kind": "recolour",
                    "colour": after,
                    "material": "wood",
                    "segments": [{"kind": "square", "colour": before}],
                },
                split=split,
            )
        )
    return made


def write_squares(folder: Path, split: Split, count: int) -> Path:
    with open_writer(folder, engine="squares", settings={"split": split}) as writer:
        writer.write(squares(split, count), first_unit=0, units=count)
    return folder


@pytest.fixture(scope="session")
def train_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("squares"), "train", 24)


@pytest.fixture(scope="session")
def validation_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("squares"), "validation", 8)
