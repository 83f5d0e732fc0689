"""Putting an object in without a region: references in the place of words, or beside them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from retouch.conditioning.instruct import check_instruct
from retouch.conditioning.text import encode_null_text, encode_text
from retouch.core.errors import SettingsError
from retouch.core.reference import Reference
from retouch.diffusion.guidance import IMAGE, NONE, REFERENCE, TEXT
from retouch.diffusion.predictor import Branch
from retouch.models.insert import Insert


@torch.no_grad()
def null_tokens(insert: Insert) -> Tensor:
    """What "no reference" is, (1, L, C): one and the same in training and in use."""
    if insert.null == "empty-text":
        return encode_null_text(insert.checkpoint)
    weights = insert.optimizer.queries
    if insert.null == "zeros":
        return torch.zeros_like(weights)[None]
    side = insert.encoder.framing.side
    zeros = torch.zeros(1, 3, side, side, device=weights.device, dtype=weights.dtype)
    return insert.optimizer(insert.encoder.read(zeros).last)


@torch.no_grad()
def insert_tokens(insert: Insert, references: Sequence[Reference]) -> Tensor:
    """The tokens of one object, (1, Q, C), from pictures of it that count by their weights, in no order.

    Raises SettingsError where no reference counts.
    """
    counted = [(insert.encoder.framed(each.squared()), each.weight) for each in references if each.weight > 0]
    if not counted:
        raise SettingsError("No reference counts; give at least one picture of the object with a weight above 0.")
    # Sums depend on their order in the last bit, so that one is made that the caller's has no part in.
    counted.sort(key=lambda each: (each[0].numpy().tobytes(), each[1]))
    tokens = insert.optimizer(insert.encoder(torch.stack([framed for framed, _ in counted])).last)
    weights = torch.tensor([weight for _, weight in counted], device=tokens.device).view(-1, 1, 1)
    return (tokens * (weights / weights.sum()).to(tokens.dtype)).sum(dim=0, keepdim=True)


def insert_branches(
    insert: Insert, source: Tensor, references: Sequence[Reference], instruction: str
) -> dict[str, Branch]:
    """The branches `none`, `image`, `reference` and, where there are words, `text` for B pictures.

    Args:
        insert: the model.
        source: (B, 4, h, w), from `encode_source`.
        references: pictures of the object.
        instruction: words that say more, such as where it goes; "" for none.

    Raises:
        ModelError: the checkpoint is no editor.
        SettingsError: no reference counts.
    """
    check_instruct(insert.checkpoint)
    contexts = [null_tokens(insert), insert_tokens(insert, references)]
    if instruction:
        contexts.append(encode_text(insert.checkpoint, [instruction]).features)
    null, shown, *told = (context.expand(len(source), -1, -1) for context in of_one_length(*contexts))
    branches = {
        NONE: Branch(channels=torch.zeros_like(source), context=null),
        IMAGE: Branch(channels=source, context=null),
        REFERENCE: Branch(channels=source, context=shown),
    }
    return {**branches, TEXT: Branch(channels=source, context=told[0])} if told else branches


def of_one_length(*contexts: Tensor) -> tuple[Tensor, ...]:
    """Contexts (B, L, C) as (B, M, C): each said as often as it takes, which changes no attention to it."""
    length = math.lcm(*(context.shape[1] for context in contexts))
    return tuple(context.repeat(1, length // context.shape[1], 1) for context in contexts)
