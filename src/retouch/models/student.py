"""Students: low-rank updates of an editor that need fewer passes, kept beside the defaults they were taught for.

The file of updates is named as diffusers names it, so that it can also be put in as a LoRA where the base is at hand.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from retouch.models.adapter import AdapterFacts, write_adapter
from retouch.models.spec import ConditioningSpec

UPDATES = "pytorch_lora_weights"
"""The file of updates, without its ending."""


def save_student(
    updates: Mapping[str, Tensor], folder: str | Path, *, base: str, spec: ConditioningSpec, card: str | None = None
) -> Path:
    """Write a student of `base` that `models.load` opens, in half precision; return its folder.

    `updates` have the names that `load_lora_weights` of diffusers reads, and α is their rank.

    Raises:
        OutputError: the folder cannot be written.
    """
    facts = AdapterFacts(kind="student", base=base)
    return write_adapter(folder, facts, {UPDATES: updates}, spec=spec, card=card)
