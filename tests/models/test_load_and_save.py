"""Loading and saving: what is saved comes back to the bit, and every kind of damage has its sentence."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from retouch.core.errors import ModelError, OutputError
from retouch.models.checkpoint import TextTower
from retouch.models.load import load
from retouch.models.save import save

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

UNET_WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def test_what_is_saved_comes_back_to_the_bit(tiny_checkpoint: "Checkpoint", tiny_folder: Path) -> None:
    loaded = load(tiny_folder)
    for name, module in tiny_checkpoint.modules.items():
        before, after = module.state_dict(), loaded.modules[name].state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert loaded.spec == tiny_checkpoint.spec
    assert loaded.scheduler_config == tiny_checkpoint.scheduler_config
    assert loaded.kind == "instruct"
    assert loaded.vae_factor == 8
    text = "make the sofa green"
    assert loaded.tokenizer(text).input_ids == tiny_checkpoint.tokenizer(text).input_ids


def test_everything_loaded_is_frozen_and_in_evaluation_mode(tiny_folder: Path) -> None:
    for module in load(tiny_folder).modules.values():
        assert not any(part.training for part in module.modules())
        assert not any(parameter.requires_grad for parameter in module.parameters())


def test_half_precision_on_disk_loads_as_asked(tiny_checkpoint: "Checkpoint", tmp_path: Path) -> None:
    folder = save(tiny_checkpoint, tmp_path / "half", storage="float16")
    assert load_file(folder / UNET_WEIGHTS)["conv_in.weight"].dtype == torch.float16
    assert tiny_checkpoint.unet.dtype == torch.float32
    loaded = load(folder, dtype=torch.bfloat16, vae_dtype=torch.float32)
    assert (loaded.unet.dtype, loaded.text_encoder.dtype) == (torch.bfloat16, torch.bfloat16)
    assert loaded.vae.dtype == torch.float32
    weight = load(folder).unet.conv_in.weight
    assert torch.allclose(weight, tiny_checkpoint.unet.conv_in.weight, atol=1e-3)


def test_diffusers_opens_what_we_save(tiny_folder: Path) -> None:
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(tiny_folder, local_files_only=True)
    assert type(pipeline).__name__ == "StableDiffusionInstructPix2PixPipeline"


def test_no_path_of_this_machine_is_saved(tiny_folder: Path, tmp_path: Path) -> None:
    folder = save(load(tiny_folder), tmp_path / "again")
    for file in folder.rglob("*.json"):
        assert str(tiny_folder) not in file.read_text(encoding="utf-8")


def test_saving_again_replaces_the_model_and_leaves_nothing_beside_it(
    make_tiny: Callable[..., "Checkpoint"], tmp_path: Path
) -> None:
    save(make_tiny(seed=0), tmp_path / "model", card="# A card\n")
    second = make_tiny(seed=1)
    save(second, tmp_path / "model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model" / "README.md").exists()
    assert torch.equal(load(tmp_path / "model").unet.conv_in.weight, second.unet.conv_in.weight)


def test_an_interrupted_save_leaves_the_former_model(
    tiny_checkpoint: "Checkpoint", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tiny_checkpoint, tmp_path / "model")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("retouch.models.save.write_spec", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(replace(tiny_checkpoint, source="other"), folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
    load(folder)


def test_a_folder_with_other_things_is_not_replaced(tiny_checkpoint: "Checkpoint", tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("months of work")
    with pytest.raises(OutputError, match="other things"):
        save(tiny_checkpoint, tmp_path)
    with pytest.raises(OutputError, match="is a file"):
        save(tiny_checkpoint, tmp_path / "thesis.txt")


def remove(path: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        target = folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return damage


def write(path: str, content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / path).write_bytes(content)

    return damage


def truncate(path: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / path).read_bytes()
        (folder / path).write_bytes(content[: len(content) // 2])

    return damage


def pickle_unet(folder: Path) -> None:
    weights = folder / UNET_WEIGHTS
    torch.save(load_file(weights), folder / "unet" / "diffusion_pytorch_model.bin")
    weights.unlink()


def drop_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / UNET_WEIGHTS)
    del tensors["conv_in.bias"]
    save_file(tensors, folder / UNET_WEIGHTS, metadata={"format": "pt"})


def set_json(path: str, key: str, value: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / path).read_text())
        (folder / path).write_text(json.dumps({**content, key: value}))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("model_index.json"), "no model_index.json"),
        (write("model_index.json", b"{"), "model_index.json .* cannot be read"),
        (remove("unet"), "no unet"),
        (remove("vae"), "no vae"),
        (remove("text_encoder"), "no text_encoder"),
        (remove("tokenizer"), "no tokenizer"),
        (remove("tokenizer/tokenizer.json"), "tokenizer of .* has no vocabulary"),
        (write("tokenizer/tokenizer.json", b"{"), "tokenizer of .* cannot be loaded"),
        (remove("scheduler"), "no scheduler"),
        (write("scheduler/scheduler_config.json", b"["), "scheduler of .* cannot be read"),
        (remove(UNET_WEIGHTS), "no weights for its unet"),
        (remove("text_encoder/model.safetensors"), "no weights for its text_encoder"),
        (pickle_unet, "unet of .* is pickled.*`retouch models convert .* OUT`"),
        (write(UNET_WEIGHTS, b"not tensors"), "unet of .* cannot be loaded"),
        (truncate("vae/diffusion_pytorch_model.safetensors"), "vae of .* cannot be loaded"),
        (truncate("text_encoder/model.safetensors"), "text_encoder of .* cannot be loaded"),
        (drop_a_tensor, "1 missing, the first 'conv_in.bias'"),
        (set_json("unet/config.json", "in_channels", 4), "unet of .* cannot be loaded|do not fit"),
        (write("unet/config.json", b"{"), "unet of .* cannot be loaded"),
        (set_json("retouch.json", "kind", "generate"), "channel order"),
        (set_json("model_index.json", "unet", ["diffusers", "FluxTransformer2DModel"]), "has a Flux.* as its unet"),
        (set_json("model_index.json", "unet", None), "no unet in its model_index.json"),
        (set_json("model_index.json", "text_encoder_2", ["transformers", "CLIPTextModel"]), "SDXL"),
    ],
)
def test_damaged_folders(tiny_folder: Path, tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_components_of_different_models_are_refused(tiny_checkpoint: "Checkpoint", tmp_path: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig.from_dict({**tiny_checkpoint.text_encoder.config.to_dict(), "hidden_size": 32})
    mixed = replace(tiny_checkpoint, text=TextTower(encoder=CLIPTextModel(config), tokenizer=tiny_checkpoint.tokenizer))
    with pytest.raises(ModelError, match="writes 32 features, but its U-Net reads 16"):
        load(save(mixed, tmp_path / "mixed"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sofas", "'sofas' is unknown"),
        ("pocket/nothing", "pocket model 'nothing' is not in this installation"),
        ("timbrooks/instruct-pix2pix", "not on this machine and HF_HUB_OFFLINE is set"),
        ("a/b/c", "'a/b/c' is unknown"),
        ("folder/missing.ckpt", "unknown"),
        ("folder/missing.safetensors", "unknown; give .*a .safetensors file"),
    ],
)
def test_unknown_and_unreachable_sources(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=message):
        load(source)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.ckpt", "pickled checkpoint.*`retouch models convert .*model.ckpt OUT`"),
        ("model.pt", "pickled"),
        ("model.bin", "pickled"),
        ("notes.txt", "is a file, expected a folder"),
    ],
)
def test_single_files_are_refused_unopened(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(ModelError, match=message):
        load(tmp_path / name)


def test_a_variant_that_is_not_there_is_named(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"no 'unet/diffusion_pytorch_model.fp16.safetensors'"):
        load(tiny_folder, variant="fp16")


@pytest.mark.parametrize("kind", ["generate", "inpaint"])
def test_the_kind_is_read_from_the_weights(make_tiny: Callable[..., "Checkpoint"], tmp_path: Path, kind: str) -> None:
    assert load(save(make_tiny(kind), tmp_path / kind)).kind == kind


def test_an_unknown_width_is_refused(tiny_checkpoint: "Checkpoint", tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel

    odd = UNet2DConditionModel.from_config(dict(tiny_checkpoint.unet.config) | {"in_channels": 5})
    with pytest.raises(ModelError, match=r"takes 5 channels; expected one of 4 \(generate\), 8 \(instruct\)"):
        _ = replace(tiny_checkpoint, unet=odd).kind
