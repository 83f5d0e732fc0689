"""Vision transformers that read pictures for DINO's metrics: their class token, their patches, and their keys."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from retouch.core.errors import ModelError
from retouch.metrics.metric import Picture
from retouch.models.identity import identity
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import download

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of colours that the towers of DINO were trained under."""
_LARGEST = 224
_BATCH = 16
_PATTERNS = ["config.json", "model.safetensors"]
_LOAD_ERRORS = (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError)


@dataclass(frozen=True, kw_only=True, eq=False)
class VisionTransformer:
    """A tower in evaluation mode, how pictures are framed for it, and what protocols call it.

    side: pixels of the square it reads.
    short: what a picture's short side is brought to before that square is cut from its middle.
    skipped: tokens before those of the patches.
    """

    tower: nn.Module
    name: str
    side: int
    short: int
    skipped: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def manner(self) -> str:
        """How pictures are framed, as protocols say it."""
        cut = "" if self.short == self.side else f"-short-{self.short}"
        return f"bicubic-centre-{self.side}{cut}"

    def classes(self, shown: Sequence[Picture]) -> Tensor:
        """Unit vectors of the class token after the last norm, (B, D) float64 on the CPU."""
        return functional.normalize(self._read(shown, lambda pixels: self._tokens(pixels)[:, 0]).double(), dim=-1)

    def patches(self, shown: Sequence[Picture]) -> Tensor:
        """Unit vectors of the patches, row by row, (B, N, D) float64 on the CPU."""
        read = self._read(shown, lambda pixels: self._tokens(pixels)[:, self.skipped :])
        return functional.normalize(read.double(), dim=-1)

    def keys(self, stretched: Tensor) -> Tensor:
        """The keys of the last layer's attention, (B, 1 + N, D), of normalised pixels (B, 3, side, side)."""
        layers = [module for name, module in self.tower.named_modules() if name.endswith(("k_proj", "attention.key"))]
        if not layers:
            raise ModelError(f"The model '{self.name}' has no attention whose keys can be read; use a ViT of DINO's.")
        with _heard(layers[-1]) as heard:
            self._tokens(stretched)
        return heard[-1]

    def normalised(self, pixels: Tensor) -> Tensor:
        """Colours in [0, 1], (B, 3, H, W), as the tower reads them."""
        mean, deviation = (
            torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (self.mean, self.deviation)
        )
        return (pixels - mean) / deviation

    @property
    def device(self) -> torch.device:
        """Where the tower is."""
        return next(self.tower.parameters()).device

    def _tokens(self, pixels: Tensor) -> Tensor:
        weight = next(self.tower.parameters())
        options = {"interpolate_pos_encoding": True} if _has_fixed_positions(self.tower) else {}
        return self.tower(pixel_values=pixels.to(weight.device, weight.dtype), **options).last_hidden_state

    @torch.no_grad()
    def _read(self, shown: Sequence[Picture], read: Callable[[Tensor], Tensor]) -> Tensor:
        parts = [shown[start : start + _BATCH] for start in range(0, len(shown), _BATCH)]
        return torch.cat([read(self._framed(part)).float().cpu() for part in parts])

    def _framed(self, shown: Sequence[Picture]) -> Tensor:
        stacked = torch.from_numpy(np.stack([self._squared(picture) for picture in shown])).permute(0, 3, 1, 2)
        return self.normalised(stacked.to(self.device).float() / 255)

    def _squared(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        lesser = min(height, width)
        size = (int(self.short * width / lesser), int(self.short * height / lesser))
        resized = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        return np.array(resized.crop((left, top, left + self.side, top + self.side)))


def load_vision(
    source: str | Path, kind: Literal["vit", "dinov2"], *, device: torch.device | str = "cpu"
) -> VisionTransformer:
    """A DINO (`ViTModel`) or a DINOv2 (`Dinov2Model`, with registers too) from a folder or the hub.

    Pictures are brought to 256 pixels on the short side, of which the middle 224 are read, as MagicBrush, DreamBench
    and LangDesign do; a model of smaller pictures reads as much of its own size.

    Raises:
        ModelError: it is missing, incomplete, or of another type.
    """
    folder = Path(source).expanduser()
    folder = folder if folder.is_dir() else download(str(source), None, _PATTERNS)
    config = _config(folder, str(source))
    network, skipped = _network(str(config.get("model_type")), kind, str(source)), 1
    skipped += int(str(config.get("num_register_tokens", 0)))
    options = {"add_pooling_layer": False} if kind == "vit" else {}
    try:
        with quiet_libraries():
            loaded: Any = network.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **options
            )
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"The model '{source}' cannot be loaded ({reason}); restore it or name another.") from error
    model, report = loaded
    if report.get("missing_keys") or report.get("mismatched_keys"):
        raise ModelError(f"The weights of the model '{source}' do not fit its config.json; restore both.")
    tower = model.float().eval().requires_grad_(False).to(device)
    side = min(_LARGEST, int(model.config.image_size))
    return VisionTransformer(
        tower=tower,
        name=identity(str(source), (tower.embeddings.patch_embeddings.projection.weight, tower.layernorm.weight)),
        side=side,
        short=round(side * 256 / 224),
        skipped=skipped,
        mean=IMAGENET[0],
        deviation=IMAGENET[1],
    )


def _config(folder: Path, source: str) -> dict[str, object]:
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The model '{source}' has no readable config.json ({error}); name a folder of transformers."
        ) from error
    return content if isinstance(content, dict) else {}


def _network(found: str, kind: Literal["vit", "dinov2"], source: str) -> Any:
    from transformers import Dinov2Model, Dinov2WithRegistersModel, ViTModel

    known: dict[str, dict[str, Any]] = {
        "vit": {"vit": ViTModel},
        "dinov2": {"dinov2": Dinov2Model, "dinov2_with_registers": Dinov2WithRegistersModel},
    }
    if found not in known[kind]:
        wanted = " or ".join(f"'{name}'" for name in known[kind])
        raise ModelError(f"'{source}' is a model of type '{found}', expected {wanted}; name another folder or hub id.")
    return known[kind][found]


def _has_fixed_positions(tower: nn.Module) -> bool:
    """Whether pictures of another size must be asked for; DINOv2's towers take any."""
    config: Any = getattr(tower, "config", None)
    return getattr(config, "model_type", "") == "vit"


@contextmanager
def _heard(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What a layer answers inside."""
    answers: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: answers.append(torch.as_tensor(output)))
    try:
        yield answers
    finally:
        handle.remove()
