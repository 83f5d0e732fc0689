"""COCOEE (arXiv 2211.13227) as a benchmark: photographs with a box each and a picture of what goes there."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.benchmarks.cases import checked, mask, picture, version_of, wanted
from retouch.evaluation.cocoee import CocoeeCase, cocoee_cases

METRICS = ("clip-region",)
"""What is measured case by case; CLIP-FID and the quality score are of the whole set: `retouch eval cocoee`."""
INSTRUCTION = "put the object of the reference into the region"


@dataclass(frozen=True, kw_only=True)
class CocoeeBench:
    """The cases of the folder; the photographs are sources, not targets: what goes in comes from another picture."""

    root: Path
    name: str = "cocoee"
    metrics: tuple[str, ...] = METRICS

    @property
    def version(self) -> str:
        """See `Benchmark`."""
        listed = hashlib.sha256((self.root / "id_list.npy").read_bytes()).hexdigest()
        files = [path for case in self._cases for path in (case.picture, case.reference, case.mask)]
        return version_of(listed, *(f"{path.name}:{path.stat().st_size}" for path in files))

    def __len__(self) -> int:
        return len(self._cases)

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """See `Benchmark`."""
        return checked(map(_case, self._cases[: wanted(limit, len(self))]), "COCOEE")

    @cached_property
    def _cases(self) -> list[CocoeeCase]:
        return cocoee_cases(self.root)


def _case(case: CocoeeCase) -> BenchCase:
    return BenchCase(
        id=f"{case.id:012d}",
        kind="insert",
        instruction=INSTRUCTION,
        source=picture(case.picture, str(case.picture)),
        mask=mask(case.mask, str(case.mask)),
        references=(picture(case.reference, str(case.reference)),),
    )
