"""The stages over a Ray cluster: shards go out to actors, which write them where they belong, each exactly once."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from functools import partial
from typing import Any

from retouch.core import errors
from retouch.core.errors import Cancelled, DataError, MissingExtraError, RetouchError, SettingsError
from retouch.datagen.engine import SiftingEngine
from retouch.datagen.filter import REJECTED
from retouch.datagen.run import SHARD_UNITS, Shard, make_shard, plan_shards, run_settings
from retouch.datagen.sift import SHARD_UNITS as SIFTED_UNITS
from retouch.datagen.sift import turned_down
from retouch.datagen.workers import EngineFactory
from retouch.records.manifest import MANIFEST_NAME, Manifest, ShardEntry, manifest_bytes, parse_manifest
from retouch.records.pair import JSON, PairRecord
from retouch.records.shards import SHARD_PATTERN, check_same, read_shard, shard_bytes, shard_entry
from retouch.records.store import Store, open_store

KEPT = ""
"""The folder of records itself; that of the pairs turned down lies inside it."""
RETRIES = 3
"""How often an actor that died is started anew before the run gives up."""

Sieve = Callable[[Sequence[PairRecord]], tuple[list[PairRecord], list[PairRecord]]]
"""Parts records into those that are kept and those that are not, all of them scored."""
Work = Callable[[Shard], Mapping[str, ShardEntry]]
"""Makes and writes the parts of one shard; returns how the manifests name them, by folder."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """How many actors work, what each holds of the cluster, and where that is.

    `address` is None for `RAY_ADDRESS` or else a Ray of this machine alone, "auto", or that of a cluster.
    """

    actors: int = 2
    cpus: float = 1.0
    gpus: float = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        if self.actors < 1 or self.cpus < 0 or self.gpus < 0:
            raise SettingsError(
                f"{self.actors} actors with {self.cpus:g} CPUs and {self.gpus:g} GPUs were asked for; give at least "
                "1 actor and no negative shares."
            )


@dataclass(frozen=True, kw_only=True)
class ClusterSummary:
    """Where the records are, how many are kept and turned down, how many shards this run made, in which time."""

    place: str
    kept: int
    rejected: int
    shards: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What hears of progress (shards done, shards in all), and what may stop a run between shards."""

    on_progress: Callable[[int, int], None] = lambda _done, _total: None
    cancelled: Callable[[], bool] = lambda: False


def make_on_cluster(
    engine_factory: EngineFactory,
    *,
    count: int,
    out: str,
    resources: Resources = Resources(),
    sieve_factory: Callable[[], Sieve] | None = None,
    sieve_settings: Mapping[str, JSON] | None = None,
    shard_units: int = SHARD_UNITS,
    watch: Watch = Watch(),
) -> ClusterSummary:
    """Make `count` pairs at `out`, a path or a URL of fsspec's that every node reaches; see `run.make_pairs`.

    With a `sieve_factory` the pairs go through its sieve on the actor that made them, without being encoded and
    read in between; those it turns down lie in `out`/rejected. `sieve_settings` are what it judges by, for resuming.
    Shards have the bytes they have on one machine. An actor that dies is started anew and its shard made again.

    Raises Cancelled when interrupted, DataError where the place is in use or was made with other settings or an
    actor keeps dying, MissingExtraError without Ray, OutputError where the place cannot be written.
    """
    engine = engine_factory()
    settings = {**run_settings(engine, shard_units), **({"filter": dict(sieve_settings)} if sieve_settings else {})}
    plan = plan_shards(count, engine.pairs_per_unit, shard_units)
    work = partial(_Making, engine_factory, sieve_factory, out)
    fresh = Manifest(engine=engine.name, settings=settings)
    return _run(work, plan, out, fresh, parts=_parts(sieve_factory), resources=resources, watch=watch)


def sift_on_cluster(
    engine_factory: Callable[[], SiftingEngine],
    *,
    out: str,
    resources: Resources = Resources(),
    shard_units: int = SIFTED_UNITS,
    watch: Watch = Watch(),
) -> ClusterSummary:
    """Go through all units of an engine whose pairs may fail, each actor with its own models; see `sift_pairs`.

    What was turned down is counted in the manifest and not kept. Raises as `make_on_cluster`.
    """
    engine = engine_factory()
    fresh = Manifest(engine=engine.name, settings={**engine.fingerprint(), "shard_units": shard_units})
    plan = [
        Shard(first_unit=first, units=min(shard_units, engine.units - first), rows=0)
        for first in range(0, engine.units, shard_units)
    ]
    del engine
    work = partial(_Sifting, engine_factory, out)
    return _run(work, plan, out, fresh, parts=(KEPT,), resources=resources, watch=watch)


def filter_on_cluster(
    place: str,
    out: str,
    *,
    sieve_factory: Callable[[], Sieve],
    sieve_settings: Mapping[str, JSON],
    resources: Resources = Resources(),
    watch: Watch = Watch(),
) -> ClusterSummary:
    """Part the records at `place` by a sieve into those at `out` and those at `out`/rejected; see `filter_pairs`.

    Raises DataError where there are no records, and as `make_on_cluster`.
    """
    source = open_store(place)
    found = _manifest(source)
    if found is None:
        raise DataError(f"{place} holds no records (no {MANIFEST_NAME}); make some with `retouch data pairs`.")
    fresh = Manifest(engine=found.engine, settings={**found.settings, "filter": dict(sieve_settings)})
    plan = [Shard(first_unit=one.first_unit, units=one.units, rows=one.rows) for one in found.shards]
    work = partial(_Filtering, place, {one.first_unit: one for one in found.shards}, sieve_factory, out)
    return _run(work, plan, out, fresh, parts=_parts(sieve_factory), resources=resources, watch=watch)


class _Making:
    """Makes the pairs of a shard and writes them."""

    def __init__(self, factory: EngineFactory, sieve_factory: Callable[[], Sieve] | None, out: str) -> None:
        self._engine, self._out = factory(), out
        self._sieve = None if sieve_factory is None else sieve_factory()

    def __call__(self, shard: Shard) -> Mapping[str, ShardEntry]:
        """See `Work`."""
        units = range(shard.first_unit, shard.first_unit + shard.units)
        records = make_shard(shard, map(self._engine.make, units))
        return _written(self._out, shard, {KEPT: records} if self._sieve is None else _sifted(self._sieve, records))


class _Sifting:
    """Makes what comes of a shard's units and writes the pairs that are good."""

    def __init__(self, factory: Callable[[], SiftingEngine], out: str) -> None:
        self._engine, self._out = factory(), out

    def __call__(self, shard: Shard) -> Mapping[str, ShardEntry]:
        """See `Work`."""
        made = [self._engine.make(unit) for unit in range(shard.first_unit, shard.first_unit + shard.units)]
        written = _written(self._out, shard, {KEPT: [record for sifted in made for record in sifted.pairs]})
        counts = {
            "rejected": turned_down(sifted.rejected for sifted in made),
            "empty": sum(not sifted.pairs for sifted in made),
        }
        return {part: replace(entry, **counts) for part, entry in written.items()}


class _Filtering:
    """Parts the records of a shard and writes the parts."""

    def __init__(
        self, place: str, shards: Mapping[int, ShardEntry], sieve_factory: Callable[[], Sieve], out: str
    ) -> None:
        self._source, self._shards, self._out = open_store(place), shards, out
        self._sieve = sieve_factory()

    def __call__(self, shard: Shard) -> Mapping[str, ShardEntry]:
        """See `Work`."""
        records = list(read_shard(self._source, self._shards[shard.first_unit]))
        return _written(self._out, shard, _sifted(self._sieve, records))


def _sifted(sieve: Sieve, records: Sequence[PairRecord]) -> Mapping[str, Sequence[PairRecord]]:
    kept, turned_down = sieve(records)
    return {REJECTED: turned_down, KEPT: kept}


def _written(out: str, shard: Shard, parts: Mapping[str, Sequence[PairRecord]]) -> Mapping[str, ShardEntry]:
    entries = {}
    for part, records in parts.items():
        content = shard_bytes(records)
        entry = shard_entry(content, rows=len(records), first_unit=shard.first_unit, units=shard.units)
        _part_of(out, part).write(entry.file, content)
        entries[part] = entry
    return entries


def _parts(sieve_factory: Callable[[], Sieve] | None) -> tuple[str, ...]:
    """Folders in the order their manifests are written: a shard counts as done once the kept ones are there too."""
    return (KEPT,) if sieve_factory is None else (REJECTED, KEPT)


def _part_of(out: str, part: str) -> Store:
    return open_store(f"{out.rstrip('/')}/{part}" if part else out)


def _run(
    work: Callable[[], Work],
    plan: Sequence[Shard],
    out: str,
    fresh: Manifest,
    *,
    parts: tuple[str, ...],
    resources: Resources,
    watch: Watch,
) -> ClusterSummary:
    start = time.monotonic()
    with open_store(out).locked():
        stores = {part: _part_of(out, part) for part in parts}
        manifests = {part: _resumed(store, fresh) for part, store in stores.items()}
        missing = [shard for shard in plan if not _is_done(shard, list(manifests.values()))]
        done = len(plan) - len(missing)
        watch.on_progress(done, len(plan))
        for entries in _results(work, missing, resources) if missing else ():
            for part in parts:
                manifests[part] = _entered(stores[part], manifests[part], entries[part])
            done += 1
            watch.on_progress(done, len(plan))
            if watch.cancelled():
                raise Cancelled(f"Stopped at {done} of {len(plan)} shards; run the same command again to go on.")
    return ClusterSummary(
        place=out,
        kept=manifests[KEPT].rows,
        rejected=manifests[REJECTED].rows if REJECTED in manifests else _counted(manifests[KEPT]),
        shards=len(missing),
        seconds=time.monotonic() - start,
    )


def _counted(manifest: Manifest) -> int:
    return sum(sum(entry.rejected.values()) for entry in manifest.shards)


def _is_done(shard: Shard, manifests: Sequence[Manifest]) -> bool:
    """Whether every part has the whole shard, and all together as many records as there should be."""
    found = [entry for manifest in manifests if (entry := manifest.shard_at(shard.first_unit)) is not None]
    whole = len(found) == len(manifests) and all(entry.units >= shard.units for entry in found)
    return whole and sum(entry.rows for entry in found) >= shard.rows


def _entered(store: Store, manifest: Manifest, entry: ShardEntry) -> Manifest:
    """The manifest with a shard entered, as it now lies in the store; what the shard replaces is removed."""
    superseded = [one.file for one in manifest.shards if one.first_unit == entry.first_unit and one.file != entry.file]
    manifest = manifest.with_shard(entry)
    store.write(MANIFEST_NAME, manifest_bytes(manifest))
    for file in superseded:
        store.remove(file)
    return manifest


def _manifest(store: Store) -> Manifest | None:
    try:
        return parse_manifest(store.read(MANIFEST_NAME), f"{store.name}/{MANIFEST_NAME}")
    except FileNotFoundError:
        return None


def _resumed(store: Store, fresh: Manifest) -> Manifest:
    """The manifest of what is whole at `store`; shards that no manifest names are removed."""
    found = _manifest(store)
    sizes = store.sizes()
    if found is None:
        if any(fnmatch(file, SHARD_PATTERN) for file in sizes):
            raise DataError(f"{store.name} holds shards but no {MANIFEST_NAME}; choose an empty place for the records.")
        store.write(MANIFEST_NAME, manifest_bytes(fresh))
        return fresh
    check_same(store.name, found, fresh)
    for shard in found.shards:
        if sizes.get(shard.file) != shard.size:
            found = found.without(shard)
    for file in sizes.keys() - {shard.file for shard in found.shards}:
        if fnmatch(file, SHARD_PATTERN):
            store.remove(file)
    return found


def _results(
    work: Callable[[], Work], shards: Sequence[Shard], resources: Resources
) -> Iterator[Mapping[str, ShardEntry]]:
    """What actors made of each shard, as they finish; Ray holds them back where the driver is behind."""
    with _connected(resources.address) as ray:
        tasks = ray.data.from_items([asdict(shard) for shard in shards], override_num_blocks=len(shards))
        made = tasks.map_batches(
            _Actor,
            fn_constructor_args=(work,),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(resources.actors, len(shards))),
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            max_restarts=RETRIES,
            max_task_retries=RETRIES,
        )
        try:
            for row in made.iter_rows():
                yield _unwrapped(json.loads(row["result"]))
        except ray.exceptions.RayError as error:
            raise DataError(
                f"A worker of the cluster died {RETRIES + 1} times ({type(error).__name__}); run the same command "
                "again to resume, with fewer actors on a node if memory was short."
            ) from error


class _Actor:
    """Runs the work of shards, one a batch, and tells results and known errors as JSON."""

    def __init__(self, work: Callable[[], Work]) -> None:
        self._start, self._work = work, None

    def __call__(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        shard = Shard(**{name: int(values[0]) for name, values in batch.items()})
        try:
            self._work = self._work or self._start()
            result: dict[str, object] = {part: asdict(entry) for part, entry in self._work(shard).items()}
        except RetouchError as error:
            result = {"error": type(error).__name__, "said": str(error)}
        return {"result": [json.dumps(result)]}


def _unwrapped(result: Mapping[str, Any]) -> Mapping[str, ShardEntry]:
    if "error" in result:
        raise getattr(errors, result["error"])(result["said"])
    return {part: ShardEntry(**entry) for part, entry in result.items()}


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray with its data library; one that was started here is ended here."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("Working on a cluster needs Ray; run `pip install 'retouch[cluster]'`.") from error
    ours = not ray.is_initialized()
    if ours:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()
