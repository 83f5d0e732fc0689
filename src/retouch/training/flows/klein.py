"""FLUX.2 klein: pictures as normalised 2 × 2 patches, prompts as three layers of Qwen3, a time for each picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline, compute_empirical_mu
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoTokenizer, Qwen3ForCausalLM

from retouch.core.errors import ModelError
from retouch.models.klein import DISTILLED, PATCH, PIPELINE, UNDISTILLED, KleinUsual, decode_cells, encode_cells
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import read_index

_LAYERS = (9, 18, 27)
"""The hidden states of the text encoder that the transformer reads, side by side."""
_TEXT_LENGTH = 512
_SOURCE_TIME = 10
"""The place in time of the first picture beside the one that is made, whose own is 0."""


@dataclass(frozen=True, kw_only=True)
class Klein:
    """A FLUX.2 klein model in a folder; `distilled` is whether it edits in four steps, without guidance.

    See `FlowFamily`.
    """

    folder: Path
    source: str
    cell: int
    distilled: bool

    pipeline = PIPELINE
    picture_parts = ("vae",)
    prompt_parts = ("text_encoder", "tokenizer")

    @classmethod
    def open(cls, folder: Path, source: str) -> "Klein":
        """Read a model's configuration. Raises ModelError where a part of it is missing."""
        for part in ("vae", "text_encoder", "tokenizer", "scheduler", "transformer"):
            if not (folder / part).is_dir():
                raise ModelError(f"'{source}' has no {part}; restore it from the original model.")
        distilled = bool(read_index(folder, source).get("is_distilled", False))
        cell = PATCH * 2 ** (_autoencoder_levels(folder, source) - 1)
        return cls(folder=folder, source=source, cell=cell, distilled=distilled)

    @property
    def steps(self) -> int:
        """See `FlowFamily`."""
        return self._usual.steps

    @property
    def guidance(self) -> float:
        """See `FlowFamily`."""
        return self._usual.guidance

    @property
    def _usual(self) -> KleinUsual:
        return DISTILLED if self.distilled else UNDISTILLED

    def picture_coder(self, device: torch.device) -> "KleinPictures":
        """See `FlowFamily`; the autoencoder computes in float32."""
        vae = self._opened(AutoencoderKLFlux2, "vae", torch.float32)
        return KleinPictures(vae=vae.to(device))

    def prompt_coder(self, device: torch.device, dtype: torch.dtype) -> "KleinPrompts":
        """See `FlowFamily`."""
        encoder = self._opened(Qwen3ForCausalLM, "text_encoder", dtype)
        last = encoder.config.num_hidden_layers
        if last < _LAYERS[-1]:
            raise ModelError(
                f"The text encoder of '{self.source}' has {last} layers, and the pipeline reads number {_LAYERS[-1]}; "
                "give a whole FLUX.2 klein."
            )
        return KleinPrompts(encoder=encoder.to(device), tokenizer=self._opened(AutoTokenizer, "tokenizer"))

    def scheduler(self) -> FlowMatchEulerDiscreteScheduler:
        """See `FlowFamily`."""
        return self._opened(FlowMatchEulerDiscreteScheduler, "scheduler")

    def transformer(self, dtype: torch.dtype) -> nn.Module:
        """See `FlowFamily`."""
        return self._opened(Flux2Transformer2DModel, "transformer", dtype)

    def targets(self, transformer: nn.Module) -> list[str]:
        """See `FlowFamily`: the attention's, with which a single-stream block's feed-forward layers are one."""
        modules = transformer.named_modules()
        return [name for name, part in modules if ".attn." in name and isinstance(part, nn.Linear)]

    def shift(self, cells: int, steps: int) -> float:
        """See `FlowFamily`: higher than that of the training (see `levels`), as the pipeline has it."""
        return compute_empirical_mu(cells, steps)

    def velocity(
        self, transformer: nn.Module, *, noisy: Tensor, source: Tensor, levels: Tensor, prompts: Tensor
    ) -> Tensor:
        """See `FlowFamily`."""
        network: Any = transformer
        dtype, device = network.x_embedder.weight.dtype, noisy.device
        height, width = noisy.shape[-2:]
        places = [picture_places(noisy, time=0), picture_places(source, time=_SOURCE_TIME)]
        answer = network(
            hidden_states=torch.cat([packed(noisy), packed(source)], dim=1).to(dtype),
            timestep=levels.to(dtype),
            guidance=None,
            encoder_hidden_states=prompts.to(dtype),
            txt_ids=text_places(prompts).to(device),
            img_ids=torch.cat(places, dim=1).to(device),
            return_dict=False,
        )[0]
        return answer[:, : height * width].float().transpose(1, 2).unflatten(2, (height, width))

    def write(self, transformer: nn.Module, folder: Path) -> None:
        """See `FlowFamily`."""
        network: Any = transformer
        weights: Any = get_peft_model_state_dict(network)
        metadata = network.peft_config["default"].to_dict()
        targets = metadata["target_modules"]
        metadata["target_modules"] = targets if isinstance(targets, str) else sorted(targets)
        folder.mkdir(parents=True, exist_ok=True)
        Flux2KleinPipeline.save_lora_weights(
            folder,
            transformer_lora_layers=weights,
            transformer_lora_adapter_metadata=metadata,
        )

    def _opened(self, kind: Any, part: str, dtype: torch.dtype | None = None) -> Any:
        """One part of the model, by a library's class for it; networks are frozen, in evaluation mode."""
        options: dict[str, object] = {"local_files_only": True}
        if dtype is not None:
            options |= {"torch_dtype": dtype, "use_safetensors": True}
        try:
            with quiet_libraries():
                opened = kind.from_pretrained(self.folder / part, **options)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(f"The {part} of '{self.source}' cannot be read ({reason}); restore it.") from error
        return opened.eval().requires_grad_(False) if isinstance(opened, nn.Module) else opened


@dataclass(frozen=True, kw_only=True, eq=False)
class KleinPictures:
    """The autoencoder; see `PictureCoder`. Its latents are normalised by the statistics of its batch norm."""

    vae: Any

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """See `PictureCoder`: the posterior's mode."""
        return encode_cells(self.vae, pictures.to(self.vae.device)).float().cpu()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """See `PictureCoder`."""
        return decode_cells(self.vae, latents.to(self.vae.device)).float().cpu()


@dataclass(frozen=True, kw_only=True, eq=False)
class KleinPrompts:
    """The text encoder; see `PromptCoder`."""

    encoder: Any
    tokenizer: Any

    @torch.no_grad()
    def encode(self, prompt: str) -> Tensor:
        """See `PromptCoder`: what three layers make of a user's message, (512, 3 · width)."""
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        inputs = self.tokenizer(
            text, return_tensors="pt", padding="max_length", truncation=True, max_length=_TEXT_LENGTH
        )
        read = self.encoder(
            input_ids=inputs["input_ids"].to(self.encoder.device),
            attention_mask=inputs["attention_mask"].to(self.encoder.device),
            output_hidden_states=True,
            use_cache=False,
        )
        return torch.cat([read.hidden_states[layer][0] for layer in _LAYERS], dim=-1).cpu()


def packed(latents: Tensor) -> Tensor:
    """(B, C, h, w) as tokens, (B, h · w, C), row by row."""
    return latents.flatten(2).transpose(1, 2)


def picture_places(latents: Tensor, *, time: int) -> Tensor:
    """Each token's place, (B, h · w, 4): time, row, column and 0."""
    height, width = latents.shape[-2:]
    axes = (torch.tensor([time]), torch.arange(height), torch.arange(width), torch.arange(1))
    return torch.cartesian_prod(*axes).expand(len(latents), -1, -1)


def text_places(prompts: Tensor) -> Tensor:
    """Each word piece's place, (B, L, 4): three times 0 and its number."""
    places = torch.zeros(*prompts.shape[:2], 4, dtype=torch.long)
    places[..., 3] = torch.arange(prompts.shape[1])
    return places


def _autoencoder_levels(folder: Path, source: str) -> int:
    """At how many sizes the autoencoder computes, each half the one before."""
    try:
        settings: Any = AutoencoderKLFlux2.load_config(folder / "vae", local_files_only=True)
        return len(settings["block_out_channels"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"The vae of '{source}' has no configuration that can be read; restore it.") from error
