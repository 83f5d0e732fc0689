"""Branches of insertion: what no reference is, how several pictures count, and contexts of different lengths."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.inserts import clip_folder, tiny_insert
from torch import Tensor

from retouch.conditioning.insert import insert_branches, insert_tokens, null_tokens, of_one_length
from retouch.conditioning.text import encode_null_text, encode_text
from retouch.conditioning.unet import unet_predictor
from retouch.core.errors import ModelError, SettingsError
from retouch.core.reference import Reference
from retouch.diffusion.guidance import IMAGE, NONE, REFERENCE, TEXT
from retouch.diffusion.predictor import Branch
from retouch.models.insert import Insert, Null

WORDS = "make the sofa green"


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tiny_tokenizer, tmp_path_factory.mktemp("encoder") / "clip")


@pytest.fixture(scope="module")
def insert(make_tiny, encoder: Path) -> Insert:
    return tiny_insert(make_tiny(seed=2), encoder)


def reference(seed: int, **changes: Any) -> Reference:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    return Reference(picture=Image.fromarray(pixels), **changes)


def noise(seed: int) -> Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def predicted(insert: Insert, branches: dict[str, Branch]) -> Any:
    with torch.no_grad():
        return unet_predictor(insert.checkpoint, branches)(noise(1), torch.tensor(500), tuple(branches))


def test_no_reference_is_what_the_model_says(insert: Insert) -> None:
    nulls = {name: null_tokens(replace(insert, null=name)) for name in get_args(Null)}
    assert torch.equal(nulls["empty-text"], encode_null_text(insert.checkpoint))
    assert not nulls["zeros"].any()
    assert nulls["zeros"].shape == nulls["encoded-zero-image"].shape == (1, 16, 16)
    zeros = torch.zeros(1, 3, 32, 32)
    tokens = insert.encoder.tower(pixel_values=zeros).last_hidden_state
    assert torch.equal(nulls["encoded-zero-image"], insert.optimizer(tokens))


@pytest.mark.parametrize("null", get_args(Null))
def test_branches_differ_in_what_they_are_named_after(insert: Insert, null: Null) -> None:
    model = replace(insert, null=null)
    branches = insert_branches(model, noise(2), [reference(1)], "")
    assert list(branches) == [NONE, IMAGE, REFERENCE]
    nothing = null_tokens(model).expand(2, -1, -1)
    assert torch.equal(branches[NONE].context, nothing)
    assert torch.equal(branches[IMAGE].context, nothing)
    assert torch.equal(branches[REFERENCE].context, insert_tokens(model, [reference(1)]).expand(2, -1, -1))
    channels = [branch.channels for branch in branches.values() if branch.channels is not None]
    assert not channels[0].any()
    assert all(torch.equal(shown, noise(2)) for shown in channels[1:])
    assert len(channels) == 3
    worded = insert_branches(model, noise(2), [reference(1)], WORDS)
    assert torch.equal(worded[TEXT].context, encode_text(model.checkpoint, [WORDS]).features.expand(2, -1, -1))


def test_the_order_of_pictures_does_not_matter(insert: Insert) -> None:
    views = [reference(1), reference(2), reference(3)]
    wanted = insert_tokens(insert, views)
    for turned in (views[::-1], [views[1], views[2], views[0]]):
        assert torch.equal(insert_tokens(insert, turned), wanted)
    assert not torch.allclose(insert_tokens(insert, views[:2]), wanted, atol=1e-4)


def test_pictures_count_by_their_weights(insert: Insert) -> None:
    one, other = reference(1), reference(2)
    assert torch.equal(insert_tokens(insert, [one, replace(other, weight=0.0)]), insert_tokens(insert, [one]))
    mixed = insert_tokens(insert, [replace(one, weight=1.5), replace(other, weight=0.5)])
    wanted = 0.75 * insert_tokens(insert, [one]) + 0.25 * insert_tokens(insert, [other])
    torch.testing.assert_close(mixed, wanted)
    torch.testing.assert_close(insert_tokens(insert, [replace(one, weight=0.3)]), insert_tokens(insert, [one]))


@pytest.mark.parametrize("references", [[], [reference(1, weight=0.0)]])
def test_something_must_count(insert: Insert, references: list[Reference]) -> None:
    with pytest.raises(SettingsError, match="No reference counts; give at least one picture"):
        insert_branches(insert, noise(2), references, "")


def test_contexts_of_other_lengths_read_as_they_would_alone(make_tiny, encoder: Path) -> None:
    """Six tokens of a reference beside sixteen of a text."""
    insert = tiny_insert(make_tiny(seed=2), encoder, queries=6, null="empty-text")
    shown, text = insert_tokens(insert, [reference(1)]), encode_text(insert.checkpoint, [WORDS]).features
    assert [context.shape[1] for context in of_one_length(shown, text)] == [48, 48]
    together = predicted(insert, insert_branches(insert, noise(2), [reference(1)], WORDS))
    for name, context in ((REFERENCE, shown), (TEXT, text), (IMAGE, null_tokens(insert))):
        alone = predicted(insert, {name: Branch(channels=noise(2), context=context.expand(2, -1, -1))})
        torch.testing.assert_close(together[name], alone[name], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[REFERENCE], together[TEXT], atol=1e-4)


def test_a_model_that_does_not_edit_is_told(insert: Insert, make_tiny) -> None:
    other = replace(insert, checkpoint=make_tiny(kind="generate"))
    with pytest.raises(ModelError, match="needs one of kind 'instruct'"):
        insert_branches(other, noise(2), [reference(1)], "")
