"""Kinds of training on tiny networks whose loss is the same however its samples are shared."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from retouch.models.architecture import TINY, random_checkpoint, random_vae
from retouch.models.checkpoint import Checkpoint
from retouch.models.tokenizer import train_tokenizer
from retouch.training.cache import Preparation, pair_tables
from retouch.training.kind import Loss, Validation
from retouch.training.kinds.instruct import InstructKind, InstructTask
from retouch.training.kinds.vae import VaeKind, VaeTask
from retouch.training.pictures import unique_pictures
from retouch.training.settings import TrainSettings


def settings(steps: int, **changes: object) -> TrainSettings:
    """A short run whose ε is above most gradients: a plain AdamW blows up the rounding of gradients near zero."""
    values: dict[str, object] = {
        "batch_size": 4,
        "learning_rate": 1e-3,
        "epsilon": 1e-2,
        "warmup": 1,
        "save_every": 50,
        "validate_every": 50,
    }
    return TrainSettings(steps=steps, **{**values, "precision": "float32", **changes})  # type: ignore[arg-type]


class NetworkKind:
    """A U-Net, a text encoder and a scalar: the U-Net through its forward, the encoder through a part of it."""

    name = "network"

    def __init__(self) -> None:
        checkpoint = tiny()
        self.unet: Any = checkpoint.unet.requires_grad_(True).train()
        self.texts: Any = checkpoint.text_encoder.requires_grad_(True).train()
        self.scale = _Scale()
        self.modules: Mapping[str, nn.Module] = {"unet": self.unet, "texts": self.texts, "scale": self.scale}
        self.groups: Sequence[range] = (range(12),)
        generator = torch.Generator().manual_seed(5)
        self._cells = torch.randn(12, 8, 4, 4, generator=generator)
        self._ids = torch.randint(0, 200, (12, 16), generator=generator)

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        cells, ids = self._cells[list(indices)], self._ids[list(indices)]
        features = self.texts.embeddings(input_ids=ids)
        context = self.texts.final_layer_norm(self.texts.encoder(inputs_embeds=features).last_hidden_state)
        answer = self.unet(cells, torch.full((len(cells),), 10), context, return_dict=False)[0]
        return Loss(total=functional.mse_loss(answer * self.scale.factor.exp(), cells[:, :4]))

    def validate(self, generator: torch.Generator) -> Validation:
        return Validation(figures={"error": float(self.loss(range(12), generator).total)})

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        self.unet.save_pretrained(folder)


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.1))


def tiny() -> Checkpoint:
    texts = ["make the left square red", "make the right square green", "blue", "white"]
    return random_checkpoint(TINY, train_tokenizer(texts, vocabulary=300, length=16), seed=2)


def instruct_kind(pairs: Path) -> InstructKind:
    return _instruct(pairs, InstructTask(regions=0.5, segments=0.5))


def lora_kind(pairs: Path) -> InstructKind:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return _instruct(pairs, InstructTask(lora=2))


def _instruct(pairs: Path, task: InstructTask) -> InstructKind:
    checkpoint = tiny()
    tables = pair_tables(Preparation(vae=checkpoint.vae, cache=None), pairs, split="train")
    with torch.random.fork_rng():
        torch.manual_seed(6)
        return InstructKind(checkpoint, tables, tables, task, mirrored=str)


def vae_kind(pairs: Path) -> VaeKind:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = random_vae(TINY)
    pictures = unique_pictures([pairs], split="train")
    return VaeKind(vae, pictures, {"squares": pictures[:2]}, VaeTask(crop=32))
