"""What a benchmark is measured by: success by kind of edit, LangDesign's table, and metrics by name."""

from collections.abc import Sequence

import torch

from retouch.editing.device import choose_device
from retouch.evaluation.benchmark import Benchmark
from retouch.evaluation.likeness import Likenesses
from retouch.evaluation.measures import Scored
from retouch.evaluation.run import Plan
from retouch.evaluation.verdicts import Verdicts
from retouch.evaluation.wholes import SetMeasure
from retouch.metrics.clip import Encoder, load_encoder
from retouch.metrics.material import WEIGHTS, MaterialJudge
from retouch.metrics.registry import load_metrics, load_set_metrics, set_metric_names
from retouch.metrics.weights import POCKET_WEIGHTS, MetricWeights


def plan_of(
    bench: Benchmark,
    *,
    metrics: Sequence[str],
    encoder: str,
    weights: MetricWeights = POCKET_WEIGHTS,
    device: str,
    limit: int | None,
    seeds: tuple[int, ...],
) -> Plan:
    """The plan that measures `bench` by its own metrics and by `metrics` beside them.

    Args:
        encoder: what metrics of likeness see with; see `load_encoder`. The judges see with pocket/clip.
        weights: where the published weights of other metrics lie.
        device: see `choose_device`.

    Raises:
        ModelError: an encoder or weights cannot be loaded.
        SettingsError: a metric is unknown, or a number is out of its range.
    """
    seen = load_encoder("pocket/clip")
    where = choose_device(device)
    chosen = seen if encoder == "pocket/clip" else load_encoder(encoder, device=where)
    judged = Verdicts(materials=MaterialJudge.load() if WEIGHTS.is_file() else None, encoder=seen)
    named = tuple(dict.fromkeys((*bench.metrics, *metrics)))
    sets = tuple(name for name in named if name in set_metric_names())
    single = load_metrics(
        tuple(name for name in named if name not in sets), encoder=chosen, device=where, weights=weights
    )
    return Plan(
        bench=bench,
        measures=(judged, Likenesses(encoder=chosen), *(Scored(metric=metric) for metric in single)),
        wholes=tuple(_whole(name, chosen, where, weights) for name in sets),
        limit=limit,
        seeds=seeds,
    )


def _whole(name: str, encoder: Encoder, device: torch.device, weights: MetricWeights) -> SetMeasure:
    return SetMeasure.of(lambda: load_set_metrics((name,), encoder=encoder, device=device, weights=weights)[0])
