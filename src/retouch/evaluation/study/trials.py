"""Which comparisons a study shows, in which order and on which sides, all by one seed."""

from collections.abc import Sequence
from random import Random

from retouch.core.seeds import derive_seed
from retouch.evaluation.benchmark import BenchCase
from retouch.evaluation.study.values import Side, Trial

_SWAPPED: dict[Side, Side] = {"a": "b", "b": "a"}


def make_trials(cases: Sequence[BenchCase], *, checks: int, seed: int) -> tuple[Trial, ...]:
    """A trial for each case in random order, A as often left as right, and checks of attention among the later ones.

    Args:
        cases: at least one.
        checks: how many identical pairs, and how many repeated ones with the sides changed, at most one of each a case.
        seed: of order, sides and codes.
    """
    generator = Random(derive_seed(seed, "study"))
    order = generator.sample(range(len(cases)), len(cases))
    sides: list[Side] = ["a" if number % 2 else "b" for number in range(len(cases))]
    generator.shuffle(sides)
    plain = [_trial(cases[place], sides[place], generator) for place in order]
    count = min(checks, len(plain))
    half = len(plain) // 2
    # A case comes back only after at least half of all others, so that it is not simply remembered.
    repeated = [(half + place, _flipped(plain[place], generator)) for place in generator.sample(range(count), count)]
    same = [(generator.randrange(len(plain) + 1), _identical(plain[place], generator))
            for place in generator.sample(range(len(plain)), count)]  # fmt: skip
    shown = list(plain)
    for place, trial in sorted([*repeated, *same], key=lambda each: -each[0]):
        shown.insert(place, trial)
    return tuple(shown)


def _trial(case: BenchCase, left: Side, generator: Random) -> Trial:
    return Trial(code=_code(generator), case=case.id, kind=case.kind, left=left, right=_SWAPPED[left])


def _flipped(trial: Trial, generator: Random) -> Trial:
    return Trial(
        code=_code(generator), case=trial.case, kind=trial.kind, left=trial.right, right=trial.left, check="flipped"
    )


def _identical(trial: Trial, generator: Random) -> Trial:
    side: Side = generator.choice(("a", "b"))
    return Trial(code=_code(generator), case=trial.case, kind=trial.kind, left=side, right=side, check="identical")


def _code(generator: Random) -> str:
    return f"{generator.getrandbits(48):012x}"
