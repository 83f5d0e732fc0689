"""The counting of `bench/memory.py` against what really lived in memory, on networks small enough to compute."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.profiler import profile

from retouch.models.architecture import TINY


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[1] / "bench" / "memory.py"
    spec = importlib.util.spec_from_file_location("bench_memory", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def real_peak(bench: ModuleType, kind: str, *, checkpointing: bool) -> int:
    """The most that torch's own allocator had given out during a real step, by its profiler."""
    with torch.random.fork_rng():
        subject = bench.make_subject(kind, TINY, checkpointing=checkpointing)
        with profile(profile_memory=True) as profiler:
            subject.loss(256, 2).backward()
    recorded: Any = profiler.profiler
    events = recorded.kineto_results.events()
    changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
    live = peak = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        live += change
        peak = max(peak, live)
    return peak


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", ["instruct", "controlnet", "vae"])
def test_computed_peaks_are_those_of_a_real_step(bench: ModuleType, kind: str, checkpointing: bool) -> None:
    case = bench.Case(kind=kind, size=256, batch=2, precision="float32", checkpointing=checkpointing)
    ((_, memory),) = bench.computed([case], TINY)
    assert memory.step == pytest.approx(real_peak(bench, kind, checkpointing=checkpointing), rel=0.05)


def test_recomputing_costs_less_and_a_lora_trains_little(bench: ModuleType) -> None:
    cases = [
        bench.Case(kind="instruct LoRA", size=256, batch=2, precision="bfloat16", checkpointing=checkpointing)
        for checkpointing in (False, True)
    ]
    kept, recomputed = (memory for _, memory in bench.computed(cases, TINY))
    assert recomputed.step < kept.step
    assert kept.trained < 0.1 * kept.weights


def test_a_total_adds_what_lives_together(bench: ModuleType) -> None:
    memory = bench.Memory(weights=100, trained=40, step=500)
    assert memory.total(eight_bit=False, average=True) == 100 + 80 + 40 + 500
    assert memory.total(eight_bit=True, average=False) == 100 + int(20 * (1 + 4 / 256)) + 500
    assert bench.Memory(weights=100, trained=40, step=10).total(eight_bit=False, average=False) == 100 + 80 + 80
