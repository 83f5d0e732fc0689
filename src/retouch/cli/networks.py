"""Import the libraries of the networks for a command, without what its models do not use."""

import sys
from importlib import import_module

from retouch.core.absent import absent
from retouch.core.later import import_later
from retouch.models.pocket import POCKET

COLLECTIONS = (
    *("diffusers.models.autoencoders", "diffusers.models.controlnets", "diffusers.models.transformers"),
    *("diffusers.models.unets", "transformers.models"),
)
"""Packages that import or list every network there is; ours are imported by the names of their own modules."""


def import_networks(*sources: str | None) -> None:
    """Import what edits, for `sources` that are all of the pocket family, where named, without what those do not use.

    diffusers and transformers import all of their networks, SciPy and peft wherever they are installed: SciPy for noise
    levels and losses that no pocket model has, peft to put LoRAs into layers, where ours are added to weights. That is
    a good part of the time that an edit needs to start. Other models have them at hand.
    """
    ours = all(source is None or source.partition("/")[0] == POCKET for source in sources)
    if ours and "diffusers" not in sys.modules and "transformers" not in sys.modules:
        with absent("scipy", "peft"):
            import_later(*COLLECTIONS)
            import_module("retouch.editing.load")
