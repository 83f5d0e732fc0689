"""What computes the networks: names and devices, the measured choice, and edits that torch has to compute."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retouch.core.errors import MissingExtraError, ModelError, SettingsError
from retouch.core.region import Region
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.editing import backend
from retouch.editing.backend import LEFT, backend_of, check_backend, chosen_backend, faster, keep_measured
from retouch.editing.editor import Editor
from retouch.editing.load import load_editor
from retouch.editing.measuring import measure
from retouch.models.checkpoint import Checkpoint


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder that the tests of this file share."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("RETOUCH_CACHE", str(folder))
        yield folder


@pytest.fixture
def picture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (80, 64, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.fixture(scope="module")
def fast(tiny_folder: Path, cache: Path) -> Editor:
    return Editor.load(tiny_folder, precision="float32", backend="openvino")


@pytest.fixture(scope="module")
def plain(tiny_folder: Path) -> Editor:
    return Editor.load(tiny_folder, precision="float32", device="cpu", backend="torch")


def test_an_edit_is_torchs_within_a_level(fast: Editor, plain: Editor, picture: Image.Image) -> None:
    found, wanted = (editor.edit(picture, "make the sofa green", count=2) for editor in (fast, plain))
    assert (backend_of(fast.checkpoint), backend_of(plain.checkpoint)) == ("openvino", "torch")
    assert found.warnings == wanted.warnings == ()
    for one, other in zip(found.images[0], wanted.images[0], strict=True):
        difference = np.asarray(one, dtype=int) - np.asarray(other, dtype=int)
        assert np.abs(difference).max() <= 1


def test_an_edit_that_holds_attention_is_torchs_and_says_so(fast: Editor, plain: Editor, picture: Image.Image) -> None:
    mask = Image.new("L", picture.size, 0)
    mask.paste(255, (8, 8, 48, 60))
    region = Region(mask=mask, origin="a box")
    settings = EditSettings(region=RegionSettings(attend="avoid", zoom="off"))
    found, wanted = (
        editor.edit(picture, "make the sofa green", region=region, settings=settings) for editor in (fast, plain)
    )
    assert found.warnings == (LEFT,) and wanted.warnings == ()
    difference = np.asarray(found.image, dtype=int) - np.asarray(wanted.image, dtype=int)
    assert np.abs(difference).max() <= 1
    assert fast.edit(picture, "make the sofa green").warnings == ()


@pytest.mark.parametrize(
    ("name", "device", "said"),
    [
        ("tensorrt", "auto", "is unknown; choose auto, torch, graphs, compiled, openvino"),
        ("openvino", "cuda:1", "not on the device"),
        ("graphs", "auto", "needs an NVIDIA GPU"),
        ("compiled", "cpu", "needs an NVIDIA GPU"),
    ],
)
def test_what_cannot_be_had_is_said(name: str, device: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SettingsError, match=said):
        check_backend(name, device)


def test_the_device_is_the_cpu_where_openvino_is_to_choose_it() -> None:
    assert [check_backend(name, "auto") for name in ("auto", "torch", "openvino")] == ["auto", "auto", "cpu"]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retouch.models.openvino.library.is_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'retouch\[openvino\]'"):
        check_backend("openvino", "auto")


def test_pipelines_are_torchs(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxKontextPipeline"}))
    for name in ("graphs", "compiled", "openvino"):
        with pytest.raises(SettingsError, match="torch alone computes"):
            load_editor(tmp_path, backend=name)
    with pytest.raises(SettingsError, match="is unknown"):
        load_editor(tmp_path, backend="fastest")


@pytest.mark.parametrize(
    ("seconds", "chosen"), [((1.0, 0.5), "openvino"), ((1.0, 0.95), "torch"), ((1.0, 2.0), "torch")]
)
def test_auto_is_what_was_measured(
    tiny_checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: tuple[float, float],
    chosen: str,
) -> None:
    monkeypatch.setenv("RETOUCH_CACHE", str(tmp_path))
    assert chosen_backend(tiny_checkpoint) == "torch"
    assert keep_measured(tiny_checkpoint, {"torch": seconds[0], "openvino": seconds[1]}) is not None
    assert chosen_backend(tiny_checkpoint) == chosen
    monkeypatch.setattr(backend, "is_installed", lambda: False)
    assert chosen_backend(tiny_checkpoint) == "torch"


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 3}', '{"a": {"torch": "fast"}}', "\0"])
def test_a_damaged_choice_is_none(
    tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setenv("RETOUCH_CACHE", str(tmp_path))
    (tmp_path / "backends.json").write_text(content)
    assert chosen_backend(tiny_checkpoint) == "torch"
    keep_measured(tiny_checkpoint, {"torch": 2.0, "openvino": 1.0})
    assert chosen_backend(tiny_checkpoint) == "openvino"


def test_with_torch_alone_there_is_nothing_to_choose() -> None:
    assert faster({"torch": 1.0}) == faster({}) == "torch"


def test_what_takes_longer_to_start_has_to_be_faster_than_what_is_before_it() -> None:
    assert faster({}, usual="graphs") == "graphs"
    assert faster({"torch": 1.0, "graphs": 0.95, "compiled": 0.94}, usual="graphs") == "torch"
    assert faster({"torch": 1.0, "graphs": 0.5, "compiled": 0.47}) == "graphs"
    assert faster({"torch": 1.0, "graphs": 0.8, "openvino": 0.5}) == "openvino"


def test_what_compiles_for_minutes_is_taken_by_name_alone() -> None:
    assert faster({"torch": 1.0, "graphs": 0.5, "compiled": 0.2}) == "graphs"


def test_on_a_gpu_the_device_is_chosen_for_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert [check_backend("graphs", device) for device in ("auto", "cuda:1")] == ["cuda", "cuda:1"]
    with pytest.raises(SettingsError, match="not on the device 'cpu'"):
        check_backend("compiled", "cpu")


def test_measuring_keeps_what_auto_goes_by(tiny_folder: Path) -> None:
    found = list(measure(tiny_folder, rounds=1))
    assert [each.usual for each in found] == [True, False][: len(found)]
    assert all(set(each.seconds) == {"torch", "openvino"} for each in found)
    for each in found:
        assert each.kept is not None and each.kept.is_file()
        editor = Editor.load(tiny_folder, device="cpu", precision=each.precision)
        assert backend_of(editor.checkpoint) == each.chosen


def test_a_model_that_does_not_edit_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        list(measure(tmp_path))
