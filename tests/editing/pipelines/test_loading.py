"""Opening pipelines by what their folder says: saved and loaded again, offline, with LoRAs, and what is refused."""

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.editing.pipelines import tiny

from retouch.core.errors import MissingExtraError, ModelError, SettingsError
from retouch.core.lora import Lora
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.load import checkpoint_of, load_editor
from retouch.editing.memory_mode import NetworkSize, check_mode, choose_mode
from retouch.editing.pipelines.editor import PipelineEditor
from retouch.editing.pipelines.families import FAMILIES, find_family
from retouch.editing.pipelines.memory import gigabytes, network_sizes
from retouch.training.flows.bases import open_family

RED = "make the sofa red"
QUICK = EditSettings(steps=2, seed=3)
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """The saved tiny pipeline of a class, where pictures are small; copy it before changing anything."""
    root = tmp_path_factory.mktemp("pipelines")

    def saved(name: str) -> Path:
        if not (root / name).is_dir():
            made = tiny.sdxl(tiny_tokenizer, cosxl=True) if name == "cosxl" else tiny.pipeline(name, tiny_tokenizer)
            made.save_pretrained(root / name)
        return root / name

    with tiny.small_sizes():
        yield saved


@pytest.fixture
def klein(folder: Folder, tmp_path: Path) -> Path:
    """A copy of FLUX.2 klein to break."""
    return Path(shutil.copytree(folder("Flux2KleinPipeline"), tmp_path / "klein"))


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 75, 3), dtype=np.uint8))


def same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def change_index(model: Path, **entries: object) -> None:
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps({**index, **entries}))


def opened(model: Path, name: str = "Flux2KleinPipeline", **options: Any) -> PipelineEditor:
    editor = load_editor(model, device="cpu", precision="float32", side=tiny.side(name), **options)
    assert isinstance(editor, PipelineEditor)
    return editor


@pytest.mark.parametrize("name", tiny.CLASSES)
def test_a_saved_pipeline_is_opened_offline_and_edits_the_same(folder: Folder, tiny_tokenizer: Any, name: str) -> None:
    with tiny.stand_in():
        editor = opened(folder(name), name)
    assert (editor.name, editor.family) == (str(folder(name)), find_family(name))
    unsaved = PipelineEditor(tiny.pipeline(name, tiny_tokenizer), find_family(name), side=tiny.side(name))
    made = [np.asarray(each.edit(picture(), RED, settings=QUICK).image, np.int16) for each in (editor, unsaved)]
    # FLUX.1 Kontext loaded again differs in the last bits, so that a level may round the other way.
    assert int(np.abs(made[0] - made[1]).max()) <= 1


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.inpaint], ids=lambda family: family.name)
def test_a_folder_of_the_inpainting_class_is_the_same_model(folder: Folder, family: Any, tmp_path: Path) -> None:
    model = Path(shutil.copytree(folder(family.pipeline), tmp_path / "model"))
    change_index(model, _class_name=family.inpaint)
    with tiny.stand_in():
        editors = [opened(each, family.pipeline) for each in (model, folder(family.pipeline))]
    assert same(*(editor.edit(picture(), RED, settings=QUICK).image for editor in editors))


def test_the_in_house_models_come_through_the_same_door(tiny_folder: Path) -> None:
    editor = load_editor(tiny_folder, device="cpu", precision="float32")
    assert isinstance(editor, Editor)
    assert checkpoint_of(editor) is editor.checkpoint


@pytest.mark.parametrize(("name", "switch"), [("cosxl", True), ("StableDiffusionXLInstructPix2PixPipeline", False)])
def test_cosxl_is_known_by_its_scheduler(folder: Folder, name: str, switch: bool) -> None:
    editor = load_editor(folder(name), device="cpu", precision="float32", side=64)
    assert isinstance(editor, PipelineEditor) and editor.pipeline.is_cosxl_edit is switch


def test_the_index_decides_about_cosxl_where_it_says_so(folder: Folder, tmp_path: Path) -> None:
    model = Path(shutil.copytree(folder("cosxl"), tmp_path / "model"))
    change_index(model, is_cosxl_edit=False)
    editor = load_editor(model, device="cpu", precision="float32", side=64)
    assert isinstance(editor, PipelineEditor) and editor.pipeline.is_cosxl_edit is False


@pytest.mark.parametrize("scale", [1.0, -0.5])
def test_a_lora_counts_as_much_as_it_is_scaled(folder: Folder, tmp_path: Path, scale: float) -> None:
    plain = opened(folder("Flux2KleinPipeline"))
    layer = "transformer_blocks.0.attn.to_q"
    torch.manual_seed(1)
    down, up = torch.randn(2, 32), torch.randn(32, 2)
    file = tmp_path / "style.safetensors"
    save_file({f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up}, file)
    styled = opened(folder("Flux2KleinPipeline"), loras=[Lora(source=str(file), scale=scale)])
    made = styled.edit(picture(), RED, settings=QUICK).image
    assert not same(made, plain.edit(picture(), RED, settings=QUICK).image)
    # The reference: the same update added to the weight by hand.
    with torch.no_grad():
        plain.pipeline.transformer.get_submodule(layer).weight += scale * up @ down
    by_hand = plain.edit(picture(), RED, settings=QUICK).image
    difference = np.abs(np.asarray(made, np.int16) - np.asarray(by_hand, np.int16))
    assert int(difference.max()) <= 1


def test_a_lora_of_another_model_or_for_a_class_without_is_refused(folder: Folder, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    layer = "transformer.transformer_blocks.7.attn.to_q"
    save_file({f"{layer}.lora_A.weight": torch.ones(2, 32), f"{layer}.lora_B.weight": torch.ones(32, 2)}, file)
    with pytest.raises(ModelError, match=r"style.safetensors' (changes nothing|does not fit)"):
        opened(folder("Flux2KleinPipeline"), loras=[Lora(source=str(file))])
    with tiny.stand_in(), pytest.raises(ModelError, match="LongCatImageEditPipeline, which takes no LoRA"):
        opened(folder("LongCatImageEditPipeline"), "LongCatImageEditPipeline", loras=[Lora(source=str(file))])


def test_a_lora_of_other_widths_is_refused_with_what_does_not_fit(
    folder: Folder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, layer = tmp_path / "wide.safetensors", "transformer.transformer_blocks.0.attn.to_q"
    save_file({f"{layer}.lora_A.weight": torch.ones(2, 48), f"{layer}.lora_B.weight": torch.ones(48, 2)}, file)
    with pytest.raises(ModelError, match=r"does not fit .*size mismatch for transformer_blocks.0.attn.to_q"):
        opened(folder("Flux2KleinPipeline"), loras=[Lora(source=str(file))])
    assert "size mismatch" not in capfd.readouterr().err


def test_an_unknown_class_is_answered_with_the_known(klein: Path) -> None:
    change_index(klein, _class_name="DreamPaintPipeline")
    with pytest.raises(ModelError, match=r"'DreamPaintPipeline' is unknown.*Flux2KleinPipeline.*QwenImageEditPlus"):
        load_editor(klein)


@pytest.mark.parametrize(
    "entries",
    [
        {"_class_name": ["my_pipeline", "MyPipeline"]},
        {"transformer": ["my_transformer", "MyTransformer"]},
        {"transformer": ["os.path", "MyTransformer"]},
        {"transformer": ["diffusers.models", "MyTransformer"]},
        {"transformer": [None, "MyTransformer"]},
    ],
)
def test_an_index_that_names_code_of_its_own_is_refused(klein: Path, entries: dict[str, object]) -> None:
    change_index(klein, **entries)
    with pytest.raises(ModelError, match=r"wants code of its own to run .*is never done"):
        load_editor(klein)


@pytest.mark.parametrize("place", ["pipeline.py", "transformer/my_transformer.py", "transformer/deep/down/x.py"])
def test_python_beside_the_weights_is_refused(klein: Path, place: str) -> None:
    (klein / place).parent.mkdir(parents=True, exist_ok=True)
    (klein / place).write_text("raise SystemExit('it ran')")
    for opening in (load_editor, open_family):
        with pytest.raises(ModelError, match=rf"'{place}' lies beside its weights"):
            opening(str(klein))


def test_a_configuration_that_maps_to_code_is_refused(klein: Path) -> None:
    config = json.loads((klein / "text_encoder" / "config.json").read_text())
    (klein / "text_encoder" / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "m.M"}}))
    for opening in (load_editor, open_family):
        with pytest.raises(ModelError, match=r"'text_encoder/config.json' has an auto_map"):
            opening(str(klein))


def test_what_a_version_control_keeps_is_no_code_of_the_model(klein: Path) -> None:
    (klein / ".git" / "hooks").mkdir(parents=True)
    (klein / ".git" / "hooks" / "check.py").write_text("")
    assert opened(klein).family is find_family("Flux2KleinPipeline")


def test_pickles_missing_and_damaged_weights_are_named(klein: Path) -> None:
    weights = klein / "transformer" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="cannot be loaded as Flux2KleinPipeline"):
        load_editor(klein)
    weights.unlink()
    with pytest.raises(ModelError, match="cannot be loaded as Flux2KleinPipeline"):
        load_editor(klein)
    (klein / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match=r"transformer of .* is pickled"):
        load_editor(klein)


@pytest.mark.parametrize("component", ["transformer", "text_encoder", "vae", "scheduler", "tokenizer"])
def test_a_missing_component_is_named(klein: Path, component: str) -> None:
    shutil.rmtree(klein / component)
    with pytest.raises(ModelError, match=f"has no {component}; restore it"):
        load_editor(klein)


@pytest.mark.parametrize(
    ("content", "message"), [("{", "cannot be read"), ("[]", "does not say what class"), ("{}", "does not say what")]
)
@pytest.mark.parametrize("component", ["transformer", "text_encoder"])
def test_a_broken_configuration_is_named(klein: Path, component: str, content: str, message: str) -> None:
    (klein / component / "config.json").write_text(content)
    with pytest.raises(ModelError, match=f"config.json of the {component} of .* {message}"):
        load_editor(klein)


def test_weights_that_lack_some_are_named(klein: Path) -> None:
    config = json.loads((klein / "transformer" / "config.json").read_text())
    (klein / "transformer" / "config.json").write_text(json.dumps({**config, "num_layers": 2}))
    with pytest.raises(ModelError, match=r"weights of the transformer of .* do not fit its config.json .*missing"):
        load_editor(klein, device="cpu")


@pytest.mark.parametrize(
    ("component", "cls"), [("transformer", "QwenImageTransformer2DModel"), ("scheduler", "DDIMScheduler")]
)
def test_a_component_of_another_class_is_named(klein: Path, component: str, cls: str) -> None:
    change_index(klein, **{component: ["diffusers", cls]})
    with pytest.raises(ModelError, match=f"has a {cls} as its {component}, expected a Fl"):
        load_editor(klein, device="cpu")


def test_a_processor_that_wants_torchvision_says_so(folder: Folder) -> None:
    if importlib.util.find_spec("torchvision") is not None:
        pytest.skip("torchvision is installed")
    with pytest.raises(MissingExtraError, match=r"pip install 'retouch\[modern\]'"):
        opened(folder("QwenImageEditPipeline"), "QwenImageEditPipeline")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tokenizer": "there"}, SettingsError, "takes no tokenizer"),
        ({"ip_adapter": "there"}, SettingsError, "takes no IP-Adapter"),
        ({"memory": "half"}, SettingsError, "memory mode is 'half'"),
        ({"memory": "offload"}, SettingsError, "on the CPU choose auto"),
        ({"quantise": "int3"}, SettingsError, "'int3' is unknown"),
        ({"side": 130}, SettingsError, "multiple of 4"),
    ],
)
def test_options_that_cannot_be_are_refused(
    folder: Folder, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_editor(folder("Flux2KleinPipeline"), device="cpu", **options)


def test_quantising_needs_its_package_or_a_gpu(folder: Folder) -> None:
    with pytest.raises((MissingExtraError, SettingsError), match=r"retouch\[modern\]|a GPU with CUDA"):
        load_editor(folder("Flux2KleinPipeline"), device="cpu", quantise="nf4")


def test_weights_that_are_stored_quantised_say_what_they_need(klein: Path) -> None:
    config = json.loads((klein / "transformer" / "config.json").read_text())
    stored = {**config, "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    (klein / "transformer" / "config.json").write_text(json.dumps(stored))
    with pytest.raises((MissingExtraError, SettingsError), match=r"stored quantised.*(retouch\[modern\]|needs a GPU)"):
        load_editor(klein, device="cpu")


def test_options_of_pipelines_are_refused_for_the_loop(tiny_folder: Path) -> None:
    asked: list[dict[str, Any]] = [{"side": 128}, {"quantise": "nf4"}, {"memory": "sequential"}]
    for options in asked:
        with pytest.raises(SettingsError):
            load_editor(tiny_folder, device="cpu", **options)


def test_memory_modes_follow_what_is_free(folder: Folder) -> None:
    sizes = {
        "transformer": NetworkSize(kept=100, plain=100),
        "text_encoder": NetworkSize(kept=60, plain=60),
    }
    assert [choose_mode("auto", sizes, free) for free in (None, 200, 130, 90)] == [
        "full", "full", "offload", "sequential",
    ]  # fmt: skip
    assert choose_mode("sequential", sizes, 10_000) == "sequential"
    assert check_mode("offload", torch.device("cuda")) == "offload"
    pipeline = opened(folder("Flux2KleinPipeline")).pipeline
    stored = load_file(folder("Flux2KleinPipeline") / "transformer" / "diffusion_pytorch_model.safetensors")
    counted = network_sizes(pipeline, torch.device("cuda"))
    assert counted["transformer"].kept == sum(weight.nbytes for weight in stored.values())
    assert counted["transformer"].plain == 2 * sum(weight.numel() for weight in stored.values())
    assert {size.placed for size in counted.values()} == {0}
    assert network_sizes(pipeline, torch.device("cpu"))["transformer"].placed == counted["transformer"].kept
    assert set(counted) == {"vae", "text_encoder", "transformer"}


def test_quantised_weights_need_the_room_of_whole_ones_and_are_not_counted_twice() -> None:
    whole = {"transformer": NetworkSize(kept=100, plain=100)}
    quantised = {"transformer": NetworkSize(kept=28, plain=100)}
    placed = {"transformer": NetworkSize(kept=28, plain=100, placed=28)}
    assert [choose_mode("auto", whole, free) for free in (120, 119)] == ["full", "sequential"]
    assert [choose_mode("auto", quantised, free) for free in (48, 47)] == ["full", "sequential"]
    assert [choose_mode("auto", placed, free) for free in (20, 19)] == ["full", "sequential"]


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_what_bitsandbytes_keeps_beside_weights_is_counted(kind: str) -> None:
    bitsandbytes: Any = pytest.importorskip("bitsandbytes")
    plain = torch.nn.Linear(64, 64, bias=False)
    make = {
        "nf4": lambda: bitsandbytes.nn.Linear4bit(64, 64, bias=False, quant_type="nf4"),
        "int8": lambda: bitsandbytes.nn.Linear8bitLt(64, 64, bias=False, has_fp16_weights=False),
    }[kind]
    layer = make()
    layer.load_state_dict(plain.state_dict())
    layer = layer.to("cpu")
    (size,) = network_sizes(SimpleNamespace(components={"layer": layer}), torch.device("cpu")).values()
    stored = sum(value.nbytes for value in layer.state_dict().values())
    assert size.plain == 2 * 64 * 64
    assert size.kept < 2 * 64 * 64 and size.kept == pytest.approx(stored, rel=0.1)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_less_memory_is_wanted_the_further_weights_are_moved(family: Any) -> None:
    full, offload, layers = (gigabytes(family.billions, mode) for mode in ("full", "offload", "sequential"))
    assert full > offload > layers


def test_attention_of_a_pipeline_is_not_looked_into(folder: Folder) -> None:
    with pytest.raises(ModelError, match="Flux2KleinPipeline, whose attention is not looked into"):
        checkpoint_of(opened(folder("Flux2KleinPipeline")))
