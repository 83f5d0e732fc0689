"""The gallery: rendered rooms that come with the package, to begin a design with."""

import json
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, TypeAdapter

from retouch.server.schemas import GalleryPicture

GALLERY = Path(__file__).with_name("gallery")
LIST = "gallery.json"


class GalleryRoom(BaseModel):
    """A room of the list.

    name: of its file, without its end. room: the seed that it is rendered from.
    suggestions: instructions that the pocket editor was seen to do well on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    room: int
    suggestions: list[str]

    def file(self, folder: Path = GALLERY) -> Path:
        """Where its picture is."""
        return folder / f"{self.name}.webp"


def gallery_rooms(folder: Path = GALLERY) -> list[GalleryRoom]:
    """The rooms of a folder's list, in the order they are shown."""
    return TypeAdapter(list[GalleryRoom]).validate_python(json.loads((folder / LIST).read_text(encoding="utf-8")))


def gallery_pictures(folder: Path = GALLERY) -> tuple[tuple[GalleryPicture, Path], ...]:
    """The rooms as the server offers them, with the files of their pictures."""
    return tuple((_picture(room, folder), room.file(folder)) for room in gallery_rooms(folder))


def _picture(room: GalleryRoom, folder: Path) -> GalleryPicture:
    with Image.open(room.file(folder)) as image:
        width, height = image.size
    return GalleryPicture(name=room.name, title=room.title, width=width, height=height, suggestions=room.suggestions)
