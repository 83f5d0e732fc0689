"""How far the mean colour inside the mask lies from the true one."""

from collections.abc import Sequence

import numpy as np

from retouch.core.errors import MissingExtraError
from retouch.metrics.metric import Part, Sample
from retouch.metrics.protocol import protocol_id
from retouch.metrics.sample_metric import SampleMetric, Values, present


def colour_inside() -> SampleMetric:
    """ΔE2000 between the mean CIE Lab colours of output and target inside the mask (Sharma et al., 2005).

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    try:
        from retouch.metrics.colour import mean_colour_difference
    except ImportError as error:
        raise MissingExtraError(
            "Colour differences need scikit-image, which is not installed: run pip install 'retouch[evaluate]'."
        ) from error

    def score(samples: Sequence[Sample]) -> Values:
        triples = [(sample.output, present(sample.target), np.asarray(sample.mask)) for sample in samples]
        return np.array([mean_colour_difference(*triple) for triple in triples])

    return SampleMetric(
        name="colour-inside",
        protocol=protocol_id(
            "colour-inside",
            encoder="pixels",
            resize="native-inside",
            pixels="srgb8-d65",
            scaling="ciede2000-of-mean-lab",
        ),
        better="lower",
        needs=frozenset[Part]({"target", "mask"}),
        score=score,
        where="inside",
    )
