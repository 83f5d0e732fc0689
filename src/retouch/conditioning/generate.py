"""Pictures from text alone: the branches none and text of a model without a source."""

from collections.abc import Sequence

import torch

from retouch.conditioning.text import encode_null_text, encode_text
from retouch.core.errors import ModelError
from retouch.diffusion.guidance import NONE, TEXT
from retouch.diffusion.predictor import Branch
from retouch.models.checkpoint import Checkpoint
from retouch.models.spec import CHANNELS


def check_generate(checkpoint: Checkpoint) -> None:
    """See that the checkpoint makes pictures from text alone.

    Raises:
        ModelError: it was made for something else.
    """
    if checkpoint.kind != "generate":
        raise ModelError(
            f"'{checkpoint.source}' takes {CHANNELS[checkpoint.kind]} channels, which is a model of kind "
            f"'{checkpoint.kind}'; making pictures from text needs one of kind 'generate' with 4 channels."
        )


def text_branches(checkpoint: Checkpoint, texts: Sequence[str], *, negative: str = "") -> dict[str, Branch]:
    """The branches `none` and `text` for B pictures; `negative` takes the place of "no text".

    An empty text is "no text"; where all are empty and nothing is negative, both are one branch.

    Raises:
        ModelError: the checkpoint is of another kind.
    """
    check_generate(checkpoint)
    null = encode_null_text(checkpoint)
    without = encode_text(checkpoint, [negative]).features if negative else null
    none = Branch(channels=None, context=without.expand(len(texts), -1, -1))
    if not negative and not any(texts):
        return {NONE: none, TEXT: none}
    distinct = {text: encode_text(checkpoint, [text]).features if text else null for text in texts}
    return {NONE: none, TEXT: Branch(channels=None, context=torch.cat([distinct[text] for text in texts]))}
