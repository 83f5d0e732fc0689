"""The networks that metrics share, each loaded when the first of them asks."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from retouch.metrics.clip import Encoder, load_encoder
from retouch.metrics.inception import load_inception
from retouch.metrics.lpips import Lpips, load_lpips
from retouch.metrics.perceptual import PocketPerceptual, load_pocket_perceptual
from retouch.metrics.set_metrics import FeatureReader, clip_reader, inception_reader
from retouch.metrics.vision import VisionTransformer, load_vision
from retouch.metrics.weights import MetricWeights


@dataclass(kw_only=True, eq=False)
class Shelf:
    """What metrics are built from. `source` is what `load_encoder` takes, or an encoder."""

    source: str | Path | Encoder
    device: torch.device | str
    weights: MetricWeights

    @cached_property
    def encoder(self) -> Encoder:
        """The CLIP model."""
        return self.source if isinstance(self.source, Encoder) else load_encoder(self.source, device=self.device)

    @cached_property
    def features(self) -> FeatureReader:
        """What Fréchet distances are measured on: Inception's features, or the encoder's where there is none."""
        if self.weights.inception is None:
            return clip_reader(self.encoder)
        network, called = load_inception(self.weights.inception, device=self.device)
        return inception_reader(network, called, self.device)

    @cached_property
    def dino(self) -> VisionTransformer:
        """DINO, or the encoder's own tower."""
        source = self.weights.dino
        return self.stand_in if source is None else load_vision(source, "vit", device=self.device)

    @cached_property
    def dinov2(self) -> VisionTransformer:
        """DINOv2, or the encoder's own tower."""
        source = self.weights.dinov2
        return self.stand_in if source is None else load_vision(source, "dinov2", device=self.device)

    @cached_property
    def structure(self) -> VisionTransformer:
        """The DINO of the structure distance, or the other one."""
        source = self.weights.structure
        return self.dino if source is None else load_vision(source, "vit", device=self.device)

    @cached_property
    def stand_in(self) -> VisionTransformer:
        """The encoder's own tower."""
        return self.encoder.tower

    @cached_property
    def lpips(self) -> tuple[Lpips, str]:
        """LPIPS and its name."""
        weights = self.weights
        return load_lpips(
            weights.lpips_network,
            backbone=weights.lpips_backbone,
            linear=weights.lpips_linear,
            device=self.device,
        )

    @cached_property
    def perceptual(self) -> tuple[PocketPerceptual, str]:
        """The pocket family's perceptual distance and its name."""
        return load_pocket_perceptual(self.device)
