"""Follow and cancel any pipeline within a step, by standing before its scheduler's `step` for one call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from retouch.core.errors import Cancelled
from retouch.diffusion.loop import Progress


@contextmanager
def watched(
    scheduler: Any, on_step: Callable[[Progress], None], cancelled: Callable[[], bool] | None
) -> Iterator[None]:
    """Report every step of a scheduler while the block runs; it is as before at its end, whatever ends it.

    `cancelled` is asked ahead of the block and of every step, and after the last; raises Cancelled.
    """
    own = scheduler.__dict__.get("step")
    step, done = scheduler.step, 0

    def check() -> None:
        if cancelled is not None and cancelled():
            of = f" of {len(scheduler.timesteps)}" if done else ""
            raise Cancelled(f"The work was cancelled after {done}{of} steps; nothing was written.")

    def watching(model_output: Tensor, timestep: Any, sample: Tensor, *rest: Any, **named: Any) -> Any:
        nonlocal done
        check()
        stepped = step(model_output, timestep, sample, *rest, **named)
        done += 1

        def predicted() -> Tensor:
            return _predicted(scheduler, stepped, model_output, timestep, sample)

        # A pipeline for regions may leave out the first steps of the schedule; none is left out here.
        on_step(Progress(done=done, total=len(scheduler.timesteps), latents=stepped[0], predicted=predicted))
        return stepped

    check()
    scheduler.step = watching
    try:
        yield
        check()
    finally:
        del scheduler.step
        if own is not None:
            scheduler.step = own


def _predicted(scheduler: Any, stepped: Any, output: Tensor, timestep: Any, sample: Tensor) -> Tensor:
    """Clean latents as the model has them now: the scheduler's own, or x − σ·v for flows (arXiv 2210.02747)."""
    if len(stepped) > 1:
        return stepped[1]
    if "Flow" in type(scheduler).__name__:
        return sample - float(timestep) / scheduler.config.num_train_timesteps * output
    return stepped[0]
