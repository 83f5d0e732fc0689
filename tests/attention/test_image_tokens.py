"""Decoupled cross-attention is the sum the paper writes, goes in and out exactly, and composes with other controls."""

from typing import Any

import pytest
import torch
from tests.models.ip_adapters import embeddings_of, tiny_adapter, tiny_encoder
from torch import Tensor
from torch.nn import functional

from retouch.attention.image_tokens import ImageTokens
from retouch.attention.layers import cross_layers
from retouch.attention.prompt_to_prompt import Edits, PromptToPrompt
from retouch.attention.refine import refinement
from retouch.attention.regularise import AttendInside
from retouch.attention.words import Reader, time_gate
from retouch.conditioning.ip_adapter import embedded_prompt
from retouch.core.errors import ModelError, SettingsError
from retouch.diffusion.loop import Step
from retouch.models.checkpoint import Checkpoint
from retouch.models.ip_adapter import IMAGE_TOKENS, ImagePrompt, IPAdapter
from retouch.training.attending import AttendByLength

HEIGHT, WIDTH = 12, 8


@pytest.fixture(scope="module")
def checkpoint(make_tiny) -> Checkpoint:
    return make_tiny(seed=2)


@pytest.fixture(scope="module")
def adapter(checkpoint: Checkpoint, tiny_tokenizer) -> IPAdapter:
    return tiny_adapter(checkpoint.unet, tiny_encoder(tiny_tokenizer))


@pytest.fixture(scope="module")
def other(checkpoint: Checkpoint, tiny_tokenizer) -> IPAdapter:
    return tiny_adapter(checkpoint.unet, tiny_encoder(tiny_tokenizer), "plus", seed=1)


def prompt_of(adapter: IPAdapter, *, references: int = 1, seed: int = 3, **changes: Any) -> ImagePrompt:
    found = embeddings_of(adapter.variant, references=references, seed=seed)
    return embedded_prompt(adapter, found, **changes)


@torch.no_grad()
def answer(checkpoint: Checkpoint, *prompts: ImagePrompt, rows: int = 2, tokens: Any = None) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(rows, 8, HEIGHT, WIDTH, generator=generator)
    context = torch.randn(rows, 16, 16, generator=generator)
    extra = {IMAGE_TOKENS: (tuple(prompt.tokens for prompt in prompts),) if tokens is None else tokens}
    unet: Any = checkpoint.unet
    with ImageTokens(prompts).over(unet):
        return unet(sample, torch.tensor(300), context, added_cond_kwargs=extra, return_dict=False)[0]


def test_the_answer_of_a_layer_is_the_sum_of_two_attentions(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    """Told once more, plainly, for a layer alone."""
    layers: dict[str, Any] = cross_layers(checkpoint.unet)
    layer = list(layers.values())[1]
    prompt = prompt_of(adapter, scale=0.6)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    hook = layer.register_forward_hook(
        lambda _layer, given, named, found: seen.append((given[0], named["encoder_hidden_states"], found)),
        with_kwargs=True,
    )
    answer(checkpoint, prompt)
    hook.remove()
    ((hidden, text, found),) = seen
    own: Any = adapter.attention.layers[1]

    def attended(key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in (layer.to_q(hidden), key, value))
        return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)

    both = attended(layer.to_k(text), layer.to_v(text))
    both = both + 0.6 * attended(own.to_k_ip(prompt.tokens), own.to_v_ip(prompt.tokens))
    torch.testing.assert_close(found, layer.to_out[0](both), atol=1e-6, rtol=1e-5)


def test_a_scale_of_zero_changes_nothing_to_the_bit(
    checkpoint: Checkpoint, adapter: IPAdapter, other: IPAdapter
) -> None:
    plain = answer(checkpoint)
    assert torch.equal(answer(checkpoint, prompt_of(adapter, scale=0.0)), plain)
    assert not torch.allclose(answer(checkpoint, prompt_of(adapter)), plain, atol=1e-3)
    only = answer(checkpoint, prompt_of(adapter))
    assert torch.equal(answer(checkpoint, prompt_of(other, scale=0.0), prompt_of(adapter)), only)


def test_leaving_restores_the_unet_whatever_happens(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    unet: Any = checkpoint.unet
    before, plain = dict(unet.attn_processors), answer(checkpoint)
    tokens = ImageTokens([prompt_of(adapter)])
    with pytest.raises(RuntimeError, match="meanwhile"), tokens.over(unet):
        raise RuntimeError("meanwhile")
    assert all(unet.attn_processors[name] is processor for name, processor in before.items())
    assert not unet._forward_pre_hooks
    assert torch.equal(answer(checkpoint), plain)
    with tokens.over(unet), pytest.raises(SettingsError, match="under a control of attention already"):
        tokens.over(unet).__enter__()


def test_adapters_add_up(checkpoint: Checkpoint, adapter: IPAdapter, other: IPAdapter) -> None:
    """In a layer, that is: what each adds to its answer."""
    layer: Any = next(iter(cross_layers(checkpoint.unet).values()))
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _given, found: seen.append(found))
    one, two = prompt_of(adapter, scale=0.5), prompt_of(other, references=2, scale=1.5)
    for prompts in ((), (one,), (two,), (one, two)):
        answer(checkpoint, *prompts)
    hook.remove()
    plain, first, second, both = seen
    torch.testing.assert_close(both - plain, (first - plain) + (second - plain), atol=1e-5, rtol=1e-4)


def test_the_order_of_equal_references_does_not_matter(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    found = embeddings_of("base", references=3)
    turned = embedded_prompt(adapter, found[:, [2, 0, 1]])
    torch.testing.assert_close(
        answer(checkpoint, embedded_prompt(adapter, found)), answer(checkpoint, turned), atol=1e-5, rtol=1e-4
    )


def test_weights_go_with_their_references(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    found, weights = embeddings_of("base", references=3), torch.tensor([1.5, 0.0, 0.5]).view(1, 3, 1, 1)
    whole = answer(checkpoint, embedded_prompt(adapter, found, strength=weights))
    order = [2, 0]
    kept = embedded_prompt(adapter, found[:, order], strength=weights[:, order])
    torch.testing.assert_close(whole, answer(checkpoint, kept), atol=1e-5, rtol=1e-4)
    alone = embedded_prompt(adapter, found[:, :1], strength=weights[:, :1])
    scaled = embedded_prompt(adapter, found[:, :1], scale=1.5)
    torch.testing.assert_close(answer(checkpoint, alone), answer(checkpoint, scaled), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(whole, answer(checkpoint, alone), atol=1e-3)


def test_regions_hold_each_reference_to_its_place(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    """At the finest layer, a place reads its own reference as if it were the only one, and outside none."""
    layer: Any = next(iter(cross_layers(checkpoint.unet).values()))
    places = torch.zeros(1, 2, HEIGHT, WIDTH)
    places[0, 0, :5], places[0, 1, 7:] = 1, 1
    found = embeddings_of("base", references=2)
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _given, answered: seen.append(answered))
    answer(checkpoint)
    answer(checkpoint, embedded_prompt(adapter, found, strength=places))
    for reference in range(2):
        answer(checkpoint, embedded_prompt(adapter, found[:, reference : reference + 1]))
    hook.remove()
    plain, both, first, second = (each.unflatten(1, (HEIGHT, WIDTH)) for each in seen)
    torch.testing.assert_close(both[:, :5], first[:, :5], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(both[:, 7:], second[:, 7:], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(both[:, 5:7], plain[:, 5:7], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("variant", ["base", "plus"])
def test_branches_without_tokens_read_no_picture(
    variant: str, checkpoint: Checkpoint, adapter: IPAdapter, other: IPAdapter
) -> None:
    chosen = adapter if variant == "base" else other
    prompt = prompt_of(chosen, references=2)
    null = chosen.project(chosen.null_embedding()).repeat(2, 2, 1)
    assumed = answer(checkpoint, prompt, rows=4, tokens=((), (prompt.tokens,)))
    said = answer(checkpoint, prompt, rows=4, tokens=((null,), (prompt.tokens,)))
    assert torch.equal(assumed, said)
    unheard = answer(checkpoint, prompt, tokens=((),))
    torch.testing.assert_close(unheard, answer(checkpoint, prompt, tokens=((null,),)))


def test_it_goes_with_attention_by_length(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    prompt, unet = prompt_of(adapter), checkpoint.unet
    found, before = answer(checkpoint, prompt), dict(unet.attn_processors)
    processor: Any = AttendByLength()
    unet.set_attn_processor(processor)
    try:
        torch.testing.assert_close(answer(checkpoint, prompt), found, atol=1e-5, rtol=1e-4)
    finally:
        unet.set_attn_processor(before)


@pytest.mark.parametrize("first", ["tokens", "regularised"])
def test_regularised_attention_is_of_the_text_alone(first: str, checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    """Whichever comes first: the bias is on the text's logits, and what the pictures add is as without it."""
    mask = torch.zeros(2, 1, HEIGHT, WIDTH)
    mask[:, :, 2:7] = 1
    bias = torch.zeros(16)
    bias[4:] = -2.0
    inside, prompt, unet = AttendInside(mask, bias, coarsest=0.0), prompt_of(adapter), checkpoint.unet
    inside.before(Step(index=0, total=2, timestep=torch.tensor(300)), torch.zeros(2, 4, HEIGHT, WIDTH))
    layer: Any = next(iter(cross_layers(unet).values()))
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _given, found: seen.append(found))
    answer(checkpoint)
    answer(checkpoint, prompt)
    with inside.over(unet):
        answer(checkpoint)
        if first == "regularised":
            answer(checkpoint, prompt)
    if first == "tokens":
        with ImageTokens([prompt]).over(unet), inside.over(unet):
            generator = torch.Generator().manual_seed(1)
            sample, context = (torch.randn(size, generator=generator) for size in ((2, 8, 12, 8), (2, 16, 16)))
            with torch.no_grad():
                extra: Any = {IMAGE_TOKENS: ((prompt.tokens,),)}
                unet(sample, torch.tensor(300), context, added_cond_kwargs=extra)
    hook.remove()
    plain, tokens, regularised, both = seen
    assert not torch.allclose(plain, regularised, atol=1e-4)
    torch.testing.assert_close(both - regularised, tokens - plain, atol=1e-5, rtol=1e-4)


def test_a_control_that_attends_for_itself_comes_first(checkpoint: Checkpoint, adapter: IPAdapter) -> None:
    reader = Reader(tokenizer=checkpoint.tokenizer, length=16)
    source, target = "make the sofa green", "make the lamp blue"
    edits = Edits(cross=refinement(reader, source, target), gate=time_gate(reader, target, span=(0.0, 0.8)))
    control, unet = PromptToPrompt(edits), checkpoint.unet
    tokens = ImageTokens([prompt_of(adapter)])
    with control.over(unet), tokens.over(unet):
        pass
    with tokens.over(unet), pytest.raises(SettingsError, match="leave that one first"), control.over(unet):
        pass


def test_what_does_not_fit_is_told(checkpoint: Checkpoint, adapter: IPAdapter, make_tiny) -> None:
    prompt = prompt_of(adapter, references=2)
    with pytest.raises(SettingsError, match="The regions of the references are 4 x 4 cells, the latents 12 x 8"):
        answer(checkpoint, prompt_of(adapter, strength=torch.ones(1, 1, 4, 4)))
    with pytest.raises(SettingsError, match="but 3 samples; give each sample its references"):
        answer(checkpoint, prompt, rows=3)
    with pytest.raises(ModelError, match="are 2 x 8 x 16; expected 4 x 16 a sample for 1 references"):
        ImagePrompt(adapter=adapter, tokens=prompt.tokens)
