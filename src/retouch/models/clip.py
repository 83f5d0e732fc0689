"""Dual encoders of texts and pictures (CLIP): begun anew, loaded, saved, and how pictures are framed for them."""

import copy
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from retouch.core.errors import ModelError, OutputError
from retouch.models.own_code import refuse_own_code
from retouch.models.pocket import CLIP_MEMBER, POCKET, find_pocket
from retouch.models.quiet import quiet_libraries
from retouch.models.save import Storage
from retouch.models.sources import download
from retouch.models.tokenizer import save_tokenizer

_PATTERNS = ("config.json", "preprocessor_config.json", "tokenizer*", "vocab.json", "merges.txt", "model.safetensors")
_LOAD_ERRORS = (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError)
_BICUBIC = 3


@dataclass(frozen=True, kw_only=True)
class ClipShape:
    """The sizes of a CLIP model: pictures of `side` pixels in patches of `patch`, texts of `text_length` tokens."""

    side: int
    patch: int
    vision_width: int
    vision_layers: int
    vision_heads: int
    text_width: int
    text_layers: int
    text_heads: int
    text_length: int
    joint_width: int


TINY_CLIP = ClipShape(
    side=32,
    patch=8,
    vision_width=32,
    vision_layers=2,
    vision_heads=2,
    text_width=32,
    text_layers=1,
    text_heads=2,
    text_length=16,
    joint_width=16,
)
"""Small enough for tests."""

POCKET_CLIP = ClipShape(
    side=144,
    patch=24,
    vision_width=128,
    vision_layers=5,
    vision_heads=4,
    text_width=128,
    text_layers=2,
    text_heads=4,
    text_length=64,
    joint_width=128,
)
"""The pocket family's: 2M parameters; 36 large patches a picture, which a slow CPU learns from soonest."""


@dataclass(frozen=True, kw_only=True)
class Framing:
    """How a picture becomes an encoder's input: its short side to `side`, the middle cut out, then normalised."""

    side: int
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    deviation: tuple[float, ...] = (0.5, 0.5, 0.5)

    def framed(self, picture: Image.Image, *, method: Image.Resampling = Image.Resampling.BICUBIC) -> Tensor:
        """(3, side, side) uint8, as CLIP's own image processor resizes (bicubic) and crops."""
        width, height = picture.size
        short = min(width, height)
        size = (int(self.side * width / short), int(self.side * height / short))
        resized = picture.convert("RGB").resize(size, method)
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        cut = resized.crop((left, top, left + self.side, top + self.side))
        return torch.from_numpy(np.array(cut)).permute(2, 0, 1).contiguous()

    def normalised(self, framed: Tensor) -> Tensor:
        """(B, 3, side, side) uint8 to what the vision tower reads, float32."""
        mean, deviation = (
            torch.tensor(values).view(3, 1, 1).to(framed.device) for values in (self.mean, self.deviation)
        )
        return (framed.float() / 255 - mean) / deviation


@dataclass(frozen=True, kw_only=True, eq=False)
class DualEncoder:
    """A CLIP model, its tokenizer, how it wants pictures, and where it came from."""

    model: CLIPModel
    tokenizer: CLIPTokenizer
    framing: Framing
    source: str

    @property
    def text_length(self) -> int:
        """Tokens that a text may have, its two marks included."""
        config: Any = self.model.config
        return min(int(self.tokenizer.model_max_length), int(config.text_config.max_position_embeddings))

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """(B, L) token ids, padded or cut to the text length."""
        encoded = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.text_length, return_tensors="pt"
        )
        return torch.as_tensor(encoded.input_ids)


def random_clip(shape: ClipShape, tokenizer: CLIPTokenizer, *, seed: int = 0) -> DualEncoder:
    """A dual encoder with random weights, float32 on the CPU, in evaluation mode; `seed` fixes every weight."""
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {
        **marks,
        "pad_token_id": tokenizer.pad_token_id,
        "vocab_size": len(tokenizer),
        "hidden_size": shape.text_width,
        "intermediate_size": 4 * shape.text_width,
        "num_hidden_layers": shape.text_layers,
        "num_attention_heads": shape.text_heads,
        "max_position_embeddings": shape.text_length,
        "projection_dim": shape.joint_width,
    }
    vision = {
        "image_size": shape.side,
        "patch_size": shape.patch,
        "hidden_size": shape.vision_width,
        "intermediate_size": 4 * shape.vision_width,
        "num_hidden_layers": shape.vision_layers,
        "num_attention_heads": shape.vision_heads,
        "projection_dim": shape.joint_width,
    }
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=shape.joint_width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
    return DualEncoder(
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        framing=Framing(side=shape.side),
        source="random",
    )


def load_clip(
    source: str | Path, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> DualEncoder:
    """Load the dual encoder that `source` names: `pocket/clip` (or `pocket`), a transformers folder, or a hub id.

    Raises:
        ModelError: it is unknown, unreachable, incomplete, or no CLIP model.
    """
    folder = _found(str(source))
    _check_config(folder, str(source))
    try:
        with quiet_libraries():
            loaded: Any = CLIPModel.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"The encoder '{source}' cannot be loaded ({reason}); restore it or name another.") from error
    model, report = loaded
    if report.get("missing_keys") or report.get("mismatched_keys"):
        raise ModelError(f"The weights of the encoder '{source}' do not fit its config.json; restore both.")
    framing = _read_framing(folder, str(source), int(model.config.vision_config.image_size))
    model.eval().requires_grad_(False).to(device)
    return DualEncoder(model=model, tokenizer=tokenizer, framing=framing, source=str(source))


def save_clip(encoder: DualEncoder, folder: Path, *, storage: Storage = "float16", card: str | None = None) -> Path:
    """Write an encoder as transformers' `CLIPModel` and `CLIPProcessor` read it, replacing one that is there.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "preprocessor_config.json").is_file():
        raise OutputError(f"'{folder}' is a folder with other things in it; name a new folder for the encoder.")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        with quiet_libraries():
            stored: Any = copy.deepcopy(encoder.model).to(getattr(torch, storage))
            stored.save_pretrained(partial, safe_serialization=True)
            save_tokenizer(encoder.tokenizer, partial)
        _write_json(partial / "preprocessor_config.json", _processor(encoder.framing))
        if card is not None:
            (partial / "README.md").write_text(card, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise OutputError(f"The encoder cannot be written to '{folder}': {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _found(source: str) -> Path:
    if source in (POCKET, f"{POCKET}/{CLIP_MEMBER}"):
        return find_pocket(CLIP_MEMBER)
    folder = Path(source).expanduser()
    folder = folder if folder.is_dir() else download(source, None, list(_PATTERNS))
    refuse_own_code(folder, source)
    return folder


def _check_config(folder: Path, source: str) -> None:
    content = _read_json(folder / "config.json", source)
    if content.get("model_type") != "clip":
        raise ModelError(
            f"'{source}' is a model of type '{content.get('model_type')}', expected 'clip'; name a folder or hub id "
            "of a CLIP model in transformers layout."
        )


def _read_framing(folder: Path, source: str, side: int) -> Framing:
    content = _read_json(folder / "preprocessor_config.json", source)
    means, deviations = content.get("image_mean"), content.get("image_std")
    if not isinstance(means, list) or not isinstance(deviations, list):
        raise ModelError(f"The preprocessor_config.json of '{source}' has no image_mean and image_std; restore it.")
    return Framing(side=side, mean=tuple(map(float, means)), deviation=tuple(map(float, deviations)))


def _read_json(path: Path, source: str) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The encoder '{source}' has no readable {path.name} ({error}); name a CLIP model's folder."
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"The {path.name} of '{source}' is no JSON object; restore the file.")
    return content


def _processor(framing: Framing) -> dict[str, object]:
    return {
        "image_processor_type": "CLIPImageProcessor",
        "processor_class": "CLIPProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": framing.side},
        "resample": _BICUBIC,
        "do_center_crop": True,
        "crop_size": {"height": framing.side, "width": framing.side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(framing.mean),
        "image_std": list(framing.deviation),
    }


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
