"""Figures of a contestant's answers as a whole, such as distances between sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retouch.core.errors import DataError
from retouch.evaluation.answers import Answer
from retouch.evaluation.measures import Column, told
from retouch.metrics.metric import SetMetric


@dataclass(frozen=True, kw_only=True, eq=False)
class SetMeasure:
    """A metric of sets, by what makes a fresh one for each contestant."""

    make: Callable[[], SetMetric]
    column: Column

    @classmethod
    def of(cls, make: Callable[[], SetMetric]) -> "SetMeasure":
        """The measure over what `make` makes."""
        metric = make()
        return cls(make=make, column=Column(name=metric.name, protocol=metric.protocol, better=metric.better))

    def begin(self) -> "OpenSet":
        """Start on a contestant."""
        return OpenSet(self.make())


class OpenSet:
    """A set that answers are still put into."""

    def __init__(self, metric: SetMetric) -> None:
        self._metric = metric

    def take(self, answers: Sequence[Answer]) -> None:
        """Put in the answers whose case tells what the metric needs."""
        samples = [sample for one in answers if (sample := told(one, self._metric)) is not None]
        if samples:
            self._metric.update(samples)

    def value(self) -> float | None:
        """The figure, or None where there were too few answers."""
        try:
            return float(self._metric.value())
        except DataError:
            return None
