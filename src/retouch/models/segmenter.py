"""Segmenters of the pocket family: the network with its words and its threshold; begun anew, loaded and saved."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTokenizer

from retouch.core.errors import ModelError, OutputError
from retouch.models.pocket import POCKET, SEGMENTER_MEMBER, find_pocket
from retouch.models.quiet import quiet_libraries
from retouch.models.save import Storage
from retouch.models.segmenter_network import PhraseSegmenter, SegmenterShape
from retouch.models.tokenizer import save_tokenizer

MODEL_TYPE = "retouch_segmenter"
_WEIGHTS = "model.safetensors"
_LOAD_ERRORS = (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError)


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmenterModel:
    """A segmenter's network, its tokenizer, what was calibrated with it, and where it came from.

    threshold: the presence, 0…1, below which a phrase's thing is taken not to be in the picture.
    """

    network: PhraseSegmenter
    tokenizer: CLIPTokenizer
    threshold: float
    source: str

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """(B, L) token ids, as long as the longest text, cut at the text length."""
        encoded = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.network.shape.text_length, return_tensors="pt"
        )
        return torch.as_tensor(encoded.input_ids)


def random_segmenter(shape: SegmenterShape, tokenizer: CLIPTokenizer, *, seed: int = 0) -> SegmenterModel:
    """A segmenter with random weights, float32 on the CPU, in evaluation mode; `seed` fixes every weight."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PhraseSegmenter(shape, tokenizer)
    network.eval().requires_grad_(False)
    return SegmenterModel(network=network, tokenizer=tokenizer, threshold=0.5, source="random")


def load_segmenter(source: str | Path = f"{POCKET}/{SEGMENTER_MEMBER}") -> SegmenterModel:
    """Load a segmenter as `save_segmenter` writes them: `pocket/segmenter` (or `pocket`), or a folder; float32.

    Raises:
        ModelError: it is not there, damaged, or no such segmenter.
    """
    named = str(source) in (POCKET, f"{POCKET}/{SEGMENTER_MEMBER}")
    folder = find_pocket(SEGMENTER_MEMBER) if named else Path(source).expanduser()
    shape, threshold = _read_config(folder, str(source))
    try:
        with quiet_libraries():
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        model = replace(random_segmenter(shape, tokenizer), threshold=threshold, source=str(source))
        weights = {name: tensor.float() for name, tensor in load_file(folder / _WEIGHTS).items()}
        model.network.load_state_dict(weights)
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"The segmenter '{source}' cannot be loaded ({reason}); restore it.") from error
    return model


def save_segmenter(
    model: SegmenterModel, folder: Path, *, storage: Storage = "float16", card: str | None = None
) -> Path:
    """Write a segmenter, replacing one that is there. Raises OutputError where the folder holds something else."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _WEIGHTS).is_file():
        raise OutputError(f"'{folder}' is a folder with other things in it; name a new folder for the segmenter.")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        dtype = getattr(torch, storage)
        weights = {name: tensor.detach().to("cpu", dtype) for name, tensor in model.network.state_dict().items()}
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, partial / _WEIGHTS)
        config = {"model_type": MODEL_TYPE, "threshold": model.threshold, "shape": asdict(model.network.shape)}
        (partial / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_tokenizer(model.tokenizer, partial)
        if card is not None:
            (partial / "README.md").write_text(card, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise OutputError(f"The segmenter cannot be written to '{folder}': {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _read_config(folder: Path, source: str) -> tuple[SegmenterShape, float]:
    try:
        content: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if content["model_type"] != MODEL_TYPE:
            raise ModelError(
                f"'{source}' is a model of type '{content['model_type']}', expected '{MODEL_TYPE}'; name the folder "
                "of a segmenter that Retouch trained."
            )
        told: Any = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content["shape"].items()
        }
        return SegmenterShape(**told), float(content["threshold"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"'{source}' has no readable config.json ({error}); name a segmenter's folder.") from error
