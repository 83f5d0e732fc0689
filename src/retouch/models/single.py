"""Networks that stand alone in a folder: which kind one is, and the network itself."""

import json
from pathlib import Path
from typing import Any, Literal

from torch import nn

from retouch.models.clip import load_clip
from retouch.models.control import load_control
from retouch.models.parser import FACTS, ParserWeights, load_pipeline
from retouch.models.pocket import POCKET, find_pocket
from retouch.models.segmenter import MODEL_TYPE, load_segmenter
from retouch.models.writer import load_writer

SingleKind = Literal["clip", "controlnet", "parser", "segmenter", "writer"]


def single_folder(source: str | Path) -> Path | None:
    """The folder that a source names where it holds one network alone: a member of the pocket family, or a path.

    Raises ModelError for a member that is not in this installation.
    """
    name = str(source)
    member = name.removeprefix(f"{POCKET}/")
    folder = Path(name).expanduser() if member == name else find_pocket(member)
    alone = (
        any((folder / file).is_file() for file in ("config.json", FACTS))
        and not (folder / "model_index.json").is_file()
    )
    return folder if alone else None


def single_kind(folder: Path) -> SingleKind | None:
    """What the network in a folder is, as its config.json or spaCy's file says; None where Retouch uses none such."""
    if (folder / FACTS).is_file():
        return "parser"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        named = (str(config.get("_class_name", "")), str(config.get("model_type", "")))
        architectures = tuple(map(str, config.get("architectures") or ()))
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    if named[0] == "ControlNetModel":
        return "controlnet"
    if named[1] == "clip" and "CLIPModel" in architectures:
        return "clip"
    if named[1] == MODEL_TYPE:
        return "segmenter"
    return "writer" if any(name.endswith("ForCausalLM") for name in architectures) else None


def load_single(kind: SingleKind, folder: Path) -> nn.Module:
    """Load a network of `kind`, in evaluation mode. Raises ModelError where it is damaged."""
    network: Any
    match kind:
        case "clip":
            network = load_clip(str(folder)).model
        case "controlnet":
            network = load_control(folder)
        case "parser":
            network = ParserWeights(load_pipeline(folder))
        case "segmenter":
            network = load_segmenter(folder).network
        case "writer":
            network = load_writer(folder).model
    return network
