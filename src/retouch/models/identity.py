"""What a model is called in protocols and fingerprints: a name that changes with its weights, not with its place."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor


def identity(source: str, weights: Iterable[Tensor]) -> str:
    """A model's source, a folder without its place, and eight digits that change with the weights given."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    folder = Path(source).expanduser()
    called = folder.resolve().name if folder.exists() else source
    return f"{called}@{digest.hexdigest()[:8]}"
