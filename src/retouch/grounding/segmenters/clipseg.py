"""CLIPSeg: a heat map for a phrase, from a CLIP model's own layers (arXiv 2112.10003)."""

from typing import Any

import torch
from PIL import Image
from transformers import CLIPSegForImageSegmentation

from retouch.grounding.checks import check_point, checked_phrase, phrases_alone
from retouch.grounding.segmenter import Segment
from retouch.grounding.segmenters.framing import Framing, read_framing, spread
from retouch.grounding.segmenters.networks import called, find_network, load_network, load_words

USUAL = Framing(side=352)
THRESHOLD = 0.4
"""Of the map's highest value; not calibrated: CLIPSeg was made to answer phrases whose object is there."""


class ClipSeg:
    """A `Segmenter` by CLIPSeg; the score is the map's highest value."""

    def __init__(self, network: Any, tokenizer: Any, framing: Framing, *, name: str) -> None:
        self._network, self._tokenizer, self._framing, self._name = network, tokenizer, framing, name

    @property
    def name(self) -> str:
        """The model's source."""
        return self._name

    @property
    def threshold(self) -> float:
        """The score below which a thing is taken not to be there."""
        return THRESHOLD

    @torch.no_grad()
    def segment(self, image: Image.Image, phrase: str) -> Segment:
        """What the phrase fits."""
        longest = self._network.config.text_config.max_position_embeddings
        words = self._tokenizer([checked_phrase(phrase)], truncation=True, max_length=longest, return_tensors="pt")
        device = self._network.device
        logits = self._network(
            input_ids=words["input_ids"].to(device),
            attention_mask=words["attention_mask"].to(device),
            pixel_values=self._framing.squared(image).to(device),
        ).logits
        # One text gives (H, W) in some versions of the library and (1, H, W) in others.
        heat = torch.sigmoid(logits).reshape(logits.shape[-2:])
        return Segment(mask=spread(heat, image), score=float(heat.max()))

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """Raise SettingsError: CLIPSeg takes no points."""
        check_point(image, point)
        raise phrases_alone(self._name)


def load_clipseg(source: str, *, device: str = "cpu") -> ClipSeg:
    """A folder or hub id of `CLIPSegForImageSegmentation`; raises ModelError."""
    folder = find_network(source)
    network = load_network(CLIPSegForImageSegmentation, folder, source, device)
    return ClipSeg(network, load_words(folder, source), read_framing(folder, USUAL), name=called(source))
