"""English words that say nothing of what an edit is about."""

_LINES = (
    "a an the this that these those some any each every no not",
    "i me my we us our you your he him his she her it its they them their what which who whose",
    "is are am was were be been being do does did done have has had having",
    "can could will would shall should may might must",
    "and or but nor so if then than as because while until",
    "of at by for with about against between into through during before after to from",
    "up down in out on off over under onto",
    "here there when where why how all both few more most other such only own same too very just now please let's let",
)

STOP_WORDS = frozenset(word for line in _LINES for word in line.split())
"""In small letters, without marks."""

_VERBS = (
    "make turn change convert transform switch set give let have want need see show like",
    "add put place insert include bring hang lay stand install introduce get use try go",
    "remove delete erase take clear drop lose throw rid replace swap exchange substitute",
    "paint repaint color colour recolor recolour dye tint cover redo refinish upholster render please could",
)

EDIT_VERBS = frozenset(word for line in _VERBS for word in line.split())
"""Words of an instruction that say what is done, not to what, in small letters, without marks."""
