"""LPIPS with the weights that were published, and the pocket family's distance of the same form."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from retouch.core.errors import ModelError
from retouch.metrics.backbones import TAPS, Backbone
from retouch.metrics.batches import scored_by_size, stacked, stacked_masks
from retouch.metrics.metric import Part, Sample
from retouch.metrics.pixel_metrics import Against, masked_name
from retouch.metrics.protocol import protocol_id
from retouch.metrics.published_weights import filled, read_weights
from retouch.metrics.sample_metric import SampleMetric, Where, pictures
from retouch.metrics.weights import LpipsNetwork
from retouch.models.identity import identity

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""What brings −1…1 to what the backbones were trained on."""
_EPSILON = 1e-10


class Lpips(nn.Module):
    """The learned perceptual distance (Zhang et al., arXiv 1801.03924), version 0.1."""

    shift: Tensor
    scale: Tensor

    def __init__(self, network: LpipsNetwork) -> None:
        super().__init__()
        self.backbone = Backbone(network)
        self.linear = nn.ModuleList([nn.Conv2d(width, 1, 1, bias=False) for width in TAPS[network].widths])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Distances (B,) of pictures (B, 3, H, W) in −1…1."""
        maps = zip(*(self.backbone((pixels - self.shift) / self.scale) for pixels in (one, other)), strict=True)
        apart = [squared_difference(*pair) for pair in maps]
        found = [layer(each).mean(dim=(1, 2, 3)) for layer, each in zip(self.linear, apart, strict=True)]
        return torch.stack(found).sum(dim=0)


def squared_difference(one: Tensor, other: Tensor) -> Tensor:
    """(a/|a| − b/|b|)², vectors along the channels of maps (B, C, h, w)."""
    return (_unit(one) - _unit(other)) ** 2


def load_lpips(
    network: LpipsNetwork, *, backbone: Path | None, linear: Path | None, device: torch.device | str = "cpu"
) -> tuple[Lpips, str]:
    """LPIPS and what its protocols call it.

    Args:
        backbone: the state dict of torchvision's `alexnet`, `vgg16` or `squeezenet1_1`, of which `features.*` is read.
        linear: the layers published with LPIPS 0.1, `lin0.model.1.weight` and so on.

    Raises:
        ModelError: a file is missing, broken, or of another network.
    """
    if backbone is None or linear is None:
        raise ModelError(
            f"LPIPS needs the published weights of its network '{network}'; give 'lpips_backbone' and 'lpips_linear' "
            "(docs/metrics.md), or measure 'perceptual', whose weights come with the package."
        )
    model = Lpips(network)
    filled(model.backbone, read_weights(backbone, f"LPIPS's backbone '{network}'"), f"LPIPS's backbone '{network}'")
    layers = read_weights(linear, "LPIPS's linear layers")
    renamed = {name.removeprefix("lin").replace(".model.1.", "."): tensor for name, tensor in layers.items()}
    filled(model.linear, renamed, "LPIPS's linear layers")
    first, last = next(model.backbone.parameters()), model.linear[-1].weight
    return model.eval().to(device), identity(f"lpips-{network}", (first, torch.as_tensor(last)))


def distance_metric(
    kind: str,
    distance: Callable[[Tensor, Tensor], Tensor],
    encoder: str,
    *,
    scaling: str,
    least_side: int,
    against: Against = "target",
    where: Where = "whole",
    device: torch.device | str = "cpu",
) -> SampleMetric:
    """A metric of a distance (B,) of two batches (B, 3, H, W) in −1…1, at the pictures' own size.

    Outside or inside the mask other pixels are painted black in both, as PIE-Bench does (arXiv 2310.01506).
    """

    @torch.no_grad()
    def score(samples: Sequence[Sample]) -> Tensor:
        one, other = (stacked(pictures(samples, part), device).float() / 255 for part in ("output", against))
        if where != "whole":
            masks = stacked_masks([sample.mask for sample in samples if sample.mask is not None], device)[:, None]
            shown = masks if where == "inside" else ~masks
            one, other = one * shown, other * shown
        pairs = zip((2 * one - 1).split(_AT_ONCE), (2 * other - 1).split(_AT_ONCE), strict=True)
        return torch.cat([distance(*pair) for pair in pairs])

    name = masked_name(kind, against, where)
    needs: set[Part] = {against, *(("mask",) if where != "whole" else ())}
    counted = "all-pixels" if where == "whole" else f"{where}-others-black"
    protocol = protocol_id(
        name, encoder=encoder, resize=f"native-{counted}", pixels="srgb-minus-1-1", scaling=f"{scaling}-to-{against}"
    )
    return SampleMetric(
        name=name,
        protocol=protocol,
        better="lower",
        needs=frozenset(needs),
        score=lambda samples: scored_by_size(samples, score),
        where=where,
        least_side=least_side,
    )


_AT_ONCE = 8


def _unit(maps: Tensor) -> Tensor:
    return maps / ((maps**2).sum(dim=1, keepdim=True).sqrt() + _EPSILON)
