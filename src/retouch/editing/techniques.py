"""Every technique by the kind of model it is for: what `Editor.load` opens."""

from dataclasses import dataclass
from pathlib import Path

import torch

from retouch.core.errors import ModelError
from retouch.editing.adapting import Adapting
from retouch.editing.filling import Filling
from retouch.editing.inserting import Inserting
from retouch.editing.instructing import Instructing
from retouch.editing.subject import FillingSubject
from retouch.editing.technique import Technique
from retouch.models.adapter import adapter_kind
from retouch.models.exemplar import is_published, load_exemplar
from retouch.models.insert import HUB_MARKS, is_published_insert, load_insert
from retouch.models.ip_adapter_load import load_ip_adapter
from retouch.models.load import load
from retouch.models.sources import INDEX_FILE, download, is_on_hub
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
    seen = source
    if is_on_hub(str(source)):
        seen = download(str(source), revision, [INDEX_FILE, *HUB_MARKS])
    kind = adapter_kind(seen)
    fills, inserts = (
        kind == "exemplar" or is_published(seen),
        kind == "insert" or is_published_insert(Path(seen).expanduser()),
    )
    if revision is not None and (kind is not None or fills or inserts):
        raise ModelError(f"'{source}' is loaded as it is now, not at revision '{revision}'; leave the revision out.")
    if fills:
        return Filling(load_exemplar(source, dtype=place.dtype, vae_dtype=place.vae_dtype, device=place.device))
    if inserts:
        return Inserting(load_insert(source, dtype=place.dtype, vae_dtype=place.vae_dtype, device=place.device))
    if kind == "subject":
        return FillingSubject(load_subject(source, dtype=place.dtype, vae_dtype=place.vae_dtype, device=place.device))
    if kind is not None and kind != "student":
        raise ModelError(f"'{source}' is of kind '{kind}', which does not edit by itself; name a model that edits.")
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


def with_adapter(
    technique: Technique, source: str | Path, *, place: Place, scale: float = 1.0, image_encoder: str | None = None
) -> Adapting:
    """A technique that edits by instruction, or fills by example, with an IP-Adapter; see `load_ip_adapter`.

    Raises:
        ModelError: the model edits otherwise, or the adapter cannot be loaded or is for another U-Net.
    """
    if not isinstance(technique, Instructing | Filling):
        raise ModelError(
            f"'{technique.checkpoint.source}' reads references in the place of words; give the IP-Adapter to a model "
            "that edits by instruction, such as pocket, or to one that fills a region, such as pocket/exemplar."
        )
    unet = technique.checkpoint.unet
    adapter = load_ip_adapter(source, unet, image_encoder=image_encoder, dtype=place.dtype, device=place.device)
    return Adapting(technique, adapter, scale=scale)
