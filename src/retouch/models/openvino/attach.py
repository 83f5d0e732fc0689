"""Have OpenVINO compute a checkpoint's networks: from the cache on disk, or traced once and kept there."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retouch.core.errors import ModelError, OutputError
from retouch.models.checkpoint import Checkpoint
from retouch.models.computed import computed, put_in
from retouch.models.forms import Form, forms_of
from retouch.models.identity import fingerprint
from retouch.models.openvino.kept import COMPILED, FORMAT, NETWORK, kept_network
from retouch.models.openvino.library import HINTS, check_installed, compiled, library, version_of
from retouch.models.openvino.network import Compiled
from retouch.models.openvino.tracing import side_of, traced

log = logging.getLogger(__name__)
PACKAGES = ("torch", "diffusers", "openvino")
"""What a kept network depends on beside its weights and its configuration."""
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.1}
"""How far a fresh network may be from torch's own float32 answers, as a share of their size (root mean square)."""


def use_openvino(checkpoint: Checkpoint) -> None:
    """Let OpenVINO compute the U-Net and the VAE of a checkpoint on the CPU, each in the type of its weights.

    The torch networks stay where they are, with all weights, and compute whatever looks into them; see `Computed`.
    What changes the weights for good, such as LoRAs, comes before. The first time takes minutes for a large model.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        ModelError: the networks are not on the CPU or in a type that OpenVINO does not compute in, or it cannot take
            them, or answers otherwise than torch.
    """
    check_installed()
    put_in(forms_of(checkpoint), partial(_compiled, source=checkpoint.source), by="openvino")


def left_to_torch(checkpoint: Checkpoint) -> int:
    """How many calls of networks given to OpenVINO torch computed so far."""
    found = (computed(form.network) for form in forms_of(checkpoint))
    return sum(each.left for each in found if each is not None)


def _compiled(form: Form, source: str) -> Compiled:
    weight = next(form.network.parameters())
    if weight.device.type != "cpu" or weight.dtype not in HINTS:
        raise ModelError(
            f"OpenVINO computes on the CPU in float32 or bfloat16, but the {form.name} of '{source}' is "
            f"{str(weight.dtype).removeprefix('torch.')} on {weight.device}; choose the device cpu, or backend torch."
        )
    try:
        with kept_network(_key(form, weight.dtype), partial(_write, form, weight.dtype, source)) as place:
            return _made(str(place / NETWORK), form, source, kept=place / COMPILED)
    except OutputError:
        # Such as a home that is read-only, or a disk that is full: traced anew by each process.
        return _agreeing(form, _made(_traced(form, source), form, source), weight.dtype, source)


def _key(form: Form, dtype: torch.dtype) -> str:
    versions = {package: version_of(package) for package in PACKAGES}
    facts = {"form": form.name, "format": FORMAT, "precision": HINTS[dtype], **versions, "config": dict(form.facts)}
    return f"{form.name}-{fingerprint({form.name: form.network}, facts)[:32]}"


def _write(form: Form, dtype: torch.dtype, source: str, folder: Path) -> None:
    """Write the network, its weights as 16-bit numbers where it computes in such."""
    model = _traced(form, source)
    _agreeing(form, _made(model, form, source), dtype, source)
    try:
        library().save_model(model, str(folder / NETWORK), compress_to_fp16=dtype != torch.float32)
    except RuntimeError as problem:
        raise OutputError(
            f"The {form.name} of '{source}' cannot be written to {folder} ({_first_line(problem)}); make room, or "
            "set RETOUCH_CACHE to another folder."
        ) from problem


def _made(network: Any, form: Form, source: str, *, kept: Path | None = None) -> Compiled:
    """What computes a network, a file or an `openvino.Model`; see `compiled`."""
    try:
        return Compiled(compiled(network, next(form.network.parameters()).dtype, kept=kept))
    except RuntimeError as problem:
        raise _refused(form, source, problem) from problem


def _traced(form: Form, source: str) -> Any:
    log.warning("OpenVINO takes in the %s of '%s' for the first time; a large one takes minutes.", form.name, source)
    try:
        return traced(form)
    except (RuntimeError, ValueError, TypeError) as problem:
        raise _refused(form, source, problem) from problem


def _refused(form: Form, source: str, problem: Exception) -> ModelError:
    return ModelError(
        f"OpenVINO cannot take the {form.name} of '{source}' ({_first_line(problem)}); choose the backend torch."
    )


def _first_line(problem: Exception) -> str:
    return (str(problem) or type(problem).__name__).strip().splitlines()[0]


@torch.no_grad()
def _agreeing(form: Form, made: Compiled, dtype: torch.dtype, source: str) -> Compiled:
    """What was compiled, seen to answer as torch does where rows, height and width are not those it was traced with."""
    side = side_of(form)
    call = form.example(3, 2 * side, side)
    inputs = form.inputs(call)
    assert inputs is not None
    answers = zip(made.infer(inputs, wanted=form.answers), form.by_torch(call), strict=True)
    share = max(_apart(found, wanted.float()) for found, wanted in answers)
    if not share <= TOLERANCES[dtype]:
        raise ModelError(
            f"OpenVINO answers otherwise than torch for the {form.name} of '{source}' (apart by {share:.2g} of its "
            "size); choose the backend torch."
        )
    return made


def _apart(found: Tensor, wanted: Tensor) -> float:
    """The difference as a share of what is wanted, root mean square."""
    return float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt().clamp_min(1e-12))
