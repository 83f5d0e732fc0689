"""Check a model without using it: complete, loadable, finite, and of one kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from retouch.core.errors import ModelError
from retouch.models.adapter import AdapterKind, adapter_kind, read_adapter
from retouch.models.exemplar import load_exemplar
from retouch.models.insert import load_insert
from retouch.models.load import load
from retouch.models.placement import load_placement
from retouch.models.single import SingleKind, load_single, single_folder, single_kind
from retouch.models.spec import ConditioningSpec, Kind


@dataclass(frozen=True, kw_only=True)
class ComponentReport:
    """One network: its class, its number of parameters, and how many of them are no finite numbers."""

    name: str
    network: str
    parameters: int
    not_finite: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `verify` found; a model is sound when there are no `problems`."""

    source: str
    kind: Kind | SingleKind | AdapterKind | None
    spec: ConditioningSpec | None
    components: tuple[ComponentReport, ...]
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether the model can be used."""
        return not self.problems

    @property
    def parameters(self) -> int:
        """Parameters of all networks together."""
        return sum(component.parameters for component in self.components)


def verify(
    source: str | Path, *, revision: str | None = None, variant: str | None = None, tokenizer: str | None = None
) -> Report:
    """Load the model that `source` names and report on it; what is wrong comes back, nothing is raised.

    It is a whole model, a folder of one network alone (an encoder, a ControlNet, a segmenter, a parser or a writer), or
    an adapter, which is loaded over its base where that is named.
    """
    try:
        if adapter_kind(source) is not None:
            return _adapter_report(source)
        kind, spec, modules = _loaded(source, revision=revision, variant=variant, tokenizer=tokenizer)
    except ModelError as error:
        return Report(source=str(source), kind=None, spec=None, components=(), problems=(str(error),))
    components = tuple(_report(name, module) for name, module in modules.items())
    return Report(source=str(source), kind=kind, spec=spec, components=components, problems=_problems(components))


_OVER_BASE: Mapping[AdapterKind, Callable[[str | Path], object]] = {
    "insert": load_insert,
    "exemplar": load_exemplar,
    "placement": load_placement,
    "student": load,
}
"""What loads an adapter over the base that it names."""


def _adapter_report(source: str | Path) -> Report:
    """Raises ModelError where the adapter is damaged, or does not fit its base."""
    folder = read_adapter(source)
    components = tuple(
        ComponentReport(
            name=name,
            network="weights",
            parameters=sum(weight.numel() for weight in weights.values()),
            not_finite=sum(int((~weight.isfinite()).sum()) for weight in weights.values()),
        )
        for name, weights in folder.parts.items()
    )
    over_base = _OVER_BASE.get(folder.facts.kind)
    if over_base is not None:
        over_base(source)
    problems = _problems(components)
    return Report(source=str(source), kind=folder.facts.kind, spec=None, components=components, problems=problems)


def _problems(components: Sequence[ComponentReport]) -> tuple[str, ...]:
    return tuple(
        f"The {component.name} has {component.not_finite} weights that are no finite numbers; restore it."
        for component in components
        if component.not_finite
    )


def _loaded(
    source: str | Path, *, revision: str | None, variant: str | None, tokenizer: str | None
) -> tuple[Kind | SingleKind, ConditioningSpec | None, Mapping[str, nn.Module]]:
    alone = single_folder(source)
    kind = None if alone is None else single_kind(alone)
    if alone is not None and kind is not None:
        return kind, None, {kind: load_single(kind, alone)}
    checkpoint = load(source, revision=revision, variant=variant, tokenizer=tokenizer)
    return checkpoint.kind, checkpoint.spec, checkpoint.modules


def _report(name: str, module: nn.Module) -> ComponentReport:
    tensors = list(module.parameters())
    return ComponentReport(
        name=name,
        network=type(module).__name__,
        parameters=sum(tensor.numel() for tensor in tensors),
        not_finite=sum(int((~torch.isfinite(tensor)).sum()) for tensor in tensors),
    )
