"""Tell CosXL from InstructPix2Pix over SDXL by what is saved with it, because the pipeline itself does not save it."""

from collections.abc import Mapping
from pathlib import Path

from retouch.models.sources import read_scheduler

SCHEDULER = "EDMEulerScheduler"
"""CosXL's: its noise is laid out as in Karras et al. (arXiv 2206.00364)."""


def cosxl_switch(folder: Path, index: Mapping[str, object]) -> Mapping[str, bool]:
    """Whether the pipeline scales its source latents, as the index says, or the class of the saved scheduler.

    Raises ModelError where the scheduler cannot be read.
    """
    said = index.get("is_cosxl_edit")
    if isinstance(said, bool):
        return {"is_cosxl_edit": said}
    config = read_scheduler(folder, folder.name)
    return {"is_cosxl_edit": config.get("_class_name") == SCHEDULER}
