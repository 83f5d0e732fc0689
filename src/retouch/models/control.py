"""ControlNets: copied from a U-Net, loaded and saved in diffusers layout."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from safetensors import SafetensorError

from retouch.core.errors import ModelError, OutputError
from retouch.models.checkpoint import Checkpoint
from retouch.models.own_code import refuse_own_code
from retouch.models.pocket import POCKET, find_pocket
from retouch.models.quiet import quiet_libraries
from retouch.models.save import Storage
from retouch.models.sources import HUB_ID, download

_LOAD_ERRORS = (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError)
_WEIGHTS = "diffusion_pytorch_model.safetensors"


def control_of(checkpoint: Checkpoint, *, channels: tuple[int, ...], seed: int) -> ControlNetModel:
    """A ControlNet that starts as the checkpoint's own encoder and changes nothing yet.

    `channels` are those of the layers that bring the picture to the latents' size, finest first; `seed`
    fixes their weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: Any = ControlNetModel.from_unet(checkpoint.unet, conditioning_embedding_out_channels=channels)
    return network.to(checkpoint.device)


def load_control(
    source: str | Path, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> ControlNetModel:
    """Load a ControlNet in evaluation mode: `pocket/controlnet`, a folder in diffusers layout, or a hub id.

    Raises:
        ModelError: it is unknown, unreachable, damaged, or no ControlNet.
    """
    folder, place = source, _found(str(source))
    try:
        found = json.loads((place / "config.json").read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"'{folder}' has no readable config.json; name the folder of a ControlNet.") from error
    if found != "ControlNetModel":
        raise ModelError(f"'{folder}' holds a {found}, expected a ControlNetModel; name another folder.")
    try:
        with quiet_libraries():
            network: Any = ControlNetModel.from_pretrained(
                place, torch_dtype=dtype, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
            )
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"The ControlNet '{folder}' cannot be loaded ({reason}); restore it.") from error
    return network.eval().requires_grad_(False).to(device)


def _found(source: str) -> Path:
    if source.startswith(f"{POCKET}/"):
        return find_pocket(source.removeprefix(f"{POCKET}/"))
    folder = Path(source).expanduser()
    if folder.exists() or not HUB_ID.fullmatch(source):
        if folder.is_dir():
            refuse_own_code(folder, source)
        return folder
    return download(source, None, ["config.json", _WEIGHTS])


def save_control(
    network: ControlNetModel, folder: Path, *, storage: Storage = "float16", card: str | None = None
) -> Path:
    """Write a ControlNet as diffusers reads it. Raises OutputError where the folder holds something else."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _WEIGHTS).is_file():
        raise OutputError(f"'{folder}' is a folder with other things in it; name a new folder for the ControlNet.")
    stored: Any = copy.deepcopy(network).to(getattr(torch, storage))
    try:
        with quiet_libraries():
            stored.save_pretrained(folder, safe_serialization=True)
        if card is not None:
            (folder / "README.md").write_text(card, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"The ControlNet cannot be written to '{folder}': {error.strerror or error}.") from error
    return folder
