"""Edits a second for each metric, and the Fréchet distance at 2048 features beside the scipy route.

    python bench/metrics.py [--edits 16] [--side 256] [--width 2048] [--device cpu]

Metrics run on the pocket family's weights; LPIPS, which has none, is left out. Pictures are drawn at random.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.linalg import sqrtm

from retouch.metrics.clip import load_encoder
from retouch.metrics.frechet import Gaussian, distance, gaussian_of
from retouch.metrics.metric import Sample
from retouch.metrics.registry import load_metrics, load_set_metrics, metric_names, set_metric_names


def main() -> None:
    """Print a line a metric, then the two routes to the Fréchet distance, their ratio and how far they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=16)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    edits = _edits(options.edits, options.side)
    encoder = load_encoder("pocket/clip", device=options.device)
    names = [name for name in metric_names() if not name.startswith("lpips")]
    for metric in load_metrics(names, encoder=encoder, device=options.device):
        metric.measure(edits[:2])
        _print(metric.name, len(edits), _timed(lambda metric=metric: metric.measure(edits)))
    for metric in load_set_metrics(set_metric_names(), encoder=encoder, device=options.device):
        _print(metric.name, len(edits), _timed(lambda metric=metric: metric.update(edits)))
    _frechet(options.width)


def _frechet(width: int) -> None:
    generator = np.random.default_rng(0)
    scales = np.geomspace(1, 0.05, width)
    one, other = (gaussian_of(generator.normal(size=(2 * width, width)) * scales + shift) for shift in (0.0, 0.1))
    found: list[float] = []
    ours = _timed(lambda: found.append(distance(one, other)))
    theirs = _timed(lambda: found.append(_by_scipy(one, other)))
    apart = abs(found[0] - found[1]) / found[1]
    print(
        f"Fréchet at {width}: ours {ours:.1f} s, scipy {theirs:.1f} s, ratio {theirs / ours:.1f}; "
        f"values {found[0]:.10g} and {found[1]:.10g}, {apart:.1e} apart"
    )


def _by_scipy(one: Gaussian, other: Gaussian) -> float:
    """As pytorch-fid has it."""
    root = np.real(np.asarray(sqrtm(one.covariance @ other.covariance)))
    apart = one.mean - other.mean
    return float(apart @ apart + np.trace(one.covariance) + np.trace(other.covariance) - 2 * np.trace(root))


def _edits(count: int, side: int) -> list[Sample]:
    generator = np.random.default_rng(0)
    mask = np.zeros((side, side), dtype=bool)
    mask[side // 4 : side // 2, side // 4 : side // 2] = True
    pictures = generator.integers(0, 256, (count, 4, side, side, 3), dtype=np.uint8)
    return [
        Sample(
            output=output,
            source=source,
            target=target,
            reference=reference,
            mask=mask,
            source_caption="a room with a red sofa",
            target_caption="a room with a green sofa",
        )
        for output, source, target, reference in pictures
    ]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _print(name: str, count: int, seconds: float) -> None:
    print(f"{name:28} {count / seconds:9.1f} edits/s", flush=True)


if __name__ == "__main__":
    main()
