"""Metrics by name."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from retouch.core.errors import SettingsError
from retouch.metrics.metric import Metric, SetMetric
from retouch.metrics.protocol import same_protocols
from retouch.metrics.sample_metric import applies
from retouch.metrics.weights import POCKET_WEIGHTS, MetricWeights

if TYPE_CHECKING:
    import torch

    from retouch.metrics.clip import Encoder

__all__ = ["applies", "load_metrics", "load_set_metrics", "metric_names", "same_protocols", "set_metric_names"]


def metric_names() -> tuple[str, ...]:
    """The metrics of single edits; after an @ whose published figures a variant is for."""
    from retouch.metrics.builders import BUILDERS

    return tuple(BUILDERS)


def set_metric_names() -> tuple[str, ...]:
    """The metrics of sets of edits."""
    from retouch.metrics.builders import SET_BUILDERS

    return tuple(SET_BUILDERS)


def load_metrics(
    names: Sequence[str],
    *,
    encoder: "str | Path | Encoder" = "pocket/clip",
    device: "str | torch.device" = "cpu",
    weights: MetricWeights = POCKET_WEIGHTS,
) -> tuple[Metric, ...]:
    """The metrics of these names, in that order; networks that several read are loaded once.

    Args:
        names: of `metric_names`.
        encoder: the CLIP model: `pocket/clip`, a folder, a hub id, or an encoder that is loaded already.
        device: where networks run and pixels are compared.
        weights: where other published weights lie.

    Raises:
        SettingsError: a name is unknown.
        ModelError: weights are missing or do not fit.
        MissingExtraError: a metric needs what the extra `evaluate` installs.
    """
    from retouch.metrics.builders import BUILDERS
    from retouch.metrics.shelf import Shelf

    _check(names, metric_names())
    shelf = Shelf(source=encoder, device=device, weights=weights)
    return tuple(BUILDERS[name](shelf) for name in names)


def load_set_metrics(
    names: Sequence[str],
    *,
    encoder: "str | Path | Encoder" = "pocket/clip",
    device: "str | torch.device" = "cpu",
    weights: MetricWeights = POCKET_WEIGHTS,
) -> tuple[SetMetric, ...]:
    """The metrics of `set_metric_names`, each new and empty; see `load_metrics`.

    Raises:
        DataError: cached statistics are of another protocol, broken or missing.
    """
    from retouch.metrics.builders import SET_BUILDERS
    from retouch.metrics.shelf import Shelf

    _check(names, set_metric_names())
    shelf = Shelf(source=encoder, device=device, weights=weights)
    return tuple(SET_BUILDERS[name](shelf) for name in names)


def _check(names: Sequence[str], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."
            raise SettingsError(f"There is no metric '{name}'; {hint}")
