"""Attention regularised in a region is what adding to all logits there makes, and composes with other controls."""

import pytest
import torch
from tests.attention.plain import PlainControl, PlainPromptToPrompt
from torch import Tensor

from retouch.attention.control import Control
from retouch.attention.layers import cross_layers
from retouch.attention.prompt_to_prompt import Edits, PromptToPrompt
from retouch.attention.refine import refinement
from retouch.attention.regularise import AttendInside, avoid, favour, related
from retouch.attention.together import Together
from retouch.attention.words import Reader, time_gate
from retouch.core.errors import ModelError, SettingsError
from retouch.diffusion.loop import unit_noise
from retouch.editing.generate import generate_latents
from retouch.models.checkpoint import Checkpoint

SOURCE, TARGET = "make the sofa green", "make the lamp blue"
SHAPE = (12, 8)


@pytest.fixture(scope="module")
def checkpoint(make_tiny) -> Checkpoint:
    return make_tiny(kind="generate", steps=3)


@pytest.fixture
def reader(checkpoint: Checkpoint) -> Reader:
    return Reader(tokenizer=checkpoint.tokenizer, length=16)


def run(checkpoint: Checkpoint, control: Control | None, seeds: tuple[int, ...] = (5, 5)) -> Tensor:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    noise = unit_noise((4, *SHAPE), generators, checkpoint.device)
    texts = [SOURCE, TARGET][-len(seeds) :]
    return generate_latents(checkpoint, texts, noise, generators, scales=[3.0] * len(seeds), attention=control)


def masks() -> Tensor:
    mask = torch.zeros(2, 1, *SHAPE)
    mask[0, :, :5, 2:] = 1
    mask[1, :, 4:, :3] = 1
    return mask


class PlainBias(PlainPromptToPrompt):
    """Adds to all logits first, then does what it is told to the maps."""

    def __init__(self, bias: Tensor, shares: tuple[float, float], change) -> None:
        super().__init__(change, *shares)
        self.bias = bias

    def logits(self, logits: Tensor, crosses: bool) -> Tensor:
        if not crosses:
            return logits
        added = torch.zeros_like(logits)
        rows, _, positions, _ = logits.shape
        factor = round((SHAPE[0] * SHAPE[1] / positions) ** 0.5)
        for row in range(rows):
            mask = masks()[row % 2, 0]
            cells = [
                bool((mask[y : y + factor, x : x + factor] > 0).any())
                for y in range(0, SHAPE[0], factor)
                for x in range(0, SHAPE[1], factor)
            ]
            added[row, :, torch.tensor(cells)] = self.bias
        return logits + added


def biases(reader: Reader) -> dict[str, Tensor]:
    return {
        "infinite": avoid(reader, TARGET, 1e4),
        "finite": avoid(reader, TARGET, 1.0),
        "more": favour(reader, TARGET, 2),
    }


@pytest.mark.parametrize("name", ["infinite", "finite", "more"])
def test_it_is_what_adding_to_all_logits_makes(checkpoint: Checkpoint, reader: Reader, name: str) -> None:
    bias = biases(reader)[name]
    found = run(checkpoint, AttendInside(masks(), bias))
    expected = run(checkpoint, PlainBias(bias, (0.0, 0.0), None))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, run(checkpoint, None), atol=1e-3)


@pytest.mark.parametrize("name", ["infinite", "finite", "more"])
def test_it_composes_with_prompt_to_prompt(checkpoint: Checkpoint, reader: Reader, name: str) -> None:
    bias, cross = biases(reader)[name], refinement(reader, SOURCE, TARGET)
    told = PromptToPrompt(Edits(cross=cross, gate=time_gate(reader, TARGET, span=(0, 0.8)), self_span=(0, 0.4)))
    found = run(checkpoint, Together(told, AttendInside(masks(), bias)))
    plain = PlainBias(bias, (0.8, 0.4), lambda base, mine: cross(base[None], mine[None])[0])
    torch.testing.assert_close(found, run(checkpoint, plain), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, run(checkpoint, told), atol=1e-3)


def test_what_attends_must_be_entered_first(checkpoint: Checkpoint, reader: Reader) -> None:
    told = PromptToPrompt(Edits(cross=refinement(reader, SOURCE, TARGET), gate=time_gate(reader, TARGET, span=(0, 1))))
    before = dict(checkpoint.unet.attn_processors)
    with pytest.raises(SettingsError, match="under a control of attention already"):
        run(checkpoint, Together(AttendInside(masks(), favour(reader, TARGET, 1.0)), told))
    assert all(checkpoint.unet.attn_processors[name] is processor for name, processor in before.items())


def test_nothing_added_changes_nothing_and_it_ejects_exactly(checkpoint: Checkpoint, reader: Reader) -> None:
    plain = run(checkpoint, None)
    before = dict(checkpoint.unet.attn_processors)
    weights = {name: weight.clone() for name, weight in checkpoint.unet.state_dict().items()}
    strong = avoid(reader, TARGET, 1e4)
    for control in (AttendInside(masks() * 0, strong), AttendInside(masks(), strong, span=(0, 0)),
                    AttendInside(masks(), strong, coarsest=1.0)):  # fmt: skip
        assert torch.equal(run(checkpoint, control), plain)
    torch.testing.assert_close(run(checkpoint, AttendInside(masks(), strong * 0)), plain, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(run(checkpoint, AttendInside(masks(), strong)), plain, atol=1e-3)
    assert all(checkpoint.unet.attn_processors[name] is processor for name, processor in before.items())
    state = checkpoint.unet.state_dict()
    assert state.keys() == weights.keys() and all(torch.equal(state[name], value) for name, value in weights.items())
    assert torch.equal(run(checkpoint, None), plain)


def test_a_batch_equals_its_samples_alone(checkpoint: Checkpoint, reader: Reader) -> None:
    bias = avoid(reader, TARGET, 3.0)
    both = run(checkpoint, AttendInside(masks(), bias))
    alone = run(checkpoint, AttendInside(masks()[1:], bias), seeds=(5,))
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-4)


def test_layers_are_chosen_by_their_resolution(checkpoint: Checkpoint, reader: Reader) -> None:
    seen: list[tuple[int, bool]] = []
    control = AttendInside(masks(), avoid(reader, TARGET, 1.0), coarsest=0.5)
    biased = control._biased
    control._biased = lambda layer, hidden, read: (  # type: ignore[method-assign]
        found := biased(layer, hidden, read),
        seen.append((hidden.shape[1], found is not None)),
    )[0]
    run(checkpoint, control)
    assert {sees for positions, sees in seen if positions <= 24} <= {False}
    assert {sees for positions, sees in seen if positions > 24} <= {True}
    assert len(seen) % len(cross_layers(checkpoint.unet)) == 0


def test_the_words_of_the_edit(reader: Reader) -> None:
    text = "Make the sofa green, please"
    words = dict(reader.words(text))
    assert set(related(reader, text)) == {*words["Make"], *words["sofa"], *words["green,"]}
    bias = avoid(reader, text, 7.0)
    last = len(reader.ids(text)) - 1
    assert bias[0] == -7 and bias[last] == 0 and (bias[last + 1 :] == -7).all()
    assert {place for place in range(last) if bias[place] == 0} == set(related(reader, text))
    assert {int(place) for place in favour(reader, text, 2.0).nonzero()} == set(related(reader, text))


def test_bad_requests(checkpoint: Checkpoint, reader: Reader) -> None:
    bias = avoid(reader, TARGET, 1.0)
    with pytest.raises(SettingsError, match="give a share from 0 to 1"):
        AttendInside(masks(), bias, coarsest=2.0)
    with pytest.raises(SettingsError, match="give each sample its mask"):
        run(checkpoint, AttendInside(masks()[:1], bias))
    with pytest.raises(ModelError, match="reads 16 tokens and the text has 9"):
        run(checkpoint, AttendInside(masks(), bias[:9]))


def test_the_plain_control_alone_is_the_model(checkpoint: Checkpoint) -> None:
    torch.testing.assert_close(run(checkpoint, PlainControl()), run(checkpoint, None), rtol=1e-4, atol=1e-4)
