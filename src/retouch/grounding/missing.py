"""What is said where nothing is found: what was sought, what the picture shows instead, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from retouch.core.errors import NotFoundError
from retouch.grounding.segmenter import Segment, Segmenter
from retouch.grounding.shapes import box_of, cut_out
from retouch.metrics.clip import Encoder
from retouch.metrics.clip_score import clip_score

_ARTICLES = ("the ", "a ", "an ")


class Missing(Protocol):
    """Something that was sought and not found."""

    @property
    def sentence(self) -> str:
        """What to tell, beginning small and without a full stop."""
        ...


@dataclass(frozen=True, kw_only=True)
class NothingStandsOut:
    """Nothing in the picture stands out for an instruction.

    score: the contrast of what stood out most, below the least that counts.
    """

    instruction: str
    score: float

    @property
    def sentence(self) -> str:
        """What to tell: "nothing stands out for 'make it night'; contrast 0.11 at the most"."""
        return f"nothing stands out for '{self.instruction}'; contrast {self.score:.2f} at the most"


@dataclass(frozen=True, kw_only=True)
class NotFound:
    """Nothing in the picture fits the phrases.

    score: how sure the segmenter was at most, below its threshold.
    best_match: what the picture shows at that place, of the names that were to choose from.
    """

    phrases: tuple[str, ...]
    score: float
    best_match: str | None = None

    @property
    def sentence(self) -> str:
        """What to tell: "no 'piano' found; best match 'shelf' at 0.11"."""
        sought = " or ".join(f"'{_bare(phrase)}'" for phrase in self.phrases)
        match = f"best match '{self.best_match}'" if self.best_match else "surest place"
        return f"no {sought} found; {match} at {self.score:.2f}"


def refusal(missing: Sequence[Missing]) -> NotFoundError:
    """The error for what is missing, where that is to be refused."""
    return NotFoundError(
        f"{_told(missing)}. Name something that is there, or take the whole picture then (--when-missing whole)."
    )


def taken_whole(missing: Sequence[Missing]) -> str:
    """What to tell where the whole picture is taken instead."""
    return f"{_told(missing)}. The region is the whole picture."


def left_alone(missing: Sequence[Missing]) -> str:
    """What to tell where what is missing was to be removed."""
    return f"{_told(missing)}. There is nothing to remove, so the picture stays as it is."


def name_of(
    image: Image.Image, segment: Segment, names: Sequence[str], segmenter: Segmenter, encoder: Encoder | None
) -> str | None:
    """What the picture shows where `segment` is surest: the name that an encoder finds fits best there.

    Without an encoder it is the name whose own segment lies most where this one is. None where the segment is empty
    or no name fits.
    """
    box = box_of(cut_out(segment.mask))
    if box is None or not names:
        return None
    if encoder is not None:
        crop = image.crop(box)
        return max(names, key=lambda name: clip_score(encoder, crop, name))
    shares = {name: _share(segmenter.segment(image, name), segment, segmenter.threshold) for name in names}
    best = max(names, key=lambda name: shares[name])
    return best if shares[best] > 0 else None


def _share(named: Segment, sought: Segment, threshold: float) -> float:
    """The mean of the sought segment's mask over the named one's shape; 0 where that is not in the picture."""
    shape = cut_out(named.mask)
    if named.score < threshold or not shape.any():
        return 0.0
    return float(np.mean(sought.mask[shape]))


def _told(missing: Sequence[Missing]) -> str:
    said = "; ".join(each.sentence for each in missing)
    return said[0].upper() + said[1:]


def _bare(phrase: str) -> str:
    return next((phrase[len(article) :] for article in _ARTICLES if phrase.lower().startswith(article)), phrase)
