"""Putting an object in without a region: references in the place of words, or beside them."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from retouch.conditioning.instruct import check_instruct, instruct_branches
from retouch.conditioning.text import encode_null_text, encode_text
from retouch.core.errors import SettingsError
from retouch.core.reference import Reference
from retouch.diffusion.guidance import BOTH, IMAGE, NONE, REFERENCE, TEXT
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
    blank = torch.zeros(1, 3, side, side, device=weights.device, dtype=weights.dtype)
    return insert.optimizer(insert.encoder.read(blank).last)


@torch.no_grad()
def insert_tokens(insert: Insert, references: Sequence[Reference]) -> Tensor:
    """The tokens of one object, (1, Q, C), from pictures of it that count by their weights, in no order.

    Raises SettingsError where no reference counts.
    """
    counted = sorted(_counted(references), key=lambda each: (each.sha256, each.name))
    if not counted:
        raise SettingsError("No reference counts; give at least one picture of the object with a weight above 0.")
    framed = torch.stack([insert.encoder.framed(each.squared()) for each in counted])
    tokens = insert.optimizer(insert.encoder(framed).last)
    weights = torch.tensor([each.weight for each in counted], device=tokens.device).view(-1, 1, 1)
    return (tokens * (weights / weights.sum()).to(tokens.dtype)).sum(dim=0, keepdim=True)


def words_share(references: Sequence[Reference], words: float, instruction: str) -> float:
    """Which share of what is put in is told in words, in 0…1, for `InsertGuidance`.

    The weight of the words stands beside that of the heaviest reference. Raises SettingsError where both weigh nothing.
    """
    shown = max((each.weight for each in references), default=0.0)
    told = words if instruction else 0.0
    if not shown + told > 0:
        raise SettingsError(
            "No reference counts, nor do words; give a reference or the words a weight above 0, or say what to do."
        )
    return told / (shown + told)


def insert_branches(
    insert: Insert,
    source: Tensor,
    references: Sequence[Reference],
    instruction: str,
    *,
    negative: str = "",
    negative_image: str = "",
) -> dict[str, Branch]:
    """The branches `none`, `image`, `reference` and, where there are words, `text` for B pictures.

    Where no reference counts, they are those of editing by instruction, `reference` left out.

    Args:
        insert: the model.
        source: (B, 4, h, w), from `encode_source`.
        references: pictures of the object.
        instruction: words that say more, such as where it goes; "" for none.
        negative: takes the place of "no reference" in the branch with the image alone.
        negative_image: takes the place of "no reference" in the branch without the image.

    Raises:
        ModelError: the checkpoint is no editor.
        SettingsError: no reference counts, and there are no words.
    """
    checkpoint = insert.checkpoint
    check_instruct(checkpoint)
    if instruction and not _counted(references):
        told = [instruction] * len(source)
        plain = instruct_branches(checkpoint, source, told, negative=negative, negative_image=negative_image)
        return {NONE: plain[NONE], IMAGE: plain[IMAGE], TEXT: plain[BOTH]}
    contexts = {REFERENCE: insert_tokens(insert, references)}
    for name, words in ((NONE, negative_image), (IMAGE, negative)):
        contexts[name] = encode_text(checkpoint, [words]).features if words else null_tokens(insert)
    if instruction:
        contexts[TEXT] = encode_text(checkpoint, [instruction]).features
    contexts = of_one_length(contexts)
    return {
        name: Branch(
            channels=torch.zeros_like(source) if name == NONE else source,
            context=context.expand(len(source), -1, -1),
        )
        for name, context in contexts.items()
    }


def of_one_length(contexts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contexts (B, L, C) as (B, M, C): each said as often as it takes, which changes no attention to it."""
    length = math.lcm(*(context.shape[1] for context in contexts.values()))
    return {name: context.repeat(1, length // context.shape[1], 1) for name, context in contexts.items()}


def _counted(references: Sequence[Reference]) -> list[Reference]:
    return [each for each in references if each.weight > 0]
