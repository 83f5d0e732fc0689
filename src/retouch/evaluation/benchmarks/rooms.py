"""RoomsBench: 1,000 edits of held-out rooms whose results are known, rendered here and held to what was published."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from retouch.core.errors import Cancelled, DataError
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.benchmarks.cases import wanted
from retouch.evaluation.benchmarks.records import METRICS, RecordsBench
from retouch.evaluation.benchmarks.rooms_manifest import Agreement, Entry, compare, load_entries
from retouch.records.manifest import MANIFEST_NAME

NAME, VERSION = "rooms", "1"
SEED, SIZE, REFERENCES, COUNT = 0, 256, 2, 1000
"""The pair engine of rooms makes the cases by these, in its split "bench"."""
VARIANT = "llvm_ad_rgb"
"""Mitsuba's variant that the cases were published from; the scalar one lights a room differently."""

Render = Callable[[int, Path], object]
"""Renders the first so many cases into a folder of records, going on where an earlier run stopped."""


@dataclass(frozen=True, kw_only=True)
class RoomsBench:
    """The rendered cases in `folder`, every one held to what was published as it is read.

    The ten kinds of edit come by turns, so that the first N cases hold them in equal numbers. What is not rendered
    yet is made by `render`; without it `cases` raises DataError.
    """

    folder: Path
    render: Render | None = None
    name: str = NAME
    version: str = VERSION
    metrics: tuple[str, ...] = METRICS
    published: tuple[Entry, ...] = field(default_factory=load_entries, repr=False)

    def __len__(self) -> int:
        return len(self.published)

    def cases(self, limit: int | None = None) -> Iterator[BenchCase]:
        """See `Benchmark`; raises DataError for a case that is not what was published, too."""
        number = self.complete(limit)
        return (case for case, _ in self._compared(number))

    def complete(self, limit: int | None = None) -> int:
        """See that the first `limit` cases are rendered; return how many these are. Raises DataError."""
        number = wanted(limit, len(self))
        if self.rendered < number and self.render is not None:
            self.render(number, self.folder)
        if self.rendered < number:
            raise DataError(
                f"'{self.folder}' holds {self.rendered} of the {number} cases of RoomsBench that are asked for; render "
                f"them with `retouch eval benches make rooms --count {number} --out {self.folder}`."
            )
        return number

    @property
    def rendered(self) -> int:
        """How many cases the folder holds."""
        return len(self._records) if (self.folder / MANIFEST_NAME).is_file() else 0

    def check(
        self,
        limit: int | None = None,
        *,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> "RoomsCheck":
        """Hold the first `limit` cases, or all that are rendered, to what was published.

        Raises:
            DataError: there are none, or one is not what was published.
            Cancelled: when interrupted.
        """
        number = min(wanted(limit, len(self)), self.rendered)
        if not number:
            raise DataError(f"'{self.folder}' holds no case of RoomsBench; render them there first.")
        found: Counter[Agreement] = Counter()
        for done, (_, agreement) in enumerate(self._compared(number), 1):
            if cancelled():
                raise Cancelled(f"Stopped after {done} of {number} cases; so far all were what was published.")
            found[agreement] += 1
            on_progress(done, number)
        return RoomsCheck(cases=number, published=len(self), same=found["the same pixels"])

    def _compared(self, number: int) -> Iterator[tuple[BenchCase, Agreement]]:
        for case, published in zip(self._records.cases(number), self.published[:number], strict=True):
            yield case, compare(case, published)

    @property
    def _records(self) -> RecordsBench:
        return RecordsBench(folder=self.folder, name="RoomsBench")


@dataclass(frozen=True, kw_only=True)
class RoomsCheck:
    """That `cases` of the `published` ones are what they should be, `same` of them pixel for pixel."""

    cases: int
    published: int
    same: int

    @property
    def agreement(self) -> Agreement:
        """What held of all of them."""
        return "the same pixels" if self.same == self.cases else "within 1/255"

    def sentence(self) -> str:
        """The same in words."""
        of = f"{self.cases} of {self.published} cases are rendered and all are what was published: "
        if self.agreement == "the same pixels":
            return of + "the same pixels, as on the platform they were published from."
        return of + f"{self.same} the same pixels, the others within a mean of 1/255, as on another platform."
