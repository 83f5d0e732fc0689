"""Trace a small room with the LLVM library the environment names: one that is not fit ends this process."""

import mitsuba
import numpy as np

from retouch.scenes.layout import sample_room
from retouch.scenes.render import flat_room
from retouch.scenes.render.variant import VECTOR


def main() -> None:
    """Compile the whole tracer, as the first picture would."""
    mitsuba.set_variant(VECTOR)
    from retouch.scenes.render import kernel

    traced = kernel.trace(flat_room(sample_room(0)), size=16, samples=1, seed=0)
    if not np.isfinite(traced.radiance).all():
        raise SystemExit(1)


if __name__ == "__main__":
    main()
