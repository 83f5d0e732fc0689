"""Insertion models: the published optimizer by name and number, which attention learns, and their folders."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from tests.models.inserts import clip_folder, published_optimizer, tiny_insert
from torch.nn import functional

from retouch.core.errors import ModelError
from retouch.models.adapter import ADAPTER_FILE
from retouch.models.architecture import POCKET, STABLE_DIFFUSION_1, TINY, Architecture, random_unet
from retouch.models.convert import convert
from retouch.models.embedding_optimizer import EmbeddingOptimizer, optimizer_of
from retouch.models.insert import PUBLISHED_FILE, Insert, is_published_insert, load_insert, save_insert, tuned_attention
from retouch.models.load import load
from retouch.models.save import save


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tiny_tokenizer, tmp_path_factory.mktemp("encoder") / "clip")


@pytest.fixture(scope="module")
def base(make_tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(make_tiny(seed=1), tmp_path_factory.mktemp("base") / "instruct")


@pytest.fixture
def insert(base: Path, encoder: Path) -> Insert:
    made = tiny_insert(load(base), encoder)
    for module in tuned_attention(made.checkpoint.unet).values():
        for parameter in module.parameters():
            parameter.data += 0.25
    return made


def test_the_published_optimizer_has_these_weights() -> None:
    with torch.device("meta"):
        optimizer = EmbeddingOptimizer()
    own = {name: parameter for name, parameter in optimizer.named_parameters() if name != "queries"}
    assert sum(parameter.numel() for parameter in own.values()) == 5_511_936
    assert {name: tuple(parameter.shape) for name, parameter in own.items()} == {
        name: tuple(weight.shape) for name, weight in published_optimizer().items()
    }
    assert optimizer.queries.shape == (77, 768)


def test_it_computes_what_was_published() -> None:
    """Attention written out, queries aside."""
    weights = published_optimizer(width=24, context=16)
    optimizer = optimizer_of(weights, "file", queries=5, seed=3)
    tokens = torch.randn(2, 7, 24, generator=torch.Generator().manual_seed(1))
    seen = functional.linear(tokens, weights["projection_layer.weight"], weights["projection_layer.bias"])
    parts = zip(
        weights["attention_pooling.in_proj_weight"].chunk(3),
        weights["attention_pooling.in_proj_bias"].chunk(3),
        (optimizer.queries.expand(2, -1, -1), seen, seen),
        strict=True,
    )
    query, key, value = (functional.linear(given, *own).unflatten(-1, (8, 2)).transpose(1, 2) for *own, given in parts)
    read = ((query @ key.mT / 2**0.5).softmax(-1) @ value).transpose(1, 2).flatten(2)
    out = functional.linear(
        read, weights["attention_pooling.out_proj.weight"], weights["attention_pooling.out_proj.bias"]
    )
    for layer in (1, 2, 3):
        out = functional.linear(out, weights[f"mlp_fc{layer}.weight"], weights[f"mlp_fc{layer}.bias"]).relu()
    wanted = functional.linear(out, weights["mlp_fc4.weight"], weights["mlp_fc4.bias"])
    torch.testing.assert_close(optimizer(tokens), wanted)


def test_missing_queries_are_drawn_by_seed_and_stay() -> None:
    weights = published_optimizer(width=24, context=16)
    one, same, other = (optimizer_of(weights, "file", seed=seed) for seed in (0, 0, 1))
    tokens = torch.ones(1, 3, 24)
    assert torch.equal(one(tokens), one(tokens))
    assert torch.equal(one(tokens), same(tokens))
    assert not torch.equal(one.queries, other.queries)
    learned = {**weights, "queries": torch.ones(4, 16)}
    assert torch.equal(optimizer_of(learned, "file").queries, learned["queries"])


@pytest.mark.parametrize(
    "change", [{"queries": torch.ones(4, 8)}, {"mlp_fc2.bias": torch.ones(3)}, {"more": torch.ones(1)}]
)
def test_weights_of_something_else_are_told(change: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ModelError, match=r"'file' holds no embedding optimizer \(.+\); get the file again\."):
        optimizer_of({**published_optimizer(width=24, context=16), **change}, "file")
    with pytest.raises(ModelError, match="holds no embedding optimizer"):
        optimizer_of(change, "file")


@pytest.mark.parametrize(
    ("shape", "places"),
    [
        (TINY, ("down_blocks.0", "mid_block", "up_blocks.1")),
        (POCKET, ("down_blocks.3", "mid_block", "up_blocks.0")),
        (STABLE_DIFFUSION_1, ("down_blocks.2", "mid_block", "up_blocks.1")),
    ],
    ids=["tiny", "pocket", "stable diffusion"],
)
def test_the_attention_that_learns(shape: Architecture, places: tuple[str, str, str]) -> None:
    with torch.device("meta"):
        unet = random_unet(shape, channels=8)
    found = tuned_attention(unet)
    down, mid, up = shape.unet_layers, 1, shape.unet_layers + 1
    assert set(found) == {
        f"{place}.attentions.{number}.transformer_blocks.0.attn2"
        for place, count in zip(places, (down, mid, up), strict=True)
        for number in range(count)
    }
    assert all(found[name] is unet.get_submodule(name) for name in found)


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
    assert {name.split(".attentions")[0] for name in tuned_attention(unet)} == {
        "down_blocks.0",
        "mid_block",
        "up_blocks.1",
    }


def test_a_folder_keeps_optimizer_attention_and_null(insert: Insert, base: Path, tmp_path: Path) -> None:
    folder = save_insert(insert, tmp_path / "insert", base=str(base), card="# Insert")
    found = load_insert(folder)
    assert found.null == insert.null
    assert found.source == str(folder)
    wanted = insert.checkpoint.unet.state_dict()
    for name, weight in found.checkpoint.unet.state_dict().items():
        expected = wanted[name].half().float() if ".attn2." in name else wanted[name]
        assert torch.equal(weight, expected), name
    for name, weight in found.optimizer.state_dict().items():
        assert torch.equal(weight, insert.optimizer.state_dict()[name].half().float()), name
    assert not any(parameter.requires_grad for parameter in found.optimizer.parameters())
    half = load_insert(folder, dtype=torch.bfloat16)
    assert half.optimizer.queries.dtype == half.encoder.weight.dtype == torch.bfloat16


def test_more_than_attention_is_not_written(insert: Insert, base: Path, tmp_path: Path) -> None:
    insert.checkpoint.unet.conv_out.weight.data += 1
    with pytest.raises(ModelError, match=r"'conv_out\.weight' changed"):
        save_insert(insert, tmp_path / "insert", base=str(base))
    assert not (tmp_path / "insert").exists()


def test_the_published_form_loads_once_converted(base: Path, encoder: Path, tiny_tokenizer, tmp_path: Path) -> None:
    weights = published_optimizer(width=32, context=16)
    torch.save(weights, tmp_path / "emb_opt.pt")
    editor = Path(shutil.copytree(base, tmp_path / "editor"))
    convert(tmp_path / "emb_opt.pt", editor / PUBLISHED_FILE)
    shutil.copytree(encoder, editor / "image_encoder")
    assert is_published_insert(editor)
    assert not is_published_insert(base)
    found, again = load_insert(editor), load_insert(editor)
    assert found.null == "zeros"
    assert found.optimizer.queries.shape == (77, 16)
    assert torch.equal(found.optimizer.queries, again.optimizer.queries)
    assert torch.equal(found.optimizer.mlp_fc3.weight, weights["mlp_fc3.weight"])
    (editor / PUBLISHED_FILE).write_bytes(b"\x00" * 20)
    with pytest.raises(ModelError, match=r"emb_opt\.safetensors' is damaged \(.+\); convert it again"):
        load_insert(editor)
    save_file({"weight": torch.ones(1)}, editor / PUBLISHED_FILE)
    with pytest.raises(ModelError, match="holds no embedding optimizer"):
        load_insert(editor)


def facts_changed(folder: Path, **changes: object) -> None:
    content = json.loads((folder / ADAPTER_FILE).read_text())
    (folder / ADAPTER_FILE).write_text(json.dumps({**content, **changes}))


def test_parts_that_are_not_for_each_other_are_told(
    insert: Insert, base: Path, encoder: Path, make_tiny, tmp_path: Path
) -> None:
    folder = save_insert(insert, tmp_path / "insert", base=str(base))
    facts_changed(folder, image_encoder="pocket/clip")
    with pytest.raises(ModelError, match="reads 32 features and writes 16, its image encoder has 128"):
        load_insert(folder)
    facts_changed(folder, image_encoder=str(encoder), base="pocket/instruct")
    with pytest.raises(ModelError, match="over the base they name"):
        load_insert(folder)
    facts_changed(folder, base=str(save(make_tiny(kind="generate"), tmp_path / "generate")))
    with pytest.raises(ModelError, match="Insertion goes over an editor"):
        load_insert(folder)
    facts_changed(folder, base=str(base), conventions={"null": "black"})
    with pytest.raises(
        ModelError, match="'black' for no reference; expected one of empty-text, encoded-zero-image, ze"
    ):
        load_insert(folder)
    facts_changed(folder, conventions={})
    with pytest.raises(ModelError, match="None for no reference"):
        load_insert(folder)
    facts_changed(folder, conventions={"null": "zeros"})
    (folder / "optimizer.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no optimizer\.safetensors"):
        load_insert(folder)
    with pytest.raises(ModelError, match="is no adapter"):
        load_insert(base)
