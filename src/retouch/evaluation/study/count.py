"""From votes and the key to win rates by kind, agreement of raters, and how attentive each was."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean, median
from typing import Literal

from retouch.core.errors import DataError
from retouch.evaluation.study.agreement import Share, cohen_kappa, fleiss_kappa, sign_test, wilson
from retouch.evaluation.study.values import Ballot, Choice, Key, Trial

Answer = Literal["a", "b", "same"]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """One question over the cases of one kind, or of all.

    a, b, even: cases that more votes prefer A in, B in, or neither; a case is the unit, however many rated it.
    rate: of A among the cases decided. p: by the sign test over cases. votes: for A, for B, for neither.
    """

    question: str
    kind: str
    a: int
    b: int
    even: int
    rate: Share
    p: float
    votes: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Beyond chance, on one question: Fleiss' kappa of all raters, Cohen's in the mean over pairs; None if unknown."""

    question: str
    raters: int
    fleiss: float | None
    cohen: float | None


@dataclass(frozen=True, kw_only=True)
class Attention:
    """One rater: votes on how many of the trials, seconds a vote, and checks passed of those answered."""

    rater: str
    votes: int
    trials: int
    seconds: float
    identical: tuple[int, int]
    flipped: tuple[int, int]
    counted: bool

    @property
    def passed(self) -> float:
        """The share of checks passed; 1 where there was none."""
        of = self.identical[1] + self.flipped[1]
        return (self.identical[0] + self.flipped[0]) / of if of else 1.0


@dataclass(frozen=True, kw_only=True)
class Counted:
    """All that votes say."""

    a: str
    b: str
    tallies: tuple[Tally, ...]
    agreements: tuple[Agreement, ...]
    raters: tuple[Attention, ...]


def count_votes(key: Key, ballots: Sequence[Ballot], *, least_attention: float = 0.0) -> Counted:
    """Count votes; a rater who passed a smaller share of the checks than `least_attention` is reported, not counted.

    Of several files of one rater the fullest counts; a trial voted on twice counts as last voted.

    Raises:
        DataError: there are no votes, or some are of another study.
    """
    answers = {ballot.rater: _answers(key, ballot) for ballot in _one_each(key, ballots)}
    named = _names(ballots)
    judged = [
        _attention(key, named[rater], found, seconds=_seconds(ballots, rater), least=least_attention)
        for rater, found in answers.items()
    ]
    kept = [found for found, rater in zip(answers.values(), judged, strict=True) if rater.counted]
    kinds = ["all", *sorted({trial.kind for trial in key.trials})]
    plain = [trial for trial in key.trials if not trial.check]
    return Counted(
        a=key.a,
        b=key.b,
        tallies=tuple(
            _tally(kept, [trial for trial in plain if kind in ("all", trial.kind)], kind, number, question)
            for number, question in enumerate(key.questions)
            for kind in kinds
        ),
        agreements=tuple(_agreement(kept, plain, number, text) for number, text in enumerate(key.questions)),
        raters=tuple(judged),
    )


_Answers = Mapping[tuple[str, int], Answer]
"""By trial's code and question."""


def _one_each(key: Key, ballots: Sequence[Ballot]) -> list[Ballot]:
    fullest: dict[str, Ballot] = {}
    for ballot in ballots:
        if ballot.study != key.study:
            raise DataError(
                f"The votes of '{ballot.name or ballot.rater}' are of the study {ballot.study}, the key is of "
                f"{key.study}; give the key that was made with their page."
            )
        known = fullest.get(ballot.rater)
        if known is None or len(ballot.votes) >= len(known.votes):
            fullest[ballot.rater] = ballot
    if not any(ballot.votes for ballot in fullest.values()):
        raise DataError("There is no vote in these files; let somebody choose first.")
    return list(fullest.values())


def _answers(key: Key, ballot: Ballot) -> _Answers:
    trials = {trial.code: trial for trial in key.trials}
    found: dict[tuple[str, int], Answer] = {}
    for vote in ballot.votes:
        if vote.code not in trials or vote.question >= len(key.questions):
            raise DataError(
                f"'{ballot.name or ballot.rater}' voted on trial {vote.code}, question {vote.question}, which the key "
                "lacks; give the key that was made with their page."
            )
        found[vote.code, vote.question] = _answer(trials[vote.code], vote.choice)
    return found


def _answer(trial: Trial, choice: Choice) -> Answer:
    return "same" if choice == "same" else trial.left if choice == "left" else trial.right


def _tally(raters: Sequence[_Answers], trials: Sequence[Trial], kind: str, number: int, question: str) -> Tally:
    cases = [_said(raters, trial, number) for trial in trials]
    leads = [said.count("a") - said.count("b") for said in cases if said]
    won, lost = sum(lead > 0 for lead in leads), sum(lead < 0 for lead in leads)
    every = [answer for said in cases for answer in said]
    return Tally(
        question=question,
        kind=kind,
        a=won,
        b=lost,
        even=len(leads) - won - lost,
        rate=wilson(won, won + lost),
        p=sign_test(won, lost),
        votes=(every.count("a"), every.count("b"), every.count("same")),
    )


def _said(raters: Iterable[_Answers], trial: Trial, number: int) -> list[Answer]:
    return [found[trial.code, number] for found in raters if (trial.code, number) in found]


def _agreement(raters: Sequence[_Answers], trials: Sequence[Trial], number: int, question: str) -> Agreement:
    pairs = []
    for one, other in combinations(raters, 2):
        both = [(t.code, number) for t in trials if (t.code, number) in one and (t.code, number) in other]
        pairs.append(cohen_kappa([one[place] for place in both], [other[place] for place in both]))
    known = [kappa for kappa in pairs if kappa is not None]
    return Agreement(
        question=question,
        raters=len(raters),
        fleiss=fleiss_kappa([_said(raters, trial, number) for trial in trials]),
        cohen=fmean(known) if known else None,
    )


def _attention(key: Key, name: str, found: _Answers, *, seconds: float, least: float) -> Attention:
    first = {trial.case: trial.code for trial in key.trials if not trial.check}
    checks = {"identical": [0, 0], "flipped": [0, 0]}
    for trial in key.trials:
        for number in range(len(key.questions)):
            answer = found.get((trial.code, number))
            if not trial.check or answer is None:
                continue
            expected = "same" if trial.check == "identical" else found.get((first[trial.case], number))
            if expected is not None:
                checks[trial.check][0] += answer == expected
                checks[trial.check][1] += 1
    judged = Attention(
        rater=name,
        votes=len(found),
        trials=len(key.trials) * len(key.questions),
        seconds=seconds,
        identical=(checks["identical"][0], checks["identical"][1]),
        flipped=(checks["flipped"][0], checks["flipped"][1]),
        counted=True,
    )
    return judged if judged.passed >= least else replace(judged, counted=False)


def _names(ballots: Sequence[Ballot]) -> dict[str, str]:
    """What each rater is called: the name given, with the rater's own digits where another one has it too."""
    given = {ballot.rater: ballot.name.strip() for ballot in ballots}
    called = list(given.values())
    return {
        rater: name if name and called.count(name) == 1 else f"{name} {rater[:6]}".strip()
        for rater, name in given.items()
    }


def _seconds(ballots: Sequence[Ballot], rater: str) -> float:
    times = [vote.seconds for ballot in ballots if ballot.rater == rater for vote in ballot.votes]
    return median(times) if times else 0.0
