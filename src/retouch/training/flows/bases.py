"""From what a user names as the base of a LoRA to the family it belongs to."""

from collections.abc import Callable, Mapping
from pathlib import Path

from retouch.core.errors import ModelError
from retouch.models.sources import download, find_model, read_index
from retouch.training.flows.family import FlowFamily
from retouch.training.flows.klein import Klein

FAMILIES: Mapping[str, Callable[[Path, str], FlowFamily]] = {Klein.pipeline: Klein.open}
"""How a model is opened, by the class of its pipeline."""

_FILES = ["*.json", "*.jinja", "*.txt", "*/*.json", "*/*.jinja", "*/*.txt", "*/*.safetensors"]
"""What of a repository is downloaded: neither pickles nor the weights of other programs at its top."""


def open_family(source: str) -> FlowFamily:
    """Return the model that `source` names, a folder in diffusers layout or a hub id, with nothing opened yet.

    Raises ModelError where nothing is there, or a model whose LoRA cannot be trained here.
    """
    folder = find_model(source, weights=False)
    found = read_index(folder, source).get("_class_name")
    if found not in FAMILIES:
        raise ModelError(
            f"'{source}' is a model for {found or 'an unknown pipeline'}, and a LoRA is trained for "
            f"{' or '.join(FAMILIES)}; give such a folder or hub id as the base, or train `instruct --lora`."
        )
    if not Path(source).expanduser().is_dir():
        folder = download(source, None, _FILES)
    return FAMILIES[str(found)](folder, source)
