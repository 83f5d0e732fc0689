"""The seeds of rooms: three ranges, fixed for good, so that no split ever shows another's rooms."""

from retouch.core.errors import DataError

SCENE_RANGES: dict[str, range] = {
    "train": range(0, 2**30),
    "validation": range(2**30, 2**30 + 2**28),
    "bench": range(2**30 + 2**28, 2**30 + 2**29),
}
"""Which seeds belong to which split; all fit in 31 bits."""


def scene_seeds(split: str, count: int, start: int = 0) -> range:
    """The `count` seeds of a split from its `start`-th on.

    Raises DataError for an unknown split or a part outside the split's range.
    """
    if split not in SCENE_RANGES:
        raise DataError(f"There is no split {split!r}; use one of {', '.join(SCENE_RANGES)}.")
    seeds = SCENE_RANGES[split]
    if count < 0 or not 0 <= start <= len(seeds) - count:
        raise DataError(
            f"The split {split!r} has {len(seeds)} scenes, but {count} from {start} on were asked for; "
            "ask for fewer or start earlier."
        )
    return seeds[start : start + count]
