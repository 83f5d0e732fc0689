"""Every technique by the kind of model it is for: what `Editor.load` opens."""

from dataclasses import dataclass
from pathlib import Path

import torch

from retouch.core.errors import ModelError
from retouch.editing.filling import Filling
from retouch.editing.instructing import Instructing
from retouch.editing.subject import FillingSubject
from retouch.editing.technique import Technique
from retouch.models.adapter import adapter_kind
from retouch.models.exemplar import PUBLISHED_ID, is_published, load_exemplar
from retouch.models.load import load
from retouch.models.subject import load_subject


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where networks go and in which types."""

    dtype: torch.dtype
    vae_dtype: torch.dtype
    device: torch.device


def load_technique(
    source: str | Path,
    *,
    place: Place,
    revision: str | None = None,
    variant: str | None = None,
    tokenizer: str | Path | None = None,
) -> Technique:
    """Load the model that `source` names with what it takes to edit with it; see `Editor.load`.

    Raises:
        ModelError: it cannot be loaded, or does not edit.
    """
    kind = adapter_kind(source)
    if kind == "exemplar" or source == PUBLISHED_ID or is_published(source):
        return Filling(load_exemplar(source, dtype=place.dtype, vae_dtype=place.vae_dtype, device=place.device))
    if kind == "subject":
        return FillingSubject(load_subject(source, dtype=place.dtype, vae_dtype=place.vae_dtype, device=place.device))
    if kind is not None:
        raise ModelError(f"'{source}' is an adapter of kind '{kind}', which does not edit by itself.")
    checkpoint = load(
        source,
        revision=revision,
        variant=variant,
        tokenizer=tokenizer,
        dtype=place.dtype,
        vae_dtype=place.vae_dtype,
        device=place.device,
    )
    return Instructing(checkpoint)
