"""The training loop's laws: order, averages, resumption to the bit, and stopping before harm is done."""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from retouch.core.errors import SettingsError, TrainingError
from retouch.training.average import WeightAverage
from retouch.training.kind import Loss, Validation
from retouch.training.order import batch_indices
from retouch.training.parallel import Processes
from retouch.training.settings import TrainSettings, rate_factor
from retouch.training.state import latest_state
from retouch.training.trainer import train


class LineKind:
    """Fits a line to noisy points: a kind small enough to watch every bit of it."""

    name = "line"

    def __init__(self, *, poison_at: int | None = None, noise: float = 0.1) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.network = nn.Linear(4, 1)
        self.modules: Mapping[str, nn.Module] = {"network": self.network}
        self.groups: Sequence[range] = (range(50),)
        self._points = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
        self._poison_at, self._calls, self._noise = poison_at, 0, noise

    def loss(self, indices: Sequence[int], generator: torch.Generator) -> Loss:
        points = self._points[list(indices)]
        noise = torch.randn(len(points), 1, generator=generator) * self._noise
        error = (self.network(points) - points.sum(1, keepdim=True) - noise).square().mean()
        self._calls += 1
        return Loss(total=error * (float("nan") if self._calls == self._poison_at else 1.0))

    def validate(self, generator: torch.Generator) -> Validation:
        error = (self.network(self._points) - self._points.sum(1, keepdim=True)).square().mean()
        return Validation(figures={"error": float(error)})

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "steps").write_text(str(steps))
        (folder / "error").write_text(str(figures["error"]))


def settings(steps: int, **changes: object) -> TrainSettings:
    values = {"batch_size": 8, "learning_rate": 0.05, "warmup": 3, "save_every": 5, "validate_every": 10}
    return TrainSettings(steps=steps, **{**values, "precision": "float32", **changes})  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = latest_state(folder)
    assert state is not None
    return load_file(state / "state.safetensors")


def test_every_epoch_sees_every_sample_once_in_a_new_order() -> None:
    epochs = [
        [index for step in range(5) for index in batch_indices([range(20)], batch=4, step=5 * epoch + step, seed=7)]
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(20))
    assert epochs[0] != epochs[1]


def test_it_learns_and_exports(tmp_path: Path) -> None:
    report = train(LineKind(), settings(300, ema_decay=0.9), tmp_path)
    assert report.steps == 300
    assert report.figures["error"] < 0.05
    assert (tmp_path / "model" / "steps").read_text() == "300"
    assert (tmp_path / "model" / "error").read_text() == str(report.figures["error"])


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(tmp_path: Path) -> None:
    train(LineKind(), settings(20), tmp_path / "whole")
    calls = iter([False] * 12 + [True])
    first = train(LineKind(), settings(20), tmp_path / "parts", cancelled=lambda: next(calls))
    assert first.interrupted
    assert first.steps == 12
    train(LineKind(), settings(20), tmp_path / "parts")
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


_KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_trainer import LineKind, settings
from retouch.training.trainer import train
train(LineKind(), settings(20), Path(sys.argv[1]), on_progress=lambda p: os._exit(9) if p.step == 13 else None)
"""


def test_kill_and_resume_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    train(LineKind(), settings(20), tmp_path / "whole")
    script = _KILLED.format(tests=str(Path(__file__).parent))
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")], check=False)
    assert killed.returncode == 9
    train(LineKind(), settings(20), tmp_path / "killed")
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_loss_that_is_no_number_stops_before_anything_is_saved(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="loss became nan at step 7"):
        train(LineKind(poison_at=8), settings(20), tmp_path)
    state = latest_state(tmp_path)
    assert state is not None
    assert state.name == "state-00000005"


def test_data_smaller_than_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds 50 samples of one shape, a batch 64"):
        train(LineKind(), settings(20, batch_size=64), tmp_path)


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    train(LineKind(), settings(5), tmp_path)
    other = LineKind()
    other.modules = {"another": other.network}
    with pytest.raises(TrainingError, match="another network"):
        train(other, settings(10), tmp_path)


def test_the_rate_rises_stays_and_falls() -> None:
    plan = settings(100, warmup=10, cooldown=20)
    assert rate_factor(plan, 0) == pytest.approx(0.1)
    assert rate_factor(plan, 50) == 1.0
    assert 0 < rate_factor(plan, 99) < 0.1


@pytest.mark.parametrize(("schedule", "half"), [("linear", 0.5), ("cosine", 0.5)])
def test_other_schedules_fall_all_the_way(schedule: str, half: float) -> None:
    plan = settings(110, warmup=10, schedule=schedule)
    assert rate_factor(plan, 9) == 1.0
    assert rate_factor(plan, 60) == pytest.approx(half)
    assert rate_factor(plan, 109) < 0.02
    assert rate_factor(plan, 30) > rate_factor(plan, 40)


def test_a_batch_in_parts_trains_what_the_whole_does(tmp_path: Path) -> None:
    train(LineKind(noise=0.0), settings(20), tmp_path / "whole")
    train(LineKind(noise=0.0), settings(20, accumulate=4), tmp_path / "parts")
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_and_resumes_to_the_bit(precision: str, tmp_path: Path) -> None:
    report = train(LineKind(), settings(200, precision=precision), tmp_path / "long")
    assert report.figures["error"] < 0.1
    train(LineKind(), settings(20, precision=precision), tmp_path / "whole")
    calls = iter([False] * 12 + [True])
    train(LineKind(), settings(20, precision=precision), tmp_path / "parts", cancelled=lambda: next(calls))
    train(LineKind(), settings(20, precision=precision), tmp_path / "parts")
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accumulate": 3}, "cannot be accumulated from 3 equal parts"),
        ({"schedule": "cosine", "cooldown": 5}, "falls to zero by itself"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(20, **changes)


def test_the_8_bit_optimiser_says_what_it_needs(tmp_path: Path) -> None:
    if importlib.util.find_spec("bitsandbytes") is not None:
        pytest.skip("bitsandbytes is installed here")
    with pytest.raises(TrainingError, match="pip install bitsandbytes"):
        train(LineKind(), settings(5, optimiser="adamw8bit"), tmp_path)


def test_the_average_follows_the_published_warm_up() -> None:
    parameter = nn.Parameter(torch.tensor([0.0]))
    average = WeightAverage({"p": parameter}, decay=0.9999)
    with torch.no_grad():
        parameter.fill_(1.0)
    average.update(0)
    assert float(average.shadow["p"]) == pytest.approx(1 - 1 / 10)
    average.update(1)
    assert float(average.shadow["p"]) == pytest.approx(1 - (1 / 10) * (2 / 11))
    with average.applied():
        assert parameter.item() == pytest.approx(average.shadow["p"].item())
    assert parameter.item() == 1.0


_TOGETHER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_trainer import LineKind, settings
from retouch.training.trainer import train
report = train(LineKind(noise=0.0), settings({steps}), Path(sys.argv[1]))
print("first" if report.first else "further", report.steps)
"""


def run_two_processes(folder: Path, *, steps: int) -> str:
    script = folder / "together.py"
    script.write_text(_TOGETHER.format(tests=str(Path(__file__).parent), steps=steps))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    done = subprocess.run([*command, str(script), str(folder / "run")], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_that_share_batches_train_what_one_does(tmp_path: Path) -> None:
    train(LineKind(noise=0.0), settings(20), tmp_path / "alone")
    said = run_two_processes(tmp_path, steps=13)
    assert sorted(said.split()) == ["13", "13", "first", "further"]
    run_two_processes(tmp_path, steps=20)
    alone, together = weights(tmp_path / "alone"), weights(tmp_path / "run")
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, atol=1e-6, rtol=1e-5)


def test_a_batch_that_processes_cannot_share_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(torch.device("cpu"))
    monkeypatch.setattr(processes, "count", 3)
    with pytest.raises(SettingsError, match="batch of 8 samples cannot be shared by 3"):
        processes.share(range(8))
