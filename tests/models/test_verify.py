"""Verification reports what is there and what is wrong, and raises nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.control import control_of, save_control
from retouch.models.save import save
from retouch.models.verify import verify

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

    from retouch.models.checkpoint import Checkpoint


def test_a_sound_model(tiny_checkpoint: "Checkpoint", tiny_folder: Path) -> None:
    report = verify(tiny_folder)
    assert report.sound
    assert (report.kind, report.spec) == ("instruct", tiny_checkpoint.spec)
    assert [component.name for component in report.components] == ["unet", "vae", "text_encoder"]
    counted = sum(p.numel() for module in tiny_checkpoint.modules.values() for p in module.parameters())
    assert report.parameters == counted


def test_weights_that_are_no_numbers_are_counted(make_tiny: Callable[..., "Checkpoint"], tmp_path: Path) -> None:
    broken = make_tiny()
    bias = dict(broken.vae.named_parameters())["decoder.conv_out.bias"]
    bias.data[:2] = torch.tensor([torch.nan, torch.inf])
    report = verify(save(broken, tmp_path / "broken"))
    assert not report.sound
    (problem,) = report.problems
    assert "vae has 2 weights" in problem


def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    report = verify(tmp_path)
    assert not report.sound
    assert report.components == ()
    assert "model_index.json" in report.problems[0]


def test_networks_that_stand_alone_are_told_apart_and_checked(
    make_tiny: Callable[..., "Checkpoint"], tiny_tokenizer: "CLIPTokenizer", tmp_path: Path
) -> None:
    save_control(control_of(make_tiny(kind="generate"), channels=(4, 8), seed=0), tmp_path / "control")
    save_clip(random_clip(TINY_CLIP, tiny_tokenizer), tmp_path / "clip")
    assert verify(tmp_path / "control").kind == "controlnet"
    assert verify(tmp_path / "clip").kind == "clip"
    (tmp_path / "clip" / "model.safetensors").write_bytes(b"cut")
    report = verify(tmp_path / "clip")
    assert (report.sound, len(report.problems)) == (False, 1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "resnet"}')
    assert "model_index.json" in verify(tmp_path / "other").problems[0]
