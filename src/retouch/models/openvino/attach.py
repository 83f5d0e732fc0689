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
from retouch.models.openvino.tracing import traced

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
    for form in forms_of(checkpoint):
        if computed(form.network) is None:
            put_in(form, partial(_compiled, source=checkpoint.source), by="openvino")


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
        place = kept_network(_key(form, weight.dtype), partial(_write, form, weight.dtype, source))
    except OutputError:
        # Such as a home that is read-only: traced anew by each process.
        model = _traced(form, source)
        return _agreeing(form, Compiled(compiled(model, weight.dtype, kept=None)), weight.dtype, source)
    return Compiled(compiled(str(place / NETWORK), weight.dtype, kept=place / COMPILED))


def _key(form: Form, dtype: torch.dtype) -> str:
    versions = {package: version_of(package) for package in PACKAGES}
    facts = {"form": form.name, "format": FORMAT, "precision": HINTS[dtype], **versions, "config": dict(form.facts)}
    return f"{form.name}-{fingerprint({form.name: form.network}, facts)[:32]}"


def _write(form: Form, dtype: torch.dtype, source: str, folder: Path) -> None:
    """Write the network, its weights as 16-bit numbers where it computes in such."""
    model = _traced(form, source)
    _agreeing(form, Compiled(compiled(model, dtype, kept=None)), dtype, source)
    library().save_model(model, str(folder / NETWORK), compress_to_fp16=dtype != torch.float32)


def _traced(form: Form, source: str) -> Any:
    log.warning("OpenVINO takes in the %s of '%s' for the first time; a large one takes minutes.", form.name, source)
    try:
        return traced(form)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise ModelError(
            f"OpenVINO cannot take the {form.name} of '{source}' ({reason}); choose the backend torch."
        ) from error


@torch.no_grad()
def _agreeing(form: Form, made: Compiled, dtype: torch.dtype, source: str) -> Compiled:
    """What was compiled, seen to answer as torch does where rows, height and width are not those it was traced with."""
    call = form.example(3, 16, 8)
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
