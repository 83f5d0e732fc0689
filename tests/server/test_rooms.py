"""The gallery: every room has its picture, words to begin with, and is among what the page can show quickly."""

from PIL import Image

from retouch.server.rooms import GALLERY, gallery_pictures, gallery_rooms


def test_every_room_has_a_picture_and_suggestions_and_no_file_is_left_over() -> None:
    rooms = gallery_rooms()
    assert len({room.name for room in rooms}) == len({room.title for room in rooms}) == len(rooms) == 8
    assert all(2 <= len(room.suggestions) <= 4 for room in rooms)
    assert {path.name for path in GALLERY.glob("*.webp")} == {room.file().name for room in rooms}
    assert sum(path.stat().st_size for path in GALLERY.iterdir()) < 1_200_000


def test_the_server_offers_them_as_they_are() -> None:
    for offered, file in gallery_pictures():
        with Image.open(file) as image:
            image.load()
            assert (image.format, image.size) == ("WEBP", (offered.width, offered.height))
