"""Conversion: pickles are read in another process, and models in the original layout become folders."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.original_layout import ORIGINAL_TINY, original_layout, write_original

from retouch.core.errors import ModelError, OutputError
from retouch.models.architecture import random_checkpoint
from retouch.models.convert import convert
from retouch.models.load import load
from retouch.models.unpickle import main as unpickle_main
from retouch.models.unpickle import read_tensors

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

    from retouch.models.checkpoint import Checkpoint

WEIGHTS = {
    "unet": ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
    "vae": ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
    "text_encoder": ("model.safetensors", "pytorch_model.bin"),
}


class Dangerous:
    """Unpickled without care, this would create a file."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.victim),)


def test_a_state_dict_becomes_one_safetensors_file(tmp_path: Path) -> None:
    shared = torch.randn(3, 4)
    content = {"state_dict": {"a": shared, "b": shared.T, "step": 7}, "optimizer": {"lr": 0.1}}
    torch.save(content, tmp_path / "weights.pt")
    out = convert(tmp_path / "weights.pt", tmp_path / "new" / "weights.safetensors")
    tensors = load_file(out)
    assert tensors.keys() == {"a", "b"}
    assert torch.equal(tensors["b"], shared.T)
    assert [entry.name for entry in out.parent.iterdir()] == ["weights.safetensors"]


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    torch.save({"a": Dangerous(tmp_path / "victim")}, tmp_path / "evil.ckpt")
    with pytest.raises(ModelError, match="cannot be converted"):
        convert(tmp_path / "evil.ckpt", tmp_path / "out.safetensors")
    assert [entry.name for entry in tmp_path.iterdir()] == ["evil.ckpt"]


def test_damaged_pickles_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.ckpt").write_bytes(b"no pickle at all")
    assert unpickle_main([str(tmp_path / "bad.ckpt"), str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "bad.ckpt' cannot be converted" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("content", "message"), [([1, 2], "holds a list"), ({"step": 7}, "holds no tensors")])
def test_pickles_without_tensors(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "bad.ckpt")
    with pytest.raises(ValueError, match=message):
        read_tensors(tmp_path / "bad.ckpt")


def test_a_folder_with_pickled_components_becomes_one_that_loads(
    tiny_checkpoint: "Checkpoint", tiny_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "pickled")
    for component, (safe, pickled) in WEIGHTS.items():
        torch.save(load_file(folder / component / safe), folder / component / pickled)
        (folder / component / safe).unlink()
    with pytest.raises(ModelError, match="pickled"):
        load(folder)
    loaded = load(convert(folder, tmp_path / "safe"))
    for name, module in tiny_checkpoint.modules.items():
        weights = loaded.modules[name].state_dict()
        assert all(torch.equal(value, weights[key]) for key, value in module.state_dict().items())
    assert not list((tmp_path / "safe").rglob("*.bin"))


@pytest.mark.parametrize("ending", [".ckpt", ".safetensors"])
def test_a_whole_model_in_the_original_layout_becomes_a_folder(
    tiny_checkpoint: "Checkpoint", tiny_folder: Path, tmp_path: Path, ending: str
) -> None:
    tensors = original_layout(tiny_checkpoint)
    file = tmp_path / f"model{ending}"
    if ending == ".ckpt":
        torch.save({"state_dict": tensors, "global_step": 22000}, file)
    else:
        save_file(tensors, file)
    loaded = load(convert(file, tmp_path / "folder", like=str(tiny_folder)))
    for name, module in tiny_checkpoint.modules.items():
        weights = loaded.modules[name].state_dict()
        assert all(torch.allclose(value, weights[key]) for key, value in module.state_dict().items())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", file.name]


@pytest.mark.parametrize("ending", [".ckpt", ".safetensors"])
def test_a_whole_model_needs_no_reference(tiny_tokenizer: "CLIPTokenizer", tmp_path: Path, ending: str) -> None:
    checkpoint = random_checkpoint(ORIGINAL_TINY, tiny_tokenizer)
    file = write_original(checkpoint, tmp_path / "model.safetensors")
    if ending == ".ckpt":
        torch.save({"state_dict": load_file(file)}, tmp_path / "model.ckpt")
    loaded = load(convert(file.with_suffix(ending), tmp_path / "folder"))
    for name, module in checkpoint.modules.items():
        weights = loaded.modules[name].state_dict()
        assert all(torch.equal(value, weights[key]) for key, value in module.state_dict().items())
    assert loaded.scheduler_config["_class_name"] == "EulerAncestralDiscreteScheduler"


def test_a_whole_model_of_unusual_groups_says_what_to_give(tiny_checkpoint: "Checkpoint", tmp_path: Path) -> None:
    file = write_original(tiny_checkpoint, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"model.safetensors' does not have the shape.*`retouch .* --like MODEL`"):
        convert(file, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_reference_of_another_shape_is_refused(
    tiny_checkpoint: "Checkpoint", tiny_folder: Path, tmp_path: Path
) -> None:
    tensors = original_layout(tiny_checkpoint)
    tensors["cond_stage_model.transformer.text_model.final_layer_norm.bias"] = torch.zeros(99)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="does not have the shape"):
        convert(tmp_path / "model.safetensors", tmp_path / "folder", like=str(tiny_folder))


def test_what_is_no_model_or_would_be_overwritten_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "part.safetensors")
    with pytest.raises(ModelError, match="does not hold a whole"):
        convert(tmp_path / "part.safetensors", tmp_path / "folder")
    with pytest.raises(ModelError, match="There is no"):
        convert(tmp_path / "missing.ckpt", tmp_path / "folder")
    with pytest.raises(OutputError, match="exists already"):
        convert(tmp_path / "part.safetensors", tmp_path)
