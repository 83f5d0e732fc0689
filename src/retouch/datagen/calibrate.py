"""How well thresholds tell right pairs from wrong ones, by kind of edit, and which would do best."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retouch.core.errors import DataError
from retouch.core.images import load_image
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.clip import Encoder
from retouch.metrics.pairs import MEASURES, pair_similarities
from retouch.records.pair import PairRecord
from retouch.records.shards import read_records

Fault = Literal["unchanged", "another edit", "another picture"]
"""What is wrong with a pair: the source itself for a target, the target of another edit of the same source, or that
of another source."""
ALL = "all"
_BATCH = 16
_STEPS = 24


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of edit: how many right and wrong pairs, which shares of both a filter keeps, and its precision.

    `recall` is the share of right pairs kept, `passed` that of wrong ones; `precision` is the share of right ones
    among all kept, were there as many wrong pairs as right ones.
    """

    kind: str
    right: int
    wrong: int
    recall: float
    passed: float

    @property
    def precision(self) -> float:
        """NaN where nothing is kept."""
        kept = self.recall + self.passed
        return self.recall / kept if kept else float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The four similarities of right and wrong pairs: values (N, 4) in the order of `MEASURES`, kinds, and faults.

    A fault is "" for a right pair.
    """

    values: NDArray[np.float64]
    kinds: tuple[str, ...]
    faults: tuple[str, ...]

    def rows(self, thresholds: Thresholds) -> list[Row]:
        """What thresholds keep, a row for all kinds and one for each."""
        kept, right = self._kept(thresholds), np.array([not fault for fault in self.faults])
        named = np.array(self.kinds)
        rows = []
        for kind in (ALL, *sorted(set(self.kinds))):
            here = np.full(len(named), True) if kind == ALL else named == kind
            good, bad = kept[here & right], kept[here & ~right]
            rows.append(
                Row(
                    kind=kind,
                    right=len(good),
                    wrong=len(bad),
                    recall=float(good.mean()) if len(good) else float("nan"),
                    passed=float(bad.mean()) if len(bad) else float("nan"),
                )
            )
        return rows

    def best(self) -> Thresholds:
        """The thresholds of the highest F1, right and wrong pairs weighing the same; of equals the most lenient."""
        right = np.array([not fault for fault in self.faults])
        image, source, target, directional = self.values.T
        grids = [_grid(image), _grid(np.minimum(source, target)), _grid(directional)]
        found = (Thresholds(image_image=i, caption_image=c, directional=d) for i, c, d in product(*grids))
        return max(found, key=lambda one: _f1(self._kept(one), right))

    def _kept(self, thresholds: Thresholds) -> NDArray[np.bool_]:
        least = np.array([thresholds.least()[measure] for measure in MEASURES])
        return np.asarray((self.values >= least).all(axis=1))


def measure(
    folder: Path,
    encoder: Encoder,
    *,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Measured:
    """Measure the ground-truth pairs of a folder, and wrong ones made of them, all with the captions of the right.

    Null edits are left out: a filter asks less of them. Raises DataError where there are fewer than two pairs.
    """
    edits = (one for one in read_records(folder, columns=("params",)) if one.source_caption != one.target_caption)
    records = list(islice(edits, limit))
    if len(records) < 2:
        raise DataError(f"{folder} holds {len(records)} pairs that change something; give a folder with at least 2.")
    cases = list(_cases(records))
    values: list[list[float]] = []
    for start in range(0, len(cases), _BATCH):
        batch = cases[start : start + _BATCH]
        pictures = [tuple(load_image(data).pixels for data in (one.source_image, target)) for one, target, _ in batch]
        captions = [(one.source_caption, one.target_caption) for one, _, _ in batch]
        found = pair_similarities([(first, second) for first, second in pictures], captions, encoder)
        values += [[similarities[name] for name in MEASURES] for similarities in found]
        on_progress(len(values), len(cases))
    return Measured(
        values=np.array(values),
        kinds=tuple(record.kind for record, _, _ in cases),
        faults=tuple(fault for _, _, fault in cases),
    )


def _cases(records: Sequence[PairRecord]) -> Iterator[tuple[PairRecord, bytes, Fault | Literal[""]]]:
    """Every record with its own target, and with wrong ones."""
    of_source: dict[bytes, list[PairRecord]] = {}
    for record in records:
        of_source.setdefault(record.source_image, []).append(record)
    for place, record in enumerate(records):
        yield record, record.target_image, ""
        yield record, record.source_image, "unchanged"
        others = [one for one in of_source[record.source_image] if one.target_caption != record.target_caption]
        if others:
            yield record, others[place % len(others)].target_image, "another edit"
        stranger = records[(place + len(records) // 2) % len(records)]
        if stranger.source_image != record.source_image:
            yield record, stranger.target_image, "another picture"


def _grid(values: NDArray[np.float64]) -> list[float]:
    """Thresholds worth trying for one measure, the most lenient first."""
    return [-1.0, *(round(float(value), 2) for value in np.quantile(values, np.linspace(0.02, 0.9, _STEPS)))]


def _f1(kept: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    recall, passed = float(kept[right].mean()), float(kept[~right].mean())
    return 2 * recall / (1 + recall + passed)


def as_facts(rows: Sequence[Row]) -> list[Mapping[str, object]]:
    """Rows for programs."""
    return [{**vars(row), "precision": row.precision} for row in rows]
