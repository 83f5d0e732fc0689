"""Procedural textures of every finish: small tileable pictures whose mean albedo is the finish's colour."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch.scenes.palette import RGB
from retouch.scenes.parts import Finish

Field = NDArray[np.floating[Any]]
"""A periodic (N, N) pattern over one period; rows run along v, columns along u."""

_HIGHEST_ALBEDO = 0.93
_MOST_EXCESS = 1.06
"""By how much a pattern may be brightened to make up for what is clipped."""


@dataclass(frozen=True, kw_only=True)
class Texture:
    """One tile of a finish: `albedo` (N, N, 3) linear float32 in [0, 1], repeated every `period` metres."""

    albedo: NDArray[np.float32]
    period: float


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """How a finish varies: `tone` multiplies its colour, `accent` in [0, 1] mixes `accent_colour` in."""

    tone: Field
    accent: Field | None = None
    accent_colour: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None


def linear(colour: RGB) -> NDArray[np.float32]:
    """Return an sRGB colour, 0 to 255, as linear light, (3,) float32 in [0, 1]."""
    encoded = np.asarray(colour, np.float32) / 255.0
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def period(material: str) -> float:
    """Return the metres one tile of a material covers."""
    return _PATTERNS.get(material, _PLAIN)[2]


def texture(finish: Finish) -> Texture:
    """Return the tile of a finish; unknown materials are plain."""
    make, resolution, metres = _PATTERNS.get(finish.material, _PLAIN)
    return Texture(albedo=_coloured(_pattern(make, resolution), linear(finish.colour)), period=metres)


@lru_cache(maxsize=64)
def _pattern(make: Callable[[int], Pattern], resolution: int) -> Pattern:
    return make(resolution)


def _coloured(pattern: Pattern, colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour a pattern and scale it so that its mean is the colour's despite clipping.

    What is nearly white stays a little darker instead, or its pattern would be clipped away.
    """
    accent = colour if pattern.accent_colour is None else pattern.accent_colour(colour)
    weight = np.zeros_like(pattern.tone) if pattern.accent is None else pattern.accent
    body = pattern.tone * (1 - weight)
    channels = [body * colour[channel] + weight * accent[channel] for channel in range(3)]
    means = [float(values.mean()) for values in channels]
    scales = [_scale_to(values.ravel()[::7], float(value)) for values, value in zip(channels, colour, strict=True)]
    unclipped = [float(value) / max(mean, 1e-4) for mean, value in zip(means, colour, strict=True)]
    excess = max(scale / max(plain, 1e-4) for scale, plain in zip(scales, unclipped, strict=True))
    shared = min(1.0, _MOST_EXCESS / max(excess, 1e-4))
    scaled = [values * (scale * shared) for values, scale in zip(channels, scales, strict=True)]
    return np.clip(np.stack(scaled, axis=-1), 0.0, _HIGHEST_ALBEDO).astype(np.float32)


def _scale_to(values: Field, mean: float) -> float:
    """Return the factor that brings the mean of the clipped values to `mean`."""
    scale = 1.0
    for _ in range(4):
        scale *= mean / max(float(np.clip(values * scale, 0.0, _HIGHEST_ALBEDO).mean()), 1e-4)
    return scale


def _noise(size: int, across: float, along: float, seed: int) -> Field:
    """Return periodic Gaussian noise of unit deviation, blurred by `across` (u) and `along` (v) pixels."""
    white = np.random.default_rng(seed).standard_normal((size, size))
    frequency = np.fft.fftfreq(size)
    decay = np.exp(-2 * np.pi**2 * ((frequency[:, None] * along) ** 2 + (frequency[None, :] * across) ** 2))
    blurred = np.fft.ifft2(np.fft.fft2(white) * decay).real
    return ((blurred - blurred.mean()) / blurred.std()).astype(np.float32)


def _clouds(size: int, scale: float, seed: int) -> Field:
    """Return noise of several octaves from `scale` pixels down, of unit deviation."""
    total = sum(_noise(size, scale / 2**k, scale / 2**k, seed + k) * 0.6**k for k in range(4))
    return np.asarray(total / np.std(total), np.float32)


def _grid(size: int) -> tuple[Field, Field]:
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    u, v = np.meshgrid(axis, axis)
    return u, v


def _smooth(low: float, high: float, values: Field) -> Field:
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _tones(shape: tuple[int, int], spread: float, seed: int) -> Field:
    return (1 + spread * np.random.default_rng(seed).uniform(-1, 1, shape)).astype(np.float32)


def _edge_distance(position: Field) -> Field:
    """Distance, in cells, of fractional positions to the nearest cell border."""
    inside = position - np.floor(position)
    return np.minimum(inside, 1 - inside)


def _paler(amount: float, grey: float) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    return lambda colour: (colour * (1 - amount) + amount * grey).astype(np.float32)


def _plain(size: int) -> Pattern:
    return Pattern(tone=np.ones((size, size), np.float32))


def _paint(size: int) -> Pattern:
    return Pattern(tone=1 + 0.015 * _clouds(size, 24, 1))


def _brick(size: int) -> Pattern:
    """Running bond, 0.24 m by 0.08 m bricks with pale mortar."""
    u, v = _grid(size)
    rows, columns = 12, 4
    row = np.floor(v * rows).astype(int)
    shifted = u * columns + 0.5 * (row % 2)
    column = np.floor(shifted).astype(int) % columns
    joint = np.minimum(_edge_distance(shifted) * 0.24, _edge_distance(v * rows) * 0.08)
    tone = _tones((rows, columns), 0.24, 2)[row, column] * (1 + 0.09 * _clouds(size, 6, 3))
    return Pattern(tone=tone, accent=1 - _smooth(0.003, 0.008, joint), accent_colour=_paler(0.55, 0.5))


def _tiles(count: int, metres: float, joint: float, seed: int) -> Callable[[int], Pattern]:
    def make(size: int) -> Pattern:
        u, v = _grid(size)
        row, column = np.floor(v * count).astype(int), np.floor(u * count).astype(int)
        gap = np.minimum(_edge_distance(u * count), _edge_distance(v * count)) * metres
        tone = _tones((count, count), 0.06, seed)[row, column] * (1 + 0.02 * _clouds(size, 20, seed + 1))
        accent = 1 - _smooth(joint * 0.5, joint, gap)
        return Pattern(tone=tone, accent=accent, accent_colour=_contrasting)

    return make


def _contrasting(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grout: darker than pale tiles, paler than dark ones."""
    brightness = float(colour.mean())
    return _paler(0.6, 0.28 if brightness > 0.3 else 0.45)(colour)


def _stripes(size: int) -> Pattern:
    u, _ = _grid(size)
    wave = np.abs(_edge_distance(u * 4) - 0.25)
    thin = _smooth(0.02, 0.03, np.abs(_edge_distance(u * 4) - 0.42))
    return Pattern(tone=(0.8 + 0.34 * _smooth(0.1, 0.12, wave)) * (0.85 + 0.15 * thin))


def _dots(size: int) -> Pattern:
    u, v = _grid(size)
    row = np.floor(v * 8)
    x, y = (u * 8 + 0.5 * (row % 2)) % 1 - 0.5, (v * 8) % 1 - 0.5
    dot = 1 - _smooth(0.2, 0.26, np.hypot(x, y).astype(np.float32))
    return Pattern(tone=np.ones_like(u), accent=dot, accent_colour=_two_tone)


def _damask(size: int) -> Pattern:
    """A mirrored ornament of petals, shifted by half a cell in every second row."""
    u, v = _grid(size)
    row = np.floor(v * 3)
    x, y = ((u * 4 + 0.5 * (row % 2)) % 1 - 0.5) * 2, ((v * 3) % 1 - 0.5) * 2
    radius, angle = np.hypot(x, y * 0.9), np.arctan2(np.abs(x), y)
    petal = 0.52 + 0.24 * np.cos(4 * angle) + 0.12 * np.cos(8 * angle)
    ring = np.abs(radius - petal * 0.55) < 0.06
    body = (radius < petal) & ~ring
    accent = _blurred(body.astype(np.float32), size / 400)
    return Pattern(tone=np.ones_like(u), accent=accent, accent_colour=_two_tone)


def _two_tone(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    return (colour * 0.55 if float(colour.mean()) > 0.3 else colour * 0.7 + 0.1).astype(np.float32)


def _blurred(field: Field, pixels: float) -> Field:
    frequency = np.fft.fftfreq(field.shape[0])
    decay = np.exp(-2 * np.pi**2 * pixels**2 * (frequency[:, None] ** 2 + frequency[None, :] ** 2))
    return np.clip(np.fft.ifft2(np.fft.fft2(field) * decay).real, 0, 1).astype(np.float32)


def _grain(size: int, seed: int, stretch: float) -> Field:
    """Return wood grain along v of unit-like deviation: wavy rings, fibres and broad streaks."""
    u, _ = _grid(size)
    bend = _noise(size, size / 12, size / 4, seed) * 0.05
    rings = np.sin(2 * np.pi * (u + bend) * 9) * 0.5 + np.sin(2 * np.pi * (u + 1.3 * bend) * 21) * 0.3
    fibres = _noise(size, 0.7, stretch, seed + 1) * 0.6
    streaks = _noise(size, size / 40, size / 5, seed + 2) * 0.6
    return (rings + fibres + streaks).astype(np.float32)


def _wood(size: int) -> Pattern:
    return Pattern(tone=np.clip(1 + 0.2 * _grain(size, 11, size / 12).T, 0.35, 1.7))


def _planks(size: int) -> Pattern:
    """Boards 0.2 m wide along v, with staggered ends and dark gaps."""
    u, v = _grid(size)
    boards = 10
    column = np.floor(u * boards).astype(int)
    offset = np.random.default_rng(21).permutation(boards)[column] / boards
    along = (v + offset) * 2
    piece = np.floor(along).astype(int) % 2
    gap = np.minimum(_edge_distance(u * boards) * 0.2, _edge_distance(along) * 1.0)
    shade = _tones((boards, 2), 0.18, 22)[column, piece]
    shift = (np.random.default_rng(23).integers(0, size, (boards, 2)))[column, piece]
    rows = (np.arange(size)[:, None] + shift) % size
    grain = np.take_along_axis(_grain(size, 24, size / 16), rows, axis=0)
    return Pattern(tone=shade * np.clip(1 + 0.13 * grain, 0.4, 1.6) * (0.3 + 0.7 * _smooth(0.0012, 0.004, gap)))


def _carpet(size: int) -> Pattern:
    return Pattern(tone=np.clip(1 + 0.16 * _noise(size, 1.2, 1.2, 31) + 0.06 * _clouds(size, 16, 32), 0.4, 1.7))


def _marble(size: int) -> Pattern:
    """Thin branching veins where warped noise crosses zero, on a clouded ground."""
    cloud = _clouds(size, size / 10, 41)
    veins = np.exp(-np.abs(_clouds(size, size / 9, 45)) / 0.05) + 0.6 * np.exp(
        -np.abs(_clouds(size, size / 18, 51)) / 0.035
    )
    weight = np.clip(veins * (0.45 + 0.4 * _smooth(-0.6, 1.2, cloud)), 0, 0.85).astype(np.float32)
    return Pattern(tone=1 + 0.07 * cloud, accent=weight, accent_colour=_vein)


def _marble_slabs(size: int) -> Pattern:
    """Marble floor slabs of 0.75 m, each cut elsewhere from the stone."""
    stone = _marble(size)
    u, v = _grid(size)
    row, column = np.floor(v * 2).astype(int), np.floor(u * 2).astype(int)
    shift = np.random.default_rng(55).integers(0, size, (2, 2, 2))[row, column]
    source = (np.arange(size)[:, None] + shift[..., 0]) % size, (np.arange(size) + shift[..., 1]) % size
    gap = np.minimum(_edge_distance(u * 2), _edge_distance(v * 2)) * 0.75
    assert stone.accent is not None
    shade = _tones((2, 2), 0.05, 56)[row, column] * (0.55 + 0.45 * _smooth(0.001, 0.005, gap))
    return Pattern(tone=stone.tone[source] * shade, accent=stone.accent[source], accent_colour=_vein)


def _vein(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    return (colour * 0.22 + 0.02 if float(colour.mean()) > 0.16 else colour * 0.5 + 0.32).astype(np.float32)


def _metal(size: int) -> Pattern:
    return Pattern(tone=np.clip(1 + 0.09 * _noise(size, size / 8, 0.8, 61), 0.6, 1.4))


def _fabric(size: int) -> Pattern:
    """A plain weave a centimetre wide under the uneven threads that keep it visible from afar."""
    u, v = _grid(size)
    threads = 48
    over = (np.floor(u * threads) + np.floor(v * threads)) % 2
    bulge = np.where(over > 0, np.sin(np.pi * (u * threads % 1)), np.sin(np.pi * (v * threads % 1)))
    slubs = _noise(size, size / 16, 1.6, 71) + _noise(size, 1.6, size / 16, 72)
    return Pattern(tone=np.clip(0.82 + 0.26 * bulge + 0.075 * slubs, 0.4, 1.6).astype(np.float32))


def _leather(size: int) -> Pattern:
    """Pebbles between dark creases, and broad wear."""
    creases = np.exp(-np.abs(_clouds(size, size / 22, 81)) / 0.12)
    return Pattern(tone=np.clip(1.06 - 0.3 * creases + 0.11 * _clouds(size, size / 6, 85), 0.4, 1.6))


def _leaf(size: int) -> Pattern:
    return Pattern(tone=np.clip(1 + 0.22 * _clouds(size, size / 10, 91), 0.4, 1.7))


def _sky(size: int) -> Pattern:
    return Pattern(
        tone=np.ones((size, size), np.float32),
        accent=_smooth(0.0, 1.6, _clouds(size, size / 7, 101)),
        accent_colour=_paler(1.0, 0.85),
    )


def _picture(size: int) -> Pattern:
    """Abstract art: overlapping soft fields of tone with a few crisp edges."""
    u, v = _grid(size)
    fields = np.floor(2.2 * _clouds(size, size / 7, 111) + 0.5) * 0.18
    strokes = np.sin(2 * np.pi * (2 * u + 3 * v) + 1.5 * _clouds(size, size / 8, 115)) * 0.16
    accent = _smooth(0.9, 1.0, _noise(size, size / 11, size / 11, 119))
    return Pattern(tone=np.clip(1 + fields + strokes, 0.25, 2.0), accent=accent, accent_colour=_paler(0.8, 0.75))


_PATTERNS: dict[str, tuple[Callable[[int], Pattern], int, float]] = {
    "paint": (_paint, 256, 2.0),
    "brick": (_brick, 256, 0.96),
    "wall tile": (_tiles(5, 0.2, 0.006, 5), 256, 1.0),
    "floor tile": (_tiles(4, 0.4, 0.008, 7), 512, 1.6),
    "wallpaper stripes": (_stripes, 256, 0.8),
    "wallpaper dots": (_dots, 256, 0.9),
    "wallpaper damask": (_damask, 512, 1.4),
    "planks": (_planks, 512, 2.0),
    "floor marble": (_marble_slabs, 512, 1.5),
    "carpet": (_carpet, 256, 1.0),
    "marble": (_marble, 512, 1.5),
    "wood": (_wood, 256, 0.8),
    "metal": (_metal, 256, 0.5),
    "fabric": (_fabric, 256, 0.5),
    "lit fabric": (_fabric, 256, 0.5),
    "leather": (_leather, 256, 0.6),
    "leaf": (_leaf, 128, 0.3),
    "sky": (_sky, 256, 2.5),
    "picture": (_picture, 256, 0.9),
}
"""Material → its pattern, the pixels of one tile and the metres it covers; others are plain."""

_PLAIN = (_plain, 16, 1.0)
