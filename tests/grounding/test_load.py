"""Segmenters by their names, and what is said of names and folders that are none."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from retouch.core.errors import ModelError, SettingsError
from retouch.grounding.segmenters.load import KNOWN, load_segmenter

Folder = Callable[[str], Path]
PICTURE = Image.new("RGB", (40, 30))


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_known_names_are_asked_of_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        load_segmenter(name)


def test_folders_of_sam_alone_take_points_alone(network_folder: Folder) -> None:
    segmenter = load_segmenter(str(network_folder("sam2")))
    assert segmenter.segment_at(PICTURE, (3, 4)).mask.shape == (30, 40)
    with pytest.raises(SettingsError, match=r"put a detector before it, such as .*\+sam2"):
        segmenter.segment(PICTURE, "the lamp")


def test_what_is_no_segmenter_is_named(network_folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no folder 'nowhere'"):
        load_segmenter("nowhere")
    with pytest.raises(ModelError, match=r"no readable config\.json"):
        load_segmenter(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="type 'bert', which is no segmenter known here"):
        load_segmenter(str(tmp_path))
    with pytest.raises(ModelError, match="type 'grounding-dino'"):
        load_segmenter(str(network_folder("grounding-dino")))
    with pytest.raises(SettingsError, match="type 'sam', no detector"):
        load_segmenter(f"{network_folder('sam')}+{network_folder('sam')}")
    with pytest.raises(SettingsError, match="type 'clipseg', no SAM"):
        load_segmenter(f"{network_folder('grounding-dino')}+{network_folder('clipseg')}")


def test_broken_folders_are_refused(network_folder: Folder, tmp_path: Path) -> None:
    folder = tmp_path / "clipseg"
    shutil.copytree(network_folder("clipseg"), folder)
    (folder / "preprocessor_config.json").write_text("[1]")
    with pytest.raises(ModelError, match=r"preprocessor_config\.json' cannot be read"):
        load_segmenter(str(folder))
    (folder / "model.safetensors").write_bytes(b"words")
    with pytest.raises(ModelError, match="cannot be loaded as CLIPSegForImageSegmentation"):
        load_segmenter(str(folder))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded as CLIPSegForImageSegmentation"):
        load_segmenter(str(folder))


def test_weights_of_another_size_are_refused(network_folder: Folder, tmp_path: Path) -> None:
    folder = tmp_path / "clipseg"
    shutil.copytree(network_folder("clipseg"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["extract_layers"], config["vision_config"]["num_hidden_layers"] = [0, 1, 2, 3], 4
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"do not fit its config\.json"):
        load_segmenter(str(folder))
