"""The models at hand: in the package, in the hub's cache on this machine, and known on the hub."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from retouch.models.adapter import adapter_kind, is_adapter
from retouch.models.pocket import POCKET, find_pocket, members
from retouch.models.save import PIPELINES
from retouch.models.single import single_kind

Place = Literal["package", "cache", "hub"]

KNOWN_ON_HUB: dict[str, str] = {
    "timbrooks/instruct-pix2pix": "InstructPix2Pix, the published model, 512 pixels",
}
"""Hub ids of editing models of this family, with what they are."""


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """A model: what to call it, where it is, its kind as far as known, its size on disk, and a note."""

    source: str
    place: Place
    kind: str
    size_bytes: int | None
    note: str


def catalogue() -> tuple[CatalogueEntry, ...]:
    """Pocket members first, then what the hub's cache holds, then known hub ids not yet downloaded."""
    cached = _cached()
    present = {entry.source for entry in cached}
    known = tuple(
        CatalogueEntry(source=source, place="hub", kind="instruct", size_bytes=None, note=note)
        for source, note in KNOWN_ON_HUB.items()
        if source not in present
    )
    return (*_pocket(), *cached, *known)


def _pocket() -> tuple[CatalogueEntry, ...]:
    folders = {member: find_pocket(member) for member in members()}
    return tuple(
        CatalogueEntry(
            source=f"{POCKET}/{member}",
            place="package",
            kind=_kind_of_folder(folder),
            size_bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
            note="comes with Retouch",
        )
        for member, folder in folders.items()
    )


def _cached() -> tuple[CatalogueEntry, ...]:
    """Every cached repository with a `model_index.json` in its latest revision."""
    try:
        cache = scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return ()
    entries: list[CatalogueEntry] = []
    for repository in sorted(cache.repos, key=lambda repo: repo.repo_id):
        latest = max(repository.revisions, key=lambda revision: revision.last_modified, default=None)
        if latest is None or not (latest.snapshot_path / "model_index.json").is_file():
            continue
        entries.append(
            CatalogueEntry(
                source=repository.repo_id,
                place="cache",
                kind=_kind_of_folder(latest.snapshot_path),
                size_bytes=latest.size_on_disk,
                note=KNOWN_ON_HUB.get(repository.repo_id, ""),
            )
        )
    return tuple(entries)


def _kind_of_folder(folder: Path) -> str:
    """The kind by the pipeline's name, or the network's where it stands alone, without opening any weights."""
    if is_adapter(folder):
        return adapter_kind(folder) or "unreadable"
    if not (folder / "model_index.json").is_file():
        return single_kind(folder) or "unreadable"
    try:
        name = json.loads((folder / "model_index.json").read_text(encoding="utf-8")).get("_class_name", "")
    except (OSError, ValueError, AttributeError):
        return "unreadable"
    kinds = {pipeline: kind for kind, pipeline in PIPELINES.items()}
    return kinds.get(name, f"other ({name})")
