"""Boxes of a detector, filled by SAM or SAM 2: Grounded-SAM (arXiv 2401.14159)."""

from PIL import Image

from retouch.grounding.segmenter import Segment
from retouch.grounding.segmenters.framing import nothing
from retouch.grounding.segmenters.grounding_dino import THRESHOLD, GroundingDino
from retouch.grounding.segmenters.sam import SamPrompter


class GroundedSam:
    """A `Segmenter`: every box that is sure enough is segmented, and the union is the mask.

    The score is the surest box's; where none reaches the threshold the mask is empty.
    """

    def __init__(self, detector: GroundingDino, prompter: SamPrompter) -> None:
        self._detector, self._prompter = detector, prompter

    @property
    def name(self) -> str:
        """The two sources, joined."""
        return f"{self._detector.name}+{self._prompter.name}"

    @property
    def threshold(self) -> float:
        """The score below which a box is left out."""
        return THRESHOLD

    def segment(self, image: Image.Image, phrase: str) -> Segment:
        """What the phrase fits."""
        found = self._detector.boxes(image, phrase)
        kept = found.corners[found.scores >= THRESHOLD]
        mask = self._prompter.within(image, kept) if len(kept) else nothing(image)
        return Segment(mask=mask, score=float(found.scores.max()))

    def segment_at(self, image: Image.Image, point: tuple[float, float]) -> Segment:
        """The thing at a point."""
        return self._prompter.at(image, point)
