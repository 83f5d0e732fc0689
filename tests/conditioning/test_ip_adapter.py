"""Branches beside pictures: who reads which tokens, and that nothing but the reference decides what an edit reads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from tests.models.ip_adapters import embeddings_of, tiny_adapter, tiny_encoder
from torch import Tensor

from retouch.attention.image_tokens import ImageTokens
from retouch.conditioning.control import PictureControl
from retouch.conditioning.generate import text_branches
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.ip_adapter import embedded_prompt, image_prompt, ip_adapter_branches
from retouch.conditioning.unet import UNetPredictor
from retouch.core.errors import ImageError, ModelError, SettingsError
from retouch.core.fit import Fit
from retouch.core.reference import Reference
from retouch.core.region import Region
from retouch.diffusion.guidance import BOTH, IMAGE, NONE, TEXT
from retouch.diffusion.predictor import Branch
from retouch.editing.generate import generate_latents
from retouch.models.checkpoint import Checkpoint
from retouch.models.control import control_of
from retouch.models.ip_adapter import ImagePrompt, IPAdapter

TIME = torch.tensor(500)
WORDS = "make the sofa green"


@pytest.fixture(scope="module")
def checkpoint(make_tiny) -> Checkpoint:
    return make_tiny(seed=2)


@pytest.fixture(scope="module")
def adapter(checkpoint: Checkpoint, tiny_tokenizer) -> IPAdapter:
    return tiny_adapter(checkpoint.unet, tiny_encoder(tiny_tokenizer))


def reference(colour: str, **changes: Any) -> Reference:
    picture, alpha = Image.new("RGB", (40, 30), colour), Image.new("L", (40, 30))
    ImageDraw.Draw(alpha).rectangle((5, 4, 30, 25), fill=255)
    return Reference(picture=picture, alpha=alpha, **changes)


def noise(seed: int, channels: int = 4) -> Tensor:
    return torch.randn(2, channels, 8, 8, generator=torch.Generator().manual_seed(seed))


def predicted(checkpoint: Checkpoint, branches: dict[str, Branch], prompts: list[ImagePrompt], **extra: Any) -> Any:
    with ImageTokens(prompts).over(checkpoint.unet):
        return UNetPredictor(checkpoint.unet, branches, **extra)(noise(1), TIME, tuple(branches))


def test_only_the_branch_with_the_text_reads_pictures(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    branches = instruct_branches(checkpoint, noise(2), [WORDS, WORDS])
    prompt = image_prompt(adapter, [[reference("red")], [reference("blue")]])
    made = ip_adapter_branches(branches, [prompt])
    assert made[NONE] is branches[NONE]
    assert made[IMAGE] is branches[IMAGE]
    assert made[BOTH].image_tokens == (prompt.tokens,)
    assert made[BOTH].context is branches[BOTH].context
    assert ip_adapter_branches(branches, []) == branches
    wordless = instruct_branches(checkpoint, noise(2), ["", ""])
    assert wordless[BOTH] is wordless[IMAGE]
    assert ip_adapter_branches(wordless, [prompt])[IMAGE].image_tokens == ()
    assert ip_adapter_branches(wordless, [prompt], into=(IMAGE, BOTH))[IMAGE].image_tokens


def test_a_scale_of_zero_is_the_plain_edit_to_the_bit(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    branches = instruct_branches(checkpoint, noise(2), [WORDS, WORDS])
    prompt = image_prompt(adapter, [[reference("red")]] * 2, scale=0.0)
    plain = predicted(checkpoint, branches, [])
    zero = predicted(checkpoint, ip_adapter_branches(branches, [prompt]), [prompt])
    assert all(torch.equal(zero[name], plain[name]) for name in branches)


@pytest.mark.parametrize("kind", ["instruct", "generate"])
def test_precomputed_embeddings_do_what_their_pictures_do(kind: str, make_tiny, tiny_tokenizer) -> None:
    """In every branch, in whatever order branches are asked for; the first is not taken for another's."""
    checkpoint = make_tiny(kind=kind, seed=2)
    adapter = tiny_adapter(checkpoint.unet, tiny_encoder(tiny_tokenizer))
    shown = [[reference("red")], [reference("blue")]]
    framed = torch.stack([adapter.reader().framed(own[0].squared()) for own in shown])
    seen, told = image_prompt(adapter, shown), embedded_prompt(adapter, adapter.embed(framed)[:, None])
    plain = (
        instruct_branches(checkpoint, noise(2), [WORDS, WORDS])
        if kind == "instruct"
        else text_branches(checkpoint, [WORDS, WORDS])
    )
    wanted = predicted(checkpoint, ip_adapter_branches(plain, [seen]), [seen])
    turned = dict(reversed(ip_adapter_branches(plain, [told]).items()))
    found = predicted(checkpoint, turned, [told])
    for name in plain:
        torch.testing.assert_close(found[name], wanted[name], atol=1e-5, rtol=1e-4)
    alone = {name: branch for name, branch in turned.items() if not branch.image_tokens}
    apart = predicted(checkpoint, alone, [told])
    for name in alone:
        torch.testing.assert_close(apart[name], wanted[name], atol=1e-5, rtol=1e-4)


def test_samples_are_as_they_would_be_alone(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    """Though the one has two references and the other one."""
    shown = [[reference("red"), reference("green", weight=0.5)], [reference("blue")]]
    branches = instruct_branches(checkpoint, noise(2), [WORDS, WORDS])
    prompt = image_prompt(adapter, shown)
    together = predicted(checkpoint, ip_adapter_branches(branches, [prompt]), [prompt])[BOTH]
    for row, own in enumerate(shown):
        alone = image_prompt(adapter, [own])
        single = {BOTH: instruct_branches(checkpoint, noise(2)[row : row + 1], [WORDS])[BOTH]}
        with ImageTokens([alone]).over(checkpoint.unet):
            predictor = UNetPredictor(checkpoint.unet, ip_adapter_branches(single, [alone]))
            found = predictor(noise(1)[row : row + 1], TIME, (BOTH,))[BOTH]
        torch.testing.assert_close(together[row : row + 1], found, atol=1e-5, rtol=1e-4)


def test_nine_channels_and_control_by_edges_go_with_it(make_tiny, tiny_tokenizer) -> None:
    """The ControlNet reads the text alone: its residuals are those of the plain run."""
    filling = make_tiny(kind="inpaint", seed=2)
    adapter = tiny_adapter(filling.unet, tiny_encoder(tiny_tokenizer))
    context = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(4))
    branches = {
        NONE: Branch(channels=noise(5, 5), context=context),
        BOTH: Branch(channels=noise(6, 5), context=context),
    }
    prompt = image_prompt(adapter, [[reference("red")]] * 2)
    plain = predicted(filling, branches, [])
    found = predicted(filling, ip_adapter_branches(branches, [prompt]), [prompt])
    assert not torch.allclose(found[BOTH], plain[BOTH], atol=1e-3)

    drawn = make_tiny(kind="generate", seed=2)
    network = control_of(drawn, channels=(8, 16, 16, 16), seed=0)
    seen: list[Tensor] = []
    network.register_forward_hook(
        lambda _net, _given, named, _found: seen.append(named["encoder_hidden_states"]), with_kwargs=True
    )
    control = PictureControl(network=network, picture=torch.zeros(2, 3, 64, 64))
    adapter = tiny_adapter(drawn.unet, tiny_encoder(tiny_tokenizer))
    prompt = image_prompt(adapter, [[reference("red")]] * 2)
    texts = text_branches(drawn, [WORDS, WORDS])
    predicted(drawn, ip_adapter_branches(texts, [prompt]), [prompt], control=control)
    assert torch.equal(seen[0], torch.cat([texts[NONE].context, texts[TEXT].context]))


@torch.no_grad()
def test_pictures_are_made_beside_pictures(make_tiny, tiny_tokenizer) -> None:
    checkpoint = make_tiny(kind="generate", seed=2)
    adapter = tiny_adapter(checkpoint.unet, tiny_encoder(tiny_tokenizer))
    start = torch.randn(1, 4, 12, 8, generator=torch.Generator().manual_seed(0))

    def made(*pictures: ImagePrompt) -> Tensor:
        return generate_latents(checkpoint, [WORDS], start, torch.Generator().manual_seed(1), pictures=pictures)

    red, zero = (image_prompt(adapter, [[reference("red")]], scale=scale) for scale in (1.0, 0.0))
    assert torch.equal(made(red), made(red))
    assert torch.equal(made(zero), made())
    assert not torch.allclose(made(red), made(), atol=1e-3)


def test_regions_come_to_the_latents_as_the_picture_does(adapter: IPAdapter) -> None:
    mask = Image.new("L", (64, 48))
    ImageDraw.Draw(mask).rectangle((32, 0, 63, 47), fill=255)
    fit = Fit.for_model((64, 48), native=64, multiple=16)
    half = reference("red", region=Region(mask=mask, origin="right half"), weight=0.5)
    prompt = image_prompt(adapter, [[half, reference("blue")]], fits=[fit])
    assert prompt.strength.shape == (1, 2, 6, 8)
    assert torch.equal(prompt.strength[0, 0, :, 4:], torch.full((6, 4), 0.5))
    assert not prompt.strength[0, 0, :, :4].any()
    assert torch.equal(prompt.strength[0, 1], torch.ones(6, 8))
    with pytest.raises(SettingsError, match="and 0 say how they were fitted"):
        image_prompt(adapter, [[half]])
    with pytest.raises(ImageError, match="is 64 x 48 pixels"):
        image_prompt(adapter, [[half]], fits=[Fit.for_model((64, 64), native=64, multiple=16)])


def test_what_cannot_be_is_told(checkpoint: Checkpoint, adapter: IPAdapter, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="A sample has no reference"):
        image_prompt(adapter, [[reference("red")], []])
    with pytest.raises(SettingsError, match="scale of the IP-Adapter is 3"):
        image_prompt(adapter, [[reference("red")]], scale=3)
    with pytest.raises(ModelError, match="came without an image encoder"):
        image_prompt(replace(adapter, encoder=None), [[reference("red")]])
    with pytest.raises(ModelError, match="The embeddings are 2 x 7"):
        embedded_prompt(adapter, torch.zeros(2, 1, 7))
    prompt = embedded_prompt(adapter, embeddings_of("base"))
    with pytest.raises(SettingsError, match="None of the branches none is one that reads pictures"):
        ip_adapter_branches({NONE: Branch(channels=None, context=torch.zeros(2, 16, 16))}, [prompt])
