"""How an edit looks while it runs: small, and never at a cost that slows the edit much."""

import io
import time

from PIL import Image

from retouch.editing.result import EditProgress

SIDE = 512
_QUALITY = 70


class Previews:
    """Makes previews at most every `seconds`, and so that they take at most a quarter of the time."""

    def __init__(self, seconds: float, count: int) -> None:
        self._seconds, self._count = seconds, count
        self._began = self._last = time.monotonic()
        self._spent = 0.0

    def due(self, event: EditProgress) -> bool:
        """Whether it is time for one."""
        at = time.monotonic()
        affordable = self._spent <= (at - self._began) / 4
        return self._seconds > 0 and event.done < event.total and affordable and at - self._last >= self._seconds

    def make(self, event: EditProgress) -> tuple[bytes, ...]:
        """One preview for each job; () where those at work are not all of them."""
        begin = time.monotonic()
        pictures = event.preview()
        encoded = tuple(map(encoded_preview, pictures)) if len(pictures) == self._count else ()
        self._last = time.monotonic()
        self._spent += self._last - begin
        return encoded


def encoded_preview(picture: Image.Image) -> bytes:
    """A preview as JPEG, at most 512 pixels wide and high."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=_QUALITY)
    return buffer.getvalue()
