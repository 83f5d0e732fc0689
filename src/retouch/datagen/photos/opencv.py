"""The one place that imports OpenCV, which the extra `photos` brings."""

from retouch.core.errors import MissingExtraError

try:
    import cv2
except ImportError as error:
    raise MissingExtraError(
        "Pairs from photographs need OpenCV, which is not installed; add it with `pip install 'retouch[photos]'`."
    ) from error

__all__ = ["cv2"]
