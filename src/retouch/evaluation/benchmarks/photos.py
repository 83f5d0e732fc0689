"""Looks and dyes of the pictures in a folder, with true results: pairs made of them by the engine of photographs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retouch.core.errors import DataError
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.benchmarks.cases import version_of, wanted
from retouch.evaluation.benchmarks.records import METRICS, RecordsBench
from retouch.records.manifest import MANIFEST_NAME

COUNT = 300
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, kw_only=True)
class PhotosBench:
    """300 pairs of the held-out pictures of `source`, made by `make` into a folder below `cache` as they are asked for.

    Its version is that of the pictures' names and sizes.
    """

    source: Path
    cache: Path
    make: Callable[[int, Path], object] | None = None
    name: str = "photos"
    metrics: tuple[str, ...] = METRICS

    @property
    def version(self) -> str:
        """See `Benchmark`."""
        found = sorted(path for path in self.source.rglob("*") if path.suffix.lower() in SUFFIXES)
        return version_of(*(f"{path.relative_to(self.source)}:{path.stat().st_size}" for path in found))

    def __len__(self) -> int:
        return COUNT

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """See `Benchmark`; makes what is not there yet."""
        number, folder = wanted(limit, len(self)), self.cache / f"{self.name}-{self.version}"
        if self.make is not None:
            self.make(number, folder)
        elif not (folder / MANIFEST_NAME).is_file():
            raise DataError(
                f"No pairs of '{self.source}' are made yet; make them with `retouch data pairs --engine photos --split "
                f"bench --source {self.source} --out FOLDER` and name FOLDER with --source."
            )
        return RecordsBench(folder=folder, name=self.name).cases(number)
