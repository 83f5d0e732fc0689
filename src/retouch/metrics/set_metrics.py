"""Metrics of whole sets: Fréchet distances and the quality score, taking batches in, in constant memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import nn

from retouch.core.errors import DataError
from retouch.metrics.batches import places_by_size, stacked
from retouch.metrics.clip import Encoder
from retouch.metrics.clip_fid import clip_features, clip_fid_protocol
from retouch.metrics.frechet import Features, Gaussian, distance, gathered, merged
from retouch.metrics.inception import WIDTH
from retouch.metrics.metric import Part, Picture, Sample
from retouch.metrics.protocol import protocol_id
from retouch.metrics.quality_score import QualityModel, fit_quality, quality_protocol
from retouch.metrics.sample_metric import lacking, pictures, refuse

HELD = 20_000
"""How many edits the quality score holds where its mixture is not fitted yet."""

_BATCH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureReader:
    """What turns pictures into features (B, D), and the protocol that statistics of them are kept under."""

    protocol: str
    read: Callable[[Sequence[Picture]], Features]


def clip_fid_reader(encoder: Encoder) -> FeatureReader:
    """CLIP's embedding of the square in the middle, not of unit length, as COCOEE has it."""
    return FeatureReader(
        protocol=clip_fid_protocol(encoder),
        read=lambda shown: clip_features(encoder, map(Image.fromarray, shown)),
    )


def clip_reader(encoder: Encoder) -> FeatureReader:
    """CLIP's embedding of pictures framed as the encoder wants them: what stands in for Inception's features."""
    return FeatureReader(
        protocol=protocol_id(
            "frechet", encoder=encoder.name, resize=encoder.manner, pixels="rgb-0-1", scaling="unscaled-features"
        ),
        read=lambda shown: encoder.unscaled([Image.fromarray(picture) for picture in shown]).double().numpy(),
    )


def inception_reader(network: nn.Module, called: str, device: torch.device | str) -> FeatureReader:
    """FID's: Inception's last pooling, (B, 2048)."""

    @torch.no_grad()
    def read(shown: Sequence[Picture]) -> Features:
        features = np.zeros((len(shown), WIDTH))
        for places in places_by_size(shown):
            for part in (places[start : start + _BATCH] for start in range(0, len(places), _BATCH)):
                pixels = stacked([shown[place] for place in part], device)
                features[part] = network(pixels).double().cpu().numpy()
        return features

    protocol = protocol_id(
        "frechet", encoder=called, resize="bilinear-stretched-299", pixels="rgb-minus-1-1", scaling="last-pooling"
    )
    return FeatureReader(protocol=protocol, read=read)


@dataclass(kw_only=True, eq=False)
class FrechetMetric:
    """The squared Fréchet distance of the outputs to `real`, or to the targets where that is None."""

    name: str
    reader: FeatureReader
    real: Gaussian | None = None
    real_name: str = "targets"
    better: Literal["lower"] = "lower"
    _made: Gaussian | None = field(default=None, init=False)
    _wanted: Gaussian | None = field(default=None, init=False)

    @property
    def protocol(self) -> str:
        """That of the features, and what they are compared with."""
        return _against(self.reader.protocol, self.real_name)

    @property
    def needs(self) -> frozenset[Part]:
        """The target, unless statistics were given."""
        return frozenset[Part]() if self.real else frozenset[Part]({"target"})

    def update(self, samples: Sequence[Sample]) -> None:
        """Take a batch in. Raises DataError where a sample lacks something or its features are no numbers."""
        refuse(self.name, (lacking(sample, self.needs) for sample in samples))
        if not samples:
            return
        made = _added(self._made, self.reader.read(pictures(samples, "output")))
        if self.real is None:
            self._wanted = _added(self._wanted, self.reader.read(pictures(samples, "target")))
        self._made = made

    def value(self) -> float:
        """The distance. Raises DataError for fewer than two samples."""
        wanted = self.real or self._wanted
        count = self._made.count if self._made else 0
        if self._made is None or wanted is None or count < 2:
            raise DataError(f"The metric '{self.name}' needs at least 2 edits; {count} came.")
        return distance(self._made, wanted)


@dataclass(kw_only=True, eq=False)
class QualityMetric:
    """The mean quality score times a hundred, under a mixture fitted before or, where that is None, to the targets.

    Without a mixture, features of at most `HELD` edits are held until the value is asked for.
    """

    encoder: Encoder
    model: QualityModel | None = None
    model_name: str = "targets"
    name: str = "quality-score"
    better: Literal["higher"] = "higher"
    _total: float = field(default=0.0, init=False)
    _count: int = field(default=0, init=False)
    _made: list[Features] = field(default_factory=list, init=False)
    _wanted: list[Features] = field(default_factory=list, init=False)

    @property
    def protocol(self) -> str:
        """That of the features and the mixture, and whom it was fitted to."""
        return _against(quality_protocol(self.encoder), self.model_name)

    @property
    def needs(self) -> frozenset[Part]:
        """The target, unless a mixture was given."""
        return frozenset[Part]() if self.model else frozenset[Part]({"target"})

    def update(self, samples: Sequence[Sample]) -> None:
        """Take a batch in. Raises DataError where a sample lacks something, or too many would be held."""
        refuse(self.name, (lacking(sample, self.needs) for sample in samples))
        if not samples:
            return
        if self.model is None and self._count + len(samples) > HELD:
            raise DataError(
                f"The quality score holds {HELD} edits at most while its mixture is not fitted; fit one first and give "
                "it as the weight 'quality'."
            )
        made = _finite(self._read(pictures(samples, "output")))
        self._count += len(samples)
        if self.model is not None:
            self._total += float(self.model.scores(made).sum())
            return
        self._made.append(made)
        self._wanted.append(_finite(self._read(pictures(samples, "target"))))

    def value(self) -> float:
        """The score. Raises DataError for no samples, or for too few to fit a mixture to."""
        if not self._count:
            raise DataError("The metric 'quality-score' needs at least one edit; none came.")
        if self.model is not None:
            return 100 * self._total / self._count
        return fit_quality(np.concatenate(self._wanted)).score(np.concatenate(self._made))

    def _read(self, shown: Sequence[Picture]) -> Features:
        return clip_features(self.encoder, map(Image.fromarray, shown))


def _added(before: Gaussian | None, features: Features) -> Gaussian:
    new = gathered([features])
    return new if before is None else merged(before, new)


def _finite(features: Features) -> Features:
    if not np.isfinite(features).all():
        raise DataError(
            "The encoder gave features that are not finite numbers; its weights may be broken, restore them."
        )
    return features


def _against(protocol: str, real: str) -> str:
    """The id with what was compared with in its scaling."""
    *before, scaling, version = protocol.split("/")
    return "/".join([*before, f"{scaling}-to-{real.replace('/', '--')}", version])
