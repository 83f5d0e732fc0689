"""DINO's metrics on tiny networks of the real classes, beside what transformers gives, and the published faults."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.metrics.edits import edit
from torch.nn import functional as F
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from retouch.core.errors import ModelError
from retouch.metrics.clip import Encoder, load_encoder, patch_similarity
from retouch.metrics.registry import load_metrics
from retouch.metrics.vision import load_vision
from retouch.metrics.weights import MetricWeights

SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
EDITS = [edit(0), edit(1)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("dino")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = ViTModel(ViTConfig(**SMALL, intermediate_size=64, image_size=32, patch_size=8), add_pooling_layer=False)
        dinov2 = Dinov2Model(Dinov2Config(**SMALL, image_size=28, patch_size=14))
    for name, model in (("vit", vit), ("dinov2", dinov2)):
        for weight in model.parameters():
            weight.data += 0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
        model.save_pretrained(folder / name)
    return folder / "vit", folder / "dinov2"


def framed(picture: np.ndarray, side: int, short: int) -> torch.Tensor:
    height, width = picture.shape[:2]
    size = (int(short * width / min(height, width)), int(short * height / min(height, width)))
    image = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    return normalised(image.crop((left, top, left + side, top + side)))


def normalised(image: Image.Image, scale: float = 1) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 * scale
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((pixels - mean[:, None, None]) / deviation[:, None, None])[None]


@torch.no_grad()
def test_class_tokens_and_patches_are_transformers(folders: tuple[Path, Path]) -> None:
    weights = MetricWeights(dino=folders[0], dinov2=folders[1])
    dino, patches = load_metrics(["dino", "dino-patches"], weights=weights)
    vit = ViTModel.from_pretrained(folders[0], add_pooling_layer=False).eval()
    dinov2 = Dinov2Model.from_pretrained(folders[1]).eval()
    for metric, model, side, part in ((dino, vit, 32, "target"), (patches, dinov2, 28, "source")):
        found = []
        for sample in EDITS:
            one, other = (
                model(framed(picture, side, round(side * 256 / 224))).last_hidden_state[0]
                for picture in (sample.output, getattr(sample, part))
            )
            cosines = F.cosine_similarity(one, other, dim=-1)
            found.append(float(cosines[0] if metric is dino else ((cosines[1:] + 1) / 2).mean()))
        np.testing.assert_allclose(metric.measure(EDITS), found, rtol=1e-5)
        assert min(found) > 0.1 and max(found) < 1 - 1e-5
    assert "vit@" in dino.protocol and "dinov2@" in patches.protocol
    assert "vision-of-pocket" in load_metrics(["dino"])[0].protocol


@torch.no_grad()
@pytest.mark.parametrize(("name", "scale"), [("structure", 1), ("structure@pie-bench", 255)])
def test_structure_is_the_distance_of_the_keys_similarities(
    folders: tuple[Path, Path], name: str, scale: float
) -> None:
    (metric,) = load_metrics([name], weights=MetricWeights(dino=folders[0]))
    model: Any = ViTModel.from_pretrained(folders[0], add_pooling_layer=False).eval()
    found = []
    for sample in EDITS:
        matrices = []
        for picture in (sample.output, np.asarray(sample.source)):
            square = Image.fromarray(picture).resize((32, 32), Image.Resampling.BILINEAR)
            layer = model.layers[-1]
            before = model(normalised(square, scale), output_hidden_states=True).hidden_states[-2]
            keys = layer.attention.k_proj(layer.layernorm_before(before))[0]
            matrices.append(F.cosine_similarity(keys[:, None], keys[None], dim=-1))
        found.append(float(F.mse_loss(*matrices)))
    np.testing.assert_allclose(metric.measure(EDITS), found, rtol=1e-3)
    assert min(found) > 0


def test_other_models_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="of type 'dinov2', expected 'vit'"):
        load_vision(folders[1], "vit")
    (tmp_path / "config.json").write_text((folders[0] / "config.json").read_text())
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_vision(tmp_path, "vit")
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError, match="no readable config"):
        load_vision(tmp_path, "vit")


def test_the_stand_in_is_langdesigns_likeness_on_the_encoders_patches() -> None:
    encoder = load_encoder("pocket/clip")
    (metric,) = load_metrics(["dino-patches"], encoder=encoder)
    pairs = [(Image.fromarray(each.output), Image.fromarray(np.asarray(each.source))) for each in EDITS]
    np.testing.assert_allclose(metric.measure(EDITS), [patch_similarity(encoder, *pair) for pair in pairs], rtol=1e-5)


@torch.no_grad()
def test_the_published_evaluator_of_instructpix2pix_keeps_its_fault() -> None:
    encoder = load_encoder("pocket/clip")
    names = ("clip-image@ip2p", "clip-text@ip2p", "clip-directional@ip2p")
    found = [metric.measure(EDITS[:1])[0] for metric in load_metrics(names, encoder=encoder)]
    sides = [published(encoder, picture) for picture in (np.asarray(EDITS[0].source), EDITS[0].output)]
    texts = encoder.texts([EDITS[0].source_caption, EDITS[0].target_caption])
    wanted = [sides[0] @ sides[1], sides[1] @ texts[1]]
    wanted.append(F.cosine_similarity(sides[1] - sides[0], texts[1] - texts[0], dim=0))
    np.testing.assert_allclose(found, [float(each) for each in wanted], atol=1e-4)
    right = load_metrics(["clip-image", "clip-text", "clip-directional"], encoder=encoder)
    assert all(abs(a - metric.measure(EDITS[:1])[0]) > 1e-4 for a, metric in zip(found, right, strict=True))


def published(encoder: Encoder, picture: np.ndarray) -> torch.Tensor:
    """`clip_similarity.py`, given a picture in −1…1."""
    model: Any = encoder.dual.model
    framing = encoder.dual.framing
    pixels = 2 * torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 - 1
    pixels = F.interpolate(pixels, size=framing.side, mode="bicubic", align_corners=False)
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (framing.mean, framing.deviation))
    return F.normalize(model.get_image_features((pixels - mean) / deviation).pooler_output[0], dim=0)
