"""How each metric of the registry is built from the networks on the shelf."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from retouch.metrics.colour_metric import colour_inside, pixel_colour_inside
from retouch.metrics.embedding_metrics import (
    clip_directional,
    clip_image,
    clip_region,
    clip_region_distance,
    clip_text,
    clip_text_inside,
)
from retouch.metrics.frechet import Features, load_statistics
from retouch.metrics.lpips import distance_metric
from retouch.metrics.metric import Metric, SetMetric
from retouch.metrics.pixel_metrics import KINDS, Against, Kind, pixel_metric
from retouch.metrics.quality_score import load_quality, quality_protocol
from retouch.metrics.sample_metric import Where
from retouch.metrics.set_metrics import FeatureReader, FrechetMetric, QualityMetric, clip_fid_reader
from retouch.metrics.shelf import Shelf
from retouch.metrics.vision_metrics import dino, dino_patches, structure

Builder = Callable[[Shelf], Metric]


def _pixel(kind: Kind, against: Against, where: Where, *, diluted: bool = False) -> Builder:
    return lambda shelf: pixel_metric(kind, against=against, where=where, diluted=diluted, device=shelf.device)


def _pixel_builders() -> Iterator[tuple[str, Builder]]:
    for kind in KINDS:
        yield kind, _pixel(kind, "target", "whole")
        yield f"{kind}-source", _pixel(kind, "source", "whole")
        yield f"{kind}-outside", _pixel(kind, "source", "outside")
        yield f"{kind}-inside", _pixel(kind, "target", "inside")
        if kind != "l1":
            yield f"{kind}-outside@pie-bench", _pixel(kind, "source", "outside", diluted=True)
            yield f"{kind}-inside@pie-bench", _pixel(kind, "source", "inside", diluted=True)


def _lpips(shelf: Shelf, against: Against, where: Where) -> Metric:
    model, called = shelf.lpips
    return distance_metric(
        "lpips", model, called, scaling="linear", least_side=64, against=against, where=where, device=shelf.device
    )


def _perceptual(shelf: Shelf, against: Against, where: Where) -> Metric:
    model, called = shelf.perceptual
    scaling = "mean-of-scales"
    return distance_metric(
        "perceptual", model, called, scaling=scaling, least_side=16, against=against, where=where, device=shelf.device
    )


def _distance_builders(kind: str, build: Callable[[Shelf, Against, Where], Metric]) -> Iterator[tuple[str, Builder]]:
    yield kind, lambda shelf: build(shelf, "target", "whole")
    yield f"{kind}-source", lambda shelf: build(shelf, "source", "whole")
    yield f"{kind}-outside", lambda shelf: build(shelf, "source", "outside")
    yield f"{kind}-inside", lambda shelf: build(shelf, "target", "inside")


BUILDERS: Mapping[str, Builder] = {
    "clip-image": lambda shelf: clip_image(shelf.encoder),
    "clip-image-target": lambda shelf: clip_image(shelf.encoder, against="target"),
    "clip-text": lambda shelf: clip_text(shelf.encoder),
    "clip-text-inside": lambda shelf: clip_text_inside(shelf.encoder),
    "clip-directional": lambda shelf: clip_directional(shelf.encoder),
    "clip-region": lambda shelf: clip_region(shelf.encoder),
    "clip-region-distance": lambda shelf: clip_region_distance(shelf.encoder),
    "clip-image@ip2p": lambda shelf: clip_image(shelf.encoder, published=True),
    "clip-text@ip2p": lambda shelf: clip_text(shelf.encoder, published=True),
    "clip-directional@ip2p": lambda shelf: clip_directional(shelf.encoder, published=True),
    "dino": lambda shelf: dino(shelf.dino),
    "dino-source": lambda shelf: dino(shelf.dino, against="source"),
    "dino-patches": lambda shelf: dino_patches(shelf.dinov2),
    "structure": lambda shelf: structure(shelf.structure),
    "structure@pie-bench": lambda shelf: structure(shelf.structure, published=True),
    **dict(_pixel_builders()),
    **dict(_distance_builders("lpips", _lpips)),
    **dict(_distance_builders("perceptual", _perceptual)),
    "colour-inside": lambda _: colour_inside(),
    "pixel-colour-inside": lambda _: pixel_colour_inside(),
}


def _frechet(shelf: Shelf) -> SetMetric:
    return _compared("frechet", shelf.features, shelf)


def _clip_fid(shelf: Shelf) -> SetMetric:
    return _compared("clip-fid", clip_fid_reader(shelf.encoder), shelf)


def _compared(name: str, reader: FeatureReader, shelf: Shelf) -> SetMetric:
    path = shelf.weights.reference
    if path is None:
        return FrechetMetric(name=name, reader=reader)
    real = load_statistics(path, protocol=reader.protocol)
    return FrechetMetric(name=name, reader=reader, real=real, real_name=_called(path, real.mean))


def _quality(shelf: Shelf) -> SetMetric:
    path = shelf.weights.quality
    if path is None:
        return QualityMetric(encoder=shelf.encoder)
    model = load_quality(path, protocol=quality_protocol(shelf.encoder))
    return QualityMetric(encoder=shelf.encoder, model=model, model_name=_called(path, model.mixture.means_))


def _called(path: Path, numbers: Features) -> str:
    """A file's name that changes with what it holds."""
    return f"{path.stem}@{sha256(np.ascontiguousarray(numbers).tobytes()).hexdigest()[:8]}"


SET_BUILDERS: Mapping[str, Callable[[Shelf], SetMetric]] = {
    "frechet": _frechet,
    "clip-fid": _clip_fid,
    "quality-score": _quality,
}
