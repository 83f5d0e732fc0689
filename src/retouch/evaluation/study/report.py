"""What a study found, as a page of Markdown and for programs."""

from dataclasses import asdict

from retouch.evaluation.study.count import Attention, Counted, Tally


def study_markdown(found: Counted) -> str:
    """Wins by kind, agreement, and raters; every question in a table of its own."""
    lines = [f"# {found.a} (A) against {found.b} (B)", ""]
    for agreement in found.agreements:
        lines += [f"## {agreement.question}", "", *_wins(found, agreement.question), ""]
        if agreement.raters > 1:
            lines += [
                f"Agreement of {agreement.raters} raters beyond chance: Fleiss' kappa {_figure(agreement.fleiss)}, "
                f"Cohen's in the mean over pairs {_figure(agreement.cohen)}.",
                "",
            ]
    lines += [
        "A case goes to the side that more of its votes prefer; the win rate is A's share of the cases decided, with "
        "Wilson's 95% interval, and p is the sign test's over cases.",
        "",
        *_raters(found),
    ]
    return "\n".join(lines) + "\n"


def study_facts(found: Counted) -> dict[str, object]:
    """The same for programs."""
    return asdict(found)


def _wins(found: Counted, question: str) -> list[str]:
    own = [tally for tally in found.tallies if tally.question == question]
    rows = [_row(tally) for tally in own if tally.kind == "all" or sum(tally.votes)]
    return ["| edit | cases A | cases B | even | win rate of A | p | votes A / B / neither |",
            "|---|---|---|---|---|---|---|", *rows]  # fmt: skip


def _row(tally: Tally) -> str:
    rate = tally.rate
    share = "–" if rate.value is None else f"{rate.value:.0%} ({rate.low:.0%} … {rate.high:.0%})"
    votes = " / ".join(map(str, tally.votes))
    return f"| {tally.kind} | {tally.a} | {tally.b} | {tally.even} | {share} | {tally.p:.3f} | {votes} |"


def _raters(found: Counted) -> list[str]:
    head = [
        "| rater | votes | seconds a vote | identical pairs seen as such | repeated pairs answered alike | counted |",
        "|---|---|---|---|---|---|",
    ]
    return [*head, *(_rater(rater) for rater in found.raters)]


def _rater(rater: Attention) -> str:
    # A name is whatever a person typed.
    name = rater.rater.replace("|", "/").replace("\n", " ")
    checks = " | ".join(f"{passed} of {of}" for passed, of in (rater.identical, rater.flipped))
    told = f"{rater.votes} of {rater.trials}"
    return f"| {name} | {told} | {rater.seconds:.1f} | {checks} | {'yes' if rater.counted else 'no'} |"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
