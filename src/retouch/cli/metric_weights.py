"""The option that says where the published weights of metrics lie."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.metrics.weights import LpipsNetwork, MetricWeights

Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="NAME=SOURCE",
        help="Published weights of metrics: dino, dinov2 and structure=FOLDER or hub id; lpips-network=alex, vgg or "
        "squeeze; lpips-backbone, lpips-linear, inception, reference and quality=FILE; repeat it. (default: stand-ins)",
        show_default=False,
    ),
]
_SOURCES = ("dino", "dinov2", "structure")
_FILES = ("lpips-backbone", "lpips-linear", "inception", "reference", "quality")
_NETWORK = "lpips-network"


def metric_weights(given: list[str] | None) -> "MetricWeights":
    """The weights that `--weights` names; raises SettingsError for one that is unknown, twice there, or no file."""
    from retouch.metrics.weights import MetricWeights

    said: dict[str, str] = {}
    for text in given or ():
        name, _, source = text.partition("=")
        if name not in (*_SOURCES, *_FILES, _NETWORK) or not source:
            known = ", ".join((*_SOURCES, _NETWORK, *_FILES))
            raise SettingsError(f'--weights is "{text}"; expected NAME=SOURCE, where NAME is one of {known}.')
        if name in said:
            raise SettingsError(f"--weights names {name} twice; leave one out.")
        said[name] = source
    return MetricWeights(
        dino=said.get("dino"),
        dinov2=said.get("dinov2"),
        structure=said.get("structure"),
        lpips_network=_network(said.get(_NETWORK, "alex")),
        lpips_backbone=_file(said, "lpips-backbone"),
        lpips_linear=_file(said, "lpips-linear"),
        inception=_file(said, "inception"),
        reference=_file(said, "reference"),
        quality=_file(said, "quality"),
    )


def _network(name: str) -> "LpipsNetwork":
    from retouch.metrics.weights import LpipsNetwork

    if name not in get_args(LpipsNetwork):
        raise SettingsError(f'--weights is "{_NETWORK}={name}"; expected {", ".join(get_args(LpipsNetwork))}.')
    return cast("LpipsNetwork", name)


def _file(said: dict[str, str], name: str) -> Path | None:
    if name not in said:
        return None
    path = Path(said[name]).expanduser()
    if not path.is_file():
        raise SettingsError(f'--weights names "{path}" for {name}, which is no file; give the path of one.')
    return path
