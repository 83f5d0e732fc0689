"""Laws of every control: what it puts in comes out exactly, and where it changes nothing nothing changes."""

from contextlib import suppress

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor, IPAdapterAttnProcessor

from retouch.attention.control import Control, pairs_of
from retouch.attention.layers import cross_layers, self_layers
from retouch.attention.prompt_to_prompt import Edits, PromptToPrompt
from retouch.attention.refine import refinement
from retouch.attention.swap import AttentionSwap
from retouch.attention.words import Reader, time_gate
from retouch.core.errors import ModelError, SettingsError
from retouch.diffusion.loop import unit_noise
from retouch.editing.generate import generate_latents
from retouch.models.checkpoint import Checkpoint

SOURCE, TARGET = "make the sofa green", "make the sofa very blue"


@pytest.fixture
def checkpoint(make_tiny) -> Checkpoint:
    return make_tiny(kind="generate", steps=4, scheduler="euler-ancestral")


def prompt_to_prompt(checkpoint: Checkpoint, *, cross: float = 0.8, own: float = 0.4) -> PromptToPrompt:
    reader = Reader(tokenizer=checkpoint.tokenizer, length=16)
    gate = time_gate(reader, TARGET, span=(0.0, cross))
    return PromptToPrompt(Edits(cross=refinement(reader, SOURCE, TARGET), gate=gate, self_span=(0.0, own)))


def controls(checkpoint: Checkpoint) -> dict[str, Control]:
    return {"swap": AttentionSwap([0.7]), "prompt-to-prompt": prompt_to_prompt(checkpoint)}


def latents(checkpoint: Checkpoint, control: Control | None, texts: tuple[str, str] = (SOURCE, TARGET)) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(7) for _ in texts]
    noise = unit_noise((4, 8, 8), generators, checkpoint.device)
    return generate_latents(checkpoint, texts, noise, generators, scales=[2.0, 2.0], attention=control)


@pytest.mark.parametrize("name", ["swap", "prompt-to-prompt"])
def test_leaving_restores_the_very_processors_and_weights(checkpoint: Checkpoint, name: str) -> None:
    own = AttnProcessor()
    next(iter(self_layers(checkpoint.unet).values())).set_processor(own)  # pyright: ignore[reportArgumentType]
    before = dict(checkpoint.unet.attn_processors)
    weights = {key: value.clone() for key, value in checkpoint.unet.state_dict().items()}
    control = controls(checkpoint)[name]
    latents(checkpoint, control)
    with suppress(ZeroDivisionError), control.over(checkpoint.unet):
        assert any(checkpoint.unet.attn_processors[key] is not value for key, value in before.items())
        raise ZeroDivisionError
    after = checkpoint.unet.attn_processors
    assert after.keys() == before.keys() and all(after[key] is value for key, value in before.items())
    state = checkpoint.unet.state_dict()
    assert state.keys() == weights.keys() and all(torch.equal(state[key], value) for key, value in weights.items())


@pytest.mark.parametrize("name", ["swap", "prompt-to-prompt"])
def test_a_control_that_changes_nothing_changes_no_bit(checkpoint: Checkpoint, name: str) -> None:
    idle: dict[str, Control] = {
        "swap": AttentionSwap([0.0]),
        "prompt-to-prompt": prompt_to_prompt(checkpoint, cross=0.0, own=0.0),
    }
    assert torch.equal(latents(checkpoint, idle[name]), latents(checkpoint, None))
    assert not torch.allclose(latents(checkpoint, controls(checkpoint)[name]), latents(checkpoint, None))


@pytest.mark.parametrize("name", ["swap", "prompt-to-prompt"])
def test_the_source_is_the_one_that_would_be_made_alone(checkpoint: Checkpoint, name: str) -> None:
    held, free = latents(checkpoint, controls(checkpoint)[name]), latents(checkpoint, None)
    torch.testing.assert_close(held[0], free[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["swap", "prompt-to-prompt"])
def test_a_caption_with_itself_gives_one_picture(checkpoint: Checkpoint, name: str) -> None:
    reader = Reader(tokenizer=checkpoint.tokenizer, length=16)
    gate = time_gate(reader, SOURCE, span=(0.0, 1.0))
    full: dict[str, Control] = {
        "swap": AttentionSwap([1.1]),
        "prompt-to-prompt": PromptToPrompt(
            Edits(cross=refinement(reader, SOURCE, SOURCE), gate=gate, self_span=(0, 1))
        ),
    }
    source, target = latents(checkpoint, full[name], (SOURCE, SOURCE))
    torch.testing.assert_close(source, target)
    torch.testing.assert_close(source, latents(checkpoint, None, (SOURCE, SOURCE))[0], rtol=1e-4, atol=1e-4)


def test_one_control_at_a_time(checkpoint: Checkpoint) -> None:
    with AttentionSwap([0.5]).over(checkpoint.unet):
        held = dict(checkpoint.unet.attn_processors)
        with pytest.raises(SettingsError, match="under a control of attention already; leave that one first"):
            latents(checkpoint, prompt_to_prompt(checkpoint))
        assert all(checkpoint.unet.attn_processors[key] is value for key, value in held.items())


def test_layers_with_weights_of_their_own_are_refused(checkpoint: Checkpoint) -> None:
    layer = next(iter(cross_layers(checkpoint.unet).values()))
    adapter = IPAdapterAttnProcessor(hidden_size=16, cross_attention_dim=16)
    layer.set_processor(adapter)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ModelError, match="weights of its own \\(IPAdapterAttnProcessor\\)"):
        latents(checkpoint, prompt_to_prompt(checkpoint))
    assert layer.processor is adapter
    latents(checkpoint, AttentionSwap([0.5]))


def test_a_batch_must_be_pairs() -> None:
    assert pairs_of(torch.zeros(6, 4, 2, 2)) == 3
    with pytest.raises(SettingsError, match="got 3 samples, expected an even number"):
        pairs_of(torch.zeros(3, 4, 2, 2))
    with pytest.raises(SettingsError, match="got 2 samples, expected 4"):
        pairs_of(torch.zeros(2, 4, 2, 2), expected=2)
