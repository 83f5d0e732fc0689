"""Engines for a data set of three splits: the train, validation and bench parts, one behind the other."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from retouch.core.errors import DataError, SettingsError
from retouch.datagen.engine import SiftingEngine
from retouch.datagen.generative.plan import Plan, build_engine
from retouch.datagen.parts import Exact, Parts
from retouch.datagen.photos.engine import photo_engine
from retouch.datagen.rooms import RoomEngine
from retouch.records.pair import SPLITS, Split
from retouch.records.triple import Triple


def rooms_of_all_splits(count: int, *, seed: int, size: int, reserved: bool = False) -> Callable[[], SiftingEngine]:
    """What makes an engine of `count` pairs of rooms; no room is in two splits."""
    return partial(_rooms, dict(split_counts(count)), seed, size, reserved)


def photos_of_all_splits(source: Path, count: int, *, seed: int, size: int) -> Callable[[], SiftingEngine]:
    """What makes an engine of `count` pairs of the photographs in a folder; no photograph is in two splits."""
    engines = [
        Exact(engine=photo_engine(source, seed=seed, split=split, size=size), pairs=pairs)
        for split, pairs in split_counts(count).items()
    ]
    return partial(_same, Parts(engines=engines))


def triples_of_all_splits(plan: Plan) -> Callable[[], SiftingEngine]:
    """What makes an engine of a plan's triples; no caption is in two splits. Models are loaded once a process."""
    return partial(_generative, plan)


def split_triples(triples: Sequence[Triple], *, seed: int) -> Mapping[Split, tuple[Triple, ...]]:
    """Part triples by their source captions, so that no caption is in two splits: 90, 5 and 5 of a hundred.

    Where there are few, the first captions in the order of their digests go to validation and bench, one each.
    """
    digests = {one.source_caption: _digest(one.source_caption, seed) for one in triples}
    ordered = sorted(digests, key=lambda caption: digests[caption])
    if len(ordered) < len(SPLITS):
        raise DataError(f"There are {len(ordered)} different captions, too few for three splits; give at least 3.")
    held = max(1, len(ordered) // 20)
    validation, bench = set(ordered[:held]), set(ordered[held : 2 * held])
    return {
        "train": tuple(one for one in triples if one.source_caption not in validation | bench),
        "validation": tuple(one for one in triples if one.source_caption in validation),
        "bench": tuple(one for one in triples if one.source_caption in bench),
    }


def split_counts(count: int) -> Mapping[Split, int]:
    """How many of `count` pairs go to each split: 90, 5 and 5 of a hundred, at least one. Raises SettingsError."""
    if count < len(SPLITS):
        raise SettingsError(f"count is {count}; a data set of three splits needs at least {len(SPLITS)} pairs.")
    held = max(1, count // 20)
    return {"train": count - 2 * held, "validation": held, "bench": held}


def _digest(caption: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{caption}".encode()).hexdigest()


def _rooms(counts: Mapping[Split, int], seed: int, size: int, reserved: bool) -> Parts:
    engines = [
        Exact(engine=RoomEngine(seed=seed, split=split, size=size, reserved=reserved), pairs=pairs)
        for split, pairs in counts.items()
    ]
    return Parts(engines=engines)


def _generative(plan: Plan) -> Parts:
    parted = split_triples(plan.triples, seed=plan.seed)
    engine = build_engine(plan)
    return Parts(engines=[replace(engine, split=split, triples=triples) for split, triples in parted.items()])


def _same(engine: Parts) -> Parts:
    return engine
