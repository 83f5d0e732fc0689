"""How well opaque references lose a busy background: their views on other rooms' pictures, beside the true outline.

    python -m bench.backgrounds DATA [COUNT]

DATA is a folder of records with reference pictures, such as runs/data/rooms-bench.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.core.reference import Reference
from retouch.evaluation.examples import ExampleCase, example_cases
from retouch.grounding.pocket_segmenter import load_pocket_segmenter
from retouch.grounding.references import without_background

USABLE = 0.5
"""IoU from which a cut is of use."""
SIDES = (0.4, 0.85)
"""Of the picture's side, the object's longer one."""
SHIFT = 0.05
"""Of the picture's side, how far the object may stand off its middle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pasted:
    """An object on the picture of a room that is not its own, and its outline, (H, W)."""

    picture: Image.Image
    outline: NDArray[np.bool_]


def pasted(case: ExampleCase, room: ExampleCase, random: np.random.Generator) -> Pasted | None:
    """A case's first reference on another case's picture; None where it has no outline."""
    reference = case.references[0]
    box = None if reference.alpha is None else reference.alpha.getbbox()
    if reference.alpha is None or box is None:
        return None
    picture = Image.fromarray(room.target)
    side = min(picture.size) * random.uniform(*SIDES)
    scale = side / max(box[2] - box[0], box[3] - box[1])
    size = (max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale)))
    alpha = reference.alpha.crop(box).resize(size)
    off = random.uniform(-SHIFT, SHIFT, 2) * min(picture.size)
    place = tuple(round((whole - part) / 2 + by) for whole, part, by in zip(picture.size, size, off, strict=True))
    picture.paste(reference.picture.crop(box).resize(size), place, alpha)
    outline = Image.new("L", picture.size)
    outline.paste(alpha, place)
    return Pasted(picture=picture, outline=np.asarray(outline) >= 128)


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def main(folder: Path, count: int) -> None:
    """Print the share of pictures that are cut, the mean IoU of the cuts, and the share of cuts that are of use."""
    random, cases = np.random.default_rng(0), example_cases(folder, limit=count)
    segmenter = load_pocket_segmenter()
    found: list[float] = []
    whole: list[float] = []
    for number, case in enumerate(cases):
        made = pasted(case, cases[(number + len(cases) // 2) % len(cases)], random)
        if made is None:
            continue
        alpha = without_background(Reference(picture=made.picture), segmenter).alpha
        if alpha is None:
            whole.append(float(made.outline.mean()))
        else:
            found.append(overlap(np.asarray(alpha) >= 128, made.outline))
    total = len(found) + len(whole)
    print(f"pictures {total}, cut {len(found) / total:.0%}")
    if found:
        print(f"IoU of the cuts {mean(found):.3f}, of use {sum(one >= USABLE for one in found) / len(found):.0%}")
    print(f"IoU of what is taken as the object, pictures left whole included {mean([*found, *whole]):.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 60)
