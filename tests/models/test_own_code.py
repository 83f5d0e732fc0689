"""No model of any kind runs code of its own: Python beside the weights is refused wherever folders are opened."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from retouch.core.errors import ModelError
from retouch.editing.editor import Editor
from retouch.grounding.segmenters.networks import find_network
from retouch.models.clip import load_clip
from retouch.models.control import load_control
from retouch.models.load import load
from retouch.models.own_code import refuse_own_code
from retouch.models.vision_tower import load_vision_tower
from retouch.models.writer import load_writer

LOADERS: dict[str, Callable[[Path], object]] = {
    "clip": lambda folder: load_clip(str(folder)),
    "control": lambda folder: load_control(str(folder)),
    "segmenter": lambda folder: find_network(str(folder)),
    "image encoder": lambda folder: load_vision_tower(folder, source=str(folder)),
    "writer": load_writer,
}


@pytest.mark.parametrize("name", LOADERS)
def test_python_beside_a_network_is_refused_before_anything_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", "_class_name": "ControlNetModel"}))
    (tmp_path / "modeling_own.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ModelError, match=r"'modeling_own.py' lies beside its weights"):
        LOADERS[name](tmp_path)


def test_an_editor_of_the_loop_is_refused_too(tiny_folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    (model / "unet" / "own.py").write_text("raise SystemExit('it ran')")
    for opening in (load, Editor.load):
        with pytest.raises(ModelError, match=r"'unet/own.py' lies beside its weights"):
            opening(model)
    (model / "unet" / "own.py").unlink()
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps({**index, "unet": ["own", "UNet2DConditionModel"]}))
    with pytest.raises(ModelError, match="its unet is UNet2DConditionModel of own"):
        load(model)


def test_modules_that_published_indices_name_are_known(tmp_path: Path) -> None:
    entries = {
        "_class_name": "StableDiffusionInstructPix2PixPipeline",
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "feature_extractor": [None, None],
        "unet": ["diffusers", "UNet2DConditionModel"],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(entries))
    refuse_own_code(tmp_path, "published")


def test_a_folder_that_is_no_model_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    refuse_own_code(tmp_path, "no model")
