"""Placement models: a network that proposes places, with what it sees pictures by and reads references by."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.core.errors import ModelError, SettingsError
from retouch.core.fit import Fit
from retouch.core.reference import Reference
from retouch.models.adapter import AdapterFacts, read_adapter, write_adapter
from retouch.models.image_encoder import ImageEncoder, load_image_encoder
from retouch.models.placement_network import PlacementNetwork, PlacementShape, Places
from retouch.models.pocket import PLACEMENT_MEMBER, POCKET
from retouch.models.segmenter import SegmenterModel, load_segmenter
from retouch.models.segmenter_network import COARSE

_PART = "placement"


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacementModel:
    """A network, the segmenter whose cells it reads, the encoder of references, and where it came from.

    least: of a place's likelihood with that of its neighbours, below which nothing in the picture stands out.
    """

    network: PlacementNetwork
    eyes: SegmenterModel
    encoder: ImageEncoder
    source: str

    @property
    def least(self) -> float:
        """See the class."""
        return float(self.network.get_buffer("least"))

    def fit(self, size: tuple[int, int]) -> Fit:
        """How a picture of `size` (width, height) is seen."""
        return Fit.for_model(size, native=self.eyes.network.shape.side, multiple=2 * COARSE)

    @torch.no_grad()
    def cells(self, pictures: Tensor) -> Tensor:
        """What is seen of (B, 3, H, W) pictures in −1…1: cells (B, D, H/16, W/16)."""
        return self.eyes.network.look(pictures.to(self.eyes.network.heat.device)).coarse

    @torch.no_grad()
    def tokens(self, framed: Tensor) -> Tensor:
        """What is read of references as the encoder frames them, (B, 3, side, side) uint8: (B, N, E)."""
        return self.encoder(framed).last

    @torch.no_grad()
    def places(self, picture: Image.Image, references: Sequence[Reference]) -> Places:
        """Where one object, of which `references` are views, may go in an RGB picture.

        Raises SettingsError where no reference has any weight.
        """
        shown = [reference for reference in references if reference.weight > 0]
        if not shown:
            raise SettingsError("No reference has any weight; give one that counts, to find a place for its object.")
        pixels = torch.from_numpy(np.array(self.fit(picture.size).apply(picture.convert("RGB"))))
        cells = self.cells(pixels.permute(2, 0, 1)[None].float() / 127.5 - 1)
        framed = torch.stack([self.encoder.framed(reference.squared()) for reference in shown])
        return self.network(cells, self.tokens(framed).flatten(0, 1)[None].to(cells.dtype))


def random_placement(
    shape: PlacementShape, eyes: SegmenterModel, encoder: ImageEncoder, *, seed: int = 0
) -> PlacementModel:
    """A placement model with random weights, float32 on the CPU; `seed` fixes every weight.

    Raises ModelError where the shape does not go with the segmenter and the encoder.
    """
    if (shape.cells, shape.tokens) != (eyes.network.shape.width, encoder.width):
        raise ModelError(
            f"A placement network reads cells of {shape.cells} channels and tokens of {shape.tokens}, but "
            f"'{eyes.source}' gives {eyes.network.shape.width} and '{encoder.source}' {encoder.width}; name the "
            "segmenter and the CLIP model that it was trained with."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PlacementNetwork(shape)
    network.eval().requires_grad_(False)
    return PlacementModel(network=network, eyes=eyes, encoder=encoder, source="random")


def load_placement(
    source: str | Path = f"{POCKET}/{PLACEMENT_MEMBER}", *, device: torch.device | str = "cpu"
) -> PlacementModel:
    """Load a placement model with the segmenter and the CLIP model that it names; float32.

    Raises:
        ModelError: it is not there, damaged, or no such model.
    """
    folder = read_adapter(source, kind="placement")
    shape = PlacementShape(**{name: folder.size(name) for name in PlacementShape.__dataclass_fields__})
    eyes = load_segmenter(folder.facts.base)
    eyes.network.to(device)
    made = random_placement(shape, eyes, load_image_encoder(folder.facts.image_encoder, device=device))
    try:
        made.network.load_state_dict({name: weight.float() for name, weight in folder.part(_PART).items()})
    except RuntimeError as error:
        raise ModelError(f"The weights of the placement model '{source}' do not fit its sizes; restore it.") from error
    made.network.to(device)
    return PlacementModel(network=made.network, eyes=eyes, encoder=made.encoder, source=str(source))


def save_placement(model: PlacementModel, folder: Path, *, card: str | None = None) -> Path:
    """Write a placement model as an adapter, in half precision; raises OutputError where that cannot be."""
    facts = AdapterFacts(
        kind="placement",
        base=model.eyes.source,
        image_encoder=model.encoder.source,
        sizes=asdict(model.network.shape),
    )
    return write_adapter(folder, facts, {_PART: model.network.state_dict()}, card=card)
