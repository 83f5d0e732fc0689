"""SAM 3: every instance of a concept named by a short phrase (arXiv 2511.16719)."""

from functools import cached_property
from typing import Any

import torch
from PIL import Image
from transformers import Sam3Model

from retouch.grounding.checks import check_point, checked_phrase, phrases_alone
from retouch.grounding.segmenter import Segment
from retouch.grounding.segmenters.framing import HALF, Framing, nothing, read_framing, spread
from retouch.grounding.segmenters.networks import called, find_network, load_network, load_words, model_type
from retouch.grounding.segmenters.sam import SamPrompter, load_sam

USUAL = Framing(side=1008, mean=HALF, deviation=HALF)
THRESHOLD = 0.5
WORD_PIECES = 32
WITH_TRACKER = "sam3_video"
"""The model type of folders that hold the network for points too."""


class Sam3:
    """A `Segmenter` by SAM 3: the union of all instances that are sure enough.

    An instance's score is its own times that of the concept being there at all. Points need the tracker, which the
    published model holds beside; it is loaded when the first point comes.
    """

    def __init__(self, network: Any, tokenizer: Any, framing: Framing, *, name: str, tracker: str | None) -> None:
        self._network, self._tokenizer, self._framing, self._name = network, tokenizer, framing, name
        self._tracker_source = tracker

    @property
    def name(self) -> str:
        """The model's source."""
        return self._name

    @property
    def threshold(self) -> float:
        """The score below which an instance is left out."""
        return THRESHOLD

    @torch.no_grad()
    def segment(self, image: Image.Image, phrase: str) -> Segment:
        """What the phrase fits."""
        device = self._network.device
        words = self._tokenizer(
            [checked_phrase(phrase)], padding="max_length", max_length=WORD_PIECES, truncation=True, return_tensors="pt"
        )
        found = self._network(
            pixel_values=self._framing.squared(image).to(device),
            input_ids=words["input_ids"].to(device),
            attention_mask=words["attention_mask"].to(device),
        )
        scores = torch.sigmoid(found.pred_logits[0]) * torch.sigmoid(found.presence_logits[0])
        kept = found.pred_masks[0][scores >= THRESHOLD]
        mask = spread(torch.sigmoid(kept).amax(dim=0), image) if len(kept) else nothing(image)
        return Segment(mask=mask, score=float(scores.max()))

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """The thing at a point."""
        check_point(image, point)
        return self._tracker.at(image, point)

    @cached_property
    def _tracker(self) -> SamPrompter:
        if self._tracker_source is None:
            raise phrases_alone(self._name)
        return load_sam(self._tracker_source, device=str(self._network.device))


def load_sam3(source: str, *, device: str = "cpu") -> Sam3:
    """A folder or hub id of SAM 3, with its tracker or without; raises ModelError."""
    folder = find_network(source)
    tracker = source if model_type(folder, source) == WITH_TRACKER else None
    network = load_network(Sam3Model, folder, source, device)
    framing = read_framing(folder, USUAL)
    return Sam3(network, load_words(folder, source), framing, name=called(source), tracker=tracker)
