"""The picture half of a CLIP model that lies alone, as it does beside published IP-Adapters."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import CLIPVisionModelWithProjection

from retouch.core.errors import ModelError
from retouch.models.clip import Framing
from retouch.models.image_encoder import ImageEncoder
from retouch.models.own_code import refuse_own_code
from retouch.models.quiet import quiet_libraries

_LOAD_ERRORS = (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError)
_OPENAI = {"image_mean": (0.48145466, 0.4578275, 0.40821073), "image_std": (0.26862954, 0.26130258, 0.27577711)}
"""What CLIP's pictures are normalised by where a folder does not say."""


def is_vision_tower(folder: Path) -> bool:
    """Whether a folder holds the picture half of a CLIP model alone."""
    return _json(folder / "config.json").get("model_type") == "clip_vision_model"


def load_vision_tower(
    folder: Path,
    *,
    source: str,
    projected: bool = True,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> ImageEncoder:
    """Load transformers' `CLIPVisionModelWithProjection` from a folder, in evaluation mode.

    With `projected` False a `CLIPVisionModel` will do, whose pictures have no place in the space of texts.

    Raises:
        ModelError: it is damaged, pickled alone, or without its projection.
    """
    refuse_own_code(folder, source)
    try:
        with quiet_libraries():
            loaded: Any = CLIPVisionModelWithProjection.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"The image encoder '{source}' cannot be loaded ({reason}); restore it.") from error
    model, report = loaded
    missing = set(report.get("missing_keys") or ())
    alone = missing == {"visual_projection.weight"} and not projected
    if (missing and not alone) or report.get("mismatched_keys"):
        raise ModelError(f"The weights of the image encoder '{source}' do not fit its config.json; restore both.")
    projection = nn.Identity() if alone else model.visual_projection
    model.eval().requires_grad_(False).to(device)
    said = _json(folder / "preprocessor_config.json")
    mean, deviation = (tuple(map(float, said.get(name) or usual)) for name, usual in _OPENAI.items())
    framing = Framing(side=int(model.config.image_size), mean=mean, deviation=deviation)
    return ImageEncoder(tower=model.vision_model, projection=projection, framing=framing, source=source)


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
