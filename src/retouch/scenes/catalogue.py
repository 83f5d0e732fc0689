"""Facts about every kind of object: sizes, materials, where it stands, and in which rooms."""

from dataclasses import dataclass
from typing import Literal

Range = tuple[float, float]
Mount = Literal["floor", "wall", "ceiling", "surface", "floor flat"]

LIVING, BEDROOM, DINING, STUDY, HALL, BATH = (
    "living room",
    "bedroom",
    "dining room",
    "study",
    "hallway",
    "bathroom",
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the layout, the edits and the language need to know of a kind; lengths in metres.

    `mount`: "floor" stands on the floor, "floor flat" lies on it and may be stood upon (rug),
    "wall" hangs at a wall `wall_height` above the floor, "ceiling" hangs down, "surface" stands on
    an object whose kind has `carries` (or, where `also_floor`, on the floor). `against_wall` floor
    objects keep their back to a wall. `family` groups kinds that may replace one another in place.
    """

    name: str
    mount: Mount
    width: Range
    depth: Range
    height: Range
    materials: tuple[str, ...]
    rooms: tuple[str, ...]
    family: str
    carries: bool = False
    cushions: bool = False
    """Whether cushions may lie on it, though nothing else may."""
    surface: float = 1.0
    """Height of the carrying surface as a fraction of the object's height."""
    against_wall: bool = False
    also_floor: bool = False
    wall_height: Range = (0.0, 0.0)
    plural: str = ""
    round: tuple[int, ...] = ()
    """Axes of the size, 0 width to 2 height, that are equal because the kind is round in them."""


_SEAT = ("fabric", "leather")
_HARD = ("wood", "metal", "marble")
_CHAIR = ("wood", "metal", "leather", "fabric")
_TABLE = ("wood", "metal", "marble", "glass")
_PLAIN = ("wood", "metal")

# fmt: off
_KINDS: tuple[Kind, ...] = (
    Kind(name="sofa", mount="floor", width=(1.6, 2.3), depth=(0.8, 0.95), height=(0.75, 0.9),
         materials=_SEAT, rooms=(LIVING, STUDY), family="large seat",
         against_wall=True, cushions=True, surface=0.5),
    Kind(name="armchair", mount="floor", width=(0.75, 0.95), depth=(0.75, 0.9), height=(0.8, 1.0),
         materials=_SEAT, rooms=(LIVING, BEDROOM, STUDY), family="seat"),
    Kind(name="chair", mount="floor", width=(0.42, 0.5), depth=(0.42, 0.52), height=(0.82, 0.95),
         materials=_CHAIR, rooms=(LIVING, BEDROOM, DINING, STUDY, HALL), family="seat"),
    Kind(name="stool", mount="floor", width=(0.36, 0.45), depth=(0.36, 0.45), height=(0.45, 0.65),
         materials=_CHAIR, rooms=(LIVING, DINING, STUDY, HALL, BATH), family="seat", round=(0, 1)),
    Kind(name="dining table", mount="floor", width=(1.3, 1.9), depth=(0.8, 0.95), height=(0.72, 0.77),
         materials=_TABLE, rooms=(DINING,), family="table", carries=True),
    Kind(name="coffee table", mount="floor", width=(0.8, 1.2), depth=(0.5, 0.7), height=(0.36, 0.46),
         materials=_TABLE, rooms=(LIVING,), family="table", carries=True),
    Kind(name="desk", mount="floor", width=(1.1, 1.5), depth=(0.55, 0.7), height=(0.72, 0.77),
         materials=_TABLE, rooms=(STUDY, BEDROOM), family="table", carries=True, against_wall=True),
    Kind(name="bed", mount="floor", width=(1.4, 1.8), depth=(1.9, 2.05), height=(0.85, 1.1),
         materials=_SEAT, rooms=(BEDROOM,), family="large seat",
         against_wall=True, cushions=True, surface=0.5),
    Kind(name="nightstand", mount="floor", width=(0.4, 0.5), depth=(0.36, 0.42), height=(0.45, 0.58),
         materials=_HARD, rooms=(BEDROOM,), family="cabinet", carries=True, against_wall=True),
    Kind(name="wardrobe", mount="floor", width=(1.0, 1.5), depth=(0.55, 0.6), height=(1.9, 2.15),
         materials=_PLAIN, rooms=(BEDROOM, HALL), family="tall", against_wall=True),
    Kind(name="bookshelf", mount="floor", width=(0.8, 1.2), depth=(0.28, 0.34), height=(1.6, 2.0),
         materials=_PLAIN, rooms=(LIVING, STUDY, BEDROOM, HALL),
         family="tall", against_wall=True, plural="bookshelves"),
    Kind(name="cabinet", mount="floor", width=(0.9, 1.4), depth=(0.38, 0.45), height=(0.7, 0.9),
         materials=_HARD, rooms=(LIVING, DINING, HALL, BATH),
         family="cabinet", carries=True, against_wall=True),
    Kind(name="floor lamp", mount="floor", width=(0.36, 0.45), depth=(0.36, 0.45), height=(1.45, 1.7),
         materials=("fabric", "metal", "glass"), rooms=(LIVING, BEDROOM, STUDY), family="upright", round=(0, 1)),
    Kind(name="table lamp", mount="surface", width=(0.28, 0.36), depth=(0.28, 0.36), height=(0.46, 0.6),
         materials=("fabric", "glass", "metal"), rooms=(LIVING, BEDROOM, STUDY, HALL),
         family="small", round=(0, 1)),
    Kind(name="pendant lamp", mount="ceiling", width=(0.35, 0.5), depth=(0.35, 0.5), height=(0.6, 0.9),
         materials=("metal", "glass", "fabric"), rooms=(LIVING, DINING, STUDY, HALL), family="pendant", round=(0, 1)),
    Kind(name="rug", mount="floor flat", width=(1.6, 2.4), depth=(1.1, 1.6), height=(0.012, 0.02),
         materials=("fabric",), rooms=(LIVING, BEDROOM, DINING, STUDY, HALL, BATH), family="flat"),
    Kind(name="curtain", mount="wall", width=(1.3, 1.9), depth=(0.1, 0.14), height=(2.1, 2.35),
         materials=("fabric",), rooms=(LIVING, BEDROOM, DINING, STUDY),
         family="wall tall", wall_height=(0.05, 0.08)),
    Kind(name="window", mount="wall", width=(1.0, 1.5), depth=(0.08, 0.1), height=(1.0, 1.3),
         materials=_PLAIN, rooms=(LIVING, BEDROOM, DINING, STUDY, BATH),
         family="wall", wall_height=(0.9, 1.0)),
    Kind(name="door", mount="wall", width=(0.85, 0.95), depth=(0.06, 0.08), height=(2.0, 2.1),
         materials=_PLAIN, rooms=(LIVING, BEDROOM, STUDY, HALL, BATH), family="wall tall"),
    Kind(name="painting", mount="wall", width=(0.6, 1.1), depth=(0.03, 0.05), height=(0.5, 0.8),
         materials=_PLAIN, rooms=(LIVING, BEDROOM, DINING, STUDY, HALL),
         family="wall", wall_height=(1.25, 1.45)),
    Kind(name="mirror", mount="wall", width=(0.5, 0.8), depth=(0.03, 0.05), height=(0.7, 1.0),
         materials=_PLAIN, rooms=(BEDROOM, HALL, BATH, LIVING), family="wall", wall_height=(1.1, 1.25)),
    Kind(name="clock", mount="wall", width=(0.42, 0.55), depth=(0.04, 0.06), height=(0.42, 0.55),
         materials=_PLAIN, rooms=(LIVING, DINING, STUDY, HALL), family="wall", wall_height=(1.6, 1.8), round=(0, 2)),
    Kind(name="television", mount="surface", width=(0.85, 1.1), depth=(0.14, 0.18), height=(0.55, 0.7),
         materials=("metal",), rooms=(LIVING, BEDROOM), family="small"),
    Kind(name="plant", mount="surface", width=(0.35, 0.5), depth=(0.35, 0.5), height=(0.6, 1.1),
         materials=("marble", "metal", "wood"), rooms=(LIVING, BEDROOM, DINING, STUDY, HALL, BATH),
         family="upright", also_floor=True, round=(0, 1)),
    Kind(name="vase", mount="surface", width=(0.2, 0.28), depth=(0.2, 0.28), height=(0.34, 0.48),
         materials=_TABLE, rooms=(LIVING, DINING, STUDY, BEDROOM, HALL),
         family="small", round=(0, 1)),
    Kind(name="ball", mount="surface", width=(0.26, 0.4), depth=(0.26, 0.4), height=(0.26, 0.4),
         materials=("leather", "fabric", "wood", "metal"), rooms=(LIVING, BEDROOM, STUDY, HALL),
         family="small", also_floor=True, round=(0, 1, 2)),
    Kind(name="basket", mount="floor", width=(0.35, 0.48), depth=(0.35, 0.48), height=(0.35, 0.5),
         materials=("wood", "fabric", "metal"), rooms=(LIVING, BEDROOM, BATH, HALL), family="upright", round=(0, 1)),
    Kind(name="bathtub", mount="floor", width=(1.55, 1.75), depth=(0.72, 0.82), height=(0.54, 0.62),
         materials=("marble", "metal"), rooms=(BATH,), family="bathroom", against_wall=True),
    Kind(name="sink", mount="floor", width=(0.55, 0.7), depth=(0.42, 0.5), height=(0.82, 0.9),
         materials=("marble", "metal", "glass"), rooms=(BATH,), family="bathroom", against_wall=True),
    Kind(name="toilet", mount="floor", width=(0.38, 0.42), depth=(0.62, 0.7), height=(0.75, 0.82),
         materials=("marble",), rooms=(BATH,), family="bathroom", against_wall=True),
    Kind(name="cushion", mount="surface", width=(0.42, 0.52), depth=(0.16, 0.22), height=(0.38, 0.46),
         materials=_SEAT, rooms=(LIVING, BEDROOM), family="cushion"),
    Kind(name="piano", mount="floor", width=(1.4, 1.5), depth=(0.58, 0.65), height=(1.15, 1.3),
         materials=("wood",), rooms=(LIVING, STUDY), family="large", against_wall=True),
)
# fmt: on

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
"""Every kind by name, reserved ones included."""

RESERVED_KINDS: tuple[str, ...] = ("piano",)
"""Kept out of all pocket training data, so that specialising to something unseen can be shown."""

TRAINED_KINDS: tuple[str, ...] = tuple(name for name in KINDS if name not in RESERVED_KINDS)
