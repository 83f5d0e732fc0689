"""Tiny models with random weights in folders, and plans of engines over them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from retouch.datagen.generative.plan import Plan, TechniqueName
from retouch.datagen.thresholds import Thresholds
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.control import control_of, save_control
from retouch.models.save import save
from retouch.records.triple import Triple

MakePlan = Callable[..., Plan]

TRIPLES = (
    Triple(
        source_caption="a green sofa and a lamp",
        instruction="make the sofa blue",
        target_caption="a blue sofa and a lamp",
    ),
    Triple(
        source_caption="a lamp",
        instruction="turn it into a night shot",
        target_caption="a lamp at night in the dark",
    ),
    Triple(source_caption="paint the walls", instruction="change nothing", target_caption="Paint the walls."),
)
"""Words replaced, words added, nothing changed."""
ANYTHING = Thresholds(image_image=-1, caption_image=-1, directional=-1)
NOTHING = Thresholds(image_image=-1, caption_image=-1, directional=1)


@pytest.fixture(scope="session")
def generate_folder(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = make_tiny(kind="generate", seed=4, steps=2, text_guidance=2.0)
    return save(checkpoint, tmp_path_factory.mktemp("generate") / "tiny-generate", storage="float32")


@pytest.fixture(scope="session")
def control_folder(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = make_tiny(kind="generate", seed=4)
    network = control_of(checkpoint, channels=(8, 16, 16, 16), seed=1).requires_grad_(False)
    generator = torch.Generator().manual_seed(2)
    for layer in (*network.controlnet_down_blocks, network.controlnet_mid_block):
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))  # pyright: ignore
    return save_control(network, tmp_path_factory.mktemp("control") / "tiny-control", storage="float32")


@pytest.fixture(scope="session")
def clip_folder(tiny_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = random_clip(TINY_CLIP, tiny_tokenizer, seed=3)
    return save_clip(encoder, tmp_path_factory.mktemp("clip") / "tiny-clip", storage="float32")


@pytest.fixture(scope="session")
def make_plan(generate_folder: Path, control_folder: Path, clip_folder: Path) -> MakePlan:
    """`make_plan("attention-swap", keep=2, ...)`: two steps, four candidates in batches of two, everything passes."""

    def make(technique: TechniqueName, **changes: object) -> Plan:
        usual: dict[str, object] = {
            "triples": TRIPLES,
            "thresholds": ANYTHING,
            "encoder": str(clip_folder),
            "model": str(generate_folder),
            "control": str(control_folder),
            "candidates": 4,
            "batch": 2,
        }
        return Plan(technique=technique, **{**usual, **changes})  # type: ignore[arg-type]

    return make
