"""The one training loop: steps, averages, checkpoints, validation and their log, for every kind."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retouch.core.errors import TrainingError
from retouch.core.seeds import derive_seed
from retouch.training.average import WeightAverage, named_parameters
from retouch.training.journal import Journal
from retouch.training.kind import Kind, Loss, Rated
from retouch.training.optimiser import autocast, make_optimiser, recompute_activations
from retouch.training.order import batch_indices
from retouch.training.parallel import Processes
from retouch.training.parts import Parts
from retouch.training.settings import TrainSettings, rate_factor
from retouch.training.state import kept_tensors, latest_state, load_facts, load_state, save_state
from retouch.training.weights import Copies, Weights


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands after `step` of `steps`: the smoothed loss and samples a second."""

    step: int
    steps: int
    loss: float
    samples_per_second: float


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """How a run ended: steps done in all, the last validation's figures, where things are.

    `first` is False in the further processes of a run, which have nothing to report; where `resumes` is False, a run
    that was interrupted starts over.
    """

    steps: int
    figures: dict[str, float]
    folder: Path
    interrupted: bool
    first: bool = True
    resumes: bool = True


OnProgress = Callable[[Progress], None]


def train(
    kind: Kind,
    settings: TrainSettings,
    out: Path,
    *,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrainReport:
    """Train `kind` to `settings.steps`, resuming from the newest state in `out`; export at the end.

    Every step's samples and noise depend on (seed, step) alone, so a resumed run repeats what the
    uninterrupted one would have done, to the bit on one CPU process. Several processes share each
    batch (see `parallel`); the first of them writes. Raises TrainingError where the
    data is smaller than a batch, the loss is not finite or a state cannot be written.
    """
    most = max(map(len, kind.groups), default=0)
    if most < settings.batch_size:
        raise TrainingError(
            f"The data holds {most} samples of one shape, a batch {settings.batch_size}; "
            "make more pairs or smaller batches."
        )
    run = _Run(kind, settings, out)
    run.resume()
    if not run.processes.first:
        on_progress = None
    stopped = run.loop(on_progress, cancelled)
    if not stopped:
        run.finish()
    return TrainReport(steps=run.step, figures=run.figures, folder=out, interrupted=stopped, first=run.processes.first)


class _Losses:
    """The smoothed loss, read a step late so that a GPU is never waited for while it could be given work."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._open: tuple[Tensor, int] | None = None
        self.smooth = math.nan

    def add(self, loss: Tensor, step: int) -> None:
        """Take the loss of a step, and read that of the step before; the first, and on a CPU every one, at once."""
        self.settle()
        self._open = (loss, step)
        if loss.device.type == "cpu" or math.isnan(self.smooth):
            self.settle()

    def settle(self) -> None:
        """Read what is not read yet. Raises TrainingError where it is not finite."""
        if self._open is None:
            return
        (loss, step), self._open = self._open, None
        (value,) = self._processes.mean([float(loss)])
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss became {value} at step {step}; the last good checkpoint was kept: "
                "lower the learning rate and run again."
            )
        self.smooth = value if math.isnan(self.smooth) else 0.98 * self.smooth + 0.02 * value


class _Run:
    """The moving parts of one run."""

    def __init__(self, kind: Kind, settings: TrainSettings, out: Path) -> None:
        self.kind, self.settings, self.out = kind, settings, out
        if settings.checkpointing:
            recompute_activations(kind.modules.values())
        self.device = next(iter(named_parameters(kind.modules).values())).device
        self.processes = Processes(self.device)
        self.weights = _held(kind, settings, self.processes)
        self.parameters = self.weights.parameters
        self.optimiser = make_optimiser(_rated(self.parameters, kind), settings)
        self.average = WeightAverage(self.parameters, decay=settings.ema_decay, on_cpu=settings.ema_on_cpu)
        self.scaler = self.weights.scaler(enabled=settings.precision == "float16")
        self.journal = Journal(out / "log") if self.processes.first else None
        self.step = 0
        self.figures: dict[str, float] = {}

    def resume(self) -> None:
        state = latest_state(self.out)
        if state is None:
            return
        average = load_state(state, parameters=self.parameters, optimiser=self.optimiser, held=self.weights.held)
        self.average.load(average)
        facts = load_facts(state)
        self.step = int(str(facts["step"]))
        scaler = facts.get("scaler")
        if isinstance(scaler, dict):
            self.scaler.load_state_dict(scaler)

    def generator(self, *names: str | int) -> torch.Generator:
        seed = derive_seed(self.settings.seed, self.kind.name, *names)
        # On the CPU whatever the device, so that all devices see the same samples and noise.
        return torch.Generator().manual_seed(seed)

    def loop(self, on_progress: OnProgress | None, cancelled: Callable[[], bool]) -> bool:
        """Run to the last step; True where the caller's wish stopped it before."""
        settings, losses = self.settings, _Losses(self.processes)
        began, first = time.monotonic(), self.step
        while self.step < settings.steps:
            if any(self.processes.mean([float(cancelled())])):
                losses.settle()
                self.save()
                return True
            loss, parts = self.advance()
            losses.add(loss, self.step - 1)
            rate = (self.step - first) * settings.batch_size / max(1e-9, time.monotonic() - began)
            if on_progress:
                progress = Progress(step=self.step, steps=settings.steps, loss=losses.smooth, samples_per_second=rate)
                on_progress(progress)
            if self.journal and self.step % settings.log_every == 0:
                told = {name: float(part) for name, part in parts.items()}
                self.journal.scalars({"loss": losses.smooth, "samples a second": rate, **told}, self.step)
            if self.step % settings.save_every == 0:
                losses.settle()
                self.save()
            if self.step % settings.validate_every == 0:
                self.validate()
        losses.settle()
        return False

    def advance(self) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """Take one optimiser step and return this process's loss, and the loss's parts, without waiting for them."""
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * rate_factor(settings, self.step) * group["rate"]
        batch = batch_indices(self.kind.groups, batch=settings.batch_size, step=self.step, seed=settings.seed)
        mine = self.processes.share(batch)
        losses = [self.backward(mine, part) for part in range(settings.accumulate)]
        self.weights.average_gradients()
        self.scaler.unscale_(self.optimiser)
        self.weights.clip(settings.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update(self.step)
        self.step += 1
        return torch.stack([loss.total.detach() for loss in losses]).mean(), losses[0].parts

    def backward(self, batch: Sequence[int], part: int) -> Loss:
        """Add the gradients of one part of this process's batch, with randomness of its own."""
        settings, rank = self.settings, self.processes.rank
        names = ("step", self.step, rank, part) if rank or part else ("step", self.step)
        with autocast(settings.precision, self.device):
            loss = self.weights.loss(batch[part :: settings.accumulate], self.generator(*names))
        self.scaler.scale(loss.total / settings.accumulate).backward()
        return loss

    def validate(self) -> None:
        """Measure the averaged weights, in the first process."""
        with self.average.applied(), self.weights.whole(), torch.no_grad():
            if self.journal is None:
                return
            for module in self.kind.modules.values():
                module.eval()
            result = self.kind.validate(self.generator("validate"))
            for module in self.kind.modules.values():
                module.train()
        self.figures = dict(result.figures)
        self.journal.scalars(self.figures, self.step)
        self.journal.pictures(result.pictures, self.step)

    def save(self) -> None:
        """Write the state, the same whatever number of processes hold it."""
        kept = kept_tensors(self.parameters, self.optimiser, self.average.shadow)
        tensors = {f"{what}/{name}": self.weights.gathered(name, tensor) for what, name, tensor in kept}
        facts = {"kind": self.kind.name, "settings": asdict(self.settings), "figures": self.figures}
        if self.processes.first:
            save_state(self.out, step=self.step, tensors=tensors, facts={**facts, "scaler": self.scaler.state_dict()})

    def finish(self) -> None:
        """Validate and save a last time; export the averaged weights."""
        self.validate()
        self.save()
        with self.average.applied(), self.weights.whole():
            if self.journal is None:
                return
            self.kind.export(self.out / "model", steps=self.step, figures=self.figures)
        self.journal.close()


def _held(kind: Kind, settings: TrainSettings, processes: Processes) -> Weights:
    """How the launcher wants the weights held. Raises TrainingError where the optimiser cannot follow."""
    if not processes.sharded:
        return Copies(kind, processes)
    if settings.optimiser != "adamw":
        raise TrainingError(
            f"The optimiser {settings.optimiser} packs its moments in blocks, which FSDP cannot share out; "
            "train with adamw, or start the processes without FSDP."
        )
    return Parts(kind, processes)


def _rated(parameters: Mapping[str, nn.Parameter], kind: Kind) -> list[dict[str, Any]]:
    """Groups of the parameters, by "module.parameter", that learn at one rate."""
    rates = kind.rates if isinstance(kind, Rated) else {}
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(rates.get(name.partition(".")[0], 1.0), []).append(parameter)
    return [{"params": members, "rate": rate} for rate, members in groups.items()]
