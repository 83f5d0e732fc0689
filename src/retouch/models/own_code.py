"""Refuse models that bring code of their own: Python beside the weights, or classes of modules that are not known."""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from retouch.core.errors import ModelError

LIBRARIES = ("diffusers", "transformers", "retouch")
"""Whose classes a component may be of."""
INDEX_FILE = "model_index.json"
_CODE = (".py", ".pyc", ".pyd", ".so")


def refuse_own_code(folder: Path, source: str) -> None:
    """See that nothing in a model's folder, or in one below it, asks for code of its own to run.

    Three things do: a file of Python, a class that `model_index.json` has of another module than `LIBRARIES`, and an
    `auto_map` in a configuration. A folder without a configuration is no model, which others say.

    Raises:
        ModelError: there is one of them; the message says which.
    """
    if not any((folder / name).is_file() for name in (INDEX_FILE, "config.json")):
        return
    for component, (library, cls) in components(_read(folder / INDEX_FILE)).items():
        if not _is_known(library):
            raise own_code(source, f"its {component} is {cls} of {library}")
    for file in _files(folder):
        place = file.relative_to(folder).as_posix()
        if file.suffix in _CODE:
            raise own_code(source, f"'{place}' lies beside its weights")
        if file.name.endswith("config.json") and "auto_map" in _read(file):
            raise own_code(source, f"'{place}' has an auto_map")


def own_code(source: str, why: str) -> ModelError:
    """The refusal of a model, with the reason in a few words."""
    return ModelError(
        f"'{source}' wants code of its own to run ({why}), which is never done; expected classes of "
        f"{' and '.join(LIBRARIES[:2])}; use a model that has only those."
    )


def components(index: Mapping[str, object]) -> dict[str, list[object]]:
    """Components of a `model_index.json` by name, each a library and a class, both None where it is left out."""
    found = {name: entry for name, entry in index.items() if isinstance(entry, list) and len(entry) == 2}
    return {name: entry for name, entry in found.items() if not name.startswith("_") and entry != [None, None]}


def _is_known(library: object) -> bool:
    """Whether it is one of the libraries, or a package of diffusers' pipelines, which older indices name alone."""
    if not isinstance(library, str):
        return False
    if library in LIBRARIES:
        return True
    return library.isidentifier() and importlib.util.find_spec(f"diffusers.pipelines.{library}") is not None


def _files(folder: Path) -> Iterator[Path]:
    """All files but those in hidden folders, such as what a version control keeps."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            if not entry.name.startswith("."):
                yield from _files(entry)
        else:
            yield entry


def _read(file: Path) -> Mapping[str, object]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # What reads it in earnest says what is wrong with it.
        return {}
    return content if isinstance(content, dict) else {}
