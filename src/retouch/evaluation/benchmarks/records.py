"""Any folder of our records as a benchmark: the pairs of the split "bench", or all where there are none of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from retouch.core.errors import DataError
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.benchmarks.cases import checked, mask, picture, version_of, wanted
from retouch.records.manifest import read_manifest
from retouch.records.pair import PairRecord, Split
from retouch.records.shards import count_records, read_columns, read_records

METRICS = (
    "psnr", "ssim", "l1", "perceptual", "clip-directional", "clip-image", "clip-text", "psnr-outside", "colour-inside",
)  # fmt: skip
"""What can be measured offline where the true result is known."""
_WHOLE = ("mask", "object_mask", "reference_images", "object")


@dataclass(frozen=True, kw_only=True)
class RecordsBench:
    """The records of a folder that `retouch data` made, in their order; its version is that of their bytes."""

    folder: Path
    name: str
    metrics: tuple[str, ...] = METRICS

    @property
    def version(self) -> str:
        """See `Benchmark`."""
        manifest = read_manifest(self.folder)
        if manifest is None:
            raise DataError(f"{self.folder} holds no records (no manifest.json); make some with `retouch data pairs`.")
        return version_of(*(shard.sha256 for shard in manifest.shards))

    @cached_property
    def split(self) -> Split | None:
        """The split that is read; None where the folder has none of "bench"."""
        held_out = next(iter(read_columns(self.folder, ("id",), split="bench")), None)
        return None if held_out is None else "bench"

    @cached_property
    def count(self) -> int:
        """How many records are read."""
        return count_records(self.folder, self.split)

    def __len__(self) -> int:
        return self.count

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """See `Benchmark`."""
        number = wanted(limit, len(self))
        if not number:
            raise DataError(f"{self.folder} holds no finished records; make some with `retouch data pairs`.")
        records = islice(read_records(self.folder, _WHOLE, self.split), number)
        return checked(map(case_of, records), self.name)


def case_of(record: PairRecord) -> BenchCase:
    """A record as a case. Raises DataError where a picture of it cannot be read."""
    where = f"of record {record.id}"
    region, own = record.mask, record.object_mask
    return BenchCase(
        id=record.id,
        kind=record.kind,
        instruction=record.edit_prompt,
        source=picture(record.source_image, f"The source {where}"),
        target=picture(record.target_image, f"The target {where}"),
        mask=None if region is None else mask(region, f"The mask {where}"),
        object_mask=None if own is None else mask(own, f"The object mask {where}"),
        source_caption=record.source_caption,
        target_caption=record.target_caption,
        references=tuple(picture(view, f"A reference {where}") for view in record.reference_images),
        params=record.params,
    )
