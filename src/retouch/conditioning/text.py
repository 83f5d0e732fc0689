"""Texts to the features that cross-attention reads, with a report of what did not fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from retouch.models.checkpoint import Checkpoint
from retouch.models.resident import ready


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedText:
    """Features (B, L, D) of B texts, and for each text what was cut off its end ("" where it fitted)."""

    features: Tensor
    cut: tuple[str, ...]


@torch.no_grad()
def encode_text(checkpoint: Checkpoint, texts: Sequence[str]) -> EncodedText:
    """Encode `texts` as the checkpoint's U-Net reads them, padded or cut to its text length."""
    what = f"text, none as {checkpoint.spec.null_text}"

    def features(ids: Tensor) -> Tensor:
        return checkpoint.kept.get(checkpoint.text_encoder, what, ids, partial(encode_ids, checkpoint, ids))

    read = [features(ids) for ids in token_ids(checkpoint, texts).split(1)]
    return EncodedText(features=torch.cat(read), cut=tuple(cut_text(checkpoint, text) for text in texts))


def encode_ids(checkpoint: Checkpoint, ids: Tensor) -> Tensor:
    """Encode token ids (B, L) to features (B, L, D), with gradients; empty texts in the spec's form of "no text"."""
    with ready(checkpoint.text_encoder) as device:
        features = checkpoint.text_encoder(ids.to(device)).last_hidden_state
    if checkpoint.spec.null_text == "encoded-empty":
        return features
    said = (ids != token_ids(checkpoint, [""]).to(ids.device)).any(dim=1)
    return features * said[:, None, None].to(features)


def encode_null_text(checkpoint: Checkpoint) -> Tensor:
    """The features (1, L, D) that stand for "no text", in the form the checkpoint was trained with."""
    return encode_text(checkpoint, [""]).features


def token_ids(checkpoint: Checkpoint, texts: Sequence[str]) -> Tensor:
    """Token ids (B, L) of `texts`, padded or cut to the checkpoint's text length."""
    tokens = checkpoint.tokenizer(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=text_length(checkpoint),
        return_tensors="pt",
    )
    return torch.as_tensor(tokens.input_ids)


def text_length(checkpoint: Checkpoint) -> int:
    """Tokens that a text may have, its two marks included."""
    # A tokenizer saved without its length says 1e30.
    positions = checkpoint.text_encoder.config.max_position_embeddings
    return min(int(checkpoint.tokenizer.model_max_length), positions)


def cut_text(checkpoint: Checkpoint, text: str) -> str:
    """The end of `text` that the tokenizer does not take, from the first word it breaks; "" where all fits."""
    tokens = checkpoint.tokenizer(text, return_offsets_mapping=True, truncation=False, verbose=False)
    kept = text_length(checkpoint) - 1
    if len(tokens["input_ids"]) <= kept + 1:
        return ""
    start, _ = tokens["offset_mapping"][kept]
    seen = text[:start]
    whole = len(seen.rstrip()) if seen != seen.rstrip() else len(seen) - len(seen.split()[-1])
    return text[whole:].strip()
