"""Words for what the pictures never show, so that a segmenter learns to say so."""

from typing import Literal

_NOWHERE = (
    "dog", "cat", "horse", "bird", "bicycle", "motorcycle", "bus", "train", "boat", "plane", "tree", "mountain",
    "river", "bridge", "street", "pizza", "apple", "cake", "bottle", "cup", "phone", "laptop", "guitar", "umbrella",
    "balloon", "statue", "fish", "sheep", "fountain", "tent", "man", "woman", "child", "sun", "moon", "cloud",
)  # fmt: skip
_CLOTHES = ("shirt", "dress", "jacket", "trousers", "jeans", "hat", "skirt", "shoes", "hoodie", "shorts", "coat")
_FURNITURE = ("sofa", "bed", "wardrobe", "bookshelf", "bathtub", "floor lamp", "painting", "plant", "vase", "rug")


def absent_nouns(pictures: Literal["rooms", "photos"]) -> tuple[str, ...]:
    """What pictures of rooms, or photographs of clothes, do not show."""
    return (*_NOWHERE, *(_CLOTHES if pictures == "rooms" else _FURNITURE))
