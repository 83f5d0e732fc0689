"""Give the object under a mask another colour or a pattern, in CIE Lab, with its folds and prints kept."""

from dataclasses import dataclass

import numpy as np

from retouch.datagen.photos.colour import from_lab, to_lab
from retouch.datagen.photos.opencv import cv2

FEATHER = 0.8
# How far, in Lab with lightness counted for less, a pixel may be from the main colour and still be dyed.
LIGHTNESS_WEIGHT = 0.45
DYED_UP_TO, KEPT_FROM = 20.0, 34.0
# Fabric is never as light or as dark as paint: means are held inside this range.
DARKEST, LIGHTEST = 17.0, 88.0
# Lightness relative to the mean changes with the colour by this power of the physical ratio.
CONTRAST_POWER = 0.55
LEAST_CONTRAST, MOST_CONTRAST = 0.55, 1.9
SHADOW_ROOM, HIGHLIGHT_ROOM = 3.0, 98.5


@dataclass(frozen=True, kw_only=True)
class Garment:
    """The object to dye: `lab` (H, W, 3) of the picture, `soft` (H, W) its feathered mask.

    `main` (3,) is its main colour in Lab, `dyeable` (H, W) in [0, 1] says where it has that colour (prints,
    buttons and linings have not), `solid` is the share of the mask that is dyeable, and `spread` the standard
    deviation of its lightness: folds make it large, prints and stripes larger.
    """

    lab: np.ndarray
    soft: np.ndarray
    main: np.ndarray
    dyeable: np.ndarray
    solid: float
    spread: float


def soften(mask: np.ndarray) -> np.ndarray:
    """Feather a mask (H, W) bool into float32 in [0, 1], about a pixel wide."""
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), FEATHER)


def study(image: np.ndarray, mask: np.ndarray) -> Garment:
    """Find the main colour of the object under `mask` (H, W) bool in `image` (H, W, 3) uint8."""
    lab = to_lab(image.astype(np.float32) / 255)
    main = _main_colour(lab[mask])
    weights = np.array([LIGHTNESS_WEIGHT, 1.0, 1.0], np.float32)
    distance = np.linalg.norm((cv2.GaussianBlur(lab, (0, 0), 0.7) - main) * weights, axis=2)
    dyeable = np.clip((KEPT_FROM - distance) / (KEPT_FROM - DYED_UP_TO), 0, 1).astype(np.float32)
    return Garment(
        lab=lab,
        soft=soften(mask),
        main=main,
        dyeable=dyeable,
        solid=float(dyeable[mask].mean()),
        spread=float(lab[:, :, 0][mask].std()),
    )


def dye(garment: Garment, target: np.ndarray, pattern: np.ndarray | None = None) -> np.ndarray:
    """Dye the garment to the colour `target` (3,) in Lab and return the picture (H, W, 3) uint8.

    Lightness moves to the target's with the folds' contrast kept; chroma follows the light. `pattern` (H, W)
    in [0, 1] limits the dye to where it is 1.
    """
    dyed = _shade(garment, target)
    weight = garment.soft * garment.dyeable
    if pattern is not None:
        weight = weight * pattern
    before, after = from_lab(garment.lab), from_lab(dyed)
    result = before + weight[:, :, None] * (after - before)
    return np.rint(np.clip(result, 0, 1) * 255).astype(np.uint8)


def mean_lab(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean Lab (3,) of `image` (H, W, 3) uint8 under `mask` (H, W) bool."""
    return to_lab(image.astype(np.float32) / 255)[mask].mean(axis=0)


def _main_colour(pixels: np.ndarray) -> np.ndarray:
    """The colour most pixels (N, 3) are near to: the median, again and again among the pixels near it."""
    samples = pixels[:: max(1, len(pixels) // 4000)]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 15, 0.5)
    cv2.setRNGSeed(0)
    start = np.zeros((len(samples), 1), np.int32)
    _, labels, centres = cv2.kmeans(
        samples.astype(np.float32), 4, start, criteria, attempts=1, flags=cv2.KMEANS_PP_CENTERS
    )
    main = centres[np.bincount(labels.ravel(), minlength=4).argmax()]
    for _ in range(4):
        near = np.linalg.norm((samples - main) * [LIGHTNESS_WEIGHT, 1.0, 1.0], axis=1) < DYED_UP_TO
        main = np.median(samples[near], axis=0) if near.any() else main
    return main.astype(np.float32)


def _shade(garment: Garment, target: np.ndarray) -> np.ndarray:
    """The whole picture as if everything had the main colour's reflectance replaced by the target's."""
    source_mean, target_mean = float(garment.main[0]), float(np.clip(target[0], DARKEST, LIGHTEST))
    ratio = ((target_mean + 16) / (source_mean + 16)) ** CONTRAST_POWER
    contrast = float(np.clip(ratio, LEAST_CONTRAST, MOST_CONTRAST))
    lightness = garment.lab[:, :, 0]
    if contrast > 1.2:
        # Brightening a dark garment would bring out the picture's compression noise.
        lightness = cv2.bilateralFilter(np.ascontiguousarray(lightness), d=5, sigmaColor=6, sigmaSpace=2)
    offset = (lightness - source_mean) * contrast
    above, below = HIGHLIGHT_ROOM - target_mean, target_mean - SHADOW_ROOM
    shaded = target_mean + np.where(offset > 0, _roll_off(offset, above), -_roll_off(-offset, below))
    light = np.clip(shaded / target_mean, 0, 1) ** 0.7
    light = light * np.clip((102 - shaded) / (102 - target_mean), 0, 1) ** 0.5
    texture = 0.2 * (garment.lab[:, :, 1:] - garment.main[1:])
    chroma = target[1:] * light[:, :, None] + texture
    return np.concatenate([shaded[:, :, None], chroma], axis=2).astype(np.float32)


def _roll_off(offset: np.ndarray, room: float) -> np.ndarray:
    """Compress `offset` >= 0 so that it never exceeds `room`; small values stay as they are."""
    return room * np.tanh(np.maximum(offset, 0) / room)
