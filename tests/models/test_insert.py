"""Insertion models: the published optimizer, its conversion, and adapters over an editor."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import save_file
from tests.models.ip_adapters import tiny_encoder
from torch import Tensor, nn
from transformers import CLIPVisionModel

from retouch.core.errors import ModelError
from retouch.core.reference import Reference
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.inserting import Inserting
from retouch.editing.instructing import Instructing
from retouch.models import sources
from retouch.models.architecture import TINY
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.convert import convert
from retouch.models.embedding_optimizer import EmbeddingOptimizer, optimizer_of
from retouch.models.image_encoder import load_image_encoder
from retouch.models.insert import Insert, fresh_insert, load_insert, save_insert, tuned_attention
from retouch.models.load import load
from retouch.models.save import save


def published_shapes(width: int = 1024, context: int = 768) -> dict[str, tuple[int, ...]]:
    """What the published file holds, name by name."""
    shapes: dict[str, tuple[int, ...]] = {
        "projection_layer.weight": (context, width),
        "projection_layer.bias": (context,),
        "attention_pooling.in_proj_weight": (3 * context, context),
        "attention_pooling.in_proj_bias": (3 * context,),
        "attention_pooling.out_proj.weight": (context, context),
        "attention_pooling.out_proj.bias": (context,),
    }
    for layer in range(1, 5):
        shapes |= {f"mlp_fc{layer}.weight": (context, context), f"mlp_fc{layer}.bias": (context,)}
    return shapes


def published_weights(width: int, context: int, seed: int = 5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator) / 4 for name, shape in published_shapes(width, context).items()
    }


def as_published(weights: dict[str, Tensor], tokens: Tensor, queries: Tensor) -> Tensor:
    """The published forward, with the queries it is given in the place of those it draws."""
    context = len(weights["projection_layer.bias"])
    pooling = nn.MultiheadAttention(context, num_heads=8, batch_first=True)
    pooling.load_state_dict(
        {
            name.removeprefix("attention_pooling."): value
            for name, value in weights.items()
            if name.startswith("attention")
        }
    )
    seen = nn.functional.linear(tokens, weights["projection_layer.weight"], weights["projection_layer.bias"])
    found, _ = pooling(queries.expand(len(seen), -1, -1), seen, seen)
    for layer in range(1, 5):
        found = nn.functional.linear(found, weights[f"mlp_fc{layer}.weight"], weights[f"mlp_fc{layer}.bias"])
        found = found.relu() if layer < 4 else found
    return found


def test_the_optimizer_has_the_published_parameters_and_its_queries() -> None:
    optimizer = EmbeddingOptimizer()
    shapes = {name: tuple(value.shape) for name, value in optimizer.named_parameters()}
    assert shapes.pop("queries") == (77, 768)
    assert shapes == published_shapes()
    assert sum(value.numel() for name, value in optimizer.named_parameters() if name != "queries") == 5_511_936
    with torch.no_grad():
        assert optimizer(torch.zeros(2, 257, 1024)).shape == (2, 77, 768)


def test_published_weights_compute_what_they_did_with_queries_that_stay() -> None:
    weights = published_weights(24, 16)
    optimizer = optimizer_of(weights, "file", queries=5, seed=3)
    tokens = torch.randn(3, 7, 24, generator=torch.Generator().manual_seed(1))
    queries = torch.randn(5, 16, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.allclose(optimizer(tokens), as_published(weights, tokens, queries), atol=1e-5)
        assert torch.equal(optimizer(tokens), optimizer(tokens))
        assert torch.equal(optimizer(tokens), optimizer_of(weights, "file", queries=5, seed=3)(tokens))
        assert not torch.equal(optimizer(tokens), optimizer_of(weights, "file", queries=5, seed=4)(tokens))


@pytest.mark.parametrize("change", ["less", "more", "shape", "nothing"])
def test_weights_of_something_else_are_refused(change: str) -> None:
    weights = published_weights(24, 16)
    if change == "less":
        weights.pop("mlp_fc3.bias")
    elif change == "more":
        weights["mlp_fc5.bias"] = torch.zeros(16)
    elif change == "shape":
        weights["attention_pooling.out_proj.weight"] = torch.zeros(8, 16)
    else:
        weights = {}
    with pytest.raises(ModelError, match="'file' holds no embedding optimizer"):
        optimizer_of(weights, "file")


def test_the_attention_that_learns_is_that_of_three_blocks() -> None:
    with torch.device("meta"):
        names = tuned_attention(UNet2DConditionModel(in_channels=8, cross_attention_dim=768))
    places = {".".join(name.split(".")[:2]) if "blocks" in name.split(".")[0] else "mid_block" for name in names}
    assert places == {"down_blocks.2", "mid_block", "up_blocks.1"}
    assert len(names) == 2 + 1 + 3
    assert all(name.endswith(".attn2") for name in names)


def test_blocks_that_attend_to_themselves_alone_are_passed_over() -> None:
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
        cross_attention_dim=16,
        norm_num_groups=4,
    )
    blocks = {name.partition(".attentions")[0] for name in tuned_attention(unet)}
    assert blocks == {"down_blocks.0", "mid_block", "up_blocks.1"}


@pytest.fixture(scope="module")
def base(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(make_tiny(seed=3), tmp_path_factory.mktemp("insert") / "base", storage="float32")


@pytest.fixture
def insert(base: Path, tiny_tokenizer, tmp_path: Path) -> Insert:
    """Over the tiny editor, its attention moved a little."""
    clip = save_clip(random_clip(TINY_CLIP, tiny_tokenizer), tmp_path / "clip", storage="float32")
    made = fresh_insert(load(base), load_image_encoder(clip), queries=6, null="encoded-zero-image", seed=2)
    generator = torch.Generator().manual_seed(9)
    for module in tuned_attention(made.checkpoint.unet).values():
        for parameter in module.parameters():
            parameter.data += torch.randn(parameter.shape, generator=generator) / 8
    return made


def test_an_adapter_brings_back_the_model_over_its_base(insert: Insert, base: Path, tmp_path: Path) -> None:
    folder = save_insert(insert, tmp_path / "model", base=str(base))
    loaded = load_insert(folder)
    before, after = load(base).unet.state_dict(), loaded.checkpoint.unet.state_dict()
    for name, value in insert.checkpoint.unet.state_dict().items():
        assert torch.allclose(after[name], value, atol=2e-3)
        assert torch.equal(after[name], before[name]) or ".attn2." in name
    assert any(not torch.equal(after[name], before[name]) for name in after)
    own = loaded.optimizer.state_dict()
    assert all(torch.allclose(own[name], value, atol=2e-3) for name, value in insert.optimizer.state_dict().items())
    assert (loaded.null, loaded.source, loaded.encoder.source) == (insert.null, str(folder), insert.encoder.source)
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    assert stored < sum(value.numel() for value in before.values())


def test_what_an_adapter_has_no_room_for_is_told(insert: Insert, base: Path, tmp_path: Path) -> None:
    insert.checkpoint.unet.conv_in.weight.data += 1
    with pytest.raises(ModelError, match=r"'conv_in\.weight' changed, which this kind of change has no room for"):
        save_insert(insert, tmp_path / "model", base=str(base))


def test_parts_that_are_not_for_each_other_are_told(insert: Insert, base: Path, tmp_path: Path) -> None:
    folder = save_insert(insert, tmp_path / "model", base=str(base))
    facts = folder / "retouch-adapter.json"
    told = facts.read_text()
    facts.write_text(told.replace("encoded-zero-image", "silence"))
    with pytest.raises(ModelError, match="says 'silence' for no reference; expected one of"):
        load_insert(folder)
    facts.write_text(told.replace(insert.encoder.source, "pocket/clip"))
    with pytest.raises(ModelError, match="reads 32 features and writes 16, its image encoder has 128"):
        load_insert(folder)


def published_folder(place: Path, base: Path, content: dict[str, Tensor], *, pickled: bool, clip: Path | None) -> Path:
    folder = shutil.copytree(base, place)
    if pickled:
        torch.save(content, folder / "emb_opt.pt")
    else:
        save_file(content, folder / "emb_opt.safetensors")
    if clip is not None:
        shutil.copytree(clip, folder / "image_encoder")
    return folder


def published_encoder(clip: Path, tiny_tokenizer) -> Path:
    tower: Any = random_clip(TINY_CLIP, tiny_tokenizer).model
    alone: Any = CLIPVisionModel(tower.config.vision_config)
    own = tower.vision_model.state_dict()
    prefix = "vision_model." if next(iter(alone.state_dict())).startswith("vision_model.") else ""
    alone.load_state_dict({prefix + name: value for name, value in own.items()})
    alone.save_pretrained(clip)
    return clip


def test_a_published_folder_loads_once_converted(base: Path, tiny_tokenizer, tmp_path: Path) -> None:
    clip = published_encoder(tmp_path / "clip", tiny_tokenizer)
    weights = published_weights(TINY_CLIP.vision_width, TINY.text_width)
    weights["mlp_fc1.bias"][0] = torch.nan
    folder = published_folder(tmp_path / "published", base, weights, pickled=True, clip=clip)
    with pytest.raises(ModelError, match=r"as a pickle \(emb_opt\.pt\), .* `retouch models convert"):
        load_insert(folder)
    out = convert(folder, tmp_path / "safe")
    assert not list(out.rglob("*.pt"))
    loaded = load_insert(out)
    assert loaded.null == "zeros"
    assert loaded.optimizer.queries.shape == (77, TINY.text_width)
    assert loaded.optimizer.mlp_fc1.bias[0] == 0
    assert torch.equal(loaded.optimizer.mlp_fc4.weight, weights["mlp_fc4.weight"])
    pixels = torch.randn(2, 3, TINY_CLIP.side, TINY_CLIP.side, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(loaded.encoder.read(pixels).last, tiny_encoder(tiny_tokenizer).read(pixels).last, atol=1e-5)


def on_hub(content: Path, root: Path, name: str) -> Path:
    """Put a folder into a hub cache under `root` as `someone/NAME`."""
    repository = root / f"models--someone--{name}"
    (repository / "refs").mkdir(parents=True)
    for branch in ("main", "v1"):
        (repository / "refs" / branch).write_text("0" * 40)
    return Path(shutil.copytree(content, repository / "snapshots" / ("0" * 40)))


def test_a_published_model_and_an_adapter_edit_by_their_hub_ids(
    insert: Insert, base: Path, tiny_tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    clip = published_encoder(tmp_path / "clip-tower", tiny_tokenizer)
    weights = published_weights(TINY_CLIP.vision_width, TINY.text_width)
    folder = published_folder(tmp_path / "published", base, weights, pickled=True, clip=clip)
    on_hub(convert(folder, tmp_path / "safe"), tmp_path / "hub", "insertion")
    snapshot = on_hub(folder, tmp_path / "hub", "pickled")
    on_hub(save_insert(insert, tmp_path / "model", base=str(base)), tmp_path / "hub", "adapter")
    on_hub(base, tmp_path / "hub", "words")
    reference = Reference(picture=Image.new("RGB", (32, 32), "red"))
    settings, room = EditSettings(steps=1), Image.new("RGB", (64, 64), "grey")
    for name, place in (("someone/insertion", tmp_path / "safe"), ("someone/adapter", tmp_path / "model")):
        editor, beside = Editor.load(name), Editor.load(place)
        assert isinstance(editor.technique, Inserting)
        assert editor.name == name
        made = editor.edit(room, "", references=[reference], settings=settings).image
        assert made.tobytes() == beside.edit(room, "", references=[reference], settings=settings).image.tobytes()
        with pytest.raises(ModelError, match="not at revision 'v1'; leave the revision out"):
            Editor.load(name, revision="v1")
    assert isinstance(Editor.load("someone/words").technique, Instructing)
    with pytest.raises(ModelError, match=rf"as a pickle .* `retouch models convert {snapshot} OUT`"):
        Editor.load("someone/pickled")


def test_only_what_an_insertion_model_needs_is_downloaded(
    base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = published_folder(tmp_path / "one", base, {"a": torch.zeros(1)}, pickled=False, clip=None)
    asked: list[str] = []

    def download(_: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        assert revision is None
        asked.extend(allow_patterns)
        return str(folder)

    monkeypatch.setattr(sources, "snapshot_download", download)
    with pytest.raises(ModelError, match="holds no embedding optimizer"):
        load_insert("someone/insertion")
    wanted = {"emb_opt.safetensors", "image_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors"}
    assert wanted <= set(asked)
    assert not any(
        "*" in pattern and pattern.endswith((".bin", ".pt", "/*")) for pattern in asked if "tok" not in pattern
    )


def test_a_damaged_published_file_is_told(base: Path, tmp_path: Path) -> None:
    folder = published_folder(tmp_path / "one", base, {"a": torch.zeros(1)}, pickled=False, clip=None)
    with pytest.raises(ModelError, match="holds no embedding optimizer"):
        load_insert(folder)
    (folder / "emb_opt.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="is damaged"):
        load_insert(folder)


def test_a_base_that_does_not_edit_is_told(insert: Insert, base: Path, make_tiny, tmp_path: Path) -> None:
    folder = save_insert(insert, tmp_path / "model", base=str(base))
    drawing = save(make_tiny(kind="generate", seed=3), tmp_path / "drawing")
    facts = folder / "retouch-adapter.json"
    facts.write_text(facts.read_text().replace(str(base), str(drawing)))
    with pytest.raises(ModelError, match=r"Insertion goes over an editor.+is of kind 'generate'"):
        load_insert(folder)
