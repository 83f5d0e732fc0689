"""The two objectives of calibration: that an edit goes where the words go, and that it keeps the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from retouch.core.errors import DataError, SettingsError
from retouch.evaluation.benchmark import BenchCase, Mask, Picture
from retouch.evaluation.judges import Case, Judge, judges
from retouch.evaluation.measures import sample_of
from retouch.metrics.clip import Encoder
from retouch.metrics.material import WEIGHTS, MaterialJudge
from retouch.metrics.metric import Metric, Part, Sample
from retouch.metrics.registry import load_metrics, metric_names
from retouch.metrics.sample_metric import compares_with_source
from retouch.metrics.weights import POCKET_WEIGHTS, MetricWeights

SUCCESS = "success"
Role = Literal["follows", "keeps"]
_ASKED: frozenset[Part] = frozenset({"target", "target_caption", "reference"})
"""What says where an edit was to go."""


class Objective(Protocol):
    """Scores one edit, higher being better."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    @property
    def protocol(self) -> str:
        """All that its values depend on."""
        ...

    def asks(self, case: BenchCase) -> bool:
        """Whether the case tells what a value needs."""
        ...

    def score(self, case: BenchCase, output: Picture) -> float | None:
        """The value, None where the case does not ask for it."""
        ...


class Success:
    """1 where the judge of the case's kind lets the edit pass, else 0."""

    name = SUCCESS

    def __init__(self, table: Mapping[str, Judge], round_trip: Callable[[Picture], Picture]) -> None:
        self._table, self._round_trip = table, round_trip
        self.protocol = "success/" + "; ".join(f"{kind}: {judge.measure}" for kind, judge in table.items())

    def asks(self, case: BenchCase) -> bool:
        """See `Objective.asks`."""
        return case.kind in self._table and case.target is not None

    def score(self, case: BenchCase, output: Picture) -> float | None:
        """See `Objective.score`."""
        if not self.asks(case):
            return None
        source = self._round_trip(case.source) if case.kind == "null" else case.source
        return float(self._table[case.kind].judge(_judged(case, output, source)).success)


@dataclass(frozen=True, kw_only=True, eq=False)
class Gain:
    """A metric of the registry, its sign turned where lower is better.

    Of a null edit without a mask everything is outside; where both captions are equal a change between them asks
    for nothing.
    """

    metric: Metric

    @property
    def name(self) -> str:
        """See `Objective.name`."""
        return self.metric.name if self.metric.better == "higher" else f"minus {self.metric.name}"

    @property
    def protocol(self) -> str:
        """The metric's own."""
        return self.metric.protocol

    def asks(self, case: BenchCase) -> bool:
        """See `Objective.asks`."""
        return self._sample(case, case.source) is not None

    def score(self, case: BenchCase, output: Picture) -> float | None:
        """See `Objective.score`."""
        sample = self._sample(case, output)
        if sample is None:
            return None
        value = float(self.metric.measure([sample])[0])
        return value if self.metric.better == "higher" else -value

    def _sample(self, case: BenchCase, output: Picture) -> Sample | None:
        if "source_caption" in self.metric.needs and case.source_caption == case.target_caption:
            return None
        if case.mask is None and case.kind == "null":
            case = replace(case, mask=_or_empty(None, case.source))
        return sample_of(case, output, self.metric)


def objectives(
    cases: Sequence[BenchCase],
    encoder: Encoder,
    round_trip: Callable[[Picture], Picture],
    *,
    follows: str | None = None,
    keeps: str | None = None,
    weights: MetricWeights = POCKET_WEIGHTS,
) -> tuple[Objective, Objective]:
    """The two objectives of these names, or those that suit the cases.

    Args:
        cases: what will be scored.
        encoder: judges additions and all that goes by CLIP.
        round_trip: takes a picture through the model's autoencoder and back; null edits are held to it.
        follows: "success", or a metric that reads what was asked for: the target, its caption or a reference.
        keeps: a metric that compares the output with the source alone, whole or outside the mask.
        weights: where the weights of other networks lie.

    Raises:
        SettingsError: there is no such metric, or it does not measure this.
        DataError: no case tells what an objective needs.
        ModelError: weights are missing or do not fit.
    """
    check_names(follows, keeps)
    table = judges(MaterialJudge.load() if WEIGHTS.is_file() else None, encoder)
    usual = suited(cases, table)
    chosen: dict[Role, str] = {"follows": follows or usual[0], "keeps": keeps or usual[1]}
    loaded = load_metrics([name for name in chosen.values() if name != SUCCESS], encoder=encoder, weights=weights)
    named: dict[str, Objective] = {metric.name: Gain(metric=metric) for metric in loaded}
    named[SUCCESS] = Success(table, round_trip)
    for metric in loaded:
        _check_roles(metric, chosen)
    pair = named[chosen["follows"]], named[chosen["keeps"]]
    for name, objective in zip(chosen.values(), pair, strict=True):
        if not any(map(objective.asks, cases)):
            raise DataError(f"No case tells what '{name}' needs; choose another objective or other cases.")
    return pair


def suited(cases: Sequence[BenchCase], table: Mapping[str, Judge]) -> tuple[str, str]:
    """The names of the objectives that these cases allow, the judges' and the regions' where they can be had.

    Raises:
        DataError: there are neither targets that a judge knows nor captions.
    """
    judged = all(case.kind in table and case.target is not None for case in cases)
    said = any(case.source_caption and case.target_caption for case in cases)
    if not judged and not said:
        raise DataError("The cases have neither true results nor captions of both sides; nothing says what follows.")
    regions = all(case.mask is not None or case.kind == "null" for case in cases)
    return SUCCESS if judged else "clip-directional", "psnr-outside" if regions else "clip-image"


def check_names(follows: str | None, keeps: str | None) -> None:
    """Raises SettingsError for a name that is no metric's."""
    known = metric_names()
    for option, name, more in (("--follows", follows, (SUCCESS,)), ("--keeps", keeps, ())):
        if name is not None and name not in (*more, *known):
            example = "success or clip-directional" if more else "psnr-outside or clip-image"
            raise SettingsError(f'{option} is "{name}"; expected a metric of docs/metrics.md, such as {example}.')


def _check_roles(metric: Metric, chosen: Mapping[Role, str]) -> None:
    """Raises SettingsError where a metric says nothing of following, or more than keeping."""
    if chosen["follows"] == metric.name and not metric.needs & _ASKED:
        raise SettingsError(
            f"'{metric.name}' does not read what was asked for; give --follows one that does, such as success, "
            "clip-directional or colour-inside."
        )
    if chosen["keeps"] == metric.name and not compares_with_source(metric):
        raise SettingsError(
            f"'{metric.name}' does not compare the output with its source alone; give --keeps one that does, such as "
            "psnr-outside, clip-image or perceptual-outside."
        )


def _judged(case: BenchCase, output: Picture, round_trip: Picture) -> Case:
    return Case(
        kind=case.kind,
        params=case.params,
        source=case.source,
        target=case.source if case.target is None else case.target,
        output=output,
        round_trip=round_trip,
        changed=_or_empty(case.mask, case.source),
        object_mask=_or_empty(case.object_mask, case.source),
    )


def _or_empty(mask: Mask | None, like: Picture) -> Mask:
    return np.zeros(like.shape[:2], dtype=bool) if mask is None else mask
