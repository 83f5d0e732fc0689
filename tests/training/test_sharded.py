"""Weights shared out over two real processes: what one process learns, states that go on anywhere, whole exports."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file
from tests.training.networks import NetworkKind, settings, tiny
from tests.training.test_trainer import LineKind, weights

from retouch.core.errors import TrainingError
from retouch.models.load import load
from retouch.models.save import save
from retouch.training.anatomy import Anatomy
from retouch.training.parallel import Processes
from retouch.training.trainer import train

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = {"ddp": "MULTI_GPU", "fsdp": "FSDP"}


def together(*command: object) -> str:
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", *map(str, command)]
    done = subprocess.run(line, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def two_processes(work: str, folder: Path, pairs: Path) -> str:
    script = Path(__file__).parent / "sharded_work.py"
    return together("torch.distributed.run", "--nproc-per-node", 2, "--standalone", script, work, folder, pairs)


def assert_same_state(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        slack = {"exp_avg": 1e-7, "exp_avg_sq": 1e-10}.get(name.partition("/")[0], 1e-6)
        torch.testing.assert_close(second[name], value, atol=slack, rtol=1e-4)


@pytest.fixture(scope="module")
def toys(train_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("toys")
    return folder, two_processes("toys", folder, train_pairs)


def test_each_process_holds_about_half(toys: tuple[Path, str]) -> None:
    held = [int(count) for count in toys[1].split()]
    total = sum(parameter.numel() for module in NetworkKind().modules.values() for parameter in module.parameters())
    assert sum(held) == total + 1  # the scalar is held by both
    assert max(held) < 0.55 * total


def test_a_run_that_went_on_sharded_equals_one_process(toys: tuple[Path, str], tmp_path: Path) -> None:
    train(LineKind(noise=0.0), settings(12), tmp_path)
    assert_same_state(tmp_path, toys[0] / "line")


def test_networks_sharded_train_what_one_process_does_and_go_on_in_it(toys: tuple[Path, str], tmp_path: Path) -> None:
    train(NetworkKind(), settings(4), tmp_path / "alone")
    assert_same_state(tmp_path / "alone", toys[0] / "network")
    shutil.copytree(toys[0] / "network", tmp_path / "further")
    train(NetworkKind(), settings(6), tmp_path / "alone")
    train(NetworkKind(), settings(6), tmp_path / "further")
    assert_same_state(tmp_path / "alone", tmp_path / "further")


def test_half_precision_overflows_are_skipped_by_all(toys: tuple[Path, str]) -> None:
    state = weights(toys[0] / "half")
    assert len({int(value) for name, value in state.items() if name.startswith("step/")}) == 1


@pytest.mark.slow
def test_the_kinds_sharded_train_and_export_what_copies_do(train_pairs: Path, tmp_path: Path) -> None:
    two_processes("kinds", tmp_path, train_pairs)
    for kind in ("instruct", "lora", "vae"):
        parts, copies = tmp_path / f"{kind}-parts", tmp_path / f"{kind}-copies"
        assert_same_state(copies, parts)
        files = {path.relative_to(copies): path for path in (copies / "model").rglob("*.*")}
        assert files.keys() == {path.relative_to(parts) for path in (parts / "model").rglob("*.*")}
        for name, path in files.items():
            if path.suffix == ".safetensors":
                exported, expected = load_file(parts / name), load_file(path)
                assert exported.keys() == expected.keys()
                assert all(exported[key].shape == value.shape for key, value in expected.items())
    assert load(tmp_path / "instruct-parts" / "model").kind == "instruct"


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_accelerate_reads_the_shipped_configurations(name: str) -> None:
    configuration = load_config_from_file(str(ROOT / "recipes" / "launch" / f"{name}.yaml"))
    assert configuration.distributed_type == CONFIGURATIONS[name]


_RECIPE = """
from pathlib import Path
from retouch.training.kinds.instruct import InstructRecipe
from retouch.training.settings import TrainSettings

def squares(data, out):
    settings = TrainSettings(steps=2, batch_size=4, learning_rate=1e-3, precision="float32")
    return InstructRecipe(data=[data], base=Path({base!r}), cache=None, validation_every=4, settings=settings, size=64)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_command_runs_under_accelerate(name: str, train_pairs: Path, tmp_path: Path) -> None:
    base = save(tiny(), tmp_path / "base")
    (tmp_path / "recipe.py").write_text(_RECIPE.format(base=str(base)))
    configuration = ROOT / "recipes" / "launch" / f"{name}.yaml"
    options = ("--recipe", tmp_path / "recipe.py", "--data", train_pairs, "--out", tmp_path, "--device", "cpu")
    launcher = ("accelerate.commands.accelerate_cli", "launch", "--config_file", configuration)
    said = together(*launcher, "-m", "retouch", "train", *options)
    assert said.count("steps") == 1 and "held-out error" in said
    assert load(tmp_path / "recipe" / "model").kind == "instruct"


def test_the_8_bit_optimiser_is_refused_beside_sharding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Processes, "sharded", True)
    with pytest.raises(TrainingError, match="which FSDP cannot share out"):
        train(LineKind(), settings(5, optimiser="adamw8bit"), tmp_path)


def test_an_anatomy_puts_a_network_back_and_takes_it_away_again() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    remembered, own = Anatomy(network), network[0].weight
    network.register_forward_hook(lambda *_: torch.zeros(1))
    remembered.restore({"0.weight": torch.ones(3, 2), "0.bias": torch.zeros(3)})
    assert torch.equal(network(torch.ones(1, 2)), torch.full((1, 3), 2.0))
    remembered.withdraw()
    assert torch.equal(network(torch.ones(1, 2)), torch.zeros(1))
    assert network[0].weight is own
