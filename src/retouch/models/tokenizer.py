"""Train a CLIP tokenizer on texts of one's own, and save one without a trace of where it was loaded from."""

import copy
import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

_WORDS = r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_WORD_END = "</w>"


def train_tokenizer(texts: Iterable[str], *, vocabulary: int, length: int) -> CLIPTokenizer:
    """A lower-case byte-level BPE tokenizer in CLIP's form; the same texts always give the same one.

    Args:
        texts: what the merges are learned from; any other text can be tokenised too, byte by byte.
        vocabulary: the number of pieces learned, before the 256 closing bytes and two marks are added.
        length: tokens a text is padded or cut to, the two marks included.
    """
    trained = Tokenizer(models.BPE(end_of_word_suffix=_WORD_END))
    trained.normalizer = normalizers.Lowercase()  # pyright: ignore[reportAttributeAccessIssue]
    words = pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.pre_tokenizer = pre_tokenizers.Sequence([words, byte_level])  # pyright: ignore[reportAttributeAccessIssue]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    closing = [letter + _WORD_END for letter in alphabet]
    # Named beforehand, the closing bytes are numbered in order; the trainer would number them as its hash table
    # has them, otherwise in every process, and break ties between merges by these numbers.
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary + len(closing),
        special_tokens=closing,  # pyright: ignore[reportArgumentType]
        initial_alphabet=alphabet,
        end_of_word_suffix=_WORD_END,
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    model = json.loads(trained.to_str())["model"]
    pieces = dict(model["vocab"])
    for piece in ("<|startoftext|>", "<|endoftext|>"):
        pieces.setdefault(piece, len(pieces))
    merges = [tuple(merge) for merge in model["merges"]]
    return CLIPTokenizer(vocab=pieces, merges=merges, model_max_length=length)  # pyright: ignore[reportArgumentType]


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write a tokenizer into `folder`; how it was loaded, which transformers keeps with it, is left out."""
    stored = copy.deepcopy(tokenizer)
    for trace in ("is_local", "local_files_only"):
        stored.init_kwargs.pop(trace, None)
    stored.save_pretrained(folder)
