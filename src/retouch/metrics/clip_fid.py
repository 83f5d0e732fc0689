"""CLIP-FID: how far two sets of pictures lie apart as a CLIP model sees them. It is no Inception FID, nor near one."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from PIL import Image

from retouch.metrics.clip import Encoder
from retouch.metrics.frechet import Features
from retouch.metrics.protocol import protocol_id

SIDE = 512
"""Pixels of the square in the middle of a picture that counts, its short side brought to that."""
_BATCH = 32


def clip_fid_protocol(encoder: Encoder) -> str:
    """What figures depend on; the published ones are those of CLIP's ViT-B/32."""
    return protocol_id(
        "clip-fid",
        encoder=encoder.name,
        resize=f"bilinear-centre-{SIDE}-then-{encoder.manner}",
        pixels="rgb-0-1",
        scaling="unscaled-features",
    )


def clip_features(encoder: Encoder, pictures: Iterable[Image.Image]) -> Features:
    """The vectors of pictures, (N, D), not of unit length; read one batch at a time."""
    remaining: Iterator[Image.Image] = iter(pictures)
    parts: list[Features] = []
    while batch := [centred(picture) for picture in islice(remaining, _BATCH)]:
        parts.append(encoder.unscaled(batch).double().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0))


def centred(picture: Image.Image) -> Image.Image:
    """The square in the middle of a picture, `SIDE` pixels wide."""
    width, height = picture.size
    short = min(width, height)
    size = (int(SIDE * width / short), int(SIDE * height / short))
    resized = picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    left, top = (round((length - SIDE) / 2) for length in size)
    return resized.crop((left, top, left + SIDE, top + SIDE))
