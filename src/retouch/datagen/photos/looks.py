"""Whole-picture looks: deterministic functions from a photograph to the same photograph in another mood."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from retouch.datagen.photos.colour import from_lab, to_lab
from retouch.datagen.photos.opencv import cv2

GREY = np.array([0.299, 0.587, 0.114], np.float32)
SNOW_SEED = 20


@dataclass(frozen=True, kw_only=True)
class Look:
    """A look: `apply(image, subject)` takes (H, W, 3) float32 sRGB in [0, 1] and gives the same.

    `subject` (H, W, 1) float32 is the soft mask of the main object; a look that `needs_subject` may only be
    given a trusted one, the others ignore it.
    """

    apply: Callable[[np.ndarray, np.ndarray], np.ndarray]
    needs_subject: bool = False


def apply_look(name: str, image: np.ndarray, subject: np.ndarray | None) -> np.ndarray:
    """Give `image` (H, W, 3) uint8 the look called `name`, as uint8.

    `subject` (H, W) in [0, 1] is the main object's soft mask; ValueError where a look needs it and it is None.
    """
    look = LOOKS[name]
    if look.needs_subject and subject is None:
        raise ValueError(f"the look {name!r} needs the subject's mask")
    soft = np.zeros(image.shape[:2], np.float32) if subject is None else subject.astype(np.float32)
    result = look.apply(image.astype(np.float32) / 255, soft[:, :, None])
    return np.rint(np.clip(result, 0.0, 1.0) * 255).astype(np.uint8)


def _grey(image: np.ndarray) -> np.ndarray:
    return (image @ GREY)[:, :, None]


def _tone(values: np.ndarray, *points: tuple[float, float]) -> np.ndarray:
    """A tone curve through `points` (from, to)."""
    before, after = zip(*points, strict=True)
    return np.interp(values, before, after).astype(np.float32)


def _contrast(values: np.ndarray, amount: float) -> np.ndarray:
    """An S-curve around middle grey: 0 changes nothing, 1 is strong."""
    curved = 0.5 - 0.5 * np.cos(np.pi * np.clip(values, 0, 1))
    return (1 - amount) * values + amount * curved


def _saturation(image: np.ndarray, factor: float) -> np.ndarray:
    grey = _grey(image)
    return np.clip(grey + factor * (image - grey), 0, 1)


def _tint(image: np.ndarray, red: float, green: float, blue: float) -> np.ndarray:
    return np.clip(image * np.array([red, green, blue], np.float32), 0, 1)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    blurred = cv2.GaussianBlur(image, (0, 0), sigma)
    return blurred.reshape(image.shape)


def _radius(image: np.ndarray) -> np.ndarray:
    """Distance from the centre (H, W, 1): 0 there, 1 in the corners."""
    height, width = image.shape[:2]
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot((across + 0.5) / width - 0.5, (down + 0.5) / height - 0.5) / np.sqrt(0.5)
    return distance[:, :, None]


def _vignette(image: np.ndarray, strength: float) -> np.ndarray:
    return image * (1 - strength * np.clip(_radius(image), 0, 1) ** 2)


def _black_and_white(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.repeat(_contrast(_grey(image), 0.25), 3, axis=2)


def _sepia(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    grey = _tone(_grey(image), (0, 0.05), (1, 0.96))
    return np.concatenate([grey**0.75, grey**1.02 * 0.94, grey**1.35 * 0.80], axis=2)


def _night(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    dark = _saturation(image, 0.45) ** 1.5
    return _vignette(_tint(dark, 0.30, 0.40, 0.68), 0.45)


def _warm(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    return _tint(_tone(image, (0, 0.02), (1, 1)), 1.11, 0.98, 0.77)


def _cool(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    return _tint(image, 0.76, 0.95, 1.15)


def _faded(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    return _tone(_saturation(image, 0.5), (0, 0.22), (0.5, 0.58), (1, 0.93))


def _dodge(grey: np.ndarray, sigma: float) -> np.ndarray:
    """A drawing's lines: white where `grey` is even, dark where it changes."""
    return np.clip(grey / np.maximum(_blur(grey, sigma), 0.02), 0, 1)


def _pencil_sketch(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    grey = _grey(image)
    lines = _tone(_dodge(grey, 4.0), (0.6, 0.05), (0.95, 0.9), (1, 1))
    shade = 0.72 + 0.28 * _tone(_blur(grey, 2.0), (0, 0), (0.6, 1), (1, 1))
    return np.repeat(lines * shade, 3, axis=2)


def _blurred_background(image: np.ndarray, subject: np.ndarray) -> np.ndarray:
    # The object must not bleed into its surroundings: blur those by themselves, normalised.
    outside = 1 - np.clip(_blur(subject, 1.0) * 1.6, 0, 1)
    blurred = _blur(image * outside, 7.0) / np.maximum(_blur(outside, 7.0), 0.02)
    return subject * image + (1 - subject) * np.clip(blurred, 0, 1)


def _dramatic(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    detail = image + 0.5 * (image - _blur(image, 8.0))
    return _vignette(_contrast(np.clip(_saturation(detail, 0.85), 0, 1), 1.0), 0.35)


def _brighter(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    return _tone(image, (0, 0.06), (0.25, 0.45), (0.5, 0.74), (0.75, 0.92), (1, 1))


def _darker(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    return _tone(image, (0, 0), (0.25, 0.09), (0.5, 0.24), (0.75, 0.43), (1, 0.66))


def _vintage(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    soft = _saturation(image, 0.65)
    red = _tone(soft[:, :, :1], (0, 0.12), (0.5, 0.60), (1, 0.98))
    green = _tone(soft[:, :, 1:2], (0, 0.07), (0.5, 0.52), (1, 0.90))
    blue = _tone(soft[:, :, 2:], (0, 0.16), (0.5, 0.42), (1, 0.66))
    return _vignette(np.concatenate([red, green, blue], axis=2), 0.35)


def _watercolour(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    wash = image
    for _step in range(3):
        wash = cv2.bilateralFilter(wash, d=9, sigmaColor=0.18, sigmaSpace=5)
    wash = _saturation(_tone(wash, (0, 0.14), (0.5, 0.64), (1, 1)), 1.3)
    lines = 0.75 + 0.25 * _dodge(_grey(wash), 2.0)
    return wash * lines


def _golden_hour(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    across = np.linspace(1.0, 0.0, width, dtype=np.float32)[None, :, None]
    down = np.linspace(1.0, 0.35, height, dtype=np.float32)[:, None, None]
    glow = across * down * np.array([1.0, 0.68, 0.25], np.float32) * 0.55
    lit = _tint(_contrast(image, 0.2), 1.08, 0.86, 0.58)
    return 1 - (1 - np.clip(lit, 0, 1)) * (1 - glow)


def _foggy(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    height = image.shape[0]
    thickness = np.linspace(0.68, 0.50, height, dtype=np.float32)[:, None, None]
    fog = np.array([0.84, 0.86, 0.88], np.float32)
    return (1 - thickness) * _blur(_saturation(image, 0.7), 1.2) + thickness * fog


def _snowy(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    generator = np.random.default_rng(SNOW_SEED)
    snow = np.zeros((height, width), np.float32)
    for size, share in ((0.8, 0.004), (1.4, 0.0025), (2.2, 0.001)):
        flakes = (generator.random((height, width)) < share).astype(np.float32)
        snow = np.maximum(snow, np.clip(cv2.GaussianBlur(flakes, (0, 0), size) * 9 * size**2, 0, 1))
    cold = _tint(_tone(_saturation(image, 0.55), (0, 0.16), (1, 0.97)), 0.90, 0.97, 1.06)
    return 1 - (1 - cold) * (1 - 0.92 * snow[:, :, None])


def _negative(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    return 1 - image


def _vivid(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    lab = to_lab(_contrast(image, 0.3))
    lab[:, :, 1:] *= 1.75
    return from_lab(lab)


def _muted(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    lab = to_lab(image)
    lab[:, :, 1:] *= 0.42
    return from_lab(lab)


def _pastel(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    lab = to_lab(image)
    lab[:, :, 0] = 52 + 0.46 * lab[:, :, 0]
    return from_lab(lab)


def _cartoon(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    smooth = image
    for _step in range(2):
        smooth = cv2.bilateralFilter(smooth, d=9, sigmaColor=0.15, sigmaSpace=5)
    lab = to_lab(smooth)
    lab[:, :, 0] = np.clip(np.rint(lab[:, :, 0] / 12) * 12, 0, 100)
    lab[:, :, 1:] *= 1.3
    lines = _tone(_dodge(_grey(smooth), 1.8), (0.72, 0.0), (0.9, 1), (1, 1))
    return from_lab(lab) * lines


def _blueprint(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    grey = _contrast(_grey(image), 0.3)
    return np.concatenate([grey**1.6 * 0.95, 0.10 + 0.88 * grey**1.05, 0.30 + 0.68 * grey**0.75], axis=2)


def _pixelated(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


def _dreamy(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    glow = _tone(_blur(image, 6.0), (0, 0), (0.5, 0.55), (1, 1))
    return 1 - (1 - 0.85 * image) * (1 - 0.6 * glow)


def _duotone(image: np.ndarray, _: np.ndarray) -> np.ndarray:
    dark, light = np.array([0.22, 0.06, 0.42], np.float32), np.array([1.0, 0.72, 0.36], np.float32)
    grey = _contrast(_grey(image), 0.4)
    return dark + (light - dark) * grey


def _colour_splash(image: np.ndarray, subject: np.ndarray) -> np.ndarray:
    return subject * image + (1 - subject) * _grey(image)


def _spotlight(image: np.ndarray, subject: np.ndarray) -> np.ndarray:
    return image * (0.16 + 0.84 * subject)


LOOKS: dict[str, Look] = {
    "black_and_white": Look(apply=_black_and_white),
    "sepia": Look(apply=_sepia),
    "night": Look(apply=_night),
    "warm": Look(apply=_warm),
    "cool": Look(apply=_cool),
    "faded": Look(apply=_faded),
    "pencil_sketch": Look(apply=_pencil_sketch),
    "blurred_background": Look(apply=_blurred_background, needs_subject=True),
    "dramatic": Look(apply=_dramatic),
    "brighter": Look(apply=_brighter),
    "darker": Look(apply=_darker),
    "vintage": Look(apply=_vintage),
    "watercolour": Look(apply=_watercolour),
    "golden_hour": Look(apply=_golden_hour),
    "foggy": Look(apply=_foggy),
    "snowy": Look(apply=_snowy),
    "negative": Look(apply=_negative),
    "vivid": Look(apply=_vivid),
    "muted": Look(apply=_muted),
    "pastel": Look(apply=_pastel),
    "cartoon": Look(apply=_cartoon),
    "blueprint": Look(apply=_blueprint),
    "pixelated": Look(apply=_pixelated),
    "dreamy": Look(apply=_dreamy),
    "duotone": Look(apply=_duotone),
    "colour_splash": Look(apply=_colour_splash, needs_subject=True),
    "spotlight": Look(apply=_spotlight, needs_subject=True),
}
"""Every look by its name."""
