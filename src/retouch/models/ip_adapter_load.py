"""From what a user names to an IP-Adapter, and back to a folder."""

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from retouch.core.errors import ModelError
from retouch.models.adapter import AdapterFacts, is_adapter, read_adapter, write_adapter
from retouch.models.image_encoder import ImageEncoder, load_image_encoder
from retouch.models.ip_adapter import IPAdapter
from retouch.models.ip_adapter_file import adapter_of, published_tensors, read_ip_adapter_file
from retouch.models.pocket import POCKET
from retouch.models.sources import HUB_ID, PICKLED_SUFFIXES, download
from retouch.models.vision_tower import is_vision_tower, load_vision_tower

_PART = "ip-adapter"
"""The one file of an adapter's folder, in the published layout itself."""
_SUFFIXES = (".safetensors", *PICKLED_SUFFIXES)
_ENCODER = "image_encoder"
"""The folder of the encoder that lies beside published files."""
_NULLS = {"base": "zero-embedding", "plus": "encoded-zero-picture"}


def load_ip_adapter(
    source: str | Path,
    unet: UNet2DConditionModel,
    *,
    image_encoder: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> IPAdapter:
    """The adapter that `source` names, for a U-Net, in evaluation mode.

    Args:
        source: an adapter's folder as a training writes it, here or on the hub, `pocket/MEMBER`, a published file
            (.safetensors, .bin), a folder with one, or PLACE:FILE with a folder or hub id and a file in it, such as
            `h94/IP-Adapter:models/ip-adapter_sd15.safetensors`.
        unet: what it is to be put into.
        image_encoder: the CLIP model it reads with, as `load_image_encoder` takes it, or the folder of a vision tower;
            None takes the one that the adapter names, or that lies in `image_encoder` beside the file, if any.
        dtype, device: of its networks and the encoder's.

    Raises:
        ModelError: it is unknown, unreachable, unsafe, damaged, of another kind or for another U-Net.
    """
    name = str(source)
    named = None if image_encoder is None else _encoder(str(image_encoder), dtype, device)
    if _is_folder(name):
        adapter = _of_folder(name, named, dtype, device)
    else:
        file = _file(name)
        adapter = adapter_of(read_ip_adapter_file(file), named or _beside(file, dtype, device), name)
    adapter.check(unet)
    for module in adapter.modules.values():
        module.to(device, dtype)
    return adapter


def save_ip_adapter(
    adapter: IPAdapter, folder: str | Path, *, base: str, card: str | None = None, storage: torch.dtype = torch.float16
) -> Path:
    """Write an adapter's folder, whose `ip-adapter.safetensors` is in the published layout.

    Raises:
        OutputError: the folder cannot be written, or holds something else.
    """
    facts = AdapterFacts(
        kind="ip-adapter",
        base=base,
        image_encoder="" if adapter.encoder is None else adapter.encoder.source,
        sizes={"tokens": adapter.tokens, "width": adapter.width, "reads": adapter.reads},
        conventions={"variant": adapter.variant, "null": _NULLS[adapter.variant]},
    )
    return write_adapter(folder, facts, {_PART: published_tensors(adapter)}, card=card, storage=storage)


def _of_folder(name: str, encoder: ImageEncoder | None, dtype: torch.dtype, device: torch.device | str) -> IPAdapter:
    folder = read_adapter(name, kind="ip-adapter")
    named = folder.facts.image_encoder
    adapter = adapter_of(folder.part(_PART), encoder or (_encoder(named, dtype, device) if named else None), name)
    said: Mapping[str, object] = folder.facts.conventions
    if said.get("variant") != adapter.variant or said.get("null") != _NULLS[adapter.variant]:
        raise ModelError(
            f"The adapter '{name}' says it is of variant '{said.get('variant')}' with the null '{said.get('null')}', "
            f"its weights are of variant '{adapter.variant}'; restore the folder, or update Retouch."
        )
    return adapter


def _is_folder(name: str) -> bool:
    """Whether the name is of an adapter's folder: the pocket family's, one on this machine, or one on the hub."""
    path = Path(name).expanduser()
    on_hub = HUB_ID.fullmatch(name) is not None and not path.exists() and path.suffix not in _SUFFIXES
    return name.startswith(f"{POCKET}/") or is_adapter(path) or on_hub


def _file(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return _only(path, name)
    place, _, file = name.partition(":")
    folder = Path(place).expanduser()
    if file and not folder.is_dir() and HUB_ID.fullmatch(place):
        beside = (Path(file).parent / _ENCODER).as_posix()
        wanted = [file, *(f"{beside}/{part}" for part in ("*.json", "model.safetensors"))]
        folder = download(place, None, wanted)
    if not file or not (folder / file).is_file():
        raise ModelError(
            f"There is no IP-Adapter '{name}'; give a file, a folder, or OWNER/NAME:PATH/FILE on the hub, such as "
            "h94/IP-Adapter:models/ip-adapter_sd15.safetensors."
        )
    return folder / file


def _only(folder: Path, name: str) -> Path:
    found = sorted(entry for entry in folder.iterdir() if entry.suffix in _SUFFIXES)
    chosen = [entry for entry in found if entry.suffix == ".safetensors"] or found
    if len(chosen) != 1:
        listed = ", ".join(entry.name for entry in chosen[:6]) or "none"
        raise ModelError(f"'{name}' holds {len(chosen)} files that may be an IP-Adapter ({listed}); name {name}:FILE.")
    return chosen[0]


def _beside(file: Path, dtype: torch.dtype, device: torch.device | str) -> ImageEncoder | None:
    folder = file.parent / _ENCODER
    return _encoder(str(folder), dtype, device) if folder.is_dir() else None


def _encoder(name: str, dtype: torch.dtype, device: torch.device | str) -> ImageEncoder:
    folder = Path(name).expanduser()
    if is_vision_tower(folder):
        return load_vision_tower(folder, source=name, dtype=dtype, device=device)
    return load_image_encoder(name, dtype=dtype, device=device)
