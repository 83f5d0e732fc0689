"""Masks, diversity over seeds, and cached references of sets, on cases whose answer is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.metrics.edits import brighter, edit, room

from retouch.core.errors import DataError, SettingsError
from retouch.metrics.clip import load_encoder
from retouch.metrics.clip_fid import clip_fid_protocol
from retouch.metrics.diversity import diversity
from retouch.metrics.frechet import gathered, save_statistics
from retouch.metrics.mask_metrics import MaskPair, load_mask_metrics, mask_metric_names
from retouch.metrics.metric import Sample
from retouch.metrics.pixel_metrics import pixel_metric
from retouch.metrics.quality_score import fit_quality, quality_protocol, save_quality
from retouch.metrics.registry import load_metrics, load_set_metrics
from retouch.metrics.set_metrics import clip_fid_reader
from retouch.metrics.weights import MetricWeights


def square(start: int, end: int) -> np.ndarray:
    mask = np.zeros((10, 10), dtype=bool)
    mask[start:end, start:end] = True
    return mask


NOTHING = square(0, 0)


def masked(pairs: list[MaskPair], *, least: int = 1) -> list[float]:
    metrics = load_mask_metrics(mask_metric_names(), least=least)
    for metric in metrics:
        metric.update(pairs[:2])
        metric.update(pairs[2:])
    return [metric.value() for metric in metrics]


def test_masks_of_known_overlap() -> None:
    pairs = [
        MaskPair(found=square(0, 4), true=square(0, 4)),
        MaskPair(found=square(0, 4), true=square(2, 6)),
        MaskPair(found=NOTHING, true=square(0, 2)),
        MaskPair(found=NOTHING, true=NOTHING),
        MaskPair(found=square(0, 1), true=NOTHING),
    ]
    giou, ciou, none, some = masked(pairs)
    assert giou == pytest.approx((1 + 4 / 28 + 0 + 1 + 0) / 5)
    assert ciou == pytest.approx((16 + 4) / (16 + 28 + 4 + 0 + 1))
    assert (none, some) == (0.5, pytest.approx(2 / 3))
    assert masked(pairs, least=2)[2] == 1.0
    assert len({metric.protocol for least in (1, 50) for metric in load_mask_metrics(["giou"], least=least)}) == 2


def test_masks_that_cannot_be_measured() -> None:
    (giou, missed) = load_mask_metrics(["giou", "no-target-accuracy"])
    with pytest.raises(DataError, match="different sizes"):
        giou.update([MaskPair(found=square(0, 4), true=square(0, 4)[:5])])
    soft: Any = square(0, 4).astype(float)
    with pytest.raises(DataError, match=r"not .* of bool"):
        giou.update([MaskPair(found=soft, true=square(0, 4))])
    with pytest.raises(DataError, match="none came"):
        giou.value()
    missed.update([MaskPair(found=square(0, 4), true=square(0, 4))])
    with pytest.raises(DataError, match="without a target; none came"):
        missed.value()
    with pytest.raises(SettingsError, match="no metric of masks 'iou'"):
        load_mask_metrics(["iou"])
    with pytest.raises(SettingsError, match="1 or more"):
        load_mask_metrics(["giou"], least=0)


def test_diversity_is_the_mean_over_pairs() -> None:
    source = np.full((16, 16, 3), 100, dtype=np.uint8)
    samples = [replace(edit(0), output=brighter(source, 51 * step), source=source, target=source) for step in range(4)]
    found = diversity(samples, pixel_metric("l1"))
    assert found == pytest.approx(np.mean([51, 102, 153, 51, 102, 51]) / 255, abs=0.01)
    assert diversity([samples[0]] * 5, pixel_metric("l1")) == 0
    with pytest.raises(DataError, match="4 seeds or more; 3 came"):
        diversity(samples[:3], pixel_metric("l1"))
    for wrong in (pixel_metric("psnr"), pixel_metric("l1", against="source")):
        with pytest.raises(DataError, match=f"'{wrong.name}' is no distance"):
            diversity(samples, wrong)


def test_the_distances_between_results_are_of_the_region_alone() -> None:
    encoder = load_encoder("pocket/clip")
    mask = np.zeros((72, 96), dtype=bool)
    mask[8:40, 8:40] = True
    one = room(0)
    inside, outside = one.copy(), one.copy()
    inside[mask] = 255 - inside[mask]
    outside[60:] = 0
    for metric in load_metrics(["clip-region-distance", "pixel-colour-inside", "colour-inside"], encoder=encoder):
        near, far = metric.measure([Sample(output=made, target=one, mask=mask) for made in (outside, inside)])
        assert near == pytest.approx(0, abs=1e-6)
        assert far > 0.01


def test_cached_references_give_what_the_targets_give(tmp_path: Path) -> None:
    encoder = load_encoder("pocket/clip")
    edits = [edit(seed, height=32, width=40) for seed in range(22)]
    features = clip_fid_reader(encoder).read([np.asarray(sample.target) for sample in edits])
    weights = MetricWeights(reference=tmp_path / "real.npz", quality=tmp_path / "mixture.npz")
    save_statistics(tmp_path / "real.npz", gathered([features]), protocol=clip_fid_protocol(encoder))
    save_quality(tmp_path / "mixture.npz", fit_quality(features), protocol=quality_protocol(encoder))
    names = ["clip-fid", "quality-score"]
    cached = load_set_metrics(names, encoder=encoder, weights=weights)
    fresh = load_set_metrics(names, encoder=encoder)
    for one, other in zip(cached, fresh, strict=True):
        assert one.needs == frozenset()
        other.update(edits)
        one.update([replace(sample, target=None) for sample in edits])
        assert one.value() == pytest.approx(other.value(), rel=1e-6)
        assert one.protocol != other.protocol
    with pytest.raises(DataError, match=r"of the protocol 'clip-fid/.*, expected 'frechet/"):
        load_set_metrics(["frechet"], encoder=encoder, weights=weights)
    with pytest.raises(DataError, match="holds no fitted mixture"):
        load_set_metrics(["quality-score"], encoder=encoder, weights=MetricWeights(quality=tmp_path / "real.npz"))
