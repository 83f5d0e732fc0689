"""Which material an object is made of, judged by a small network fitted on rendered crops."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from retouch.core.errors import DataError, ModelError
from retouch.scenes.palette import MATERIALS

PROTOCOL = "material-judge/crop64/v1"
WEIGHTS = Path(__file__).parent / "weights" / "material.safetensors"
_SIDE = 64


class _Network(nn.Sequential):
    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in ((4, 24), (24, 48), (48, 64), (64, 96)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU(), nn.AvgPool2d(2)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, len(MATERIALS)))


@dataclass(frozen=True, kw_only=True)
class Crop:
    """An object in a picture, (H, W, 3) uint8, where it is, (H, W) bool, and what it is made of."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    material: str


class MaterialJudge:
    """Names the material inside a mask; the protocol is `PROTOCOL`."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval()

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> "MaterialJudge":
        """Load fitted weights. Raises ModelError where they are missing."""
        if not path.is_file():
            raise ModelError(
                f"The material judge's weights are missing at {path}; fit them with `retouch eval materials`."
            )
        network = _Network()
        network.load_state_dict(load_file(path))
        return cls(network)

    def save(self, path: Path = WEIGHTS) -> None:
        """Write the weights as safetensors."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(self._network.state_dict(), path)

    @torch.no_grad()
    def probabilities(self, picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> dict[str, float]:
        """Return the probability of each of `palette.MATERIALS` for the object inside `mask`, (H, W)."""
        scores = self._network(crop_tensor(picture, mask)[None]).softmax(dim=-1)[0]
        return dict(zip(MATERIALS, scores.tolist(), strict=True))

    def accuracy(self, crops: Iterable[Crop]) -> float:
        """Return the share of crops whose material is named."""
        hits = [_named(self.probabilities(crop.picture, crop.mask)) == crop.material for crop in crops]
        return sum(hits) / max(1, len(hits))


def _named(shares: dict[str, float]) -> str:
    return max(shares, key=lambda name: shares[name])


def crop_tensor(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Tensor:
    """Return the square around the mask as (4, 64, 64) float32 in −1…1: colour, and the mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise DataError("The mask is empty; a material needs an object to look at.")
    middle_y, middle_x = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    half = max(rows[-1] - rows[0], columns[-1] - columns[0], 16) * 0.55
    box = (int(middle_x - half), int(middle_y - half), int(middle_x + half) + 1, int(middle_y + half) + 1)
    stacked = np.dstack([picture, mask.astype(np.uint8) * 255])
    crop = Image.fromarray(stacked, "RGBA").crop(box).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(crop)).permute(2, 0, 1).float() / 127.5 - 1


def fit_material_judge(crops: Sequence[Crop], *, epochs: int = 12, seed: int = 0) -> MaterialJudge:
    """Fit a judge on rendered crops (flips and brightness varied). Raises DataError for fewer than 60 crops."""
    if len(crops) < 60:
        raise DataError(f"{len(crops)} crops were given; at least 60 are needed to fit the material judge.")
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.stack([crop_tensor(crop.picture, crop.mask) for crop in crops])
    labels = torch.tensor([MATERIALS.index(crop.material) for crop in crops])
    weights = 1 / torch.bincount(labels, minlength=len(MATERIALS)).clamp_min(1).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
    batches = max(1, len(inputs) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * batches)
    criterion = nn.CrossEntropyLoss(weight=weights / weights.mean(), label_smoothing=0.05)
    for _ in range(epochs):
        order = torch.randperm(len(inputs), generator=generator)
        for part in order.chunk(batches):
            loss = criterion(network(_varied(inputs[part], generator)), labels[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return MaterialJudge(network)


def _varied(batch: Tensor, generator: torch.Generator) -> Tensor:
    flip = torch.rand(len(batch), generator=generator) < 0.5
    batch = torch.where(flip[:, None, None, None], batch.flip(-1), batch)
    shift = (torch.rand(len(batch), 1, 1, 1, generator=generator) - 0.5) * 0.2
    return torch.cat([(batch[:, :3] + shift).clamp(-1, 1), batch[:, 3:]], dim=1)
