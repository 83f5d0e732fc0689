"""How far colours inside the mask lie from the true ones: the mean colour, and pixel by pixel."""

from collections.abc import Callable, Sequence

import numpy as np

from retouch.core.errors import MissingExtraError
from retouch.metrics.metric import Mask, Part, Picture, Sample
from retouch.metrics.protocol import protocol_id
from retouch.metrics.sample_metric import SampleMetric, Values, present

Difference = Callable[[Picture, Picture, Mask], float]


def colour_inside() -> SampleMetric:
    """ΔE2000 between the mean CIE Lab colours of output and target inside the mask (Sharma et al., 2005).

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    _require()
    from retouch.metrics.colour import mean_colour_difference

    return _metric("colour-inside", "ciede2000-of-mean-lab", mean_colour_difference)


def pixel_colour_inside() -> SampleMetric:
    """The mean over the mask's pixels of ΔE2000 between output and target, which texture counts in too.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    _require()
    from retouch.metrics.colour import pixel_difference

    return _metric("pixel-colour-inside", "mean-of-ciede2000", pixel_difference)


def _metric(name: str, scaling: str, difference: Difference) -> SampleMetric:
    def score(samples: Sequence[Sample]) -> Values:
        triples = [(sample.output, present(sample.target), np.asarray(sample.mask)) for sample in samples]
        return np.array([difference(*triple) for triple in triples])

    return SampleMetric(
        name=name,
        protocol=protocol_id(name, encoder="pixels", resize="native-inside", pixels="srgb8-d65", scaling=scaling),
        better="lower",
        needs=frozenset[Part]({"target", "mask"}),
        score=score,
        where="inside",
    )


def _require() -> None:
    try:
        import skimage.color  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "Colour differences need scikit-image, which is not installed: run pip install 'retouch[evaluate]'."
        ) from error
