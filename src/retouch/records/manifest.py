"""The manifest of a folder of shards: what is finished, by which engine and settings, with its hashes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from retouch.core.errors import DataError
from retouch.core.files import atomic_write
from retouch.records.pair import JSON

MANIFEST_NAME = "manifest.json"
FORMAT = "retouch-records"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """One finished shard: its file, what it holds and the sha256 of its bytes.

    `rejected` counts what was made for it and turned down, by reason; `empty` units of which nothing was kept.
    """

    file: str
    sha256: str
    size: int
    rows: int
    first_unit: int
    units: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    empty: int = 0


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The finished shards of a folder in unit order, and the engine and settings that made them."""

    engine: str
    settings: Mapping[str, JSON]
    shards: tuple[ShardEntry, ...] = ()

    @property
    def rows(self) -> int:
        """How many records the finished shards hold."""
        return sum(shard.rows for shard in self.shards)

    def shard_at(self, first_unit: int) -> ShardEntry | None:
        """The finished shard that starts at a unit, None where there is none."""
        return next((shard for shard in self.shards if shard.first_unit == first_unit), None)

    def with_shard(self, entry: ShardEntry) -> "Manifest":
        """The manifest with `entry` added, in place of any shard that starts at the same unit."""
        kept = [shard for shard in self.shards if shard.first_unit != entry.first_unit]
        shards = sorted([*kept, entry], key=lambda shard: shard.first_unit)
        return replace(self, shards=tuple(shards))

    def without(self, entry: ShardEntry) -> "Manifest":
        """The manifest with `entry` left out."""
        return replace(self, shards=tuple(shard for shard in self.shards if shard != entry))


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of `folder`; None where there is none.

    Raises DataError where it is not a manifest this version can read.
    """
    path = folder / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path and its permissions.") from error
    return parse_manifest(text, str(path))


def parse_manifest(text: str | bytes, where: str) -> Manifest:
    """Read what `manifest_bytes` wrote; raises DataError, naming `where`, for anything else."""
    try:
        return _from_json(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where} is not a records manifest of version {VERSION}; restore it or start anew.") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of `folder` in one atomic step."""
    atomic_write(folder / MANIFEST_NAME, manifest_bytes(manifest))


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as JSON, the same bytes for the same manifest."""
    content = {"format": FORMAT, "version": VERSION, **asdict(manifest), "shards": [*map(_listed, manifest.shards)]}
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _listed(entry: ShardEntry) -> Mapping[str, object]:
    """An entry as it is written: counts of rejects only where something can be turned down."""
    return {name: value for name, value in asdict(entry).items() if value or name not in ("rejected", "empty")}


def _from_json(content: Mapping[str, object]) -> Manifest:
    if content["format"] != FORMAT or content["version"] != VERSION:
        raise ValueError("another format")
    shards = content["shards"]
    settings = content["settings"]
    if not isinstance(shards, list) or not isinstance(settings, dict):
        raise TypeError("wrong shape")
    entries = tuple(ShardEntry(**shard) for shard in shards)
    return Manifest(engine=str(content["engine"]), settings=settings, shards=entries)
