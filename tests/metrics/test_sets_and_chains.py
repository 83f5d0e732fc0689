"""Masks, diversity over seeds, drift along a chain, and cached references of sets, on cases whose answer is known."""

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
from retouch.metrics.drift import drift
from retouch.metrics.frechet import gathered, save_statistics
from retouch.metrics.mask_metrics import MaskPair, load_mask_metrics, mask_metric_names
from retouch.metrics.pixel_metrics import pixel_metric
from retouch.metrics.quality_score import fit_quality, quality_protocol, save_quality
from retouch.metrics.registry import load_set_metrics
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
    found = diversity(samples, distance=pixel_metric("l1"), fidelity=pixel_metric("psnr"))
    assert found.diversity == pytest.approx(np.mean([51, 102, 153, 51, 102, 51]) / 255, abs=0.01)
    assert found.fidelity == pytest.approx(pixel_metric("psnr").measure(samples).mean())
    same = diversity([samples[0]] * 5, distance=pixel_metric("l1"), fidelity=pixel_metric("psnr"))
    assert (same.seeds, same.diversity) == (5, 0)
    with pytest.raises(DataError, match="4 seeds or more; 3 came"):
        diversity(samples[:3], distance=pixel_metric("l1"), fidelity=pixel_metric("psnr"))
    with pytest.raises(DataError, match="'psnr' is no distance"):
        diversity(samples, distance=pixel_metric("psnr"), fidelity=pixel_metric("psnr"))


def test_drift_along_a_chain() -> None:
    source = np.full((16, 16, 3), 100, dtype=np.uint8)
    metric = pixel_metric("l1", against="source")
    chain = [brighter(source, 5 * step) for step in range(9)]
    found = drift(chain, metric)
    np.testing.assert_allclose(found.to_first, [5 * step / 255 for step in range(1, 9)])
    np.testing.assert_allclose(found.to_previous, [5 / 255] * 8)
    assert found.slope == pytest.approx(5 / 255)
    assert drift(chain[:2], metric).slope == 0
    assert drift([source] * 4, metric).to_first == (0, 0, 0)
    with pytest.raises(DataError, match="1 to 8 edits"):
        drift(chain[:1], metric)
    with pytest.raises(DataError, match="1 to 8 edits"):
        drift([*chain, source], metric)
    with pytest.raises(DataError, match="different sizes"):
        drift([*chain[:3], source[:8]], metric)
    with pytest.raises(DataError, match="such as 'psnr-source'"):
        drift(chain, pixel_metric("psnr"))
    missing: Any = [source, None]
    with pytest.raises(DataError, match="as its output a NoneType"):
        drift(missing, metric)


def test_drift_outside_what_each_edit_was_to_change() -> None:
    first = room(0)
    left, right = np.zeros((2, 72, 96), dtype=bool)
    left[:, :40], right[:, 60:] = True, True
    second, third = first.copy(), first.copy()
    second[left] = 0
    third[left | right] = 0
    metric = pixel_metric("l1", against="source", where="outside")
    assert drift([first, second, third], metric, masks=[left, right]).to_first == (0, 0)
    assert drift([first, second, third], metric, masks=[left, left]).to_first[1] > 0.1
    with pytest.raises(DataError, match="1 masks came for 2 edits"):
        drift([first, second, third], metric, masks=[left])
    with pytest.raises(DataError, match="masks of the chain"):
        drift([first, second, third], metric, masks=[left, right[:9]])
    with pytest.raises(DataError, match="no pixel outside"):
        drift([first, second, third], metric, masks=[left, ~left])


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
