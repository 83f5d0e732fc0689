"""How an edit looks while it runs: small, and never at a cost that slows the edit much."""

import io
import time

from PIL import Image

from retouch.editing.result import EditProgress

SIDE = 512
SHARE = 0.1
"""Of the time that an edit takes, what its previews may take."""
_QUALITY = 70


class Previews:
    """Makes previews at most every `seconds`, so that they take at most a tenth of the time.

    None is made that the picture itself would follow sooner than that: an edit of a second or two has none.
    """

    def __init__(self, seconds: float, count: int) -> None:
        self._seconds, self._count = seconds, count
        self._began = self._last = time.monotonic()
        self._spent = self._cost = 0.0

    def due(self, event: EditProgress) -> bool:
        """Whether it is time for one."""
        at = time.monotonic()
        taken = at - self._began
        remaining = taken * (event.total - event.done) / max(1, event.done)
        affordable = self._spent + self._cost <= SHARE * (taken + remaining)
        wanted = self._seconds > 0 and event.done < event.total
        return wanted and affordable and min(at - self._last, remaining) >= self._seconds

    def make(self, event: EditProgress) -> tuple[bytes, ...]:
        """One preview for each job; () where those at work are not all of them."""
        begin = time.monotonic()
        pictures = event.preview()
        encoded = tuple(map(encoded_preview, pictures)) if len(pictures) == self._count else ()
        self._last = time.monotonic()
        self._cost = self._last - begin
        self._spent += self._cost
        return encoded


def encoded_preview(picture: Image.Image) -> bytes:
    """A preview as JPEG, at most 512 pixels wide and high."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=_QUALITY)
    return buffer.getvalue()
