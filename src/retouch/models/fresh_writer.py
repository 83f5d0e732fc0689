"""A small language model from nothing: a byte-level tokenizer of one's own texts, short convolutions and attention."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedTokenizerFast

from retouch.models.writer import Writer

PADDING = "<|pad|>"


@dataclass(frozen=True, kw_only=True)
class WriterShape:
    """The widths of an LFM2 with tied embeddings; `vocabulary` is the number of pieces beside the marks.

    Every other of its `layers`, from the first on, is a convolution over three tokens, the rest attention. To copy
    a caption a token must be found by the one before it, which the convolution shows to the attention from the
    start: a Llama of this size needs about three times the steps to learn as much.
    """

    vocabulary: int = 1024
    width: int = 160
    inner: int = 432
    layers: int = 4
    heads: int = 5
    length: int = 512


POCKET_WRITER = WriterShape()
"""1.4M parameters: 2.8 MB in half precision."""


def fresh_writer(texts: Iterable[str], *, marks: Sequence[str], shape: WriterShape, seed: int) -> Writer:
    """A writer with random weights that has pieces for the words of `texts` and one piece for each mark.

    The last of `marks` ends a completion. Any other text can be tokenised too, byte by byte.
    """
    tokenizer = _tokenizer(texts, marks, shape)
    config = Lfm2Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        block_auto_adjust_ff_dim=False,
        num_hidden_layers=shape.layers,
        layer_types=["full_attention" if place % 2 else "conv" for place in range(shape.layers)],
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.length,
        tie_word_embeddings=True,
        # The usual 0.02 suits widths in the thousands; attention of this one would begin all but uniform.
        initializer_range=0.06,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Lfm2ForCausalLM(config)
    return Writer(model=model.eval(), tokenizer=tokenizer, source="fresh")


def _tokenizer(texts: Iterable[str], marks: Sequence[str], shape: WriterShape) -> Any:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    trained.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocabulary, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    trained.add_tokens([AddedToken(mark, normalized=False) for mark in marks])
    return PreTrainedTokenizerFast(
        tokenizer_object=trained, eos_token=marks[-1], pad_token=PADDING, model_max_length=shape.length
    )
