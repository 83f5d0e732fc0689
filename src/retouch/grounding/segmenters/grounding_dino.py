"""GroundingDINO: boxes for a phrase (arXiv 2303.05499)."""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import GroundingDinoForObjectDetection, MMGroundingDinoForObjectDetection

from retouch.grounding.checks import checked_phrase
from retouch.grounding.segmenters.framing import Framing, read_framing
from retouch.grounding.segmenters.networks import called, find_network, load_network, load_words, model_type

USUAL = Framing(side=800)
LONGEST_TO_SHORTEST = 1333 / 800
THRESHOLD = 0.3
"""Boxes below are left out, as Grounded-Instruct-Pix2Pix does."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """Corners (N, 4), x0 y0 x1 y1 in the picture's pixels, and how sure each is, (N,), the surest first."""

    corners: Tensor
    scores: Tensor


class GroundingDino:
    """Finds boxes; a phrase is asked alone, as joined ones drop or merge their labels."""

    def __init__(self, network: Any, tokenizer: Any, framing: Framing, *, name: str) -> None:
        self._network, self._tokenizer, self._framing, self.name = network, tokenizer, framing, name

    @torch.no_grad()
    def boxes(self, image: Image.Image, phrase: str) -> Boxes:
        """Every box of the network for a phrase, sure or not."""
        device = self._network.device
        pixels = self._framing.resized(image, detection_size(image.size, self._framing.side)).to(device)
        words = self._tokenizer(
            [as_label(phrase)],
            truncation=True,
            max_length=self._network.config.max_text_len,
            return_token_type_ids=True,
            return_tensors="pt",
        )
        found = self._network(
            pixel_values=pixels,
            pixel_mask=torch.ones(pixels.shape[0], *pixels.shape[2:], dtype=torch.long, device=device),
            **{key: words[key].to(device) for key in ("input_ids", "attention_mask", "token_type_ids")},
        )
        scores, order = torch.sigmoid(found.logits[0]).amax(dim=-1).sort(descending=True)
        return Boxes(corners=_corners(found.pred_boxes[0][order], image.size).cpu(), scores=scores.cpu())


def as_label(phrase: str) -> str:
    """The phrase as the network was trained to read one: lower case, one full stop at its end and none inside."""
    return checked_phrase(checked_phrase(phrase).lower().replace(".", " ")) + "."


def detection_size(size: tuple[int, int], shortest: int) -> tuple[int, int]:
    """(W, H) with the short side at `shortest`, unless the long one would then pass 1333 for 800."""
    width, height = size
    longest = round(shortest * LONGEST_TO_SHORTEST)
    exact = min(float(shortest), longest * min(size) / max(size))
    side = round(exact)
    if min(size) == side:
        return size
    return (side, int(exact * height / width)) if width < height else (int(exact * width / height), side)


def _corners(middles: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (N, 4) as middle and size in 0…1 → corners in pixels inside a picture of (W, H)."""
    scale = torch.tensor([*size, *size], device=middles.device)
    middle, extent = middles[:, :2], middles[:, 2:]
    return torch.cat((middle - extent / 2, middle + extent / 2), dim=1).clamp(0, 1) * scale


def load_grounding_dino(source: str, *, device: str = "cpu") -> GroundingDino:
    """A folder or hub id of GroundingDINO, or of its retraining in MMDetection; raises ModelError."""
    folder = find_network(source)
    retrained = model_type(folder, source) == "mm-grounding-dino"
    network_class = MMGroundingDinoForObjectDetection if retrained else GroundingDinoForObjectDetection
    network = load_network(network_class, folder, source, device)
    return GroundingDino(network, load_words(folder, source), read_framing(folder, USUAL), name=called(source))
