"""Where a source of pairs lies: a folder, Parquet files, or a dataset's id on the hub."""

import re
from collections.abc import Sequence
from pathlib import Path

from retouch.core.errors import DataError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def local_folder(source: str) -> Path:
    """The folder `source`. Raises DataError where it is none on this machine."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    advice = "give one of the layout that you named"
    if on_hub(source):
        advice = f"download it with `hf download --repo-type dataset {source} --local-dir FOLDER`"
    raise DataError(f"There is no folder '{source}'; {advice}.")


def on_hub(source: str) -> bool:
    """Whether `source` is no place here and has the form of a hub id, OWNER/NAME."""
    return not Path(source).expanduser().exists() and _HUB_ID.fullmatch(source) is not None


def local_files(source: str, suffixes: Sequence[str]) -> list[Path]:
    """The file `source`, or all files of these suffixes in the folder `source`, in order of their paths.

    Raises DataError where there are none.
    """
    place = Path(source).expanduser()
    if place.is_file():
        return [place]
    found = sorted(path for path in place.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    if not found:
        what = " or ".join(suffixes)
        raise DataError(f"'{source}' holds no {what} files and is no dataset's id on the hub; give either of them.")
    return found
