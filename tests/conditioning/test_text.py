"""Texts: what is encoded, what is cut, and what "no text" is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch

from retouch.conditioning.text import cut_text, encode_ids, encode_null_text, encode_text, text_length, token_ids

if TYPE_CHECKING:
    from retouch.models.checkpoint import Checkpoint

LONG = "make the sofa green and the walls blue, then remove the lamp. Paint the rest BLUE"


def test_features_have_the_models_length_and_width(tiny_checkpoint: "Checkpoint") -> None:
    encoded = encode_text(tiny_checkpoint, ["make the sofa green", ""])
    assert encoded.features.shape == (2, 16, 16)
    assert encoded.cut == ("", "")
    assert not torch.allclose(encoded.features[0], encoded.features[1])


def test_a_batch_equals_its_texts_alone(tiny_checkpoint: "Checkpoint") -> None:
    texts = ["make the sofa green", "remove the lamp"]
    together = encode_text(tiny_checkpoint, texts).features
    alone = torch.cat([encode_text(tiny_checkpoint, [text]).features for text in texts])
    assert torch.allclose(together, alone, atol=1e-5)


def test_what_is_cut_is_the_end_from_a_whole_word_on(tiny_checkpoint: "Checkpoint") -> None:
    (cut,) = encode_text(tiny_checkpoint, [LONG]).cut
    assert cut
    assert LONG.endswith(cut)
    kept = LONG.removesuffix(cut)
    assert cut_text(tiny_checkpoint, kept) == ""
    assert kept.endswith(" ")
    assert cut_text(tiny_checkpoint, f"{kept}{cut.split()[0]}") == cut.split()[0]


def test_a_text_of_exactly_the_length_is_not_cut(tiny_checkpoint: "Checkpoint") -> None:
    words = "sofa " * (text_length(tiny_checkpoint) - 2)
    assert len(tiny_checkpoint.tokenizer(words).input_ids) == text_length(tiny_checkpoint)
    assert cut_text(tiny_checkpoint, words) == ""
    assert cut_text(tiny_checkpoint, words + "lamp") == "lamp"


@pytest.mark.parametrize("null_text", ["encoded-empty", "zeros"])
def test_no_text_takes_the_form_of_the_spec(make_tiny: Callable[..., "Checkpoint"], null_text: str) -> None:
    checkpoint = make_tiny(null_text=null_text)
    null = encode_null_text(checkpoint)
    assert null.shape == (1, 16, 16)
    with torch.no_grad():
        empty = checkpoint.text_encoder(token_ids(checkpoint, [""])).last_hidden_state
    assert torch.equal(null, torch.zeros_like(empty) if null_text == "zeros" else empty)


def test_only_texts_that_say_nothing_become_zeros(make_tiny: Callable[..., "Checkpoint"]) -> None:
    checkpoint = make_tiny(null_text="zeros")
    checkpoint.text_encoder.requires_grad_(True)
    features = encode_ids(checkpoint, token_ids(checkpoint, ["", "make the sofa green"]))
    assert not features[0].any()
    assert features[1].any(dim=1).all()
    assert features.requires_grad
