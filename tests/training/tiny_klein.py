"""A FLUX.2 klein of the real classes, tiny and random."""

import math
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from tokenizers import pre_tokenizers
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM

LAYERS = 27
"""As many as the pipeline needs, which reads the state after the 27th."""
WIDTH = 8
CHAT = "{% for message in messages %}<|im_start|>{{ message.role }} {{ message.content }}<|im_end|>{% endfor %}"


def tiny_klein(*, distilled: bool = True, seed: int = 0) -> Flux2KleinPipeline:
    """Build one whose tokens are 4 pixels wide; the batch norm of its autoencoder has statistics of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformer = Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * WIDTH,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        )
        vae = _autoencoder()
        encoder = _text_encoder(tokenizer := _tokenizer())
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        vae=vae.eval(),
        text_encoder=encoder.eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
        is_distilled=distilled,
    )


def save_klein(folder: Path, *, distilled: bool = True) -> Path:
    """Write one in diffusers layout and return its folder."""
    tiny_klein(distilled=distilled).save_pretrained(folder)
    return folder


def _autoencoder() -> AutoencoderKLFlux2:
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
    )
    norm = vae.bn
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(torch.linspace(-0.5, 0.5, 16))
    norm.running_var.copy_(torch.linspace(0.05, 0.4, 16))
    return vae


def _tokenizer() -> Qwen2Tokenizer:
    pieces = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Qwen2Tokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHAT
    return tokenizer


def _text_encoder(tokenizer: Qwen2Tokenizer) -> Qwen3ForCausalLM:
    settings = Qwen3Config(
        vocab_size=8 * math.ceil(len(tokenizer) / 8),
        hidden_size=WIDTH,
        intermediate_size=16,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
        max_position_embeddings=1024,
    )
    return Qwen3ForCausalLM(settings)
