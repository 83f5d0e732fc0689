"""CLIPScore: how well a text fits a picture (arXiv 2104.08718, without its factor of 2.5)."""

from PIL import Image

from retouch.metrics.clip import Encoder

LARGEST = 224
"""The longest side that a picture is shrunk to before the encoder frames it."""


def clip_score(encoder: Encoder, picture: Image.Image, text: str) -> float:
    """Return max(0, 100 · cos(picture, text)); figures of different encoders are never compared."""
    small = picture.convert("RGB")
    small.thumbnail((LARGEST, LARGEST))
    cosine = encoder.pictures([small])[0] @ encoder.texts([text])[0]
    return max(0.0, 100 * float(cosine))


def clip_score_protocol(encoder: Encoder) -> str:
    """What figures of this encoder depend on."""
    return f"clip-score/thumbnail-{LARGEST}/{encoder.protocol}"
