"""IP-Adapters in the published layout: `image_proj.*` and `ip_adapter.{1,3,…}.to_{k,v}_ip.weight` in one file."""

import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers.models.embeddings import ImageProjection, IPAdapterPlusImageProjection
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from retouch.core.errors import ModelError, OutputError
from retouch.models.convert import convert_pickle
from retouch.models.image_encoder import ImageEncoder
from retouch.models.ip_adapter import HEAD, DecoupledAttention, IPAdapter, plus_projection
from retouch.models.sources import PICKLED_SUFFIXES

_PROJECTION, _LAYERS = "image_proj.", "ip_adapter."
_BASE = {"image_embeds.": "proj.", "norm.": "norm."}
_PLUS = {
    "ln0.": "0.norm1.",
    "ln1.": "0.norm2.",
    "attn.to_q.": "0.to_q.",
    "attn.to_out.0.": "0.to_out.",
    "ff.0.": "1.0.",
    "ff.1.net.0.proj.": "1.1.",
    "ff.1.net.2.": "1.3.",
}
"""How a plus adapter's layers are called by diffusers, and how in files."""
_LAYER = re.compile(r"layers\.(\d+)\.(.+)")
_KEYS = re.compile(r"(\d+)\.to_([kv])_ip\.weight")
_OTHERS = {
    "proj.3.weight": "an IP-Adapter for whole faces",
    "perceiver_resampler.proj_in.weight": "a FaceID adapter",
    "proj.0.weight": "a FaceID adapter",
}


def published_tensors(adapter: IPAdapter) -> dict[str, Tensor]:
    """An adapter's weights by the names that published files have, which diffusers' `load_ip_adapter` reads."""
    tensors = {f"{_PROJECTION}{name}": value for name, value in _projection_names(adapter.projection).items()}
    for place, layer in enumerate(adapter.attention.layers):
        for name, value in layer.state_dict().items():
            tensors[f"{_LAYERS}{2 * place + 1}.{name}"] = value
    return tensors


def write_ip_adapter_file(adapter: IPAdapter, file: str | Path, *, storage: torch.dtype = torch.float16) -> Path:
    """Write an adapter as one .safetensors file in the published layout, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    target = Path(file).expanduser()
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    stored = {name: value.detach().cpu().to(storage).contiguous() for name, value in published_tensors(adapter).items()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        save_file(stored, partial, metadata={"format": "pt"})
        partial.rename(target)
    except OSError as error:
        raise OutputError(f"'{file}' cannot be written: {error.strerror or error}.") from error
    finally:
        if partial.exists():
            partial.unlink()
    return target


def read_ip_adapter_file(file: Path) -> dict[str, Tensor]:
    """The tensors of a published file, .safetensors or pickled, by their names; pickles are read without their code.

    Raises:
        ModelError: it is damaged or unsafe.
    """
    if file.suffix in PICKLED_SUFFIXES:
        with tempfile.TemporaryDirectory() as place:
            return load_file(convert_pickle(file, Path(place) / "plain.safetensors"))
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The IP-Adapter '{file}' is no valid safetensors file ({error}); get it again.") from error


def adapter_of(tensors: Mapping[str, Tensor], encoder: ImageEncoder | None, source: str) -> IPAdapter:
    """The adapter, float32, whose weights these are, by their published names.

    Raises:
        ModelError: they are of another kind of adapter, incomplete, or do not fit the encoder.
    """
    projection, layers = (_part(tensors, prefix) for prefix in (_PROJECTION, _LAYERS))
    if not projection or not layers:
        raise ModelError(
            f"'{source}' is no IP-Adapter: it has no tensors called {_PROJECTION}… and {_LAYERS}…; a whole checkpoint "
            "of a training keeps them under other names, so export it by index first."
        )
    made, attention = _projection(projection, source), _attention(layers, source)
    return IPAdapter(projection=made, attention=attention, encoder=encoder, source=source)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value.float() for name, value in tensors.items() if name.startswith(prefix)}


def _projection(tensors: Mapping[str, Tensor], source: str) -> ImageProjection | IPAdapterPlusImageProjection:
    try:
        if "proj.weight" in tensors:
            return _base(tensors)
        if "latents" in tensors:
            return _plus(tensors)
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"The projection of '{source}' is incomplete ({reason}); get the file again.") from error
    named = next((kind for name, kind in _OTHERS.items() if name in tensors), "of a kind that Retouch does not know")
    raise ModelError(f"'{source}' is {named}; use an IP-Adapter of the variants base or plus.")


def _base(tensors: Mapping[str, Tensor]) -> ImageProjection:
    outputs, reads = tensors["proj.weight"].shape
    width = tensors["norm.weight"].shape[0]
    made = ImageProjection(image_embed_dim=reads, cross_attention_dim=width, num_image_text_embeds=outputs // width)
    names = {old: new for new, old in _BASE.items()}
    made.load_state_dict({_renamed(name, names): value for name, value in tensors.items()})
    return made.eval().requires_grad_(False)


def _plus(tensors: Mapping[str, Tensor]) -> IPAdapterPlusImageProjection:
    own: dict[str, Tensor] = {}
    names = {old: new for new, old in _PLUS.items()}
    for name, value in tensors.items():
        layer = _LAYER.fullmatch(name)
        if layer is None:
            own[name] = value
        elif layer[2] == "0.to_kv.weight":
            keys, values = value.chunk(2)
            own |= {f"layers.{layer[1]}.attn.to_k.weight": keys, f"layers.{layer[1]}.attn.to_v.weight": values}
        else:
            own[f"layers.{layer[1]}.{_renamed(layer[2], names)}"] = value
    made = plus_projection(
        reads=own["proj_in.weight"].shape[1],
        inner=own["latents"].shape[2],
        width=own["proj_out.weight"].shape[0],
        heads=own["layers.0.attn.to_q.weight"].shape[0] // HEAD,
        tokens=own["latents"].shape[1],
        depth=1 + max(int(layer[1]) for layer in map(_LAYER.fullmatch, own) if layer is not None),
    )
    made.load_state_dict(own)
    return made.eval().requires_grad_(False)


def _attention(tensors: Mapping[str, Tensor], source: str) -> DecoupledAttention:
    parts: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        key = _KEYS.fullmatch(name)
        if key is None:
            raise ModelError(f"'{source}' has the tensor '{_LAYERS}{name}', which no IP-Adapter has; get it again.")
        parts.setdefault(int(key[1]), {})[f"to_{key[2]}_ip.weight"] = value
    places = sorted(parts)
    if places != list(range(1, 2 * len(places), 2)) or any(len(part) != 2 for part in parts.values()):
        raise ModelError(
            f"The layers of '{source}' are numbered {', '.join(map(str, places))}; expected 1, 3, 5 and so on, each "
            "with keys and values; get the file again."
        )
    attention = DecoupledAttention([_inputs_and_outputs(parts[place]) for place in places])
    for place, layer in zip(places, attention.layers, strict=True):
        layer.load_state_dict(parts[place])
    return attention.eval().requires_grad_(False)


def _inputs_and_outputs(part: Mapping[str, Tensor]) -> tuple[int, int]:
    outputs, inputs = part["to_k_ip.weight"].shape
    return inputs, outputs


def _projection_names(projection: nn.Module) -> dict[str, Tensor]:
    state = projection.state_dict()
    if isinstance(projection, ImageProjection):
        return {_renamed(name, _BASE): value for name, value in state.items()}
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        layer = _LAYER.fullmatch(name)
        if layer is None:
            tensors[name] = value
        elif layer[2] == "attn.to_k.weight":
            joined = torch.cat([value, state[f"layers.{layer[1]}.attn.to_v.weight"]])
            tensors[f"layers.{layer[1]}.0.to_kv.weight"] = joined
        elif layer[2] != "attn.to_v.weight":
            tensors[f"layers.{layer[1]}.{_renamed(layer[2], _PLUS)}"] = value
    return tensors


def _renamed(name: str, names: Mapping[str, str]) -> str:
    """`name` with another beginning, where it has one of `names`."""
    for old, new in names.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
