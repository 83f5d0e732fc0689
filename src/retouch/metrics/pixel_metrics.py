"""L1, L2, PSNR and SSIM of whole pictures, and of what lies outside or inside the mask."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from retouch.core.errors import MissingExtraError
from retouch.metrics.batches import scored_by_size, stacked, stacked_masks
from retouch.metrics.metric import Part, Sample
from retouch.metrics.protocol import protocol_id
from retouch.metrics.sample_metric import SampleMetric, Where, pictures

Kind = Literal["l1", "l2", "psnr", "ssim"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Against = Literal["source", "target"]
CEILING = 100.0
"""The PSNR of equal pictures, dB, which has no end otherwise."""
_MARGIN = 5
"""How far an SSIM window of 11 pixels reaches."""


def pixel_metric(
    kind: Kind,
    *,
    against: Against = "target",
    where: Where = "whole",
    diluted: bool = False,
    device: torch.device | str = "cpu",
) -> SampleMetric:
    """Compare the output with the source or the target, pixels in [0, 1].

    L1 and L2 are means over pixels and colours of |a − b| and (a − b)², PSNR is −10 log₁₀ of the latter, no more than
    `CEILING`. SSIM is that of Wang et al. (2004): Gaussian windows of 11 pixels with σ 1.5 that lie in the picture,
    the mean over colours, as scikit-image has it with `gaussian_weights`.

    Outside or inside the mask other pixels are painted black in both, and the mean is over the pixels that count.
    With `diluted` it is over all pixels of the picture, as PIE-Bench publishes it (arXiv 2310.01506), so that the black
    ones, which are equal, better the value.

    Raises:
        MissingExtraError: SSIM is asked for and torchmetrics is not installed.
    """
    compare = _structural_similarity() if kind == "ssim" else _ERRORS[kind]
    precision = torch.float32 if kind == "ssim" else torch.float64
    needs: set[Part] = {against, *(("mask",) if where != "whole" else ())}

    def score(samples: Sequence[Sample]) -> Tensor:
        one, other = (stacked(pictures(samples, part), device).to(precision) / 255 for part in ("output", against))
        weights = _weights(samples, where, one)
        values = _mean(compare(one * weights, other * weights), weights[:, 0], diluted=diluted)
        # Of equal pictures the logarithm is that of nothing.
        return (-10 * values.log10()).clamp(max=CEILING) if kind == "psnr" else values

    return SampleMetric(
        name=_name(kind, against, where, diluted=diluted),
        protocol=_protocol(kind, against, where, diluted=diluted),
        better="lower" if kind in ("l1", "l2") else "higher",
        needs=frozenset(needs),
        score=lambda samples: scored_by_size(samples, score),
        where=where,
        least_side=2 * _MARGIN + 1 if kind == "ssim" else 1,
    )


def masked_name(kind: str, against: Against, where: Where) -> str:
    """What a comparison's column is called: the usual partner, the target but outside the mask, goes without saying."""
    usual = "source" if where == "outside" else "target"
    return "-".join([kind, *([where] if where != "whole" else []), *([against] if against != usual else [])])


def _name(kind: str, against: Against, where: Where, *, diluted: bool) -> str:
    return f"{kind}-{where}@pie-bench" if diluted else masked_name(kind, against, where)


def _protocol(kind: Kind, against: Against, where: Where, *, diluted: bool) -> str:
    counted = "all-pixels" if where == "whole" else f"others-black-mean-{'of-all' if diluted else where}"
    scaling = {"psnr": f"decibels-at-most-{CEILING:g}", "ssim": "gaussian-11-sigma-1.5-valid"}.get(kind, "mean")
    return protocol_id(
        _name(kind, against, where, diluted=diluted),
        encoder="pixels",
        resize=f"native-{counted}",
        pixels="srgb-0-1",
        scaling=f"{scaling}-to-{against}",
    )


def _weights(samples: Sequence[Sample], where: Where, like: Tensor) -> Tensor:
    """1 where pixels count, (B, 1, H, W), and 0 elsewhere."""
    if where == "whole":
        return torch.ones_like(like[:, :1])
    masks = stacked_masks([sample.mask for sample in samples if sample.mask is not None], like.device)
    return (masks if where == "inside" else ~masks)[:, None].to(like.dtype)


def _mean(values: Tensor, weights: Tensor, *, diluted: bool) -> Tensor:
    """The mean of (B, 3, h, w) over colours and over pixels that count, (B,)."""
    values = values.mean(dim=1)
    if diluted:
        return values.mean(dim=(1, 2))
    margin = (weights.shape[1] - values.shape[1]) // 2
    if margin:
        inner = weights[:, margin:-margin, margin:-margin]
        # Where only the margin counts, the windows that reach it do.
        reached = torch.nn.functional.max_pool2d(weights[:, None], 2 * margin + 1, stride=1)[:, 0]
        weights = torch.where(inner.sum(dim=(1, 2), keepdim=True) > 0, inner, reached)
    return (values * weights).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


_ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": lambda one, other: (one - other).abs(),
    "l2": lambda one, other: (one - other) ** 2,
    "psnr": lambda one, other: (one - other) ** 2,
}


def _structural_similarity() -> Callable[[Tensor, Tensor], Tensor]:
    """The map of SSIM where windows lie in the picture, (B, 3, H − 10, W − 10)."""
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError as error:
        raise MissingExtraError(
            "SSIM needs torchmetrics, which is not installed: run pip install 'retouch[evaluate]'."
        ) from error

    def compare(one: Tensor, other: Tensor) -> Tensor:
        _, whole = structural_similarity_index_measure(
            one, other, data_range=1.0, reduction="none", return_full_image=True
        )
        # Its own mean takes in mirrored pixels beyond the border, which the published figures do not.
        return torch.as_tensor(whole)[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]

    return compare
