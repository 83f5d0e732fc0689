"""What a model is by its `model_index.json`: the class of its pipeline, and whether it would run code of its own."""

import json
from collections.abc import Mapping
from pathlib import Path

from retouch.core.errors import ModelError
from retouch.models.adapter import is_adapter
from retouch.models.pocket import POCKET
from retouch.models.sources import HUB_ID, PICKLED_SUFFIXES, download, read_index

INDEX = "model_index.json"
LIBRARIES = ("diffusers", "transformers")
"""Whose classes a component may be of."""
_WANTED = ["*.json", "*/*.json", "*/*.txt", "*/*.jinja", "*/*.model"]


def pipeline_class(source: str | Path, *, revision: str | None = None) -> str | None:
    """The class that a folder's or a hub model's index names; None where there is no index to read.

    Of a hub model the index alone is downloaded. Raises ModelError where it is damaged, or names code of its own.
    """
    name, folder = str(source), Path(source).expanduser()
    if name == POCKET or name.startswith(f"{POCKET}/"):
        return None
    if not folder.exists() and HUB_ID.fullmatch(name) and folder.suffix not in (*PICKLED_SUFFIXES, ".safetensors"):
        folder = download(name, revision, [INDEX])
    if not (folder / INDEX).is_file() or is_adapter(folder):
        return None
    found = read_index(folder, name).get("_class_name")
    if isinstance(found, list):
        raise _own_code(name, f"its pipeline is {' of '.join(map(str, reversed(found)))}")
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
    _check_code(folder, index, name)
    for component in _components(index):
        _check_pickles(folder / component, name)
    return folder


def _components(index: Mapping[str, object]) -> dict[str, list[object]]:
    """Components by name, each a library and a class, both None where it is left out."""
    return {name: entry for name, entry in index.items() if isinstance(entry, list) and len(entry) == 2}


def _check_code(folder: Path, index: Mapping[str, object], name: str) -> None:
    for component, (library, cls) in _components(index).items():
        if library is not None and library not in LIBRARIES and not component.startswith("_"):
            raise _own_code(name, f"its {component} is {cls} of {library}")
    for file in [*folder.glob("*.json"), *folder.glob("*/*.json")]:
        if file.name.endswith("config.json") and "auto_map" in _read(file):
            raise _own_code(name, f"'{file.parent.name}/{file.name}' has an auto_map")


def _read(file: Path) -> Mapping[str, object]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # What reads it in earnest says what is wrong with it.
        return {}
    return content if isinstance(content, dict) else {}


def _own_code(name: str, why: str) -> ModelError:
    return ModelError(
        f"'{name}' wants code of its own to run ({why}), which is never done; expected classes of "
        f"{' and '.join(LIBRARIES)}; use a model that has only those."
    )


def _check_pickles(folder: Path, name: str) -> None:
    files = list(folder.iterdir()) if folder.is_dir() else []
    pickled = sorted(file.name for file in files if file.suffix in PICKLED_SUFFIXES)
    if pickled and not any(file.suffix == ".safetensors" for file in files):
        raise ModelError(
            f"The {folder.name} of '{name}' is pickled ('{pickled[0]}'), which can run code on loading; "
            "use a copy of the model with safetensors."
        )
