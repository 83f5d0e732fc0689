"""What two processes of a launcher do in `test_sharded`: train with weights shared out, and with copies."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))

from networks import NetworkKind, instruct_kind, lora_kind, settings, vae_kind
from test_trainer import LineKind

from retouch.training.parallel import Processes
from retouch.training.parts import Parts
from retouch.training.trainer import train

WORK, FOLDER, PAIRS = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])


def run(name: str, kind: Any, *, sharded: bool, steps: int = 4, **changes: object) -> None:
    os.environ["ACCELERATE_USE_FSDP"] = str(sharded).lower()
    train(kind, settings(steps, **changes), FOLDER / name)


def toys() -> None:
    held = Parts(NetworkKind(), Processes(torch.device("cpu"))).parameters
    # In one piece: the processes share a pipe, and print would write the end of the line on its own.
    sys.stdout.write(f"{sum(parameter.numel() for parameter in held.values())}\n")
    run("line", LineKind(noise=0.0), sharded=True, steps=8)
    run("line", LineKind(noise=0.0), sharded=True, steps=12)
    run("half", LineKind(), sharded=True, steps=30, precision="float16")
    run("network", NetworkKind(), sharded=True, accumulate=2, checkpointing=True, ema_on_cpu=True)


def kinds() -> None:
    makers: dict[str, Callable[[Path], Any]] = {"instruct": instruct_kind, "lora": lora_kind, "vae": vae_kind}
    for kind, make in makers.items():
        for way in ("parts", "copies"):
            run(f"{kind}-{way}", make(PAIRS), sharded=way == "parts")


torch.set_num_threads(1)
{"toys": toys, "kinds": kinds}[WORK]()
