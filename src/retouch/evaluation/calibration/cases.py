"""The cases to calibrate on: read from records, and divided into two halves that never meet."""

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from retouch.core.errors import DataError
from retouch.core.seeds import derive_seed
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.benchmarks.records import case_of
from retouch.records.pair import Split
from retouch.records.shards import read_records


def record_cases(pairs: Path, *, split: Split, limit: int | None = None) -> tuple[BenchCase, ...]:
    """The first records of a split as cases; raises DataError where there are none."""
    found: list[BenchCase] = []
    for record in read_records(pairs, split=split):
        if limit is not None and len(found) >= limit:
            break
        found.append(case_of(record))
    if not found:
        raise DataError(f"{pairs} holds no record of the split '{split}'; make pairs there first.")
    return tuple(found)


def halves(cases: Sequence[BenchCase], seed: int) -> tuple[tuple[BenchCase, ...], tuple[BenchCase, ...]]:
    """A tuning half and a test half: kind by kind, in the order of a seeded hash of the ids, in turn to each.

    In either half the kinds alternate, so that its first few cases are of every kind.
    """
    by_kind: dict[str, list[BenchCase]] = {}
    for case in cases:
        by_kind.setdefault(case.kind, []).append(case)
    sides: tuple[list[list[BenchCase]], list[list[BenchCase]]] = ([], [])
    for kind in sorted(by_kind):
        ordered = sorted(by_kind[kind], key=lambda case: derive_seed(seed, "half", case.id))
        fewer = int(sum(map(len, sides[0])) > sum(map(len, sides[1])))
        sides[fewer].append(ordered[::2])
        sides[1 - fewer].append(ordered[1::2])
    return _alternating(sides[0]), _alternating(sides[1])


def _alternating(kinds: Iterable[Sequence[BenchCase]]) -> tuple[BenchCase, ...]:
    return tuple(case for case in chain.from_iterable(zip_longest(*kinds)) if case is not None)
