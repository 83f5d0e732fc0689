"""What a model is by its `model_index.json`: the class of its pipeline, and whether it would run code of its own."""

import json
from pathlib import Path

from retouch.core.errors import ModelError
from retouch.models.adapter import is_adapter
from retouch.models.own_code import INDEX_FILE, components, own_code, refuse_own_code
from retouch.models.pocket import POCKET
from retouch.models.sources import HUB_ID, PICKLED_SUFFIXES, download, read_index

_WANTED = ["*.json", "*/*.json", "*/*.txt", "*/*.jinja", "*/*.model"]


def pipeline_class(source: str | Path, *, revision: str | None = None) -> str | None:
    """The class that a folder's or a hub model's index names; None where there is no index to read.

    Of a hub model the index alone is downloaded. Raises ModelError where it is damaged, or names code of its own.
    """
    name, folder = str(source), Path(source).expanduser()
    if name == POCKET or name.startswith(f"{POCKET}/"):
        return None
    if not folder.exists() and HUB_ID.fullmatch(name) and folder.suffix not in (*PICKLED_SUFFIXES, ".safetensors"):
        folder = download(name, revision, [INDEX_FILE])
    if not (folder / INDEX_FILE).is_file() or is_adapter(folder):
        return None
    found = read_index(folder, name).get("_class_name")
    if isinstance(found, list):
        raise own_code(name, f"its pipeline is {' of '.join(map(str, reversed(found)))}")
    return found if isinstance(found, str) else None


def find_pipeline(source: str | Path, *, revision: str | None = None, variant: str | None = None) -> Path:
    """The folder of a whole pipeline, downloaded from the hub where need be, with safetensors alone.

    Raises ModelError where nothing is there, or it would run code of its own, or its weights are pickled.
    """
    name, folder = str(source), Path(source).expanduser()
    if not folder.is_dir():
        weights = f"*/*.{variant}*.safetensors*" if variant else "*/*.safetensors*"
        folder = download(name, revision, [*_WANTED, weights])
    index = read_index(folder, name)
    refuse_own_code(folder, name)
    for component in components(index):
        _check_component(folder / component, name)
        _check_pickles(folder / component, name)
    return folder


def _check_component(folder: Path, name: str) -> None:
    """See that a component is there, and that its configuration says what it is; without, libraries guess at giants."""
    if not folder.is_dir():
        raise ModelError(f"'{name}' has no {folder.name}; restore it from the original model.")
    file = folder / "config.json"
    if not file.is_file():
        return
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The config.json of the {folder.name} of '{name}' cannot be read ({error}); restore the file."
        ) from error
    if not isinstance(content, dict) or not any(key in content for key in ("_class_name", "model_type")):
        raise ModelError(
            f"The config.json of the {folder.name} of '{name}' does not say what class it is of; restore the file."
        )


def _check_pickles(folder: Path, name: str) -> None:
    files = list(folder.iterdir()) if folder.is_dir() else []
    pickled = sorted(file.name for file in files if file.suffix in PICKLED_SUFFIXES)
    if pickled and not any(file.suffix == ".safetensors" for file in files):
        raise ModelError(
            f"The {folder.name} of '{name}' is pickled ('{pickled[0]}'), which can run code on loading; "
            "use a copy of the model with safetensors."
        )
