"""Render the rooms of the server's gallery again: `python recipes/gallery.py`, in a clone with the extra `scenes`.

`src/retouch/server/gallery/gallery.json` says which. To choose others, look at `retouch rooms render --split validation
--sheet`, put the seed, a title and instructions there, and try each of them with `retouch edit` before it is offered.
"""

import io

from PIL import Image

from retouch.core.files import atomic_write
from retouch.scenes.layout import sample_room
from retouch.scenes.render import render
from retouch.server.rooms import gallery_rooms

SIDE, SAMPLES, QUALITY = 512, 64, 90


def main() -> None:
    """Write one WebP file a room."""
    for room in gallery_rooms():
        pixels = render(sample_room(room.room), size=SIDE, samples=SAMPLES, seed=room.room).image
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "WEBP", quality=QUALITY, method=6)
        print(atomic_write(room.file(), stream.getvalue()))


if __name__ == "__main__":
    main()
