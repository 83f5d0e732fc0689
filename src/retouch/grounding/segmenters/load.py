"""Make a segmenter by what a user names: pocket, a known model's name, a folder, a hub id, two joined, or a command."""

from collections.abc import Callable

from retouch.core.errors import ModelError, SettingsError
from retouch.grounding.segmenter import Segmenter
from retouch.grounding.segmenters.external import ExternalSegmenter
from retouch.models.pocket import POCKET, SEGMENTER_MEMBER

DEFAULT_SEGMENTER = f"{POCKET}/{SEGMENTER_MEMBER}"
COMMAND = "command:"
JOINT = "+"

KNOWN: dict[str, str] = {
    "clipseg": "CIDAS/clipseg-rd64-refined",
    "florence-2": "florence-community/Florence-2-base",
    "grounded-sam": "IDEA-Research/grounding-dino-tiny+facebook/sam-vit-base",
    "grounded-sam-2": "IDEA-Research/grounding-dino-tiny+facebook/sam2.1-hiera-tiny",
    "sam3": "facebook/sam3",
}
"""Short names, and the hub's."""


def load_segmenter(source: str = DEFAULT_SEGMENTER, *, device: str = "cpu") -> Segmenter:
    """The segmenter that `source` names.

    Args:
        source: `pocket`, a name of `KNOWN`, a folder or a hub id whose config.json says what it is, a detector and a
            SAM as `DETECTOR+SAM`, or `command:` and a template (`ExternalSegmenter`).
        device: where the network computes.

    Raises:
        ModelError: nothing is there, it cannot be loaded, or it is no segmenter.
        SettingsError: a command's template is not one.
    """
    if source.startswith(COMMAND):
        return ExternalSegmenter(source.removeprefix(COMMAND))
    if source in (POCKET, DEFAULT_SEGMENTER):
        return _load_pocket(DEFAULT_SEGMENTER, device)
    named = KNOWN.get(source, source)
    detector, joint, prompter = named.partition(JOINT)
    return _load_pair(detector, prompter, device) if joint else _load_folder(named, device)


def _load_pocket(source: str, device: str) -> Segmenter:
    from retouch.grounding.pocket_segmenter import load_pocket_segmenter

    return load_pocket_segmenter(source, device=device)


def _load_folder(source: str, device: str) -> Segmenter:
    from retouch.grounding.segmenters.networks import find_network, model_type

    kind = model_type(find_network(source), source)
    load = _loaders().get(kind)
    if load is None:
        known = ", ".join(sorted(_loaders()))
        raise ModelError(
            f"'{source}' is a model of type '{kind}', which is no segmenter known here; "
            f"name one of type {known}, or join a detector and a SAM by '{JOINT}'."
        )
    return load(source, device)


def _load_pair(detector: str, prompter: str, device: str) -> Segmenter:
    from retouch.grounding.segmenters.grounded_sam import GroundedSam
    from retouch.grounding.segmenters.grounding_dino import load_grounding_dino
    from retouch.grounding.segmenters.networks import find_network, model_type
    from retouch.grounding.segmenters.sam import load_sam

    for part, wanted, called in ((detector, _DETECTORS, "detector"), (prompter, _PROMPTERS, "SAM")):
        kind = model_type(find_network(part), part)
        if kind not in wanted:
            raise SettingsError(
                f"'{part}' is a model of type '{kind}', no {called}; join them as DETECTOR{JOINT}SAM, such as "
                f"{KNOWN['grounded-sam']}."
            )
    return GroundedSam(load_grounding_dino(detector, device=device), load_sam(prompter, device=device))


_DETECTORS = ("grounding-dino", "mm-grounding-dino")
_PROMPTERS = ("sam", "sam2", "sam2_video", "sam3_tracker", "sam3_tracker_video", "sam3_video")


def _loaders() -> dict[str, Callable[[str, str], Segmenter]]:
    """What loads each model type, alone in its folder."""
    from retouch.grounding.segmenters.clipseg import load_clipseg
    from retouch.grounding.segmenters.florence import load_florence
    from retouch.grounding.segmenters.sam import SamSegmenter, load_sam
    from retouch.grounding.segmenters.sam3 import load_sam3
    from retouch.models.segmenter import MODEL_TYPE

    points = {
        kind: lambda source, device: SamSegmenter(load_sam(source, device=device))
        for kind in _PROMPTERS
        if kind != "sam3_video"
    }
    return {
        **points,
        MODEL_TYPE: _load_pocket,
        "clipseg": lambda source, device: load_clipseg(source, device=device),
        "florence2": lambda source, device: load_florence(source, device=device),
        "sam3": lambda source, device: load_sam3(source, device=device),
        "sam3_video": lambda source, device: load_sam3(source, device=device),
    }
