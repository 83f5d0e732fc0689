"""Edits to measure: rooms in miniature, one wall of which changes its colour."""

import numpy as np

from retouch.metrics.metric import Picture, Sample

CAPTIONS = ("a room with a red sofa", "a room with a green sofa")


def room(seed: int, *, height: int = 72, width: int = 96, sofa: tuple[int, int, int] = (180, 40, 40)) -> Picture:
    """A wall that darkens downwards, a floor, a window and a sofa, with a little grain."""
    generator = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    picture[:] = np.linspace(220, 150, height)[:, None, None] * generator.uniform(0.7, 1, 3)
    picture[height * 2 // 3 :] = generator.uniform(60, 160, 3)
    left = int(generator.integers(4, width // 3))
    picture[height // 8 : height // 3, left : left + width // 6] = (200, 220, 250)
    picture[height // 2 : height * 5 // 6, width // 3 : width * 3 // 4] = sofa
    return (picture + generator.normal(0, 4, picture.shape)).clip(0, 255).astype(np.uint8)


def edit(seed: int, *, height: int = 72, width: int = 96) -> Sample:
    """A red sofa that was to turn green and turned a little so, in a room that turned brighter; all parts are there."""
    mask = np.zeros((height, width), dtype=bool)
    mask[height // 2 : height * 5 // 6, width // 3 : width * 3 // 4] = True
    return Sample(
        output=brighter(room(seed, height=height, width=width, sofa=(120, 90 + seed, 50)), 2 + 3 * seed),
        source=room(seed, height=height, width=width),
        target=room(seed, height=height, width=width, sofa=(40, 160, 60)),
        reference=room(seed + 50, height=40, width=56, sofa=(40, 160, 60)),
        mask=mask,
        instruction="make the sofa green",
        source_caption=CAPTIONS[0],
        target_caption=CAPTIONS[1],
    )


def brighter(picture: Picture, levels: int) -> Picture:
    """Lighter by so many levels, as far as there are."""
    return (picture.astype(np.int64) + levels).clip(0, 255).astype(np.uint8)
