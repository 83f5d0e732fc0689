"""Florence-2: a language model that writes the outline of what a phrase names (arXiv 2311.06242)."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from transformers import Florence2ForConditionalGeneration

from retouch.grounding.checks import check_point, checked_phrase, phrases_alone
from retouch.grounding.segmenter import Segment
from retouch.grounding.segmenters.framing import Framing, read_framing
from retouch.grounding.segmenters.networks import called, find_network, load_network, load_words
from retouch.models.quiet import quiet_libraries

USUAL = Framing(side=768, method=Image.Resampling.BICUBIC)
THRESHOLD = 0.5
"""Of the mean probability of the tokens written; not calibrated: the model outlines something for every phrase."""
ASKED = "Locate {phrase} in the image with mask"
BINS = 1000
LONGEST = 1024
BEAMS = 3
IMAGE_TOKEN = "<image>"

_OUTLINE = re.compile(r"(?:<loc_\d+>)+")
_PLACE = re.compile(r"<loc_(\d+)>")

Outline = Sequence[tuple[float, float]]


class Florence:
    """A `Segmenter` by Florence-2's referring expression segmentation.

    The score is the geometric mean of the probabilities of the tokens written, 0 where no outline is among them.
    """

    def __init__(self, network: Any, tokenizer: Any, framing: Framing, *, name: str, longest: int = LONGEST) -> None:
        self._network, self._tokenizer, self._framing, self._name = network, tokenizer, framing, name
        self._longest = longest

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
        text, score = self._written(image, ASKED.format(phrase=checked_phrase(phrase)))
        outlines = outlines_of(text, image.size)
        return Segment(mask=filled(outlines, image.size), score=score if outlines else 0.0)

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """Raise SettingsError: Florence-2 takes no points."""
        check_point(image, point)
        raise phrases_alone(self._name)

    def _written(self, image: Image.Image, request: str) -> tuple[str, float]:
        """What the network writes, its marks included, and how sure it is of it."""
        pixels = self._framing.squared(image).to(self._network.device)
        with quiet_libraries():
            written = self._network.generate(
                input_ids=self._asked(pixels, request),
                pixel_values=pixels,
                max_new_tokens=self._longest,
                num_beams=BEAMS,
                do_sample=False,
                length_penalty=1.0,
                early_stopping=True,
                output_scores=True,
                return_dict_in_generate=True,
            )
        text = self._tokenizer.decode(written.sequences[0], skip_special_tokens=False)
        return text, float(written.sequences_scores[0].exp().clamp(0, 1))

    def _asked(self, pixels: Tensor, request: str) -> Tensor:
        """Token ids (1, N): a place for each of the picture's features, then the request."""
        tokenizer = self._tokenizer
        places = self._network.get_image_features(pixels).pooler_output.shape[1]
        text = IMAGE_TOKEN * places + tokenizer.bos_token + request + tokenizer.eos_token
        return tokenizer([text], add_special_tokens=False, return_tensors="pt")["input_ids"].to(pixels.device)


def outlines_of(text: str, size: tuple[int, int]) -> list[Outline]:
    """The outlines that a text tells by places of 1000 bins a side, in pixels of a picture of (W, H).

    Points stand in the middle of their bins; outlines of fewer than three points enclose nothing and are left out.
    """
    width, height = size
    found: list[Outline] = []
    for run in _OUTLINE.findall(text):
        bins = [(int(place) + 0.5) / BINS for place in _PLACE.findall(run)]
        points = [(x * width, y * height) for x, y in zip(bins[::2], bins[1::2], strict=False)]
        if len(points) >= 3:
            found.append(points)
    return found


def filled(outlines: Sequence[Outline], size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) with ones inside the outlines."""
    canvas = Image.new("L", size)
    draw = ImageDraw.Draw(canvas)
    for outline in outlines:
        draw.polygon(list(outline), fill=1)
    return np.asarray(canvas, dtype=np.float32)


def load_florence(source: str, *, device: str = "cpu") -> Florence:
    """A folder or hub id of `Florence2ForConditionalGeneration`; raises ModelError."""
    folder = find_network(source)
    network = load_network(Florence2ForConditionalGeneration, folder, source, device)
    return Florence(network, load_words(folder, source), read_framing(folder, USUAL), name=called(source))
