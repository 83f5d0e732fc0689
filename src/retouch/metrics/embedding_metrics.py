"""Cosines in the space of a CLIP model: pictures, texts, their changes, and regions."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from retouch.metrics import published_clip
from retouch.metrics.clip import Encoder, directional_similarity
from retouch.metrics.metric import Part, Picture, Sample
from retouch.metrics.pixel_metrics import Against
from retouch.metrics.protocol import protocol_id
from retouch.metrics.region_clip import exemplar_likeness, region_square
from retouch.metrics.sample_metric import SampleMetric, Values, Where, pictures, present


def clip_image(encoder: Encoder, *, against: Against = "source", published: bool = False) -> SampleMetric:
    """cos(source, output), InstructPix2Pix's sim_image, LangDesign's CLIP_im; to the target MagicBrush's CLIP-I.

    With `published`, here and below, pictures are shown as InstructPix2Pix's evaluator does (`published_clip`).
    """
    see = _sight(published)

    def score(samples: Sequence[Sample]) -> Values:
        seen = see(encoder, [*pictures(samples, "output"), *pictures(samples, against)]).unflatten(0, (2, -1))
        return (seen[0] * seen[1]).sum(dim=-1).numpy()

    name = "clip-image" if against == "source" else "clip-image-target"
    return _metric(name, encoder, {against}, score, f"cosine-to-{against}", published=published)


def clip_text(encoder: Encoder, *, published: bool = False) -> SampleMetric:
    """cos(output, target caption): sim_1 of InstructPix2Pix, LangDesign's CLIP_out, MagicBrush's CLIP-T."""
    see = _sight(published)

    def score(samples: Sequence[Sample]) -> Values:
        read = encoder.texts([sample.target_caption for sample in samples]).double()
        return (see(encoder, pictures(samples, "output")) * read).sum(dim=-1).numpy()

    return _metric("clip-text", encoder, {"target_caption"}, score, "cosine", published=published)


def clip_text_inside(encoder: Encoder) -> SampleMetric:
    """cos(output with all but the mask painted black, target caption), as PIE-Bench has it (arXiv 2310.01506)."""

    def score(samples: Sequence[Sample]) -> Values:
        read = encoder.texts([sample.target_caption for sample in samples]).double()
        shown = [sample.output * np.asarray(sample.mask)[..., None] for sample in samples]
        return (_seen(encoder, shown) * read).sum(dim=-1).numpy()

    needs: set[Part] = {"target_caption", "mask"}
    return _metric("clip-text-inside", encoder, needs, score, "cosine-others-black", where="inside")


def clip_directional(encoder: Encoder, *, published: bool = False) -> SampleMetric:
    """cos(output − source, target caption − source caption), 0 where a side does not change.

    sim_dir of InstructPix2Pix (arXiv 2211.09800, section 3.1), LangDesign's CLIP_dir.
    """
    see = _sight(published)

    def score(samples: Sequence[Sample]) -> Values:
        shown = [picture for sample in samples for picture in (present(sample.source), sample.output)]
        said = [text for sample in samples for text in (sample.source_caption, sample.target_caption)]
        seen, read = see(encoder, shown), encoder.texts(said).double()
        return directional_similarity(seen.unflatten(0, (-1, 2)), read.unflatten(0, (-1, 2))).numpy()

    needs: set[Part] = {"source", "source_caption", "target_caption"}
    return _metric("clip-directional", encoder, needs, score, "cosine-of-changes", published=published)


def clip_region(encoder: Encoder) -> SampleMetric:
    """cos(the box about the mask, reference), both stretched: COCOEE's CLIP score of Paint-by-Example, by a hundred."""

    def score(samples: Sequence[Sample]) -> Values:
        outputs, references = (
            [Image.fromarray(picture) for picture in pictures(samples, part)] for part in ("output", "reference")
        )
        masks = [np.asarray(sample.mask) for sample in samples]
        return exemplar_likeness(outputs, masks, references, encoder)

    protocol = protocol_id(
        "clip-region",
        encoder=encoder.name,
        resize=f"box-of-mask-and-reference-stretched-{encoder.dual.framing.side}-bicubic",
        pixels="rgb-0-1",
        scaling="cosine",
    )
    return SampleMetric(
        name="clip-region",
        protocol=protocol,
        better="higher",
        needs=frozenset[Part]({"mask", "reference"}),
        score=score,
        where="inside",
    )


def clip_region_distance(encoder: Encoder) -> SampleMetric:
    """1 − cos(output, target), each cut to the smallest square about the mask, a quarter larger."""

    def score(samples: Sequence[Sample]) -> Values:
        shown = []
        for sample in samples:
            left, top, right, bottom = region_square(np.asarray(sample.mask))
            shown += [picture[top:bottom, left:right] for picture in (sample.output, present(sample.target))]
        seen = _seen(encoder, shown).unflatten(0, (-1, 2))
        return (1 - (seen[:, 0] * seen[:, 1]).sum(dim=-1)).numpy()

    name = "clip-region-distance"
    protocol = protocol_id(
        name,
        encoder=encoder.name,
        resize=f"square-of-mask-grown-by-a-quarter-{encoder.manner}",
        pixels="rgb-0-1",
        scaling="one-minus-cosine-to-target",
    )
    needs = frozenset[Part]({"target", "mask"})
    return SampleMetric(name=name, protocol=protocol, better="lower", needs=needs, score=score, where="inside")


def _metric(
    name: str,
    encoder: Encoder,
    needs: set[Part],
    score: Callable[[Sequence[Sample]], Values],
    scaling: str,
    *,
    where: Where = "whole",
    published: bool = False,
) -> SampleMetric:
    name = f"{name}@ip2p" if published else name
    protocol = protocol_id(
        name,
        encoder=encoder.name,
        resize=published_clip.manner(encoder) if published else encoder.manner,
        pixels=published_clip.PIXELS if published else "rgb-0-1",
        scaling=scaling,
    )
    return SampleMetric(name=name, protocol=protocol, better="higher", needs=frozenset(needs), score=score, where=where)


def _sight(published: bool) -> Callable[[Encoder, Sequence[Picture]], Tensor]:
    return published_clip.seen if published else _seen


def _seen(encoder: Encoder, shown: Sequence[Picture]) -> Tensor:
    """Unit vectors, (B, D) float64."""
    return encoder.pictures([Image.fromarray(picture) for picture in shown]).double()
