"""The networks that metrics share, each loaded when the first of them asks."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from retouch.metrics.clip import Encoder, load_encoder
from retouch.metrics.set_metrics import FeatureReader, clip_reader
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
        """What Fréchet distances are measured on."""
        return clip_reader(self.encoder)
