"""The seam between the training of a LoRA and a family of flow-matching editors."""

from pathlib import Path
from typing import Protocol

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn


class PictureCoder(Protocol):
    """A family's autoencoder with its normalisation; it is in memory as long as somebody keeps this."""

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures, (B, 3, H, W) in −1…1, as the latents that the transformer sees, (B, C, h, w) float32, on the CPU.

        One cell is one token, `FlowFamily.cell` pixels wide and high.
        """
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """The pictures, (B, 3, H, W) in −1…1, of such latents, on the CPU."""
        ...


class PromptCoder(Protocol):
    """A family's text encoder; it is in memory as long as somebody keeps this."""

    def encode(self, prompt: str) -> Tensor:
        """A prompt as the transformer reads it, (L, D), on the CPU; L is the same for all."""
        ...


class FlowFamily(Protocol):
    """One model of a family, in a folder: its parts, opened when they are needed, and how its transformer is called."""

    @property
    def pipeline(self) -> str:
        """The diffusers class that edits with it."""
        ...

    @property
    def folder(self) -> Path:
        """Where it lies, in diffusers layout."""
        ...

    @property
    def cell(self) -> int:
        """The side of a token in pixels."""
        ...

    @property
    def picture_parts(self) -> tuple[str, ...]:
        """The folders on which latents depend."""
        ...

    @property
    def prompt_parts(self) -> tuple[str, ...]:
        """The folders on which embeddings depend."""
        ...

    @property
    def steps(self) -> int:
        """In how many steps it edits when nothing else is said."""
        ...

    @property
    def guidance(self) -> float:
        """How far its edits go away from what it answers to the empty prompt; 1 asks the transformer once a step."""
        ...

    def picture_coder(self, device: torch.device) -> PictureCoder:
        """Open the autoencoder. Raises ModelError where it cannot be read."""
        ...

    def prompt_coder(self, device: torch.device, dtype: torch.dtype) -> PromptCoder:
        """Open the text encoder. Raises ModelError where it cannot be read."""
        ...

    def scheduler(self) -> FlowMatchEulerDiscreteScheduler:
        """A scheduler of its own, as the model's folder configures it. Raises ModelError where it cannot be read."""
        ...

    def transformer(self, dtype: torch.dtype) -> nn.Module:
        """Open the transformer on the CPU, frozen. Raises ModelError where it cannot be read."""
        ...

    def targets(self, transformer: nn.Module) -> list[str]:
        """The names of the linear layers that a LoRA updates."""
        ...

    def shift(self, cells: int, steps: int) -> float:
        """How far an edit's levels move towards noise (the scheduler's μ), of `cells` tokens in `steps` steps."""
        ...

    def velocity(
        self, transformer: nn.Module, *, noisy: Tensor, source: Tensor, levels: Tensor, prompts: Tensor
    ) -> Tensor:
        """The transformer's answer v = ε − x for the noisy picture alone, (B, C, h, w) float32.

        `noisy` and `source` are latents, (B, C, h, w), on the transformer's device; `levels` the noise's share σ,
        (B,), 0…1; `prompts` (B, L, D).
        """
        ...

    def write(self, transformer: nn.Module, folder: Path) -> None:
        """Write the LoRA in the transformer as `load_lora_weights` of the pipeline reads it."""
        ...
