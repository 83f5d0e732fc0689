"""PIE-Bench (arXiv 2310.01506): 700 pictures to edit by ten kinds of edit, with captions and regions, no targets.

Its layout: `mapping_file.json` and the pictures it names under `annotation_images/`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from retouch.core.errors import DataError
from retouch.evaluation.benchmark import BenchCase, Mask
from retouch.evaluation.benchmarks.cases import checked, interleaved, picture, wanted
from retouch.evaluation.benchmarks.files import Files, below, files_version
from retouch.records.lines import json_object

MAPPING, PICTURES = "mapping_file.json", "annotation_images"
SIDE = 512
METRICS = (
    "structure@pie-bench", "psnr-outside@pie-bench", "lpips-outside", "l2-outside@pie-bench", "ssim-outside@pie-bench",
    "clip-text", "clip-text-inside",
)  # fmt: skip
KINDS: Mapping[str, str] = {
    "0": "random",
    "1": "change object",
    "2": "add object",
    "3": "delete object",
    "4": "change attribute content",
    "5": "change attribute pose",
    "6": "change attribute colour",
    "7": "change attribute material",
    "8": "change background",
    "9": "change style",
}
"""The editing types by their numbers."""
_TEXTS = ("image_path", "original_prompt", "editing_prompt", "editing_instruction", "editing_type_id")


@dataclass(frozen=True, kw_only=True)
class PieBench:
    """PIE-Bench in a folder or zip; `mask` is the region that the edit is about.

    It is published kind after kind; here the kinds are mixed, so that the first N cases hold all in proportion.
    """

    files: Files
    name: str = "pie-bench"
    metrics: tuple[str, ...] = METRICS

    @property
    def version(self) -> str:
        """See `Benchmark`."""
        return files_version(self.files, MAPPING, (_place(row, key) for key, row in self._rows.items()))

    def __len__(self) -> int:
        return len(self._rows)

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """See `Benchmark`."""
        rows = islice(self._rows.items(), wanted(limit, len(self)))
        return checked((self._case(key, row) for key, row in rows), "PIE-Bench")

    @cached_property
    def _rows(self) -> Mapping[str, Mapping[str, object]]:
        """The entries by their keys, all words seen to, the kinds of edit mixed."""
        form = "an object of entries by number, as PIE-Bench publishes"
        where = f"{MAPPING} of {self.files.name}"
        try:
            text = self.files.read(MAPPING).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{where} is not UTF-8 text; give {form}.") from error
        found = json_object(text, where, form=form)
        if not found:
            raise DataError(f"{where} has no entries; give {form}.")
        rows = {key: _row(key, value) for key, value in found.items()}
        mixed = interleaved(list(rows), lambda key: str(rows[key]["editing_type_id"]))
        return {key: rows[key] for key in mixed}

    def _case(self, key: str, row: Mapping[str, object]) -> BenchCase:
        words = {name: str(row[name]).strip() for name in _TEXTS}
        return BenchCase(
            id=key,
            kind=KINDS[words["editing_type_id"]],
            instruction=words["editing_instruction"],
            source=picture(self.files.read(_place(row, key)), f"The picture of entry {key} of PIE-Bench"),
            mask=region_of(row["mask"], f"Entry {key} of PIE-Bench, mask"),
            source_caption=unmarked(words["original_prompt"]),
            target_caption=unmarked(words["editing_prompt"]),
            params={"blended_words": str(row.get("blended_word") or "")},
        )


def region_of(runs: object, where: str) -> Mask:
    """The region, (512, 512), of runs [start, length, …] over the flat picture; the outermost pixels always belong.

    A run that leads over the end stops there, as in the published reader. Raises DataError that opens with `where`.
    """
    numbers = _whole_numbers(runs)
    if len(numbers) % 2 or not all(0 <= start < SIDE * SIDE for start in numbers[::2]):
        raise DataError(f"{where}: expected pairs of start and length within {SIDE} x {SIDE} pixels; get it again.")
    flat = np.zeros(SIDE * SIDE, dtype=bool)
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        flat[start : start + length] = True
    region = flat.reshape(SIDE, SIDE)
    region[[0, -1]] = True
    region[:, [0, -1]] = True
    return region


def unmarked(caption: str) -> str:
    """A caption without the marks [ ] about what changes."""
    return " ".join(caption.replace("[", "").replace("]", "").split())


def _whole_numbers(runs: object) -> list[int]:
    """A list of whole numbers from 0 on; [-1] for anything else."""
    if not isinstance(runs, list):
        return [-1]
    plain = [number for number in runs if isinstance(number, int) and not isinstance(number, bool) and number >= 0]
    return plain if len(plain) == len(runs) else [-1]


def _row(key: str, value: object) -> Mapping[str, object]:
    where = f"Entry {key} of PIE-Bench"
    if not isinstance(value, dict):
        raise DataError(f"{where} is no object; get the file again.")
    for name in _TEXTS:
        if not isinstance(value.get(name), str) or not value[name].strip():
            raise DataError(f"{where} has no text under {name}; get the file again.")
    if value["editing_type_id"] not in KINDS:
        raise DataError(f"{where} has the editing_type_id '{value['editing_type_id']}'; expected 0 to 9.")
    if "mask" not in value:
        raise DataError(f"{where} has nothing under mask; get the file again.")
    return value


def _place(row: Mapping[str, object], key: str) -> str:
    return f"{PICTURES}/{below(str(row['image_path']), f'Entry {key} of PIE-Bench')}"
