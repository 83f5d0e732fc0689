"""Builds any object of the catalogue from parts."""

from functools import cache

import numpy as np

from retouch.scenes.catalogue import KINDS
from retouch.scenes.objects import bathroom, beds, decor, lamps, pictures, plants, seats, storage, tables, wall
from retouch.scenes.objects.craft import Builder, Design
from retouch.scenes.palette import COLOURS
from retouch.scenes.parts import Finish, Part, by_finish, fitted
from retouch.scenes.room import Placed


@cache
def builders() -> dict[str, Builder]:
    """Return the builder of every kind."""
    families = (seats, tables, storage, beds, lamps, wall, pictures, bathroom, decor, plants)
    return {kind: builder for family in families for kind, builder in family.BUILDERS.items()}


def build(placed: Placed) -> tuple[Part, ...]:
    """Return the parts of an object in its own frame (see `Placed`), filling `placed.size` exactly.

    The shape follows from kind, size and variant alone; colour and material change finishes only, so a
    recoloured object is the same object. Parts of equal finish are joined. Raises KeyError for an
    unknown kind or colour.
    """
    width, depth, height = placed.size
    main = Finish(material=placed.material, colour=COLOURS[placed.colour])
    design = Design(size=placed.size, main=main, random=np.random.default_rng(placed.variant))
    parts = by_finish(builders()[placed.kind](design))
    mount = KINDS[placed.kind].mount
    back = 0.0 if mount == "wall" else depth / 2
    top = 0.0 if mount == "ceiling" else height
    return fitted(parts, (-width / 2, back - depth, top - height), (width / 2, back, top))
