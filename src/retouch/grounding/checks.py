"""What every segmenter refuses: a phrase without words, and a point outside the picture."""

from PIL import Image

from retouch.core.errors import SettingsError


def checked_phrase(phrase: str) -> str:
    """The phrase in one line; raises SettingsError where it has no words."""
    words = " ".join(phrase.split())
    if not words:
        raise SettingsError('The phrase is empty; say what to find, such as "the lamp on the left".')
    return words


def check_point(image: Image.Image, point: tuple[float, float]) -> None:
    """Raise SettingsError where a point (x, y) lies outside the picture."""
    (x, y), (width, height) = point, image.size
    if not (0 <= x < width and 0 <= y < height):
        raise SettingsError(
            f"The point {x:g},{y:g} lies outside the picture of {width} x {height} pixels; "
            f"give x from 0 to {width - 1} and y from 0 to {height - 1}."
        )


def phrases_alone(name: str) -> SettingsError:
    """The error of a segmenter that takes no points."""
    return SettingsError(
        f"The segmenter '{name}' finds phrases alone; name a phrase, or a segmenter that takes points, such as SAM."
    )
