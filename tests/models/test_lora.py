"""LoRAs under every name they are stored with: the outputs are those of diffusers' own loader."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_instruct_pix2pix import (
    StableDiffusionInstructPix2PixPipeline,
)
from safetensors.torch import save_file
from torch import Tensor, nn

from retouch.core.errors import ModelError
from retouch.core.lora import Lora
from retouch.models.load import load
from retouch.models.lora import fuse_loras
from retouch.models.quiet import quiet_libraries

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

MakeCheckpoint = Callable[..., "Checkpoint"]
RANK = 3
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
WHOLE = (*ATTENTION, "proj_in", "proj_out", "conv1", "conv2", "ff.net.2", "time_emb_proj")
FORMER = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}


def factors(network: nn.Module, endings: tuple[str, ...], seed: int = 0) -> dict[str, tuple[Tensor, Tensor]]:
    """Random down and up weights for the layers whose names end so."""
    generator = torch.Generator().manual_seed(seed)
    pairs: dict[str, tuple[Tensor, Tensor]] = {}
    for name, module in network.named_modules():
        if not isinstance(module, (nn.Linear, nn.Conv2d)) or not name.endswith(endings):
            continue
        out, *into = module.weight.shape
        down = torch.randn(RANK, *into, generator=generator) / 4
        up = torch.randn(out, RANK, *(1,) * (len(into) - 1), generator=generator) / 4
        pairs[name] = down, up
    return pairs


def peft_style(checkpoint: "Checkpoint") -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, (down, up) in factors(checkpoint.unet, WHOLE).items():
        tensors |= {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}
    for name, (down, up) in factors(checkpoint.text_encoder, TEXT).items():
        stored = f"text_encoder.text_model.{name}"
        tensors |= {f"{stored}.lora_A.weight": down, f"{stored}.lora_B.weight": up}
    return tensors


def kohya_style(checkpoint: "Checkpoint", alphas: tuple[float, ...] = (1.5,)) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    networks = {
        "lora_unet_": factors(checkpoint.unet, WHOLE),
        "lora_te_text_model_": factors(checkpoint.text_encoder, TEXT),
    }
    for prefix, pairs in networks.items():
        for number, (name, (down, up)) in enumerate(pairs.items()):
            stored = prefix + name.replace(".", "_")
            alpha = torch.tensor(alphas[number % len(alphas)])
            tensors |= {f"{stored}.lora_down.weight": down, f"{stored}.lora_up.weight": up, f"{stored}.alpha": alpha}
    return tensors


def former_style(checkpoint: "Checkpoint") -> dict[str, Tensor]:
    """As diffusers once wrote them: below the attention's processor, and with projections of its own names."""
    tensors: dict[str, Tensor] = {}
    for name, (down, up) in factors(checkpoint.unet, ATTENTION).items():
        layer, projection = name.removesuffix(".0").rsplit(".", 1)
        stored = f"unet.{layer}.processor.{projection}_lora"
        tensors |= {f"{stored}.down.weight": down, f"{stored}.up.weight": up}
    for name, (down, up) in factors(checkpoint.text_encoder, tuple(FORMER)).items():
        layer, projection = name.rsplit(".", 1)
        stored = f"text_encoder.text_model.{layer}.{FORMER[projection]}_lora"
        tensors |= {f"{stored}.down.weight": down, f"{stored}.up.weight": up}
    return tensors


@torch.no_grad()
def outputs(checkpoint: "Checkpoint") -> tuple[Tensor, Tensor]:
    tokens = torch.tensor([checkpoint.tokenizer("make the sofa green", padding="max_length").input_ids])
    context = checkpoint.text_encoder(tokens).last_hidden_state
    channels = checkpoint.unet.conv_in.weight.shape[1]
    latents = torch.randn(1, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    return context, checkpoint.unet(latents, 500, context).sample


def through_diffusers(checkpoint: "Checkpoint", files: dict[Path, float]) -> tuple[Tensor, Tensor]:
    """The outputs of the same weights with the files as adapters of a diffusers pipeline."""
    pipelines: Any = {"instruct": StableDiffusionInstructPix2PixPipeline, "generate": StableDiffusionPipeline}
    with quiet_libraries():
        pipeline = pipelines[checkpoint.kind](
            vae=checkpoint.vae,
            unet=checkpoint.unet,
            text_encoder=checkpoint.text_encoder,
            tokenizer=checkpoint.tokenizer,
            scheduler=None,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        for number, file in enumerate(files):
            pipeline.load_lora_weights(str(file), adapter_name=f"number{number}")
        pipeline.set_adapters([f"number{number}" for number in range(len(files))], list(files.values()))
    return outputs(checkpoint)


def assert_same(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("style", [peft_style, kohya_style, former_style])
@pytest.mark.parametrize("kind", ["instruct", "generate"])
def test_every_style_does_what_diffusers_does(
    make_tiny: MakeCheckpoint, tmp_path: Path, style: Callable[..., dict[str, Tensor]], kind: str
) -> None:
    file = tmp_path / "style.safetensors"
    # Made for the other kind: the layers named are of the same shapes.
    save_file(style(make_tiny("generate")), file)
    checkpoint = make_tiny(kind)
    plain = outputs(checkpoint)
    fuse_loras(checkpoint, [Lora(source=str(file), scale=0.7)])
    fused = outputs(checkpoint)
    assert all(float((one - other).abs().max()) > 1e-2 for one, other in zip(plain, fused, strict=True))
    assert_same(fused, through_diffusers(make_tiny(kind), {file: 0.7}))


def test_every_layer_has_its_own_alpha(make_tiny: MakeCheckpoint, tmp_path: Path) -> None:
    """Not compared with diffusers, which leaves out the alphas of attention where they differ between layers."""
    file, plain = tmp_path / "alphas.safetensors", tmp_path / "plain.safetensors"
    own, twin = make_tiny(), make_tiny()
    tensors = kohya_style(own, alphas=(1.0, 2.0, 4.0))
    save_file(tensors, file)
    multiplied = {
        name: value * tensors[name.replace("lora_up.weight", "alpha")] / RANK if "lora_up" in name else value
        for name, value in tensors.items()
        if not name.endswith("alpha")
    }
    save_file(multiplied, plain)
    fuse_loras(own, [Lora(source=str(file))])
    fuse_loras(twin, [Lora(source=str(plain))])
    assert_same(outputs(own), outputs(twin))


def test_several_add_up_and_scale_0_changes_nothing(make_tiny: MakeCheckpoint, tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file(peft_style(make_tiny()), first)
    save_file(kohya_style(make_tiny()), second)
    checkpoint = make_tiny()
    fuse_loras(checkpoint, [Lora(source=str(first), scale=0.0)])
    assert all(torch.equal(one, other) for one, other in zip(outputs(checkpoint), outputs(make_tiny()), strict=True))
    fuse_loras(checkpoint, [Lora(source=str(first), scale=0.5), Lora(source=str(second), scale=-0.5)])
    assert_same(outputs(checkpoint), through_diffusers(make_tiny(), {first: 0.5, second: -0.5}))


def test_what_diffusers_keeps_in_the_header_counts(make_tiny: MakeCheckpoint, tmp_path: Path) -> None:
    from retouch.training.lora import add_lora

    unet = make_tiny().unet
    add_lora(unet, rank=4, first_convolution=False)
    special = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    settings = {
        "r": 4,
        "lora_alpha": 4,
        "use_rslora": True,
        "alpha_pattern": {special: 2},
        "target_modules": [*ATTENTION],
    }
    generator = torch.Generator().manual_seed(1)
    tensors = {
        f"unet.{name.replace('.default', '')}": torch.randn(value.shape, generator=generator) / 4
        for name, value in unet.state_dict().items()
        if "lora_" in name
    }
    header = {f"unet.{key}": value for key, value in settings.items()}
    file = tmp_path / "pytorch_lora_weights.safetensors"
    save_file(tensors, file, metadata={"format": "pt", "lora_adapter_metadata": json.dumps(header)})
    checkpoint = make_tiny()
    fuse_loras(checkpoint, [Lora(source=str(tmp_path))])
    assert_same(outputs(checkpoint), through_diffusers(make_tiny(), {file: 1.0}))


def test_a_folder_of_peft_is_read_with_its_settings(make_tiny: MakeCheckpoint, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    adapted: Any = get_peft_model(
        make_tiny().unet, LoraConfig(r=2, lora_alpha=6, target_modules=["to_q", "to_v"], init_lora_weights=False)
    )
    adapted.save_pretrained(tmp_path / "adapter")
    checkpoint = make_tiny()
    fuse_loras(checkpoint, [Lora(source=str(tmp_path / "adapter"))])
    reference = make_tiny()
    with torch.no_grad():
        expected = outputs(reference)[0]
        latents = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
        assert_same(outputs(checkpoint), (expected, adapted.eval()(latents, 500, expected).sample))


def test_the_models_own_files_stay_as_they_are(
    tiny_folder: Path, tiny_checkpoint: "Checkpoint", tmp_path: Path
) -> None:
    save_file(peft_style(tiny_checkpoint), tmp_path / "a.safetensors")
    weights = {file: file.read_bytes() for file in tiny_folder.rglob("*.safetensors")}
    checkpoint = load(tiny_folder)
    fuse_loras(checkpoint, [Lora(source=str(tmp_path / "a.safetensors"))])
    assert not torch.equal(outputs(checkpoint)[1], outputs(tiny_checkpoint)[1])
    assert all(file.read_bytes() == content for file, content in weights.items())


def test_half_precision_is_summed_in_float32(make_tiny: MakeCheckpoint, tmp_path: Path) -> None:
    checkpoint, exact = make_tiny(), make_tiny()
    save_file({name: value.half() for name, value in peft_style(exact).items()}, tmp_path / "a.safetensors")
    checkpoint.unet.half()
    for one in (checkpoint, exact):
        fuse_loras(one, [Lora(source=str(tmp_path / "a.safetensors"))])
    assert checkpoint.unet.dtype == torch.float16
    weights = checkpoint.unet.state_dict()
    for name, value in exact.unet.state_dict().items():
        assert torch.allclose(weights[name].float(), value, atol=2e-3, rtol=2e-3)


LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
PAIR = {f"{LAYER}.lora_A.weight": (2, 32), f"{LAYER}.lora_B.weight": (32, 2)}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "is no LoRA: it has no tensor like"),
        ({"conv_in.weight": (16, 8, 3, 3)}, "is no LoRA.*but 'conv_in.weight'"),
        (PAIR | {"unet.conv_in.weight": (16, 8, 3, 3)}, "has the tensor 'unet.conv_in.weight', which is no low-rank"),
        ({f"{LAYER}.lora_A.weight": (2, 32)}, f"lacks the up weight of '{LAYER}'"),
        ({f"{LAYER}.lora_B.weight": (32, 2)}, "lacks the down weight"),
        (PAIR | {f"{LAYER}.lora_A.weight": (3, 32)}, r"shapes 32 x 2 \(up\) and 3 x 32 \(down\).*expected one rank"),
        (PAIR | {f"{LAYER}.lora_A.weight": (2,)}, r"and 2 \(down\)"),
        ({f"{LAYER}.lora_A.weight": (0, 32), f"{LAYER}.lora_B.weight": (32, 0)}, "one rank in both, at least 1"),
        (PAIR | {f"{LAYER}.alpha": (2,)}, "has 2 numbers as the alpha"),
        (PAIR | {f"{LAYER}.lora_A.weight": (2, 48)}, r"2 x 48 \(down\) for 'mid_block.*which is 32 x 32 in 'random'"),
        (PAIR | {f"{LAYER}.lora_magnitude_vector": (32,)}, "holds a DoRA"),
        ({"lora_unet_conv_in.hada_w1_a": (2, 2)}, "holds a LoHa"),
        (
            {"lora_unet_conv_in.lora_down.weight": (2, 4, 3, 3), "lora_unet_conv_in.lora_up.weight": (16, 2, 1, 1)},
            "changes the first convolution for 4 input channels, but the U-Net of 'random' takes 8",
        ),
        (
            {
                "lora_unet_down_blocks_9_proj.lora_down.weight": (2, 4),
                "lora_unet_down_blocks_9_proj.lora_up.weight": (4, 2),
            },
            "changes 'lora_unet_down_blocks_9_proj', a layer that the unet of 'random' does not have",
        ),
        (
            {"lora_te2_text_model_x.lora_down.weight": (2, 4), "lora_te2_text_model_x.lora_up.weight": (4, 2)},
            "is of the SDXL family",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(
    make_tiny: MakeCheckpoint, tmp_path: Path, tensors: dict[str, tuple[int, ...]], message: str
) -> None:
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    checkpoint = make_tiny()
    save_file(peft_style(checkpoint), good)
    save_file({name: torch.ones(shape) for name, shape in tensors.items()}, bad)
    with pytest.raises(ModelError, match=message) as caught:
        fuse_loras(checkpoint, [Lora(source=str(good)), Lora(source=str(bad))])
    assert "\n" not in str(caught.value)
    assert torch.equal(outputs(checkpoint)[1], outputs(make_tiny())[1])


def test_damaged_and_missing_files(tiny_checkpoint: "Checkpoint", tmp_path: Path) -> None:
    def refuse(source: Path, message: str) -> None:
        with pytest.raises(ModelError, match=message):
            fuse_loras(tiny_checkpoint, [Lora(source=str(source))])

    refuse(tmp_path / "none.safetensors", "There is no LoRA")
    refuse(tmp_path, r"no \.safetensors files \(none\)")
    torch.save({}, tmp_path / "a.pt")
    refuse(tmp_path / "a.pt", r"is pickled.*`retouch models convert .*a.pt OUT.safetensors`")
    file = tmp_path / "a.safetensors"
    tensors = peft_style(tiny_checkpoint)
    save_file(tensors, file)
    file.write_bytes(file.read_bytes()[:-100])
    refuse(file, "is no valid safetensors file")
    tensors[next(name for name in tensors if "lora_B" in name)][0] = torch.nan
    save_file(tensors, tmp_path / "b.safetensors")
    refuse(tmp_path, r"several or no .*\(a.safetensors, b.safetensors\)")
    refuse(tmp_path / "b.safetensors", "are not finite")
    header = {"lora_adapter_metadata": "{"}
    save_file({name: torch.ones(shape) for name, shape in PAIR.items()}, file, metadata=header)
    refuse(file, r"settings of the LoRA .* cannot be read")
