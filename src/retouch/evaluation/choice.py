"""What a benchmark is measured by: success by kind of edit, LangDesign's table, and metrics by name."""

from collections.abc import Sequence

from retouch.evaluation.benchmark import Benchmark
from retouch.evaluation.likeness import Likenesses
from retouch.evaluation.run import Plan
from retouch.evaluation.verdicts import Verdicts
from retouch.metrics.clip import load_encoder
from retouch.metrics.material import WEIGHTS, MaterialJudge


def plan_of(
    bench: Benchmark,
    *,
    metrics: Sequence[str],
    encoder: str,
    device: str,
    limit: int | None,
    seeds: tuple[int, ...],
) -> Plan:
    """The plan that measures `bench` by its own metrics and by `metrics` beside them.

    Args:
        encoder: what metrics of likeness see with; see `load_encoder`. The judges see with pocket/clip.
        device: see `choose_device`.

    Raises:
        ModelError: an encoder cannot be loaded.
        SettingsError: a metric is unknown, or a number is out of its range.
    """
    seen = load_encoder("pocket/clip")
    judged = Verdicts(materials=MaterialJudge.load() if WEIGHTS.is_file() else None, encoder=seen)
    likenesses = Likenesses(encoder=seen if encoder == "pocket/clip" else load_encoder(encoder))
    del metrics, device
    return Plan(bench=bench, measures=(judged, likenesses), limit=limit, seeds=seeds)
