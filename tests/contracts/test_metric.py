"""What every metric of the registry promises, on the pocket family's weights and, for LPIPS, on random ones."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.metrics.edits import edit

from retouch.core.errors import DataError, SettingsError
from retouch.metrics.clip import load_encoder
from retouch.metrics.lpips import Lpips
from retouch.metrics.metric import Metric, Sample, SetMetric
from retouch.metrics.protocol import check_protocol
from retouch.metrics.registry import (
    applies,
    load_metrics,
    load_set_metrics,
    metric_names,
    same_protocols,
    set_metric_names,
)
from retouch.metrics.weights import MetricWeights

PERFECT = {
    **dict.fromkeys(("clip-image", "clip-image-target", "dino", "dino-source", "dino-patches", "ssim"), 1.0),
    **dict.fromkeys(("l1", "l2", "lpips", "perceptual", "structure", "colour-inside", "clip-directional"), 0.0),
    **dict.fromkeys(("clip-region-distance", "pixel-colour-inside"), 0.0),
    "psnr": 100.0,
}
"""The values of an output that is the source and the target, by the beginning of the name."""
ASKED = {
    *("clip-image", "clip-text", "clip-directional", "clip-region", "clip-text-inside", "dino", "dino-patches"),
    *("l1", "l2", "psnr", "ssim", "lpips", "perceptual", "structure", "colour-inside"),
    *("psnr-outside", "l2-outside", "ssim-outside", "lpips-outside", "perceptual-outside"),
}


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Metric]:
    folder = tmp_path_factory.mktemp("lpips")
    weights = MetricWeights(lpips_backbone=folder / "alex.pth", lpips_linear=folder / "linear.pth")
    network = random_lpips()
    torch.save(network.backbone.state_dict(), folder / "alex.pth")
    layers = {f"lin{name.replace('.', '.model.1.')}": value for name, value in network.linear.state_dict().items()}
    torch.save(layers, folder / "linear.pth")
    names = metric_names()
    return dict(zip(names, load_metrics(names, encoder=load_encoder("pocket/clip"), weights=weights), strict=True))


def random_lpips() -> Lpips:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Lpips("alex")
    for weight in network.linear.parameters():
        weight.abs_()
    return network


@pytest.fixture(params=metric_names())
def metric(request: pytest.FixtureRequest, metrics: dict[str, Metric]) -> Metric:
    return metrics[request.param]


EDITS = [edit(0), edit(1), edit(2, height=100, width=80)]


def test_what_was_asked_for_is_there() -> None:
    assert set(metric_names()) >= ASKED
    assert set_metric_names() == ("frechet", "clip-fid", "quality-score")


def test_its_protocol_is_well_formed_and_names_it(metric: Metric, request: pytest.FixtureRequest) -> None:
    assert metric.name == request.node.callspec.params["metric"]
    assert check_protocol(metric.protocol).split("/")[0] == metric.name
    assert metric.better in ("higher", "lower")
    assert "/tmp" not in metric.protocol


def test_no_two_share_a_protocol(metrics: dict[str, Metric]) -> None:
    assert len({metric.protocol for metric in metrics.values()}) == len(metrics)


def test_values_are_finite_and_a_batch_is_its_edits_one_by_one(metric: Metric) -> None:
    together = metric.measure(EDITS)
    assert together.shape == (3,)
    assert together.dtype == np.float64
    assert np.isfinite(together).all()
    alone = np.concatenate([metric.measure([sample]) for sample in EDITS])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    assert len(set(together.round(6))) > 1, "different edits, different values"
    assert metric.measure([]).shape == (0,)


def test_it_looks_at_nothing_but_what_it_needs(metric: Metric) -> None:
    parts = ("source", "target", "mask", "source_caption", "target_caption", "reference")
    emptied: Any = {part: "" if "caption" in part else None for part in parts if part not in metric.needs}
    sample = replace(EDITS[0], instruction="", **emptied)
    assert applies(metric, sample)
    np.testing.assert_array_equal(metric.measure([sample]), metric.measure([EDITS[0]]))


def test_a_perfect_edit_has_the_perfect_value(metric: Metric) -> None:
    kind = next((kind for kind in sorted(PERFECT, key=len, reverse=True) if metric.name.startswith(kind)), None)
    perfect = replace(EDITS[0], output=EDITS[0].source, target=EDITS[0].source)
    (value,) = metric.measure([perfect])
    if kind is not None:
        assert value == pytest.approx(PERFECT[kind], abs=1e-6)
        (worse,) = metric.measure([replace(perfect, output=EDITS[0].output)])
        away = metric.name.startswith("clip-directional") or "outside" in metric.name
        assert away or (worse < value if metric.better == "higher" else worse > value)


def test_what_is_missing_is_named(metric: Metric) -> None:
    for part in metric.needs:
        gone: Any = {part: "" if "caption" in part else None}
        lacking = replace(EDITS[1], **gone)
        assert not applies(metric, lacking)
        with pytest.raises(
            DataError, match=f"'{metric.name}' cannot measure edit 2: it has no {part.replace('_', ' ')}"
        ):
            metric.measure([EDITS[0], lacking])


def test_pictures_of_other_sizes_and_kinds_are_refused(metric: Metric) -> None:
    for part in metric.needs & {"source", "target", "mask"}:
        cut: Any = {part: getattr(EDITS[0], part)[:-1]}
        with pytest.raises(DataError, match=f"an output and a {part} of different sizes \\(96 x 72 and 96 x 71\\)"):
            metric.measure([replace(EDITS[0], **cut)])
    wrong: Any = EDITS[0].output / 255
    with pytest.raises(DataError, match=r"as its output .* of float64, expected pixels \(H, W, 3\) of uint8"):
        metric.measure([replace(EDITS[0], output=wrong)])


def test_a_constant_picture_has_a_finite_value(metric: Metric) -> None:
    flat = np.full_like(EDITS[0].output, 0)
    sample = replace(EDITS[0], output=flat, source=flat, target=flat, reference=flat)
    assert np.isfinite(metric.measure([sample])).all()


def test_masked_metrics_see_their_side_of_the_mask_alone(metrics: dict[str, Metric]) -> None:
    sample = EDITS[0]
    mask = np.asarray(sample.mask)
    other = room_with(sample.output, mask, 200)
    elsewhere = room_with(sample.output, ~mask, 30)
    for name, metric in metrics.items():
        if "-outside" in name:
            assert metric.measure([replace(sample, output=other)]) == pytest.approx(metric.measure([sample]), abs=1e-6)
            assert metric.measure([replace(sample, output=elsewhere)]) != pytest.approx(
                metric.measure([sample]), abs=1e-4
            )
            with pytest.raises(DataError, match="no pixel outside its mask"):
                metric.measure([replace(sample, mask=np.ones_like(mask))])
        elif "-inside" in name:
            assert metric.measure([replace(sample, output=elsewhere)]) == pytest.approx(
                metric.measure([sample]), abs=1e-6
            )
            assert not applies(metric, replace(sample, mask=np.zeros_like(mask)))


def room_with(picture: np.ndarray, where: np.ndarray, value: int) -> np.ndarray:
    changed = picture.copy()
    changed[where] = value
    return changed


def test_unknown_names_and_protocols() -> None:
    with pytest.raises(SettingsError, match="no metric 'clip-imag'; did you mean 'clip-image'"):
        load_metrics(["clip-imag"])
    with pytest.raises(SettingsError, match="known are frechet"):
        load_set_metrics(["zzz"])
    one = {"psnr": "psnr/a/b/c/d/v1", "l1": "l1/a/b/c/d/v1"}
    same_protocols(one, {"psnr": "psnr/a/b/c/d/v1", "l2": "l2/a/b/c/d/v1"})
    with pytest.raises(DataError, match=r"psnr: 'psnr/a/b/c/d/v1' and 'psnr/a/b/c/d/v2'\)"):
        same_protocols(one, {"psnr": "psnr/a/b/c/d/v2", "l1": "l1/a/b/c/d/v1"})
    with pytest.raises(DataError, match="'psnr' is no protocol"):
        same_protocols({"psnr": "psnr"}, one)


@pytest.mark.parametrize("name", set_metric_names())
def test_sets_take_batches_in_and_do_not_mind_how_many(name: str) -> None:
    encoder = load_encoder("pocket/clip")
    edits = [edit(seed, height=32, width=40) for seed in range(24)]
    whole, parts = (load_set_metrics([name], encoder=encoder)[0] for _ in range(2))
    with pytest.raises(DataError, match=rf"'{name}' needs at least"):
        whole.value()
    whole.update(edits)
    fed(parts, edits)
    assert np.isfinite(whole.value())
    assert parts.value() == pytest.approx(whole.value(), rel=1e-6, abs=1e-9)
    assert check_protocol(whole.protocol).split("/")[0] == whole.name == name
    before = whole.value()
    with pytest.raises(DataError, match="edit 2: it has no target"):
        whole.update([edits[0], replace(edits[1], target=None)])
    assert whole.value() == before


def fed(metric: SetMetric, edits: Sequence[Sample]) -> None:
    metric.update([])
    for start in range(0, len(edits), 7):
        metric.update(edits[start : start + 7])


def test_networks_that_give_no_numbers_are_told_of(tmp_path: Path) -> None:
    encoder = load_encoder("pocket/clip")
    model: Any = encoder.dual.model
    model.visual_projection.weight.fill_(float("nan"))
    with pytest.raises(DataError, match="'clip-image' gave nan for edit 1"):
        load_metrics(["clip-image"], encoder=encoder)[0].measure(EDITS)
    (frechet,) = load_set_metrics(["frechet"], encoder=encoder)
    with pytest.raises(DataError, match="picture 1 of 3 are not finite"):
        frechet.update(EDITS)
