"""Models that fill a region with the object of a reference: a 9-channel U-Net, and what reads the reference."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from retouch.core.errors import ModelError
from retouch.models.adapter import AdapterFacts, AdapterFolder, read_adapter, write_adapter
from retouch.models.checkpoint import Checkpoint
from retouch.models.delta import apply_delta, delta_of
from retouch.models.exemplar_networks import DetailMapper, ReferenceMapper, layers_in
from retouch.models.image_encoder import ImageEncoder, load_image_encoder
from retouch.models.load import load
from retouch.models.paint_by_example import Parts, is_original, is_paint_by_example, read_file, read_folder
from retouch.models.pocket import EXEMPLAR_MEMBER, POCKET
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import ADAPTER_FILE, INDEX_FILE, download, is_on_hub
from retouch.models.spec import CHANNELS, ConditioningSpec, read_spec
from retouch.models.widen import widened

POCKET_EXEMPLAR = f"{POCKET}/{EXEMPLAR_MEMBER}"

_PATTERNS = ("*.json", "*/*.json", "unet/*", "vae/*", "image_encoder/*")


@dataclass(frozen=True, kw_only=True, eq=False)
class Exemplar:
    """A model that fills regions by example.

    checkpoint: of kind `inpaint`; it may read no words.
    encoder: reads references, frozen.
    mapper: the reference as a whole, one token.
    detail: its details, further tokens; None where the model knows none.
    """

    checkpoint: Checkpoint
    encoder: ImageEncoder
    mapper: ReferenceMapper
    detail: DetailMapper | None = None

    @property
    def source(self) -> str:
        """What was asked for."""
        return self.checkpoint.source

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What a training of it changes, by part."""
        parts: dict[str, nn.Module] = {"unet": self.checkpoint.unet, "mapper": self.mapper}
        return parts if self.detail is None else {**parts, "detail": self.detail}

    @property
    def readers(self) -> tuple[nn.Module, ...]:
        """What reads references."""
        mappers = (self.mapper,) if self.detail is None else (self.mapper, self.detail)
        return *self.encoder.networks, *mappers


def fresh_exemplar(
    base: Checkpoint,
    encoder: ImageEncoder,
    spec: ConditioningSpec,
    *,
    layers: int = 5,
    detail_layers: int = 5,
    detail_grid: int | None = None,
    seed: int = 0,
) -> Exemplar:
    """An exemplar model that begins as `base`, whose U-Net takes 4 or 8 channels: the further ones weigh nothing.

    The source of an editor's becomes the masked picture. With `detail_grid` it reads details.

    Raises:
        ModelError: the base takes 9 channels already, or the spec's latents and masked picture do not come first.
    """
    if spec.kind != "inpaint" or spec.channel_order != ("latents", "masked-image", "mask"):
        raise ModelError("An exemplar model begins with the channels latents, masked-image, mask; give such a spec.")
    if CHANNELS[base.kind] >= CHANNELS["inpaint"]:
        raise ModelError(f"'{base.source}' fills regions already; begin with a model of kind 'instruct' or 'generate'.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        context = int(base.unet.config["cross_attention_dim"])
        mapper = ReferenceMapper(width=encoder.width, layers=layers, context=context)
        detail = None
        if detail_grid is not None:
            detail = DetailMapper(width=encoder.width, layers=detail_layers, context=context, grid=detail_grid)
    unet = widened(base.unet, CHANNELS["inpaint"])
    checkpoint = replace(base, unet=unet, text=None, spec=spec)
    return Exemplar(checkpoint=checkpoint, encoder=encoder, mapper=mapper, detail=detail)


def save_exemplar(
    exemplar: Exemplar, folder: str | Path, *, base: str, rank: int | None, card: str | None = None
) -> Path:
    """Write the model as changes of the one it began as, those of the U-Net of low `rank` where it is given.

    Raises:
        ModelError: `base` cannot be loaded, or is another model.
        OutputError: the folder cannot be written.
    """
    start = widened(load(base).unet, CHANNELS["inpaint"])
    parts: dict[str, Mapping[str, Tensor]] = {
        "unet": delta_of(start.state_dict(), exemplar.checkpoint.unet.state_dict(), rank=rank),
        "mapper": exemplar.mapper.state_dict(),
    }
    sizes: dict[str, int] = {}
    if exemplar.detail is not None:
        parts["detail"] = exemplar.detail.state_dict()
        sizes["detail_grid"] = exemplar.detail.grid
    facts = AdapterFacts(kind="exemplar", base=base, image_encoder=exemplar.encoder.source, sizes=sizes)
    return write_adapter(folder, facts, parts, card=card, spec=exemplar.checkpoint.spec)


def load_exemplar(
    source: str | Path = POCKET_EXEMPLAR,
    *,
    dtype: torch.dtype = torch.float32,
    vae_dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> Exemplar:
    """Load the exemplar model that `source` names.

    `pocket/exemplar`, a folder that `save_exemplar` wrote, or a published Paint-by-Example model: its folder in
    diffusers layout, its hub id, or a .safetensors file under the names of the original code.

    Raises:
        ModelError: it is missing, damaged, or of another kind, or the model it changes cannot be loaded.
    """
    published = _published(str(source))
    if published is not None:
        checkpoint, encoder, mapper = published
        networks: dict[nn.Module, torch.dtype] = dict.fromkeys((checkpoint.unet, encoder.tower, mapper), dtype)
        with quiet_libraries():
            for network, wanted in {**networks, checkpoint.vae: vae_dtype or dtype}.items():
                network.to(device=device, dtype=wanted)
        return Exemplar(checkpoint=checkpoint, encoder=encoder, mapper=mapper)
    folder = read_adapter(source, kind="exemplar")
    base = load(folder.facts.base, dtype=dtype, vae_dtype=vae_dtype, device=device)
    unet = widened(copy.deepcopy(base.unet), CHANNELS["inpaint"])
    apply_delta(unet, folder.part("unet"))
    spec = read_spec(folder.path, "inpaint")
    checkpoint = replace(base, unet=unet.eval().requires_grad_(False), text=None, spec=spec, source=str(source))
    encoder = load_image_encoder(folder.facts.image_encoder, dtype=dtype, device=device)
    mapper = _mapper(folder, encoder)
    detail = _detail(folder, encoder) if "detail" in folder.parts else None
    _check_width(mapper, checkpoint)
    for network in (mapper, detail):
        if network is not None:
            network.eval().requires_grad_(False).to(device=device, dtype=dtype)
    return Exemplar(checkpoint=checkpoint, encoder=encoder, mapper=mapper, detail=detail)


def is_published(source: str | Path) -> bool:
    """Whether `source` names a published Paint-by-Example model on this machine."""
    path = Path(source).expanduser()
    return is_original(path) if path.is_file() else path.is_dir() and is_paint_by_example(path, str(source))


def _published(source: str) -> Parts | None:
    path = Path(source).expanduser()
    if path.is_file():
        return read_file(path)
    if path.is_dir():
        return read_folder(path, source) if is_paint_by_example(path, source) else None
    if is_on_hub(source) and is_paint_by_example(download(source, None, [INDEX_FILE, ADAPTER_FILE]), source):
        return read_folder(download(source, None, list(_PATTERNS)), source)
    return None


def _check_width(mapper: ReferenceMapper, checkpoint: Checkpoint) -> None:
    written, read = mapper.proj_out.out_features, int(checkpoint.unet.config["cross_attention_dim"])
    if written != read:
        raise ModelError(
            f"The mapper of '{checkpoint.source}' writes {written} features and the U-Net of its base reads {read}; "
            "load it over the base it was trained over."
        )


def _mapper(folder: AdapterFolder, encoder: ImageEncoder) -> ReferenceMapper:
    weights = folder.part("mapper")
    context = weights["proj_out.weight"].shape[0]
    mapper = ReferenceMapper(width=encoder.width, layers=layers_in(weights), context=context)
    _fill(mapper, weights, folder.source)
    return mapper


def _detail(folder: AdapterFolder, encoder: ImageEncoder) -> DetailMapper:
    weights = folder.part("detail")
    context, grid = weights["proj_out.weight"].shape[0], folder.size("detail_grid")
    detail = DetailMapper(width=encoder.width, layers=layers_in(weights), context=context, grid=grid)
    _fill(detail, weights, folder.source)
    return detail


def _fill(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(f"The weights of '{source}' do not fit its image encoder ({reason}); restore both.") from error
