"""Which settings no other one beats, and which of them is suggested."""

from collections.abc import Sequence

from retouch.evaluation.calibration.values import Point, Setting

RULE = (
    "of the settings that were in every round and keep the rest at least as well as the defaults, the one that follows "
    "best; of equals the one that keeps more, then the one of fewer steps"
)


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is nowhere worse and somewhere better."""
    nowhere_worse = one.follows >= other.follows and one.keeps >= other.keeps
    return nowhere_worse and (one.follows > other.follows or one.keeps > other.keeps)


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that none dominates, from the one that keeps most to the one that follows best."""
    best = [point for point in points if not any(dominates(other, point) for other in points)]
    return tuple(sorted(best, key=lambda point: (point.follows, -point.keeps)))


def survivors(points: Sequence[Point], count: int, *, always: Setting) -> tuple[Setting, ...]:
    """The `count` best settings, front by front, within a front those that follow best; `always` is among them."""
    ordered: list[Point] = []
    left = list(points)
    while left:
        best = front(left)
        ordered += sorted(best, key=lambda point: -point.follows)
        left = [point for point in left if point not in best]
    others = [point.setting for point in ordered if point.setting != always]
    return (always, *others[: count - 1])


def suggest(points: Sequence[Point], default: Setting, *, may_lose: float = 0.0) -> Setting:
    """The setting suggested by `RULE`, where `may_lose` is given up of what the defaults keep; maybe the default.

    Args:
        points: every setting, the default among them.
        default: the model's own.
        may_lose: in the unit of `keeps`, from 0 on.
    """
    through = max(point.rounds for point in points)
    own = next(point for point in points if point.setting == default)
    allowed = [point for point in points if point.rounds == through and point.keeps >= own.keeps - may_lose]
    best = max([own, *allowed], key=lambda point: (point.follows, point.keeps, -point.setting.steps))
    return best.setting if best.follows > own.follows or dominates(best, own) else default
