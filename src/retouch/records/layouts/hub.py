"""Datasets on the hub: streamed row by row, or found in the hub's cache when there is no network."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, cast

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from retouch.core.errors import DataError, MissingExtraError


def cached_dataset(name: str) -> Path | None:
    """Where the hub's cache holds the dataset, when nothing may be asked of the network; None when it may.

    Raises DataError where it is not there.
    """
    if not constants.HF_HUB_OFFLINE:
        return None
    try:
        return Path(snapshot_download(name, repo_type="dataset", local_files_only=True))
    except (LocalEntryNotFoundError, OSError) as error:
        raise DataError(
            f"The dataset '{name}' is not on this machine and HF_HUB_OFFLINE is set; unset it, or download it where "
            f"there is a network with `hf download --repo-type dataset {name} --local-dir FOLDER` and give FOLDER."
        ) from error


def streamed_splits(name: str) -> Iterator[tuple[str, Iterator[Mapping[str, object]]]]:
    """The splits of a dataset on the hub with their rows, pictures as undecoded bytes; nothing is kept on disk.

    Raises MissingExtraError without `datasets`, DataError where the dataset cannot be had.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(
            "Datasets on the hub need the package datasets; install it with: pip install 'retouch[train]'."
        ) from error
    try:
        loaded = cast("Mapping[str, Any]", datasets.load_dataset(name, streaming=True))
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise _unavailable(name, error) from error
    for split, rows in loaded.items():
        yield str(split), _guarded(name, rows.decode(False))


def first_and_all(rows: Iterator[Mapping[str, object]]) -> tuple[Mapping[str, object], Iterator[Mapping[str, object]]]:
    """The first row, empty where there is none, and all of them."""
    first = next(rows, None)
    return (first or {}), (iter(()) if first is None else chain([first], rows))


def _guarded(name: str, rows: Any) -> Iterator[Mapping[str, object]]:
    try:
        yield from rows
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise _unavailable(name, error) from error


def _unavailable(name: str, error: Exception) -> DataError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return DataError(f"The dataset '{name}' cannot be had from the hub ({reason}); check its id, or try again later.")
