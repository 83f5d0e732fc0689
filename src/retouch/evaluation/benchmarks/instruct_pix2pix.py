"""The test split of InstructPix2Pix's own set (arXiv 2211.09800): the last twentieth of its prompts, one pair each."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from retouch.core.errors import DataError
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.benchmarks.cases import checked, of_size, picture, wanted
from retouch.evaluation.benchmarks.files import Files, below, files_version
from retouch.records.layouts.instruct_pix2pix import PROMPT, SEEDS
from retouch.records.layouts.row import first_text
from retouch.records.lines import json_object

METRICS = ("clip-directional", "clip-image")
SHARES = (0.9, 0.05)
"""Of training and validation; the rest is the test split, counted in floating point as the published loader does."""


@dataclass(frozen=True, kw_only=True)
class InstructPix2PixTest:
    """The test split of the set in its own layout, a folder or zip with `seeds.json`.

    The published loader draws one of a prompt's pairs anew each time; here it is always the first, the one with the
    highest directional similarity.
    """

    files: Files
    name: str = "ip2p-test"
    metrics: tuple[str, ...] = METRICS

    @property
    def version(self) -> str:
        """See `Benchmark`."""
        names = [f"{name}/{seed}_{side}.jpg" for name, seed in self._listed for side in (0, 1)]
        return files_version(self.files, SEEDS, names)

    def __len__(self) -> int:
        return len(self._listed)

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """See `Benchmark`."""
        number = wanted(limit, len(self))
        if not number:
            raise DataError(f"{SEEDS} of {self.files.name} lists too few prompts for a test split; get the whole set.")
        return checked((self._case(name, seed) for name, seed in islice(self._listed, number)), self.name)

    @cached_property
    def _listed(self) -> Sequence[tuple[str, str]]:
        where = f"{SEEDS} of {self.files.name}"
        try:
            content = [(str(name), [str(seed) for seed in seeds]) for name, seeds in json.loads(self.files.read(SEEDS))]
        except (ValueError, TypeError) as error:
            raise DataError(f"{where} is no list of [folder, [seeds]]; restore it.") from error
        tested = content[math.floor((SHARES[0] + SHARES[1]) * len(content)) :]
        return [(below(name, where), below(seeds[0], where)) for name, seeds in tested if seeds]

    def _case(self, name: str, seed: str) -> BenchCase:
        where = f"{name}/{PROMPT} of {self.files.name}"
        try:
            words = self.files.read(f"{name}/{PROMPT}").decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{where} is not UTF-8 text; get it again.") from error
        told = json_object(words, where, form="an object with caption, edit and output")
        instruction = first_text(told, ("edit",))
        if not instruction:
            raise DataError(f"{where} has no text under edit; get it again.")
        source = picture(self.files.read(f"{name}/{seed}_0.jpg"), f"{name}/{seed}_0.jpg")
        target = picture(self.files.read(f"{name}/{seed}_1.jpg"), f"{name}/{seed}_1.jpg")
        return BenchCase(
            id=f"{name}-{seed}",
            kind="edit",
            instruction=instruction,
            source=source,
            target=of_size(target, source, f"{name}/{seed}_1.jpg"),
            source_caption=first_text(told, ("caption", "input")),
            target_caption=first_text(told, ("output",)),
        )
