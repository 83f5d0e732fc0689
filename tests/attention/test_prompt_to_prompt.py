"""Prompt-to-Prompt is what plain loops over full maps make."""

import pytest
import torch
from tests.attention.plain import PlainControl, PlainPromptToPrompt

from retouch.attention.control import Control
from retouch.attention.cross_edit import CrossEdit
from retouch.attention.local_blend import LocalBlend
from retouch.attention.prompt_to_prompt import Edits, PromptToPrompt
from retouch.attention.refine import refinement
from retouch.attention.replace import replacement
from retouch.attention.reweight import reweighting
from retouch.attention.words import Reader, time_gate
from retouch.diffusion.loop import unit_noise
from retouch.editing.generate import generate_latents
from retouch.models.checkpoint import Checkpoint

SOURCE, TARGET = "make the sofa green", "make the lamp blue"
STEPS = 5


@pytest.fixture(scope="module")
def checkpoint(make_tiny) -> Checkpoint:
    return make_tiny(kind="generate", steps=STEPS)


@pytest.fixture
def reader(checkpoint: Checkpoint) -> Reader:
    return Reader(tokenizer=checkpoint.tokenizer, length=16)


def run(checkpoint: Checkpoint, control: Control, pairs: int = 2) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(seed) for seed in (*range(pairs), *range(pairs))]
    noise = unit_noise((4, 8, 8), generators, checkpoint.device)
    texts = [SOURCE] * pairs + [TARGET] * pairs
    return generate_latents(checkpoint, texts, noise, generators, scales=[4.0] * 2 * pairs, attention=control)


def edit(reader: Reader, name: str) -> CrossEdit:
    if name == "replace":
        return replacement(reader, SOURCE, TARGET)
    if name == "refine":
        return refinement(reader, SOURCE, TARGET)
    return reweighting(reader, TARGET, {"lamp": 3.0}, previous=refinement(reader, SOURCE, TARGET))


@pytest.mark.parametrize("name", ["replace", "refine", "reweight"])
@pytest.mark.parametrize("shares", [(0.8, 0.4, 256), (0.5, 0.2, 256), (1.0, 0.0, 256), (0.6, 1.0, 16)])
def test_it_is_the_published_control(
    checkpoint: Checkpoint, reader: Reader, name: str, shares: tuple[float, float, int]
) -> None:
    cross, own, limit = shares
    chosen = edit(reader, name)
    gate = time_gate(reader, TARGET, span=(0.0, cross))
    ours = PromptToPrompt(Edits(cross=chosen, gate=gate, self_span=(0.0, own), self_positions=limit))

    def change(base: torch.Tensor, mine: torch.Tensor) -> torch.Tensor:
        return chosen(base[None], mine[None])[0]

    found = run(checkpoint, ours)
    expected = run(checkpoint, PlainPromptToPrompt(change, cross, own, limit))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, run(checkpoint, PlainControl()), atol=1e-3)


def test_blending_keeps_the_rest_of_the_source(checkpoint: Checkpoint, reader: Reader) -> None:
    chosen = replacement(reader, SOURCE, TARGET)
    words = reader.changed(SOURCE, TARGET)
    gate = time_gate(reader, TARGET, span=(0.0, 0.8))

    def change(base: torch.Tensor, mine: torch.Tensor) -> torch.Tensor:
        return chosen(base[None], mine[None])[0]

    found = run(checkpoint, PromptToPrompt(Edits(cross=chosen, gate=gate, blend=LocalBlend(words))))
    expected = run(checkpoint, PlainPromptToPrompt(change, 0.8, 0.4, words=words))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_mask_is_where_either_text_is_read() -> None:
    blend = LocalBlend(((1,), (2,)))
    maps = torch.full((2, 1, 64, 4), 0.01)
    maps[0, :, 9, 1] = 1.0
    maps[1, :, 54, 2] = 1.0
    blend.see(maps)
    latents = torch.cat([torch.zeros(1, 4, 32, 32), torch.ones(1, 4, 32, 32)])
    mixed = blend.blend(latents)
    assert torch.equal(mixed[0], latents[0])
    cells = mixed[1, 0].unfold(0, 4, 4).unfold(1, 4, 4).mean((2, 3))
    expected = torch.zeros(8, 8)
    expected[0:3, 0:3] = 1
    expected[5:8, 5:8] = 1
    assert torch.equal(cells, expected)


def test_the_maps_nearest_to_a_quarter_of_the_latents_count() -> None:
    blend = LocalBlend(((1,), (1,)))
    for side in (4, 8, 16):
        maps = torch.full((2, 1, side * side, 2), 0.01)
        maps[:, :, 0 if side == 8 else -1, 1] = 1.0
        blend.see(maps)
    mixed = blend.blend(torch.cat([torch.zeros(1, 1, 32, 32), torch.ones(1, 1, 32, 32)]))
    assert mixed[1, 0, 0, 0] == 1 and mixed[1, 0, -1, -1] == 0
    blend.begin()
    latents = torch.rand(2, 1, 32, 32)
    assert torch.equal(blend.blend(latents), latents)
