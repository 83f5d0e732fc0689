"""Models that put the object of a reference where it belongs, without a region: an editor and what reads references."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from retouch.core.errors import ModelError
from retouch.models.adapter import AdapterFacts, is_adapter, read_adapter, write_adapter
from retouch.models.checkpoint import Checkpoint
from retouch.models.delta import apply_delta, delta_of
from retouch.models.embedding_optimizer import EmbeddingOptimizer, optimizer_of
from retouch.models.image_encoder import ImageEncoder, load_image_encoder
from retouch.models.load import load
from retouch.models.pocket import INSERT_MEMBER, POCKET
from retouch.models.sources import ADAPTER_FILE, download, is_on_hub, model_patterns
from retouch.models.vision_tower import is_vision_tower, load_vision_tower

POCKET_INSERT = f"{POCKET}/{INSERT_MEMBER}"
PUBLISHED_FILE = "emb_opt.safetensors"
"""The published optimizer in the folder of a whole editor, once converted from its pickle."""
PUBLISHED_PICKLE = "emb_opt.pt"
PUBLISHED_ENCODER = "openai/clip-vit-large-patch14"
HUB_MARKS = (ADAPTER_FILE, PUBLISHED_FILE, PUBLISHED_PICKLE)
"""What on the hub says that a model reads references in the place of words."""
_ENCODER_FILES = ("image_encoder/*.json", "image_encoder/model.safetensors")

Null = Literal["empty-text", "encoded-zero-image", "zeros"]
"""What "no reference" is: the editor's own empty text, what the optimizer makes of a picture that is zero everywhere
once it is normalised, or zeros."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Insert:
    """An editor that reads references.

    checkpoint: of kind `instruct`, its attention tuned.
    encoder: reads references, frozen.
    optimizer: its tokens as the U-Net reads them.
    null: what no reference is, in training and in use.
    """

    checkpoint: Checkpoint
    encoder: ImageEncoder
    optimizer: EmbeddingOptimizer
    null: Null

    @property
    def source(self) -> str:
        """What was asked for."""
        return self.checkpoint.source


def tuned_attention(unet: UNet2DConditionModel) -> dict[str, torch.nn.Module]:
    """The cross-attention (`attn2`) that learns with the optimizer, by its name in the U-Net.

    That of the last down block that has one, of the middle, and of the first up block that has one.
    """
    reading = {name: module for name, module in unet.named_modules() if name.endswith(".attn2")}
    blocks = list(dict.fromkeys(map(_block, reading)))
    down, up = ([block for block in blocks if block.startswith(side)] for side in ("down_blocks.", "up_blocks."))
    chosen = (*down[-1:], "mid_block", *up[:1])
    return {name: module for name, module in reading.items() if _block(name) in chosen}


def _block(name: str) -> str:
    """`down_blocks.2` of `down_blocks.2.attentions.0…`, `mid_block` of `mid_block.attentions.0…`."""
    return name.partition(".attentions.")[0]


def fresh_insert(
    base: Checkpoint, encoder: ImageEncoder, *, queries: int, null: Null = "empty-text", seed: int = 0
) -> Insert:
    """An editor with an optimizer that has learned nothing yet."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        context = int(base.unet.config["cross_attention_dim"])
        optimizer = EmbeddingOptimizer(width=encoder.width, queries=queries, context=context)
    return Insert(checkpoint=base, encoder=encoder, optimizer=optimizer, null=null)


def unet_changes(insert: Insert, base: str, *, rank: int | None = None) -> dict[str, Tensor]:
    """The U-Net as changes of that of `base`, which the editor began as; see `delta_of`.

    Raises:
        ModelError: `base` cannot be loaded, or more than the attention differs and there is no rank.
    """
    names = tuple(f"{name}." for name in tuned_attention(insert.checkpoint.unet))
    before, after = load(base).unet.state_dict(), insert.checkpoint.unet.state_dict()
    return delta_of(before, after, rank=rank, keep=lambda name: rank is not None or name.startswith(names))


def save_insert(
    insert: Insert, folder: str | Path, *, base: str, rank: int | None = None, card: str | None = None
) -> Path:
    """Write the optimizer, and the attention as changes of the editor's it began as.

    With a `rank` all of the U-Net may have changed: its changes are written as the nearest of that rank.

    Raises:
        ModelError: `base` cannot be loaded, or more than the attention changed and there is no rank.
        OutputError: the folder cannot be written.
    """
    parts: dict[str, Mapping[str, Tensor]] = {
        "unet": unet_changes(insert, base, rank=rank),
        "optimizer": insert.optimizer.state_dict(),
    }
    facts = AdapterFacts(
        kind="insert", base=base, image_encoder=insert.encoder.source, conventions={"null": insert.null}
    )
    return write_adapter(folder, facts, parts, card=card)


def load_insert(
    source: str | Path = POCKET_INSERT,
    *,
    dtype: torch.dtype = torch.float32,
    vae_dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> Insert:
    """Load the model that `source` names: `pocket/insert`, a folder that `save_insert` wrote, or the published one.

    Both kinds of folder may be on the hub, and are named by their id there. The published one is the folder of a whole
    editor in diffusers layout with `emb_opt.safetensors` in it, which
    `retouch models convert` makes of `emb_opt.pt`; its "no reference" is zeros, and its queries, drawn anew at every
    call there, are drawn once and for all. Its image encoder is in `image_encoder`, or else the published CLIP model.

    Raises:
        ModelError: it is missing, damaged or of another kind, or the model it changes cannot be loaded.
    """
    place = Path(source).expanduser()
    if is_on_hub(str(source)) and is_published_insert(download(str(source), None, list(HUB_MARKS))):
        place = download(str(source), None, [*model_patterns(), *HUB_MARKS, *_ENCODER_FILES])
    if is_published_insert(place):
        published = _published(place, dtype=dtype, vae_dtype=vae_dtype, device=device)
        return replace(published, checkpoint=replace(published.checkpoint, source=str(source)))
    folder = read_adapter(source, kind="insert")
    null = _null(folder.facts.conventions.get("null"), str(source))
    base = load(folder.facts.base, dtype=dtype, vae_dtype=vae_dtype, device=device)
    unet = copy.deepcopy(base.unet)
    apply_delta(unet, folder.part("unet"))
    checkpoint = replace(base, unet=unet.eval().requires_grad_(False), source=str(source))
    encoder = load_image_encoder(folder.facts.image_encoder, dtype=dtype, device=device)
    optimizer = optimizer_of(folder.part("optimizer"), str(source)).to(device=device, dtype=dtype)
    return _checked(Insert(checkpoint=checkpoint, encoder=encoder, optimizer=optimizer, null=null))


def _null(name: str | None, source: str) -> Null:
    for known in get_args(Null):
        if name == known:
            return known
    raise ModelError(f"'{source}' says {name!r} for no reference; expected one of {', '.join(get_args(Null))}.")


def is_published_insert(place: Path) -> bool:
    """Whether a folder holds the published form, converted or as a pickle."""
    return not is_adapter(place) and any((place / file).is_file() for file in (PUBLISHED_FILE, PUBLISHED_PICKLE))


def _published(place: Path, *, dtype: torch.dtype, vae_dtype: torch.dtype | None, device: torch.device | str) -> Insert:
    if not (place / PUBLISHED_FILE).is_file():
        raise ModelError(
            f"'{place}' holds its optimizer as a pickle ({PUBLISHED_PICKLE}), which can run code on loading; convert "
            f"the folder once with `retouch models convert {place} OUT` and use OUT."
        )
    try:
        weights = load_file(place / PUBLISHED_FILE)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"'{place / PUBLISHED_FILE}' is damaged ({error}); convert it again.") from error
    checkpoint = load(place, dtype=dtype, vae_dtype=vae_dtype, device=device)
    # The published code reads what is no number in this file as zero.
    whole = {name: torch.nan_to_num(value.float()) for name, value in weights.items()}
    optimizer = optimizer_of(whole, str(place)).to(device=device, dtype=dtype)
    encoder = _published_encoder(place / "image_encoder", dtype, device)
    return _checked(Insert(checkpoint=checkpoint, encoder=encoder, optimizer=optimizer, null="zeros"))


def _published_encoder(nested: Path, dtype: torch.dtype, device: torch.device | str) -> ImageEncoder:
    if is_vision_tower(nested):
        return load_vision_tower(nested, source=str(nested), projected=False, dtype=dtype, device=device)
    return load_image_encoder(nested if nested.is_dir() else PUBLISHED_ENCODER, dtype=dtype, device=device)


def _checked(insert: Insert) -> Insert:
    """See that the parts are for each other."""
    if insert.checkpoint.kind != "instruct":
        raise ModelError(
            f"Insertion goes over an editor, a model of kind 'instruct'; the base of '{insert.source}' is of kind "
            f"'{insert.checkpoint.kind}': name the editor it was trained over."
        )
    read, written = insert.checkpoint.unet.config["cross_attention_dim"], insert.optimizer.queries.shape[1]
    wanted, seen = insert.optimizer.projection_layer.in_features, insert.encoder.width
    if read != written or wanted != seen:
        raise ModelError(
            f"The optimizer of '{insert.source}' reads {wanted} features and writes {written}, its image encoder has "
            f"{seen} and its U-Net reads {read}; load it with the parts it was trained with."
        )
    return insert
