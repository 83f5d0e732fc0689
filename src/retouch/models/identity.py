"""What a model is called in protocols and fingerprints: a name that changes with its weights, not with its place."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from retouch.core.errors import ModelError


def identity(source: str, weights: Iterable[Tensor]) -> str:
    """A model's source, a folder without its place, and eight digits that change with the weights given."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    folder = Path(source).expanduser()
    called = folder.resolve().name if folder.exists() else source
    return f"{called}@{digest.hexdigest()[:8]}"


@torch.no_grad()
def fingerprint(networks: Mapping[str, nn.Module], facts: Mapping[str, object]) -> str:
    """The SHA-256, in hexadecimal, of all weights as they are loaded, by name, shape and type, and of further facts.

    `facts` is all else that answers depend on, such as the noise schedule; what is no JSON counts by its text.
    Raises ModelError where weights are not in memory.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for part, network in sorted(networks.items()):
        for name, weight in sorted(network.state_dict().items()):
            if not isinstance(weight, Tensor):
                continue
            if weight.is_meta:
                raise ModelError(f"The weights of '{part}' are not in memory; load the model with --memory full.")
            digest.update(f"{part}/{name}{tuple(weight.shape)}{weight.dtype}".encode())
            digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
