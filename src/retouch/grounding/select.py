"""Choose between phrases by what the picture shows: CLIP-score filtering, as Grounded-Instruct-Pix2Pix does it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from PIL import Image

from retouch.core.errors import SettingsError
from retouch.grounding.checks import checked_phrase
from retouch.grounding.missing import NotFound, name_of
from retouch.grounding.segmenter import Segment, Segmenter
from retouch.grounding.shapes import Shape, box_of, cut_out
from retouch.metrics.clip import Encoder
from retouch.metrics.clip_score import clip_score

EXCLUDED_SCORE = -1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A phrase, what the segmenter found for it, and the CLIP-score of the picture's part in the box around it.

    score: 0…100; 0 where nothing was found, −1 where the phrase is excluded.
    """

    phrase: str
    segment: Segment
    score: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The winner among the candidates, which stand in the order of the phrases, and its shape (H, W)."""

    winner: Candidate
    shape: Shape
    candidates: tuple[Candidate, ...]


def select(
    image: Image.Image,
    phrases: Sequence[str],
    *,
    segmenter: Segmenter,
    encoder: Encoder,
    excluded: Collection[str] = (),
    least: float = 0.0,
    names: Sequence[str] = (),
) -> Selection | NotFound:
    """The phrase whose part of the picture fits it best.

    Every phrase is segmented alone; the box around all that was found is cut out, shrunk to 224 pixels and scored
    against the phrase. In the published code a picture in which nothing is found is not edited, silently, and its
    threshold is never looked at; here phrases that the segmenter does not find, or that score below `least`, are
    rejected, and where none is left the answer says so.

    Args:
        image: the picture, RGB.
        phrases: candidates, such as the noun chunks of an instruction.
        segmenter: finds them.
        encoder: scores them; `least` is one of its scores, and means nothing to another.
        excluded: phrases that cannot win, compared without regard to case.
        least: the CLIP-score below which a phrase is rejected.
        names: what the picture may show instead (`NotFound.best_match`); empty where it is not to be named.
    """
    if not phrases:
        raise SettingsError("There are no phrases to choose from; give at least one.")
    barred = {phrase.lower() for phrase in excluded}
    candidates = tuple(_candidate(image, checked_phrase(phrase), segmenter, encoder, barred) for phrase in phrases)
    winner = max(candidates, key=lambda candidate: candidate.score)
    if winner.score > 0 and winner.score >= least:
        return Selection(winner=winner, shape=cut_out(winner.segment.mask), candidates=candidates)
    surest = max(candidates, key=lambda candidate: candidate.segment.score)
    eligible = tuple(candidate.phrase for candidate in candidates if candidate.score > EXCLUDED_SCORE)
    return NotFound(
        phrases=eligible or tuple(phrases),
        score=surest.segment.score,
        best_match=name_of(image, surest.segment, names, segmenter, encoder),
    )


def _candidate(
    image: Image.Image, phrase: str, segmenter: Segmenter, encoder: Encoder, barred: Collection[str]
) -> Candidate:
    segment = segmenter.segment(image, phrase)
    if phrase.lower() in barred:
        return Candidate(phrase=phrase, segment=segment, score=EXCLUDED_SCORE)
    box = box_of(cut_out(segment.mask)) if segment.score >= segmenter.threshold else None
    score = 0.0 if box is None else clip_score(encoder, image.crop(box), phrase)
    return Candidate(phrase=phrase, segment=segment, score=score)
