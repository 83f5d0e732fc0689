"""The autoencoder's kind learns, keeps its latent space where asked to, and exports a measured scaling factor."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from huggingface_hub import ModelCard

from retouch.models.architecture import TINY, random_vae
from retouch.training.kinds.vae import VaeKind, VaeTask, psnr
from retouch.training.pictures import unique_pictures
from retouch.training.settings import TrainSettings
from retouch.training.trainer import train


def kind_of(train_pairs: Path, **task: object) -> VaeKind:
    torch.manual_seed(0)
    pictures = unique_pictures([train_pairs], split="train")
    return VaeKind(random_vae(TINY), pictures, {"squares": pictures[:4]}, VaeTask(crop=32, **task))  # type: ignore[arg-type]


SETTINGS = TrainSettings(
    steps=40, batch_size=8, learning_rate=3e-3, warmup=5, precision="float32", save_every=40, validate_every=40
)


def test_it_learns_and_exports(train_pairs: Path, tmp_path: Path) -> None:
    kind = kind_of(train_pairs)
    before = kind.validate(torch.Generator()).figures["PSNR squares"]
    report = train(kind, SETTINGS, tmp_path)
    assert report.figures["PSNR squares"] > before + 1
    loaded = AutoencoderKL.from_pretrained(tmp_path / "model")
    assert 0.01 < loaded.config["scaling_factor"] < 100
    (result,) = ModelCard.load(tmp_path / "model" / "README.md").data.get("eval_results")
    assert result.metric_value == pytest.approx(report.figures["PSNR squares"], rel=1e-3)


def test_with_decoder_only_the_latent_space_stays(train_pairs: Path, tmp_path: Path) -> None:
    kind = kind_of(train_pairs, decoder_only=True)
    encoder = {name: value.clone() for name, value in kind.vae.encoder.state_dict().items()}
    decoder = {name: value.clone() for name, value in kind.vae.decoder.state_dict().items()}
    train(kind, SETTINGS, tmp_path)
    assert all(torch.equal(value, kind.vae.encoder.state_dict()[name]) for name, value in encoder.items())
    assert any(not torch.equal(value, kind.vae.decoder.state_dict()[name]) for name, value in decoder.items())


def test_psnr_of_a_known_error() -> None:
    assert psnr(torch.full((1, 3, 4, 4), 0.1), torch.zeros(1, 3, 4, 4)) == pytest.approx(10 * 2.60206, abs=1e-3)
