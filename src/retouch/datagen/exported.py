"""Write records in a layout that other tools read, with a card that says what the pairs are: whole or not at all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from retouch.core.errors import SettingsError
from retouch.core.files import atomic_folder, atomic_write
from retouch.datagen.card import Loading, dataset_card, facts_of
from retouch.records.layouts.diffusers import write_diffusers
from retouch.records.layouts.image_folder import write_image_folder
from retouch.records.layouts.instruct_pix2pix import write_instruct_pix2pix
from retouch.records.layouts.parquet import write_parquet
from retouch.records.layouts.webdataset import write_webdataset
from retouch.records.shards import count_records

CARD = "README.md"


class Writer(Protocol):
    """Writes a folder of records into an empty folder; returns how many pairs."""

    def __call__(self, records: Path, out: Path, *, on_progress: Callable[[int, int], None]) -> int: ...


@dataclass(frozen=True, kw_only=True)
class _Layout:
    write: Writer
    loading: Loading


LAYOUTS: Mapping[str, _Layout] = {
    "image-folder": _Layout(write=write_image_folder, loading=Loading(builder="imagefolder")),
    "instruct-pix2pix": _Layout(write=write_instruct_pix2pix, loading=Loading(builder=None)),
    "parquet": _Layout(write=write_parquet, loading=Loading(builder="parquet", suffix="parquet")),
    "diffusers": _Layout(write=write_diffusers, loading=Loading(builder="parquet", suffix="parquet")),
    "webdataset": _Layout(write=write_webdataset, loading=Loading(builder="webdataset", suffix="tar")),
}
"""How records are written, by the name of the layout, and how each is loaded again."""


def export_pairs(
    folder: Path,
    out: Path,
    *,
    layout: str,
    licence: str | None = None,
    title: str | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Write a folder of records in a layout, with its card; return how many pairs.

    `out` appears when all of it is written; what is interrupted leaves nothing. `licence` is an identifier of the
    hub, such as cc-by-4.0, None for none stated. Raises SettingsError for an unknown layout, OutputError where
    `out` holds something or cannot be written, DataError where there are no records.
    """
    if layout not in LAYOUTS:
        raise SettingsError(f"The layout '{layout}' is unknown; choose {', '.join(LAYOUTS)}.")
    count_records(folder)
    with atomic_folder(out) as place:
        count = LAYOUTS[layout].write(folder, place, on_progress=on_progress)
        facts = facts_of(folder, title=title or out.resolve().name, licence=licence)
        card = dataset_card(facts, layout=layout, loading=LAYOUTS[layout].loading)
        atomic_write(place / CARD, card.encode())
    return count
