"""How alike pictures are to a self-supervised network: whole, patch by patch, and in their structure."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.metrics.metric import Part, Picture, Sample
from retouch.metrics.pixel_metrics import Against
from retouch.metrics.protocol import protocol_id
from retouch.metrics.sample_metric import SampleMetric, Values, pictures
from retouch.metrics.vision import VisionTransformer

_AT_ONCE = 8


def dino(network: VisionTransformer, *, against: Against = "target") -> SampleMetric:
    """Cosine of the class tokens of output and target, as MagicBrush and DreamBench have it (DINO ViT-S/16)."""

    def score(samples: Sequence[Sample]) -> Values:
        one, other = (network.classes(pictures(samples, part)) for part in ("output", against))
        return (one * other).sum(dim=-1).numpy()

    name = "dino" if against == "target" else "dino-source"
    protocol = protocol_id(
        name, encoder=network.name, resize=network.manner, pixels="rgb-0-1", scaling=f"cosine-to-{against}"
    )
    needs = frozenset[Part]({against})
    return SampleMetric(name=name, protocol=protocol, better="higher", needs=needs, score=score)


def dino_patches(network: VisionTransformer) -> SampleMetric:
    """The mean over patches of (cosine + 1) / 2, source and output, as LangDesign's DINO has it (DINOv2 base)."""

    def score(samples: Sequence[Sample]) -> Values:
        one, other = (network.patches(pictures(samples, part)) for part in ("output", "source"))
        return (((one * other).sum(dim=-1).mean(dim=-1) + 1) / 2).numpy()

    protocol = protocol_id(
        "dino-patches",
        encoder=network.name,
        resize=network.manner,
        pixels="rgb-0-1",
        scaling="mean-of-half-of-cosine-plus-1",
    )
    needs = frozenset[Part]({"source"})
    return SampleMetric(name="dino-patches", protocol=protocol, better="higher", needs=needs, score=score)


def structure(network: VisionTransformer, *, published: bool = False) -> SampleMetric:
    """The structure distance of source and output: how far the self-similarities of their keys lie apart.

    The mean squared difference of the matrices of cosines among the keys of the last layer, the class token's too
    (Tumanyan et al., arXiv 2201.00424, equation 3; DINO ViT-B/8), of pictures stretched to the network's square.
    PIE-Bench's program gives the network colours in 0…255 where it expects 0…1; with `published` so do we.
    """

    @torch.no_grad()
    def score(samples: Sequence[Sample]) -> Values:
        parts = [samples[start : start + _AT_ONCE] for start in range(0, len(samples), _AT_ONCE)]
        return np.concatenate([_structure_distances(network, part, scale=255 if published else 1) for part in parts])

    name = "structure@pie-bench" if published else "structure"
    protocol = protocol_id(
        name,
        encoder=network.name,
        resize=f"bilinear-stretched-{network.side}",
        pixels="rgb-0-255" if published else "rgb-0-1",
        scaling="mean-squared-difference-of-key-cosines",
    )
    needs = frozenset[Part]({"source"})
    return SampleMetric(name=name, protocol=protocol, better="lower", needs=needs, score=score)


def _structure_distances(network: VisionTransformer, samples: Sequence[Sample], *, scale: float) -> Values:
    one, other = (
        _similarities(network.keys(network.normalised(scale * _stretched(network, pictures(samples, part)))))
        for part in ("output", "source")
    )
    return ((one - other) ** 2).mean(dim=(1, 2)).cpu().numpy()


def _similarities(keys: Tensor) -> Tensor:
    """Cosines among keys (B, T, D), (B, T, T) float64."""
    unit = functional.normalize(keys.double(), dim=-1)
    return unit @ unit.transpose(1, 2)


def _stretched(network: VisionTransformer, shown: Sequence[Picture]) -> Tensor:
    """(B, 3, side, side) float32 in [0, 1]."""
    size = (network.side, network.side)
    squares = [np.array(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)) for picture in shown]
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).to(network.device).float() / 255
