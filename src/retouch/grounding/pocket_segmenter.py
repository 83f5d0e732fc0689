"""The segmenter trained here, as the seam wants it: pictures of any size, one phrase or one point at a time."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.core.errors import SettingsError
from retouch.core.fit import Fit
from retouch.grounding.segmenter import Segment
from retouch.grounding.segmenters.networks import called
from retouch.models.pocket import POCKET, SEGMENTER_MEMBER
from retouch.models.segmenter import SegmenterModel, load_segmenter
from retouch.models.segmenter_network import COARSE, Answer, Seen


class PocketSegmenter:
    """Finds phrases and points with a `PhraseSegmenter`; see `grounding.segmenter.Segmenter`.

    What it saw of the last picture is kept, so that further phrases for it cost a fraction of the first.
    """

    def __init__(self, model: SegmenterModel) -> None:
        self._model = model
        self._last: tuple[bytes, Seen] | None = None

    @property
    def name(self) -> str:
        """See `Segmenter`."""
        return called(self._model.source)

    @property
    def threshold(self) -> float:
        """See `Segmenter`: as calibrated on held-out pictures, and saved with the weights."""
        return self._model.threshold

    @torch.no_grad()
    def segment(self, image: Image.Image, phrase: str) -> Segment:
        """See `Segmenter`. Raises SettingsError where the phrase is blank."""
        if not phrase.strip():
            raise SettingsError("The phrase to find is blank; say what to find, such as 'the lamp on the left'.")
        fit = self._fit(image)
        seen = self._seen(image, fit)
        ids = self._model.tokens([phrase]).to(seen.coarse.device)
        return self._segment(self._model.network.find(seen, ids[None]), fit)

    @torch.no_grad()
    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """See `Segmenter`."""
        across, down = point
        if not (0 <= across < image.width and 0 <= down < image.height):
            raise SettingsError(
                f"The point {across:g},{down:g} lies outside the picture of {image.width} x {image.height} pixels; "
                "give one inside, counted from the upper left."
            )
        fit = self._fit(image)
        left, top, width, height = fit.inner
        place = (
            (left + (across + 0.5) / image.width * width) / fit.model_size[0],
            (top + (down + 0.5) / image.height * height) / fit.model_size[1],
        )
        seen = self._seen(image, fit)
        answer = self._model.network.find_at(seen, torch.tensor([[place]], device=seen.coarse.device))
        # What lies at a point is always there; presence is not taught from points.
        return Segment(mask=self._segment(answer, fit).mask, score=1.0)

    def _fit(self, image: Image.Image) -> Fit:
        return Fit.for_model(image.size, native=self._model.network.shape.side, multiple=2 * COARSE)

    def _seen(self, image: Image.Image, fit: Fit) -> Seen:
        colours = image.convert("RGB")
        digest = hashlib.sha256(repr(fit).encode() + colours.tobytes()).digest()
        if self._last is None or self._last[0] != digest:
            pixels = torch.from_numpy(np.array(fit.apply(colours))).permute(2, 0, 1)[None]
            device = self._model.network.heat.device
            self._last = digest, self._model.network.look((pixels.float() / 127.5 - 1).to(device))
        return self._last[1]

    def _segment(self, answer: Answer, fit: Fit) -> Segment:
        """One answer at the picture's own size: enlarged as logits, so that the edge stays sharp."""
        wide, high = fit.model_size
        logits = functional.interpolate(answer.masks.float(), size=(high, wide), mode="bilinear")
        left, top, width, height = fit.inner
        kept: Tensor = logits[:, :, top : top + height, left : left + width]
        size = (fit.source_size[1], fit.source_size[0])
        if kept.shape[-2:] != size:
            kept = functional.interpolate(kept, size=size, mode="bilinear", align_corners=False)
        mask = kept[0, 0].sigmoid().cpu().numpy().astype(np.float32)
        return Segment(mask=mask, score=float(answer.presence[0, 0].sigmoid()))


def load_pocket_segmenter(
    source: str | Path = f"{POCKET}/{SEGMENTER_MEMBER}", *, device: str = "cpu"
) -> PocketSegmenter:
    """Load `pocket/segmenter`, or a folder that `retouch train` wrote. Raises ModelError where it cannot be."""
    model = load_segmenter(source)
    model.network.to(device)
    return PocketSegmenter(model)
