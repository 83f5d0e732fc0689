"""Editing by instruction: the branches none, image and both of InstructPix2Pix (arXiv 2211.09800)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from retouch.conditioning.text import encode_null_text, encode_text
from retouch.core.errors import ModelError
from retouch.diffusion.guidance import BOTH, IMAGE, NONE
from retouch.diffusion.predictor import Branch
from retouch.models.checkpoint import Checkpoint
from retouch.models.spec import CHANNELS


def check_instruct(checkpoint: Checkpoint) -> None:
    """See that the checkpoint edits by instruction.

    Raises:
        ModelError: it was made for something else, or its channels come in another order.
    """
    if checkpoint.kind != "instruct":
        raise ModelError(
            f"'{checkpoint.source}' takes {CHANNELS[checkpoint.kind]} channels, which is a model of kind "
            f"'{checkpoint.kind}'; editing by instruction needs one of kind 'instruct' with 8 channels."
        )
    if checkpoint.spec.channel_order != ("latents", "source"):
        raise ModelError(
            f"'{checkpoint.source}' wants its channels in the order "
            f"{', '.join(checkpoint.spec.channel_order)}; expected latents, source."
        )


def instruct_branches(
    checkpoint: Checkpoint,
    source: Tensor,
    instructions: Sequence[str],
    *,
    negative: str = "",
    negative_image: str = "",
) -> dict[str, Branch]:
    """The branches `none`, `image` and `both` for B pictures.

    Args:
        checkpoint: of kind `instruct`.
        source: (B, 4, h, w), from `encode_source`.
        instructions: B texts; where all are empty, `both` is the very branch `image`.
        negative: takes the place of "no text" in the branch with the image alone.
        negative_image: takes the place of "no text" in the branch without the image.

    Raises:
        ModelError: the checkpoint is of another kind.
    """
    check_instruct(checkpoint)
    count = len(instructions)
    null = encode_null_text(checkpoint)
    image = Branch(channels=source, context=_context(checkpoint, negative, null, count))
    none = Branch(channels=torch.zeros_like(source), context=_context(checkpoint, negative_image, null, count))
    if not negative and not any(instructions):
        return {NONE: none, IMAGE: image, BOTH: image}
    both = Branch(channels=source, context=_instruction_context(checkpoint, instructions, null))
    return {NONE: none, IMAGE: image, BOTH: both}


def _context(checkpoint: Checkpoint, text: str, null: Tensor, count: int) -> Tensor:
    features = encode_text(checkpoint, [text]).features if text else null
    return features.expand(count, -1, -1)


def _instruction_context(checkpoint: Checkpoint, instructions: Sequence[str], null: Tensor) -> Tensor:
    """Each different text is encoded once; an empty one is "no text"."""
    distinct = {text: encode_text(checkpoint, [text]).features if text else null for text in instructions}
    return torch.cat([distinct[text] for text in instructions])
