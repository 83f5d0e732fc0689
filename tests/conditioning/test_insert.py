"""Branches of insertion: what "no reference" is, words beside pictures, several views of one object."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from PIL import Image, ImageDraw
from tests.models.ip_adapters import tiny_encoder
from torch import Generator, Tensor

from retouch.conditioning.insert import insert_branches, insert_tokens, null_tokens, of_one_length, words_share
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.text import encode_null_text, encode_text
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError, SettingsError
from retouch.core.reference import Reference
from retouch.diffusion.guidance import BOTH, IMAGE, NONE, REFERENCE, TEXT, Guidance, InsertGuidance, InstructGuidance
from retouch.diffusion.loop import denoise
from retouch.diffusion.predictor import Branch
from retouch.diffusion.schedules import make_scheduler
from retouch.models.insert import Insert, Null, fresh_insert

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

WORDS = "remove the lamp"
NULLS: tuple[Null, ...] = ("empty-text", "encoded-zero-image", "zeros")


def reference(colour: str, weight: float = 1.0) -> Reference:
    picture = Image.new("RGB", (24, 40), "white")
    ImageDraw.Draw(picture).ellipse((4, 4, 20, 36), fill=colour)
    return Reference(picture=picture, weight=weight, name=colour)


@pytest.fixture(scope="module")
def source() -> Tensor:
    return torch.randn(2, 4, 8, 8, generator=Generator().manual_seed(1))


def made(checkpoint: "Checkpoint", tokenizer: Any, *, queries: int = 16, null: Null = "empty-text") -> Insert:
    insert = fresh_insert(checkpoint, tiny_encoder(tokenizer), queries=queries, null=null, seed=4)
    insert.optimizer.eval().requires_grad_(False)
    return insert


@pytest.fixture(scope="module")
def insert(tiny_checkpoint: "Checkpoint", tiny_tokenizer) -> Insert:
    return made(tiny_checkpoint, tiny_tokenizer)


def edited(insert: Insert, branches: dict[str, Branch], guidance: Guidance, source: Tensor) -> Tensor:
    spec = insert.checkpoint.spec
    return denoise(
        unet_predictor(insert.checkpoint, branches),
        make_scheduler(spec.scheduler, insert.checkpoint.scheduler_config),
        guidance,
        torch.randn(source.shape, generator=Generator().manual_seed(7)),
        steps=3,
        generator=Generator().manual_seed(8),
    )


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("instruction", ["", WORDS])
def test_no_reference_is_the_same_everywhere(
    null: Null, instruction: str, tiny_checkpoint: "Checkpoint", tiny_tokenizer, source: Tensor
) -> None:
    insert = made(tiny_checkpoint, tiny_tokenizer, null=null)
    branches = insert_branches(insert, source, [reference("red")], instruction)
    expected = null_tokens(insert).expand(2, -1, -1)
    for name in (NONE, IMAGE):
        assert torch.equal(branches[name].context, expected)
    nothing = cast(Tensor, branches[NONE].channels)
    assert not nothing.any()
    assert all(branches[name].channels is source for name in branches if name != NONE)
    assert torch.equal(branches[REFERENCE].context[0], insert_tokens(insert, [reference("red")])[0])
    assert (TEXT in branches) == bool(instruction)


def test_what_no_reference_is_in_each_form(tiny_checkpoint: "Checkpoint", tiny_tokenizer) -> None:
    found = {null: null_tokens(made(tiny_checkpoint, tiny_tokenizer, null=null)) for null in NULLS}
    assert torch.equal(found["empty-text"], encode_null_text(tiny_checkpoint))
    assert not found["zeros"].any()
    # Zeros after normalisation are the mean colour, which this encoder's framing has at the middle of the levels.
    insert = made(tiny_checkpoint, tiny_tokenizer)
    grey = Reference(picture=Image.new("RGB", (32, 32), (128, 128, 128)))
    assert torch.allclose(found["encoded-zero-image"], insert_tokens(insert, [grey]), atol=1e-2)
    assert not torch.allclose(found["encoded-zero-image"], insert_tokens(insert, [reference("red")]), atol=1e-2)


def test_a_reference_of_no_weight_leaves_the_edit_by_instruction(insert: Insert, source: Tensor) -> None:
    references = [reference("red", 0.0)]
    branches = insert_branches(insert, source, references, WORDS, negative="blue", negative_image="sofa")
    guidance = InsertGuidance(reference=2.0, image=1.5, words=words_share(references, 1.0, WORDS))
    plain = instruct_branches(insert.checkpoint, source, [WORDS] * 2, negative="blue", negative_image="sofa")
    wanted = edited(insert, plain, InstructGuidance(text=2.0, image=1.5), source)
    assert torch.equal(edited(insert, branches, guidance, source), wanted)
    shown = insert_branches(insert, source, [reference("red")], WORDS)
    assert not torch.equal(edited(insert, shown, replace(guidance, words=0.5), source), wanted)


def test_words_of_no_weight_leave_the_insertion(insert: Insert, source: Tensor) -> None:
    references = [reference("red")]
    alone = insert_branches(insert, source, references, "")
    beside = insert_branches(insert, source, references, WORDS)
    share = words_share(references, 0.0, WORDS)
    wanted = edited(insert, alone, InsertGuidance(reference=2.0, image=1.5), source)
    found = edited(insert, beside, InsertGuidance(reference=2.0, image=1.5, words=share), source)
    assert torch.equal(found, wanted)


def test_shares_of_words() -> None:
    assert words_share([reference("red", 0.5), reference("blue", 1.0)], 1.0, WORDS) == 0.5
    assert words_share([reference("red", 0.5)], 1.5, WORDS) == 0.75
    assert words_share([reference("red")], 1.0, "") == 0.0
    assert words_share([], 1.0, WORDS) == 1.0
    for references, words, instruction in (([reference("red", 0.0)], 1.0, ""), ([reference("red", 0.0)], 0.0, WORDS)):
        with pytest.raises(SettingsError, match="No reference counts, nor do words"):
            words_share(references, words, instruction)


def test_views_of_an_object_count_by_weight_and_in_no_order(insert: Insert) -> None:
    red, blue = reference("red"), reference("blue")
    both = insert_tokens(insert, [red, blue])
    assert torch.equal(both, insert_tokens(insert, [blue, red]))
    assert torch.allclose(both, (insert_tokens(insert, [red]) + insert_tokens(insert, [blue])) / 2, atol=1e-5)
    assert torch.equal(insert_tokens(insert, [red, replace(blue, weight=0.0)]), insert_tokens(insert, [red]))
    assert torch.equal(insert_tokens(insert, [replace(red, weight=0.3)]), insert_tokens(insert, [red]))
    heavier = insert_tokens(insert, [red, replace(blue, weight=0.5)])
    assert (heavier - insert_tokens(insert, [red])).norm() < (both - insert_tokens(insert, [red])).norm()
    assert not torch.equal(insert_tokens(insert, [red]), insert_tokens(insert, [blue]))


def test_contexts_said_again_are_attended_to_alike(
    tiny_checkpoint: "Checkpoint", tiny_tokenizer, source: Tensor
) -> None:
    insert = made(tiny_checkpoint, tiny_tokenizer, queries=6)
    branches = insert_branches(insert, source, [reference("red")], WORDS)
    assert {branch.context.shape for branch in branches.values()} == {(2, 48, 16)}
    alone = {
        REFERENCE: Branch(channels=source, context=insert_tokens(insert, [reference("red")]).expand(2, -1, -1)),
        TEXT: Branch(channels=source, context=encode_text(tiny_checkpoint, [WORDS]).features.expand(2, -1, -1)),
    }
    latents, time = torch.randn(2, 4, 8, 8, generator=Generator().manual_seed(2)), torch.tensor(500)
    together = unet_predictor(tiny_checkpoint, branches)(latents, time, (REFERENCE, TEXT))
    for name, branch in alone.items():
        found = unet_predictor(tiny_checkpoint, {name: branch})(latents, time, (name,))[name]
        assert torch.allclose(found, together[name], atol=1e-5)
    assert torch.equal(of_one_length({"a": latents[:, :, 0]})["a"], latents[:, :, 0])


def test_nothing_that_counts_and_other_models_are_refused(
    insert: Insert, make_tiny, tiny_tokenizer, source: Tensor
) -> None:
    with pytest.raises(SettingsError, match="No reference counts; give at least one picture"):
        insert_branches(insert, source, [reference("red", 0.0)], "")
    other = made(make_tiny(kind="generate"), tiny_tokenizer)
    with pytest.raises(ModelError, match="editing by instruction needs"):
        insert_branches(other, source[:1], [reference("red")], "")


def test_instruct_and_insertion_weigh_alike() -> None:
    plain = InstructGuidance(text=7.0, image=1.5).weights(0.5)
    shown = InsertGuidance(reference=7.0, image=1.5).weights(0.5)
    told = InsertGuidance(reference=7.0, image=1.5, words=1.0).weights(0.5)
    assert list(plain.values()) == list(shown.values()) == list(told.values())
    assert plain[BOTH] == shown[REFERENCE] == told[TEXT]
