"""IP-Adapters go to diffusers and come from published files: the same names, and the same answers of the U-Net."""

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_instruct_pix2pix import (
    StableDiffusionInstructPix2PixPipeline,
)
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tests.models.ip_adapters import embeddings_of, published_file, tiny_adapter, tiny_encoder
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from retouch.attention.image_tokens import ImageTokens
from retouch.conditioning.ip_adapter import embedded_prompt
from retouch.core.errors import ModelError, OutputError
from retouch.models.adapter import ADAPTER_FILE
from retouch.models.clip import TINY_CLIP, random_clip, save_clip
from retouch.models.ip_adapter import IMAGE_TOKENS, IPAdapter, Variant, fresh_ip_adapter, text_layers
from retouch.models.ip_adapter_file import adapter_of, read_ip_adapter_file, write_ip_adapter_file
from retouch.models.ip_adapter_load import load_ip_adapter, save_ip_adapter

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VARIANTS = get_args(Variant)
BOTH_VARIANTS = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer):
    return tiny_encoder(tiny_tokenizer)


def inputs(channels: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(2, channels, 12, 8, generator=generator)
    return sample, torch.tensor(400), torch.randn(2, 16, 16, generator=generator)


@torch.no_grad()
def ours(unet: Any, adapter: IPAdapter, variant: Variant, references: int, scale: float) -> torch.Tensor:
    prompt = embedded_prompt(adapter, embeddings_of(variant, references=references), scale=scale)
    with ImageTokens([prompt]).over(unet):
        extra = {IMAGE_TOKENS: ((prompt.tokens,),)}
        return unet(*inputs(unet.config.in_channels), added_cond_kwargs=extra, return_dict=False)[0]


@torch.no_grad()
def theirs(checkpoint: Any, file: Path, variant: Variant, references: int, scale: float) -> torch.Tensor:
    """What diffusers' own pipeline makes of the file."""
    pipeline = StableDiffusionInstructPix2PixPipeline(
        vae=checkpoint.vae,
        text_encoder=checkpoint.text_encoder,
        tokenizer=checkpoint.tokenizer,
        unet=checkpoint.unet,
        scheduler=None,  # pyright: ignore[reportArgumentType]
        safety_checker=None,  # pyright: ignore[reportArgumentType]
        feature_extractor=None,  # pyright: ignore[reportArgumentType]
        requires_safety_checker=False,
    )
    pipeline.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name, image_encoder_folder=None)
    pipeline.set_ip_adapter_scale(scale)
    extra = {"image_embeds": [embeddings_of(variant, references=references)]}
    unet: Any = pipeline.unet
    return unet(*inputs(unet.config.in_channels), added_cond_kwargs=extra, return_dict=False)[0]


@BOTH_VARIANTS
@pytest.mark.parametrize("references", [1, 3])
def test_diffusers_reads_what_is_exported(
    variant: Variant, references: int, make_tiny, encoder, tmp_path: Path
) -> None:
    checkpoint = make_tiny(seed=4)
    adapter = tiny_adapter(checkpoint.unet, encoder, variant)
    save_ip_adapter(adapter, tmp_path / "adapter", base="tiny", storage=torch.float32)
    found = ours(checkpoint.unet, adapter, variant, references, 0.7)
    plain = checkpoint.unet(*inputs(8), return_dict=False)[0]
    wanted = theirs(checkpoint, tmp_path / "adapter" / "ip-adapter.safetensors", variant, references, 0.7)
    assert (wanted - plain).abs().max() > 1e-2
    torch.testing.assert_close(found, wanted, atol=2e-6, rtol=1e-5)


@BOTH_VARIANTS
def test_published_files_are_read_as_diffusers_reads_them(variant: Variant, make_tiny, encoder, tmp_path: Path) -> None:
    checkpoint = make_tiny(seed=4)
    layers = text_layers(checkpoint.unet)
    (channels,) = {layer.to_k.out_features for layer in layers if layer.to_k.out_features == 16} or {16}
    tensors = published_file(variant, layers=len(layers), width=16, channels=channels)
    for place, layer in enumerate(layers):
        for part in "kv":
            name = f"ip_adapter.{2 * place + 1}.to_{part}_ip.weight"
            tensors[name] = torch.randn(layer.to_k.weight.shape, generator=torch.Generator().manual_seed(place)) / 2
    save_file(tensors, tmp_path / "published.safetensors")
    parts = {name: {} for name in ("image_proj", "ip_adapter")}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    torch.save(parts, tmp_path / "published.bin")
    plain = load_ip_adapter(tmp_path / "published.safetensors", checkpoint.unet)
    pickled = load_ip_adapter(tmp_path / "published.bin", checkpoint.unet)
    assert plain.variant == variant
    found = [ours(checkpoint.unet, adapter, variant, 1, 1.0) for adapter in (plain, pickled)]
    wanted = theirs(checkpoint, tmp_path / "published.safetensors", variant, 1, 1.0)
    assert torch.equal(*found)
    torch.testing.assert_close(found[0], wanted, atol=2e-6, rtol=1e-5)


@BOTH_VARIANTS
def test_a_file_keeps_every_name_and_value(variant: Variant, make_tiny, encoder, tmp_path: Path) -> None:
    unet = make_tiny().unet
    tensors = published_file(variant, layers=len(text_layers(unet)), width=16, channels=16)
    write_ip_adapter_file(adapter_of(tensors, None, "published"), tmp_path / "again.safetensors", storage=torch.float32)
    again = load_file(tmp_path / "again.safetensors")
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], value) for name, value in tensors.items())


@BOTH_VARIANTS
def test_a_fresh_adapter_starts_as_the_text_is_read(variant: Variant, make_tiny, encoder) -> None:
    unet = make_tiny().unet
    adapter = fresh_ip_adapter(unet, encoder, variant=variant)
    for own, layer in zip(adapter.attention.layers, text_layers(unet), strict=True):
        state = own.state_dict()
        assert torch.equal(state["to_k_ip.weight"], layer.to_k.weight)
        assert torch.equal(state["to_v_ip.weight"], layer.to_v.weight)
    assert adapter.tokens == {"base": 4, "plus": 16}[variant]
    again = fresh_ip_adapter(unet, encoder, variant=variant)
    assert torch.equal(adapter.project(adapter.null_embedding()), again.project(again.null_embedding()))


@torch.no_grad()
@BOTH_VARIANTS
def test_no_picture_is_what_the_published_pipelines_take_for_it(variant: Variant, make_tiny, encoder) -> None:
    adapter = tiny_adapter(make_tiny().unet, encoder, variant)
    null = adapter.null_embedding()
    if variant == "base":
        assert not null.any()
    else:
        told = encoder.tower(pixel_values=torch.zeros(1, 3, 32, 32), output_hidden_states=True).hidden_states[-2]
        assert torch.equal(null, told)


def test_a_folder_comes_back_with_its_encoder(make_tiny, tiny_tokenizer, tmp_path: Path) -> None:
    unet = make_tiny().unet
    save_clip(random_clip(TINY_CLIP, tiny_tokenizer), tmp_path / "clip", storage="float32")
    adapter = load_ip_adapter(_published(tmp_path, unet), unet, image_encoder=tmp_path / "clip")
    folder = save_ip_adapter(adapter, tmp_path / "folder", base="tiny", card="# Card", storage=torch.float32)
    again = load_ip_adapter(folder, unet)
    assert again.reader().source == str(tmp_path / "clip")
    framed = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(again.project(again.embed(framed)), adapter.project(adapter.embed(framed)))
    content = json.loads((folder / ADAPTER_FILE).read_text())
    (folder / ADAPTER_FILE).write_text(json.dumps({**content, "conventions": {"variant": "plus", "null": "x"}}))
    with pytest.raises(ModelError, match="weights are of variant 'base'"):
        load_ip_adapter(folder, unet)


def test_published_places_are_found_with_the_encoder_beside_them(make_tiny, tmp_path: Path) -> None:
    unet = make_tiny().unet
    models = tmp_path / "repository" / "models"
    _tower().save_pretrained(models / "image_encoder")
    shutil.copy(_published(tmp_path, unet), models / "ip-adapter_sd15.safetensors")
    for source in (
        models / "ip-adapter_sd15.safetensors",
        models,
        f"{models.parent}:models/ip-adapter_sd15.safetensors",
    ):
        adapter = load_ip_adapter(source, unet)
        assert adapter.reader().framing.side == 32
    adapter = load_ip_adapter(models, unet)
    framed = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pixels = adapter.reader().framing.normalised(framed)
    assert pixels.max() > 1.5  # OpenAI's own normalisation, where the folder does not say.
    wanted = CLIPVisionModelWithProjection.from_pretrained(models / "image_encoder").eval()(pixels).image_embeds
    torch.testing.assert_close(adapter.embed(framed), wanted)


def test_a_file_on_the_hub_comes_with_its_encoder(make_tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unet, repository = make_tiny().unet, tmp_path / "hub" / "models--someone--adapters"
    snapshot = repository / "snapshots" / COMMIT
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    _tower().save_pretrained(snapshot / "models" / "image_encoder")
    shutil.copy(_published(tmp_path, unet), snapshot / "models" / "ip-adapter_sd15.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    adapter = load_ip_adapter("someone/adapters:models/ip-adapter_sd15.safetensors", unet)
    assert adapter.reader().width == 32
    with pytest.raises(ModelError, match=r"There is no IP-Adapter 'someone/adapters:models/other\.safetensors'"):
        load_ip_adapter("someone/adapters:models/other.safetensors", unet)
    with pytest.raises(ModelError, match=r"'someone/adapters' is no adapter: it holds no retouch-adapter\.json"):
        load_ip_adapter("someone/adapters", unet)
    bare = load_ip_adapter(tmp_path / "ip-adapter.safetensors", unet)
    shutil.copytree(save_ip_adapter(bare, tmp_path / "made", base="tiny"), snapshot, dirs_exist_ok=True)
    assert load_ip_adapter("someone/adapters", unet).tokens == 4


def test_what_is_no_such_adapter_is_refused(make_tiny, encoder, tmp_path: Path) -> None:
    unet = make_tiny().unet
    file = _published(tmp_path, unet)
    tensors = load_file(file)
    with pytest.raises(ModelError, match="no valid safetensors file"):
        (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 20)
        read_ip_adapter_file(tmp_path / "broken.safetensors")
    for change, told in (
        ({"image_proj.proj.weight": None, "image_proj.proj.3.weight": torch.ones(2)}, "an IP-Adapter for whole faces"),
        ({"ip_adapter.1.to_k_ip.weight": None}, "are numbered 1, 3"),
        ({"ip_adapter.1.to_k_lora.weight": torch.ones(2)}, "which no IP-Adapter has"),
        ({"image_proj.norm.bias": None}, "projection of 'file' is incomplete"),
    ):
        changed = {name: value for name, value in {**tensors, **change}.items() if value is not None}
        with pytest.raises(ModelError, match=told):
            adapter_of(changed, None, "file")
    with pytest.raises(ModelError, match="is no IP-Adapter"):
        adapter_of({"unet.conv.weight": torch.ones(1)}, None, "file")
    with pytest.raises(ModelError, match="There is no IP-Adapter 'nothing'"):
        load_ip_adapter("nothing", unet)
    with pytest.raises(ModelError, match="holds 3 files that may be"):
        shutil.copy(file, tmp_path / "second.safetensors")
        load_ip_adapter(tmp_path, unet)


def test_what_does_not_fit_is_refused(make_tiny, encoder, tmp_path: Path) -> None:
    unet = make_tiny().unet
    tensors = published_file("base", layers=1, width=16, channels=16)
    save_file(tensors, tmp_path / "small.safetensors")
    with pytest.raises(ModelError, match="is for a U-Net with 1 layers that read texts 16 wide"):
        load_ip_adapter(tmp_path / "small.safetensors", unet)
    with pytest.raises(ModelError, match="reads features 16 wide, the image encoder 'pocket/clip' makes 128"):
        load_ip_adapter(_published(tmp_path, unet), unet, image_encoder="pocket/clip")
    bare = load_ip_adapter(_published(tmp_path, unet), unet)
    with pytest.raises(ModelError, match="came without an image encoder"):
        bare.reader()
    with pytest.raises(ModelError, match=r"The embeddings are 2 x 5 x 16"):
        bare.project(torch.zeros(2, 5, 16))
    with pytest.raises(OutputError, match="cannot be written"):
        write_ip_adapter_file(bare, tmp_path / "small.safetensors" / "x.safetensors")


def _published(folder: Path, unet: Any) -> Path:
    tensors = published_file("base", layers=len(text_layers(unet)), width=16, channels=16)
    for place, layer in enumerate(text_layers(unet)):
        tensors |= {f"ip_adapter.{2 * place + 1}.to_{part}_ip.weight": layer.to_k.weight.clone() for part in "kv"}
    save_file(tensors, folder / "ip-adapter.safetensors")
    return folder / "ip-adapter.safetensors"


def _tower() -> CLIPVisionModelWithProjection:
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, image_size=32, patch_size=8, projection_dim=16))
