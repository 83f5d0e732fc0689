"""Train placement: where an object goes in a picture, and how large it is there, from pictures of the object."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from math import log
from pathlib import Path
from statistics import mean

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from retouch.core.errors import DataError
from retouch.models.image_encoder import POCKET_ENCODER, load_image_encoder
from retouch.models.placement import PlacementModel, load_placement, random_placement, save_placement
from retouch.models.placement_network import POCKET_PLACEMENT, PlacementShape, Places, chosen, drawn
from retouch.models.pocket import PLACEMENT_MEMBER, POCKET, SEGMENTER_MEMBER
from retouch.models.proposals import Proposal, likelihoods, proposals
from retouch.models.segmenter import load_segmenter
from retouch.models.segmenter_network import FINE
from retouch.training.card import CardFacts, model_card
from retouch.training.choices import Choices, Material
from retouch.training.kind import Kind, Loss, Validation
from retouch.training.pictures import fitted
from retouch.training.placed import PlacedObject, SeenPictures, framed_reference, placed_objects
from retouch.training.settings import TrainSettings
from retouch.training.varied import varied

WRONGLY_REFUSED = 0.02
"""The share of pictures with a place for their object that the calibrated threshold may refuse."""
PROPOSED = 5
"""Places proposed of a held-out picture."""
_SHOWN = 6
_CERTAIN = 1e-4


@dataclass(frozen=True, kw_only=True)
class PlacementTask:
    """How placement is trained.

    `flip` is the share of mirrored pictures; `several` that of samples that are given all references and not one.
    The loss is the cross-entropy of the cell that holds the object's middle, spread over its neighbours by a Gaussian
    of `spread` cells, beside `boxes` times that of the box, and `masks` times the cross-entropy and dice loss of the
    mask at a quarter of the picture's size. The latter two are those of the true place alone: what is said of other
    places, which may be right too, costs only the likelihood taken from the true one.
    """

    flip: float = 0.5
    several: float = 0.3
    spread: float = 0.6
    boxes: float = 1.0
    masks: float = 1.0


class PlacementKind:
    """A `PlacementNetwork` over a frozen segmenter's cells and a frozen encoder's tokens."""

    name = "placement"

    def __init__(
        self,
        model: PlacementModel,
        objects: Sequence[PlacedObject],
        held_out: Sequence[PlacedObject],
        task: PlacementTask,
        *,
        data: Sequence[str] = (),
    ) -> None:
        self._model, self._objects, self._held_out, self._task = model, objects, held_out, task
        self._data, self._seen = tuple(data), SeenPictures(model)
        self.network = model.network.train().requires_grad_(True)
        self.modules: Mapping[str, nn.Module] = {"placement": self.network}
        sizes = [len(list(same)) for _, same in groupby(objects, key=lambda one: one.picture.fit.model_size)]
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        self.groups: Sequence[range] = tuple(
            range(start, start + size) for start, size in zip(starts, sizes, strict=True)
        )

    def loss(self, indices: Sequence[int], generator: Generator) -> Loss:
        """Return the loss of places, boxes and masks."""
        task, objects = self._task, [self._objects[index] for index in indices]
        mirrored = (torch.rand(len(objects), generator=generator) < task.flip).tolist()
        boxes, masks = _boxes(objects, mirrored), _masks(objects, mirrored)
        cells = self._seen([one.picture for one in objects], mirrored)
        places = self.network(cells, self._tokens(objects, generator))
        boxes, masks = boxes.to(cells.device), masks.to(cells.device)
        target = _spread_target(boxes, places.likely.shape[-2:], task.spread)
        place = -(target * places.likely.flatten(1).log_softmax(dim=1)).sum(dim=1).mean()
        drawn_cells = torch.multinomial(target.cpu(), 1, generator=generator)[:, 0].to(cells.device)
        found, outlines = chosen(places, drawn_cells)
        box = _box_loss(found, boxes)
        mask = _mask_loss(drawn(found, outlines, (masks.shape[-2], masks.shape[-1])), masks)
        parts = {"place": place, "box": box, "mask": mask}
        return Loss(
            total=place + task.boxes * box + task.masks * mask,
            parts={name: part.detach() for name, part in parts.items()},
        )

    def _tokens(self, objects: Sequence[PlacedObject], generator: Generator) -> Tensor:
        """The tokens of one reference each, varied, beside those of another for some: (B, 2N, E)."""
        encoder, picked = self._model.encoder, []
        for one in objects:
            order = torch.randperm(len(one.references), generator=generator).tolist()
            several = float(torch.rand((), generator=generator)) < self._task.several
            # The same reference twice weighs as once: attention to equal tokens is shared.
            picked += [one.references[order[0]], one.references[order[-1 if several else 0]]]
        framed = torch.stack([framed_reference(encoder, data) for data in picked])
        framed[0::2] = varied(framed[0::2], generator)
        again = torch.tensor([left == right for left, right in zip(picked[0::2], picked[1::2], strict=True)])
        second = torch.where(again[:, None, None, None], framed[0::2], varied(framed[1::2], generator))
        tokens = self._model.tokens(torch.stack([framed[0::2], second], dim=1).flatten(0, 1))
        return tokens.unflatten(0, (-1, 2)).flatten(1, 2)

    @torch.no_grad()
    def validate(self, generator: Generator) -> Validation:
        """Return how likely and near the true places are, and calibrate what stands out."""
        figures: dict[str, list[float]] = {}
        peaks, pictures = [], {}
        for number, one in enumerate(self._held_out):
            places = self._places(one)
            size = (one.picture.fit.model_size[1], one.picture.fit.model_size[0])
            found = proposals(places, size, count=PROPOSED, generator=generator)
            wanted = fitted(one.mask)[0] > 127
            peaks.append(float(likelihoods(places).max()))
            for name, value in _measured(one, places, found, wanted).items():
                figures.setdefault(name, []).append(value)
            if number < _SHOWN:
                pictures[f"picture {number}"] = _preview(fitted(one.picture), places, found, wanted)
        self.network.get_buffer("least").fill_(float(torch.tensor(peaks).quantile(WRONGLY_REFUSED)))
        return Validation(figures={name: mean(values) for name, values in figures.items()}, pictures=pictures)

    def _places(self, one: PlacedObject) -> Places:
        framed = torch.stack([framed_reference(self._model.encoder, data) for data in one.references])
        tokens = self._model.tokens(framed).flatten(0, 1)[None]
        return self.network(self._seen([one.picture], [False]), tokens).on_cpu()

    def export(self, folder: Path, *, steps: int, figures: Mapping[str, float]) -> None:
        """Write the network as an adapter over its segmenter and its encoder."""
        card = CardFacts(
            title="Retouch placement",
            summary="Proposes where in a picture an object goes, and how large it is there, from pictures of it.",
            data=[f"{len(self._objects)} places of objects, of the train split", *self._data],
            training={"optimiser steps": steps, **asdict(self._task)},
            figures={**figures, "least likelihood": self._model.least},
            library="pytorch",
            task="image-segmentation",
            tags=("object-placement", "retouch"),
        )
        save_placement(self._model, folder, card=model_card(card))


def _boxes(objects: Sequence[PlacedObject], mirrored: Sequence[bool]) -> Tensor:
    """(B, 4)."""
    boxes = torch.tensor([one.box for one in objects])
    boxes[:, 0] = torch.where(torch.tensor(mirrored), 1 - boxes[:, 0], boxes[:, 0])
    return boxes


def _masks(objects: Sequence[PlacedObject], mirrored: Sequence[bool]) -> Tensor:
    """The share of each cell of a quarter's grid that the object covers, (B, H/4, W/4)."""
    masks = [fitted(one.mask)[:1].float() / 255 for one in objects]
    masks = [mask.flip(-1) if mirror else mask for mask, mirror in zip(masks, mirrored, strict=True)]
    return functional.avg_pool2d(torch.stack(masks), FINE)[:, 0]


def _spread_target(boxes: Tensor, grid: torch.Size, spread: float) -> Tensor:
    """Shares of all cells, (B, h·w), about the middles of boxes (B, 4)."""
    height, width = grid
    across = torch.arange(width, device=boxes.device) + 0.5 - boxes[:, :1] * width
    down = torch.arange(height, device=boxes.device) + 0.5 - boxes[:, 1:2] * height
    squared = across[:, None, :] ** 2 + down[:, :, None] ** 2
    return (-squared / (2 * spread**2)).flatten(1).softmax(dim=1)


def _box_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Of boxes (B, 4): how far the middles are apart, beside the wanted size, and the ratios of sizes."""
    middles = (found[:, :2] - wanted[:, :2]) / wanted[:, 2:].clamp_min(0.05)
    ratios = (found[:, 2:] / wanted[:, 2:]).log()
    return functional.smooth_l1_loss(torch.cat([middles, ratios], dim=1), torch.zeros_like(found), beta=0.2)


def _mask_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Of masks (B, H, W) in 0…1: cross-entropy beside the object's size, and dice loss."""
    sure = found.clamp(_CERTAIN, 1 - _CERTAIN)
    cross = -(wanted * sure.log() + (1 - wanted) * (1 - sure).log()).sum(dim=(1, 2)) / wanted.sum(dim=(1, 2)).clamp_min(
        1
    )
    overlap = (found * wanted).sum(dim=(1, 2))
    dice = 1 - (2 * overlap + 1) / (found.square().sum(dim=(1, 2)) + wanted.square().sum(dim=(1, 2)) + 1)
    return (0.5 * cross.clamp_max(4) + dice).mean()


def _measured(one: PlacedObject, places: Places, found: Sequence[Proposal], wanted: Tensor) -> dict[str, float]:
    """The figures of one held-out object."""
    height, width = places.likely.shape[-2:]
    cell = int(one.box[1] * height) * width + int(one.box[0] * width)
    box, outline = chosen(places, torch.tensor([cell]))
    shares = places.likely.flatten().softmax(0)
    ious = [_iou(proposal.mask, wanted) for proposal in found]
    return {
        "IoU at the true place": _iou(drawn(box, outline, (wanted.shape[0], wanted.shape[1]))[0], wanted),
        "IoU of the first proposal": ious[0] if ious else 0.0,
        f"best IoU of {PROPOSED} proposals": max(ious, default=0.0),
        "gain over chance, nats": log(height * width) + log(max(1e-9, float(shares[cell]))),
        "rank of the true cell": float((shares > shares[cell]).sum()) / (height * width),
    }


def _iou(found: Tensor, wanted: Tensor) -> float:
    shape = found >= 0.5
    return int((shape & wanted).sum()) / max(1, int((shape | wanted).sum()))


def _preview(pixels: Tensor, places: Places, found: Sequence[Proposal], wanted: Tensor) -> Tensor:
    """A picture, what is likely in it, the first two proposals and the true place, (3, H, 5W) uint8."""
    warm = functional.interpolate(likelihoods(places)[None], size=pixels.shape[-2:], mode="bilinear")[0]
    heat = pixels // 3
    heat[0] = (heat[0] + 170 * warm[0] / warm.max()).clamp_max(255).to(torch.uint8)
    masks = [proposal.mask >= 0.5 for proposal in found[:2]]
    masks += [torch.zeros_like(wanted)] * (2 - len(masks))
    return torch.cat([pixels, heat, *(torch.where(mask, pixels, pixels // 4) for mask in (*masks, wanted))], dim=-1)


@dataclass(frozen=True, kw_only=True)
class PlacementRecipe:
    """Train placement on record folders with references and objects' masks.

    `held_out` are folders of the validation split, of which `held_out_limit` objects each are measured on; without
    them every `validation_every`-th object is. `base` is a placement model to train on; without one it is begun anew
    over `segmenter` and `encoder`.
    """

    data: Sequence[Path]
    settings: TrainSettings
    held_out: Sequence[Path] = ()
    base: str | Path | None = None
    segmenter: str | Path = f"{POCKET}/{SEGMENTER_MEMBER}"
    encoder: str | Path = POCKET_ENCODER
    held_out_limit: int = 60
    validation_every: int = 20
    notes: Sequence[str] = ()
    task: PlacementTask = field(default_factory=PlacementTask)
    shape: PlacementShape = POCKET_PLACEMENT

    def build(
        self, device: torch.device, *, on_prepared: Callable[[int, int], None] = lambda _done, _total: None
    ) -> Kind:
        """Read the objects and make the network. Raises DataError or ModelError where a part is missing."""
        if self.base is not None:
            model = load_placement(self.base, device=device)
        else:
            eyes, encoder = load_segmenter(self.segmenter), load_image_encoder(self.encoder, device=device)
            eyes.network.to(device)
            model = random_placement(self.shape, eyes, encoder, seed=self.settings.seed)
            model.network.to(device)
        objects = placed_objects(self.data, split="train", fit=model.fit)
        on_prepared(len(objects), len(objects))
        if self.held_out:
            held_out = placed_objects(self.held_out, split="validation", fit=model.fit, limit=self.held_out_limit)
        else:
            held_out = objects[self.validation_every - 1 :: self.validation_every]
            del objects[self.validation_every - 1 :: self.validation_every]
        if not held_out:
            raise DataError(f"{len(objects)} objects are too few to hold some out; give more of them.")
        return PlacementKind(model, objects, held_out, self.task, data=self.notes)


def usual(material: Material, choices: Choices) -> PlacementRecipe:
    """Fine-tune the placement model that `material` names: 2,000 steps of 16 objects."""
    material.refuse("placement", "lora", "size", "cache")
    settings = TrainSettings(steps=2_000, batch_size=16, learning_rate=3e-4, warmup=100, schedule="cosine")
    base = f"{POCKET}/{PLACEMENT_MEMBER}" if material.base == POCKET else material.base
    return PlacementRecipe(data=material.data, base=base, settings=choices.applied(settings))
