"""What a caption names, and what can be asked for in vain."""

from random import Random

from retouch.datagen.generative.objects import absent_objects, mentioned
from retouch.datagen.generative.still import StillShares, still_edits

CAPTION = "A living room with two couches, a ceiling lamp and bookshelves"


def test_objects_are_known_by_any_of_their_nouns() -> None:
    sofa, lamp, shelf = mentioned(CAPTION)
    assert (sofa, lamp, shelf) == ({"sofa"}, {"pendant lamp"}, {"bookshelf"})
    assert mentioned("a bedroom with a doormat") == []
    assert len(mentioned("a lamp")) == 1
    assert not {"sofa", "pendant lamp", "bookshelf"} & {*absent_objects(CAPTION)}
    assert not {"floor lamp", "table lamp"} & {*absent_objects("a lamp")}
    assert {"television", "dining table"} <= {*absent_objects("A coffee table")}


def test_shares_are_probabilities() -> None:
    shares = StillShares(null=0.25, misleading=0.05)
    drawn = [list(still_edits(CAPTION, shares, Random(seed))) for seed in range(2000)]
    nulls = sum(still.kind == "null" for stills in drawn for still in stills)
    misleading = sum(still.kind == "misleading" for stills in drawn for still in stills)
    assert abs(nulls / 2000 - 0.25) < 0.03
    assert abs(misleading / (2000 * len(absent_objects(CAPTION))) - 0.05) < 0.005
    assert not list(still_edits(CAPTION, StillShares(), Random(0)))
