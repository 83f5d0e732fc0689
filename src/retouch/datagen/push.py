"""Send pairs to the hub as a dataset: records in a layout others read, or a folder that was exported already."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from retouch.core.errors import DataError
from retouch.core.upload import CARD, Upload, check_repository, plan
from retouch.datagen.exported import export_pairs
from retouch.records.manifest import MANIFEST_NAME


@contextmanager
def planned_dataset(
    folder: Path,
    repository: str,
    *,
    layout: str,
    licence: str | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Upload]:
    """Yield what a push would send, without the network.

    A folder of records is exported in the layout to a temporary place, gone when the context ends; a folder with a
    card is sent as it is. Raises DataError where `folder` is neither or `repository` is no OWNER/NAME, and what an
    export raises.
    """
    check_repository(repository, "dataset")
    if (folder / MANIFEST_NAME).is_file():
        with TemporaryDirectory(prefix="retouch-push-") as place:
            out, title = Path(place) / "dataset", repository.rpartition("/")[2]
            export_pairs(folder, out, layout=layout, licence=licence, title=title, on_progress=on_progress)
            yield plan(out, repository, contents="dataset")
    elif (folder / CARD).is_file():
        yield plan(folder, repository, contents="dataset")
    else:
        raise DataError(f"'{folder}' holds neither records nor an export with its {CARD}; give a folder of either.")
