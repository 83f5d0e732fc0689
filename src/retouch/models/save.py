"""Save a checkpoint in diffusers layout: whole or not at all, readable by diffusers itself."""

import copy
import json
import secrets
import shutil
from pathlib import Path
from typing import Literal

import diffusers
import torch

from retouch.core.errors import OutputError
from retouch.models.checkpoint import Checkpoint
from retouch.models.quiet import quiet_libraries
from retouch.models.spec import Kind, write_spec
from retouch.models.tokenizer import save_tokenizer

Storage = Literal["float32", "float16", "bfloat16"]
"""The type of the stored weights."""

PIPELINES: dict[Kind, str] = {
    "generate": "StableDiffusionPipeline",
    "instruct": "StableDiffusionInstructPix2PixPipeline",
    "inpaint": "StableDiffusionInpaintPipeline",
}
"""The diffusers pipeline that opens a folder of each kind."""


def save(checkpoint: Checkpoint, folder: str | Path, *, storage: Storage = "float32", card: str | None = None) -> Path:
    """Write `checkpoint` into `folder`, replacing what is there; return the folder.

    Args:
        checkpoint: the components; they are left as they are.
        folder: written beside its final place first and moved there when complete.
        storage: the type of the weights on disk.
        card: a model card in Markdown, written as README.md.

    Raises:
        OutputError: the folder cannot be written, or is a file, or holds something that is no model.
    """
    target = Path(folder).expanduser().resolve()
    _check_target(target)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        _write(checkpoint, partial, getattr(torch, storage), card)
        _replace(partial, target)
    except OSError as error:
        raise OutputError(f"The model cannot be written to '{folder}': {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _check_target(target: Path) -> None:
    if target.is_dir() and any(target.iterdir()) and not (target / "model_index.json").is_file():
        raise OutputError(f"'{target}' is a folder with other things in it; name a new folder for the model.")
    if target.is_file():
        raise OutputError(f"'{target}' is a file; name a folder for the model.")


def _write(checkpoint: Checkpoint, folder: Path, dtype: torch.dtype, card: str | None) -> None:
    with quiet_libraries():
        for name, module in checkpoint.modules.items():
            stored = module if module.dtype == dtype else copy.deepcopy(module).to(dtype)
            stored.save_pretrained(folder / name, safe_serialization=True)  # pyright: ignore[reportCallIssue]
            _forget_origin(folder / name / "config.json")
        save_tokenizer(checkpoint.tokenizer, folder / "tokenizer")
    (folder / "scheduler").mkdir()
    _write_json(folder / "scheduler" / "scheduler_config.json", dict(checkpoint.scheduler_config))
    _write_json(folder / "model_index.json", _index(checkpoint))
    write_spec(checkpoint.spec, folder)
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")


def _index(checkpoint: Checkpoint) -> dict[str, object]:
    scheduler = str(checkpoint.scheduler_config.get("_class_name", "DDIMScheduler"))
    absent = [None, None]
    return {
        "_class_name": PIPELINES[checkpoint.kind],
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": absent,
        "image_encoder": absent,
        "requires_safety_checker": False,
        "safety_checker": absent,
        "scheduler": ["diffusers", scheduler],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _forget_origin(path: Path) -> None:
    """Take out the folder a network was loaded from, which says nothing to anyone else."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("_name_or_path", None)
    _write_json(path, content)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _replace(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
        return
    former = target.with_name(f"{partial.name}.former")
    target.rename(former)
    partial.rename(target)
    shutil.rmtree(former, ignore_errors=True)
