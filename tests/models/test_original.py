"""Single files under the original names: the shape is read from the weights, and the outputs are the same."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tests.models.original_layout import ORIGINAL_TINY, write_original

from retouch.core.errors import ModelError
from retouch.models.architecture import STABLE_DIFFUSION_1, random_checkpoint
from retouch.models.load import load
from retouch.models.original_shape import read_configs
from retouch.models.save import save
from retouch.models.spec import CHANNELS, PUBLISHED, Kind

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

    from retouch.models.checkpoint import Checkpoint


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with nothing in it."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture(scope="module")
def original(tiny_tokenizer: "CLIPTokenizer") -> "Checkpoint":
    return random_checkpoint(ORIGINAL_TINY, tiny_tokenizer)


@torch.no_grad()
def outputs(checkpoint: "Checkpoint") -> list[torch.Tensor]:
    """What every network makes of fixed inputs."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, 3, 32, 32, generator=generator)
    tokens = torch.tensor([checkpoint.tokenizer("make the sofa green", padding="max_length").input_ids])
    context = checkpoint.text_encoder(tokens).last_hidden_state
    latents = torch.randn(1, CHANNELS[checkpoint.kind], 8, 8, generator=generator)
    mean = checkpoint.vae.encode(pixels).latent_dist.mean  # pyright: ignore[reportAttributeAccessIssue]
    return [
        context,
        checkpoint.unet(latents, 500, context).sample,
        mean,
        checkpoint.vae.decode(mean).sample,  # pyright: ignore[reportAttributeAccessIssue]
    ]


def assert_same(one: "Checkpoint", other: "Checkpoint") -> None:
    for ours, theirs in zip(outputs(one), outputs(other), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("kind", CHANNELS)
def test_the_outputs_are_those_of_the_folder(tiny_tokenizer: "CLIPTokenizer", tmp_path: Path, kind: Kind) -> None:
    checkpoint = random_checkpoint(ORIGINAL_TINY, tiny_tokenizer, kind=kind)
    loaded = load(write_original(checkpoint, tmp_path / "model.safetensors"))
    assert_same(loaded, load(save(checkpoint, tmp_path / "folder")))
    assert (loaded.kind, loaded.spec) == (kind, PUBLISHED[kind])
    assert loaded.scheduler_config["beta_schedule"] == "scaled_linear"
    for module in loaded.modules.values():
        assert not any(part.training for part in module.modules())
        assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_moving_average_is_preferred(original: "Checkpoint", tiny_tokenizer: "CLIPTokenizer", tmp_path: Path) -> None:
    averaged = random_checkpoint(ORIGINAL_TINY, tiny_tokenizer, seed=1)
    loaded = load(write_original(original, tmp_path / "model.safetensors", averaged=averaged))
    weights = loaded.unet.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in averaged.unet.state_dict().items())
    assert torch.equal(loaded.vae.decoder.conv_in.weight, original.vae.decoder.conv_in.weight)


def test_the_types_asked_for_are_given(original: "Checkpoint", tmp_path: Path) -> None:
    file = write_original(original, tmp_path / "model.safetensors")
    save_file({name: value.half() for name, value in load_file(file).items()}, file)
    assert {module.dtype for module in load(file).modules.values()} == {torch.float32}  # pyright: ignore
    halves = load(file, dtype=torch.float16, vae_dtype=torch.float32)
    assert (halves.unet.dtype, halves.text_encoder.dtype, halves.vae.dtype) == (
        torch.float16,
        torch.float16,
        torch.float32,
    )


def test_the_text_encoder_may_be_named_as_before(original: "Checkpoint", tmp_path: Path) -> None:
    file = write_original(original, tmp_path / "model.safetensors")
    tensors = load_file(file)
    before = {name.replace("transformer.text_model.", "transformer."): value for name, value in tensors.items()}
    save_file(before | {"cond_stage_model.transformer.embeddings.position_ids": torch.arange(16)[None]}, file)
    assert_same(load(file), original)


def test_the_shapes_of_stable_diffusion_say_what_it_is(tiny_tokenizer: "CLIPTokenizer") -> None:
    from accelerate import init_empty_weights
    from tests.models.original_layout import original_layout

    with init_empty_weights():
        whole = random_checkpoint(STABLE_DIFFUSION_1, tiny_tokenizer)
    shapes = original_layout(whole, STABLE_DIFFUSION_1)
    configs = read_configs({name: tuple(value.shape) for name, value in shapes.items()})
    same = ("in_channels", "block_out_channels", "layers_per_block", "attention_head_dim", "cross_attention_dim")
    for name in (*same, "down_block_types", "up_block_types"):
        assert list_of(configs.unet[name]) == list_of(whole.unet.config[name])
    for name in ("block_out_channels", "layers_per_block", "latent_channels"):
        assert list_of(configs.vae[name]) == list_of(whole.vae.config[name])
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"):
        assert configs.text_encoder[name] == getattr(whole.text_encoder.config, name)


def list_of(value: object) -> object:
    return list(value) if isinstance(value, (list, tuple)) else value


def test_the_tokenizer_is_given_beside_or_cached(original: "Checkpoint", tmp_path: Path, empty_cache: Path) -> None:
    file = write_original(original, tmp_path / "a" / "model.safetensors", tokenizer=False)
    with pytest.raises(ModelError, match=r"holds no tokenizer.*beside it, or name one with `--tokenizer FOLDER`"):
        load(file)
    folder = save(original, tmp_path / "folder")
    for given in (folder, folder / "tokenizer"):
        assert len(load(file, tokenizer=given).tokenizer) == len(original.tokenizer)
    shutil.copytree(folder / "tokenizer", file.parent / "tokenizer")
    load(file).tokenizer("green")
    shutil.rmtree(file.parent / "tokenizer")
    cache_vocabulary(original.tokenizer, empty_cache / "models--openai--clip-vit-large-patch14")
    assert load(file).tokenizer("make").input_ids == original.tokenizer("make").input_ids


def cache_vocabulary(tokenizer: "CLIPTokenizer", repository: Path) -> None:
    """Lay a tokenizer into a hub cache in the two files that the hub has."""
    import json

    snapshot = repository / "snapshots" / "0123456789abcdef"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (snapshot / "vocab.json").write_text(json.dumps(model["vocab"]))
    (snapshot / "merges.txt").write_text("\n".join(["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]))


def test_a_tokenizer_of_another_model_is_refused(original: "Checkpoint", tiny_folder: Path, tmp_path: Path) -> None:
    from retouch.models.tokenizer import train_tokenizer

    file = write_original(original, tmp_path / "model.safetensors", tokenizer=False)
    train_tokenizer(["a"], vocabulary=257, length=16).save_pretrained(tmp_path / "other")
    with pytest.raises(ModelError, match=r"has \d+ pieces, but its text encoder knows \d+; name"):
        load(file, tokenizer=tmp_path / "other")
    with pytest.raises(ModelError, match="has no tokenizer; expected a folder"):
        load(file, tokenizer=tmp_path)
    with pytest.raises(ModelError, match="has a tokenizer of its own"):
        load(tiny_folder, tokenizer=tmp_path / "other")


EMA = "model_ema.diffusion_modelout2weight"


@pytest.mark.parametrize(
    ("gone", "added", "message"),
    [
        ("model.diffusion_model.", {}, r"whole Stable-Diffusion-1 model \(no U-Net, 'model.diffusion_model"),
        ("first_stage_model.", {}, "no VAE"),
        ("cond_stage_model.", {}, "no text encoder"),
        ("cond_stage_model.", {"cond_stage_model.model.ln_final.weight": (4,)}, "of the Stable Diffusion 2 family"),
        ("cond_stage_model.", {"conditioner.embedders.0.weight": (4,)}, "of the SDXL family"),
        ("", {"lora_unet_conv_in.lora_down.weight": (4, 4)}, "is a LoRA.*`--lora "),
        ("model.diffusion_model.out.0", {}, "UNet2DConditionModel lacks 2 weights, the first 'conv_norm_out.bias'"),
        ("first_stage_model.decoder.mid.attn_1.k.bias", {}, "AutoencoderKL lacks 1 weights"),
        ("cond_stage_model.transformer.text_model.embeddings.token", {}, r"shape .*\(it lacks 'embeddings.token"),
        ("model.diffusion_model.out.2", {}, r"\(it lacks 'out.2.weight'\)"),
        ("", {"first_stage_model.decoder.conv_in.weight": (32,)}, "does not have the shape"),
        ("", {"model.diffusion_model.out.0.bias": (3,)}, r"'conv_norm_out.bias' .* is \(3,\), expected \(32,\)"),
        ("", {"model.diffusion_model.input_blocks.0.0.weight": (32, 5, 3, 3)}, "takes 5 channels"),
        ("", {EMA: (4, 32, 3, 3)}, r"a moving average of 1 of the U-Net's \d+ weights"),
    ],
)
def test_incomplete_and_foreign_files(
    original: "Checkpoint", tmp_path: Path, gone: str, added: dict[str, tuple[int, ...]], message: str
) -> None:
    file = write_original(original, tmp_path / "model.safetensors")
    tensors = {name: value for name, value in load_file(file).items() if not (gone and name.startswith(gone))}
    save_file(tensors | {name: torch.zeros(shape) for name, shape in added.items()}, file)
    with pytest.raises(ModelError, match=message) as caught:
        load(file)
    assert "\n" not in str(caught.value)


def test_damaged_files(original: "Checkpoint", tmp_path: Path) -> None:
    file = write_original(original, tmp_path / "model.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"no valid safetensors file.*get it again"):
        load(file)
    file.write_bytes(b"anything")
    with pytest.raises(ModelError, match="no valid safetensors file"):
        load(file)
