"""Dual encoders: saved as transformers reads them, framed as its processor frames, refused with a sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from retouch.core.errors import ModelError, OutputError
from retouch.models.clip import TINY_CLIP, DualEncoder, load_clip, random_clip, save_clip


@pytest.fixture(scope="module")
def dual(tiny_tokenizer) -> DualEncoder:
    return random_clip(TINY_CLIP, tiny_tokenizer, seed=3)


@pytest.fixture(scope="module")
def folder(dual: DualEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(dual, tmp_path_factory.mktemp("clip") / "tiny", storage="float32", card="# A card\n")


@pytest.mark.parametrize("size", [(77, 50), (50, 77), (32, 32), (200, 33)])
def test_pictures_are_framed_as_transformers_frames_them(
    folder: Path, dual: DualEncoder, size: tuple[int, int]
) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(levels)
    processor: Any = CLIPProcessor.from_pretrained(folder)
    theirs = processor(images=picture, return_tensors="pt")["pixel_values"]
    ours = dual.framing.normalised(dual.framing.framed(picture)[None])
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_a_saved_encoder_computes_the_same_here_and_in_transformers(folder: Path, dual: DualEncoder) -> None:
    ids, pixels = dual.tokens(["make the sofa green", "remove the lamp"]), torch.randn(2, 3, 32, 32)
    outputs = [
        model(input_ids=ids, pixel_values=pixels).logits_per_image
        for model in (dual.model, load_clip(folder).model, CLIPModel.from_pretrained(folder).eval())
    ]
    torch.testing.assert_close(outputs[0], outputs[1])
    torch.testing.assert_close(outputs[0], outputs[2])
    processor: Any = CLIPProcessor.from_pretrained(folder)
    tokens = processor(text=["make the sofa green"], return_tensors="pt").input_ids
    assert torch.equal(tokens[0], ids[0, : tokens.shape[1]])


def test_saving_replaces_an_encoder_and_nothing_else(dual: DualEncoder, tmp_path: Path) -> None:
    place = save_clip(dual, tmp_path / "clip")
    assert next(iter(load_clip(save_clip(dual, place)).model.parameters())).dtype == torch.float32
    with pytest.raises(OutputError, match="other things in it"):
        save_clip(dual, tmp_path)


def test_what_is_no_clip_model_is_refused(folder: Path, tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no readable config\.json"):
        load_clip(tiny_folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="type 'bert', expected 'clip'"):
        load_clip(other)
    with pytest.raises(ModelError, match="neither a folder nor a valid hub id"):
        load_clip("no such model")


def test_damaged_weights_are_refused(folder: Path, dual: DualEncoder, tmp_path: Path) -> None:
    broken = save_clip(dual, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_clip(broken)
