"""The trained tokenizer behaves like CLIP's and survives saving."""

from pathlib import Path
from typing import TYPE_CHECKING

from transformers import AutoTokenizer

from retouch.models.tokenizer import train_tokenizer

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


def test_texts_are_framed_padded_and_lower_case(tiny_tokenizer: "CLIPTokenizer") -> None:
    tokens = tiny_tokenizer("Make the SOFA green", padding="max_length").input_ids
    assert len(tokens) == 16
    assert tokens[0] == tiny_tokenizer.bos_token_id
    assert tokens[-1] == tiny_tokenizer.eos_token_id
    assert tokens == tiny_tokenizer("make the sofa green", padding="max_length").input_ids


def test_any_text_is_taken_byte_by_byte(tiny_tokenizer: "CLIPTokenizer") -> None:
    tokens = tiny_tokenizer("жёлтый ☕ 9").input_ids
    inner = tokens[1:-1]
    assert len(inner) > 3
    assert tiny_tokenizer.unk_token_id not in inner


def test_it_survives_saving(tiny_tokenizer: "CLIPTokenizer", tmp_path: Path) -> None:
    tiny_tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "turn it into a night shot, naïvely"
    assert again(text).input_ids == tiny_tokenizer(text).input_ids
    assert again.model_max_length == 16


def test_the_same_texts_give_the_same_tokenizer() -> None:
    """Ties between merges included: a run that is resumed learns its tokenizer again."""
    texts = ["a red square", "a green square", "a blue square", "a white square"]
    made = [train_tokenizer(texts, vocabulary=270, length=16).get_vocab() for _ in range(8)]
    assert all(vocabulary == made[0] for vocabulary in made)
