"""All stages over fakes; as a program it kills itself at every write of theirs, one after the other."""

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from tests.datagen.fake_engine import FakeEngine, kill_at

from retouch.datagen.build import Stages, build
from retouch.datagen.engine import SiftingEngine
from retouch.datagen.judge import Standards
from retouch.datagen.parts import Exact, Parts
from retouch.datagen.thresholds import Thresholds
from retouch.metrics.clip import load_encoder
from retouch.records.triple import Triple, save_triples

LENIENT = Standards(
    encoder=lambda: load_encoder("pocket/clip"),
    thresholds=Thresholds(image_image=-1, caption_image=-1, directional=-1),
)


def engine() -> SiftingEngine:
    return Parts(engines=[Exact(engine=FakeEngine(seed=0), pairs=7), Exact(engine=FakeEngine(seed=1), pairs=2)])


def triples(count: int) -> list[Triple]:
    return [
        Triple(source_caption=f"a room {number // 2}", instruction=f"edit {number}", target_caption=f"a hall {number}")
        for number in range(count)
    ]


def stages(write: Callable[[Path, Callable[[int, int], None]], object] | None = None) -> Stages:
    return Stages(settings={"domain": "fake"}, write=write, engine=lambda: engine, standards=LENIENT, title="fakes")


def whole_stages(standards: Standards = LENIENT) -> Stages:
    return Stages(
        settings={"domain": "fake"},
        write=lambda out, _progress: save_triples(out, triples(4)),
        engine=lambda: engine,
        standards=standards,
        title="fakes",
    )


def run_killed(out: Path) -> None:
    """Build into `out`/N killed at the N-th write, N = 1, 2, ... until one survives; print the exit codes."""
    torch.set_num_threads(1)
    encoder = LENIENT.encoder()
    standards = Standards(encoder=lambda: encoder, thresholds=LENIENT.thresholds)
    for step in itertools.count(1):
        child = os.fork()
        if child == 0:
            kill_at(step)
            build(whole_stages(standards), out / str(step))
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)
        if code == 0:
            return


if __name__ == "__main__":
    run_killed(Path(sys.argv[1]))
