"""The course of a request over any engine: whole pictures or regions, to one `EditResult`."""

from dataclasses import dataclass

from PIL import Image

from retouch.core.region import Region
from retouch.editing.chain import make_batches, run_chain
from retouch.editing.engine import Engine
from retouch.editing.follow import Follower
from retouch.editing.memory import memory_errors
from retouch.editing.regional import RegionalEdit
from retouch.editing.request import Prepared, with_alpha
from retouch.editing.result import EditResult


@dataclass(frozen=True)
class _Made:
    """The pictures of one result after each instruction, and the regions where there were any."""

    pictures: tuple[Image.Image, ...]
    regions: tuple[Region | None, ...] = ()


def run_course(
    engine: Engine, prepared: Prepared, follower: Follower, *, batch_size: int, warnings: tuple[str, ...] = ()
) -> EditResult:
    """Make all results of a request, at most `batch_size` pictures together; raises as `Engine.edit` does.

    An empty region is said as a warning ahead of the others.
    """
    made = (_regional if prepared.regions else _whole)(engine, prepared, follower, batch_size)
    rows = tuple(tuple(made[image, seed] for seed in prepared.seeds) for image in range(len(prepared.images)))
    pictures = tuple(tuple(chain.pictures for chain in row) for row in rows)
    return EditResult(
        images=tuple(tuple(chain[-1] for chain in row) for row in pictures),
        intermediates=pictures,
        seeds=prepared.seeds,
        instructions=prepared.instructions,
        settings=prepared.settings,
        timings=follower.timings(),
        regions=tuple(tuple(chain.regions for chain in row) for row in rows) if prepared.regions else (),
        warnings=_of_empty_regions(prepared) + warnings,
    )


def _whole(engine: Engine, prepared: Prepared, follower: Follower, batch_size: int) -> dict[tuple[int, int], _Made]:
    batches = make_batches(prepared, engine, batch_size)
    follower.expect(len(batches) * len(prepared.active))
    made: dict[tuple[int, int], _Made] = {}
    for jobs in batches:
        size = " x ".join(str(side) for side in jobs[0].fit.model_size)
        with memory_errors(f"{len(jobs)} pictures of {size} pixels with '{engine.name}'"):
            chains = run_chain(engine, jobs, prepared, follower)
        made.update({(job.image, job.seed): _Made(chain) for job, chain in zip(jobs, chains, strict=True)})
    return made


def _regional(engine: Engine, prepared: Prepared, follower: Follower, batch_size: int) -> dict[tuple[int, int], _Made]:
    count = len(prepared.images) * len(prepared.seeds)
    with memory_errors(f"{min(count, batch_size)} pictures with regions with '{engine.name}'"):
        traces = RegionalEdit(engine, prepared, follower, batch_size=batch_size).run()
    alphas = [image.alpha for image in prepared.images]
    return {
        (image, seed): _Made(
            tuple(with_alpha(picture, alphas[image]) for picture in trace.pictures), tuple(trace.regions)
        )
        for (image, seed), trace in traces.items()
    }


def _of_empty_regions(prepared: Prepared) -> tuple[str, ...]:
    empty = [each for each in prepared.regions if isinstance(each, Region) and each.is_empty]
    return tuple(f"The region ({each.origin}) is empty, so the picture stays as it is." for each in empty[:1])
