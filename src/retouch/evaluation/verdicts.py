"""Success by kind of edit as columns beside the metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retouch.evaluation.answers import Answer
from retouch.evaluation.judges import Case, Judge, judges, psnr_outside
from retouch.evaluation.measures import Column
from retouch.metrics.clip import Encoder
from retouch.metrics.material import PROTOCOL, MaterialJudge

SUCCESS, FIGURE, OUTSIDE = "success", "success-figure", "outside"
VERSION = "v1"
_CAP = 99.0
"""What PSNR of equal pictures counts as, in dB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts:
    """Judges an answer by its kind of edit: success, the figure that it was judged by, and PSNR outside in dB.

    Kinds without a judge, and cases whose true result is not told, have none. `materials` and `encoder` judge what they
    are there for; see `judges`.
    """

    materials: MaterialJudge | None
    encoder: Encoder | None

    @cached_property
    def table(self) -> Mapping[str, Judge]:
        """The judges by kind of edit."""
        return judges(self.materials, self.encoder)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Success, figure, outside."""
        seen = "no-encoder" if self.encoder is None else self.encoder.protocol
        manner = f"{seen}/{'no-materials' if self.materials is None else PROTOCOL}/{VERSION}"
        return (
            Column(name=SUCCESS, protocol=f"success/by-kind/{manner}", better="higher", scale="share"),
            Column(name=FIGURE, protocol=f"success-figure/by-kind/{manner}", better="higher", scale="aside"),
            Column(name=OUTSIDE, protocol=f"outside/psnr-to-source-outside-mask/srgb8/{VERSION}", better="higher",
                   scale="aside"),
        )  # fmt: skip

    def measure(self, answers: Sequence[Answer]) -> Sequence[tuple[float | None, ...]]:
        """See `Measure`."""
        return [self._verdict(answer) for answer in answers]

    def _verdict(self, answer: Answer) -> tuple[float | None, ...]:
        judge = self.table.get(answer.case.kind)
        if judge is None or answer.case.target is None:
            return (None, None, None)
        case = _judged(answer)
        verdict = judge.judge(case)
        outside = psnr_outside(case)
        kept = None if outside is None else min(float(outside), _CAP)
        return (float(verdict.success), float(min(verdict.figure, _CAP)), kept)


def _judged(answer: Answer) -> Case:
    case = answer.case
    nowhere = np.zeros(case.source.shape[:2], dtype=bool)
    return Case(
        kind=case.kind,
        params=case.params,
        source=case.source,
        target=case.source if case.target is None else case.target,
        output=answer.output,
        round_trip=answer.round_trip(case.source) if case.kind == "null" else case.source,
        changed=nowhere if case.mask is None else case.mask,
        object_mask=nowhere if case.object_mask is None else case.object_mask,
    )
