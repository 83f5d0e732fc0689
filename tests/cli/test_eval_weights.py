"""`--weights` of `retouch eval`: what it takes, what it refuses, and a metric that it makes measurable."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.cli.conftest import Command
from tests.contracts.test_metric import random_lpips

from retouch.cli.metric_weights import metric_weights
from retouch.core.errors import SettingsError
from retouch.core.images import png_bytes
from retouch.metrics.weights import POCKET_WEIGHTS, MetricWeights
from retouch.records.pair import PairRecord
from retouch.records.shards import open_writer


def test_every_weight_has_its_name(tmp_path: Path) -> None:
    file = tmp_path / "a=b.pth"
    file.write_bytes(b"")
    given = ["dino=facebook/dino-vits16", "lpips-network=vgg", f"lpips-backbone={file}", f"inception={file}"]
    assert metric_weights(None) == POCKET_WEIGHTS
    assert metric_weights(given) == MetricWeights(
        dino="facebook/dino-vits16", lpips_network="vgg", lpips_backbone=file, inception=file
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["inception"], "NAME=SOURCE, where NAME is one of dino, dinov2"),
        (["clip=a"], "NAME=SOURCE"),
        (["dino="], "NAME=SOURCE"),
        (["dino=a", "dino=b"], "names dino twice"),
        (["lpips-network=resnet"], "expected alex, vgg, squeeze"),
        (["quality=nowhere.npz"], '"nowhere.npz" for quality, which is no file'),
    ],
)
def test_what_names_no_weights_is_refused(given: list[str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        metric_weights(given)


def test_lpips_is_measured_with_weights_of_ones_own(command: Command, tmp_path: Path) -> None:
    network = random_lpips()
    torch.save(network.backbone.state_dict(), tmp_path / "alex.pth")
    layers = {f"lin{name.replace('.', '.model.1.')}": value for name, value in network.linear.state_dict().items()}
    torch.save(layers, tmp_path / "linear.pth")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    record = PairRecord(
        id="one", source_image=png_bytes(Image.fromarray(noise)), target_image=png_bytes(Image.fromarray(255 - noise)),
        edit_prompt="invert it", source_caption="", target_caption="", engine="noise", seed=0, split="bench",
        params={"kind": "invert"},
    )  # fmt: skip
    with open_writer(tmp_path / "pairs", engine="noise", settings={}) as writer:
        writer.write([record], first_unit=0, units=1)
    words = ("eval", "run", "-m", "baseline:source", "-m", "baseline:target", "--pairs", tmp_path / "pairs")
    words = (*words, "--metric", "lpips", "-o", tmp_path / "out")
    assert command(*words).code != 0
    files = {"lpips-backbone": tmp_path / "alex.pth", "lpips-linear": tmp_path / "linear.pth"}
    weights = [f"--weights={name}={path}" for name, path in files.items()]
    ran = command(*words, *weights)
    assert ran.code == 0, ran.err
    source, target = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert source["values"]["lpips"] > 0.01
    assert target["values"]["lpips"] == pytest.approx(0, abs=1e-6)
