"""Import the libraries of the networks for a command, without what its models do not use."""

import sys
from importlib import import_module

from retouch.core.absent import absent
from retouch.models.pocket import POCKET


def import_networks(*sources: str | None) -> None:
    """Import what edits, without SciPy and peft where all the `sources` that are named are of the pocket family.

    diffusers and transformers import them wherever they are installed: SciPy for noise levels and losses that no pocket
    model has, peft to put LoRAs into layers, where ours are added to weights. Both take a good part of the time
    that an edit needs to start. Other models have them at hand.
    """
    ours = all(source is None or source.partition("/")[0] == POCKET for source in sources)
    if ours and "diffusers" not in sys.modules and "transformers" not in sys.modules:
        with absent("scipy", "peft"):
            import_module("retouch.editing.load")
