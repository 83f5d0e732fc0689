"""The report as one HTML page that needs nothing else: sections in the order in which one asks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from retouch.core.markup import Markup, tag
from retouch.core.page import document, section
from retouch.datagen.report.cards import REASONS, Places, cards
from retouch.datagen.report.figures import bars, histogram, legend
from retouch.datagen.report.survey import Specimen, Survey

_STYLE = Path(__file__).with_name("report.css")
_TITLES: Mapping[str, tuple[str, str]] = {
    "image-image": ("Source and target", "How alike the two pictures are."),
    "caption-source": ("Source and its caption", "Whether the source shows what its caption says."),
    "caption-target": ("Target and its caption", "Whether the target shows what its caption says."),
    "directional": ("Direction", "Whether the pictures change as the captions do; null edits are not asked."),
    "change": ("Change", "Mean difference of the two pictures, as a part of the whole range."),
    "duplicate-distance": ("Distance to a kept pair", "Bits of 64 in which the nearest fingerprints differ."),
}
_SIDES = {"kept": "kept", "rejected": "turned down"}


def page(survey: Survey, pictures: Mapping[Places, tuple[str, str]], *, title: str) -> str:
    """The whole document. Every text of the records is escaped."""
    body = [
        _header(survey, title),
        _reasons(survey),
        _kinds(survey),
        _scores(survey),
        _sheet("Kept", "Some of each kind of edit.", survey.kept, pictures),
        _sheet("On the border", "The nearest to the thresholds, from above and below.", survey.borderline, pictures),
        _sheet("Turned down", "Some for each reason.", survey.rejected, pictures),
        _language(survey),
        _footer(survey),
    ]
    return document(body, title=f"{title}: pairs", style=_STYLE.read_text(encoding="utf-8"))


def _header(survey: Survey, title: str) -> Markup:
    kept, rejected = survey.sides["kept"], survey.sides["rejected"]
    figures = [(f"{survey.pairs:,}", "pairs")]
    if survey.criteria:
        share = f"{100 * kept / max(1, survey.pairs):.0f}%"
        figures = [(f"{kept:,}", "kept"), (share, "of all"), (f"{rejected:,}", "turned down")]
    figures += [(str(len(survey.kinds)), "kinds of edit" if len(survey.kinds) != 1 else "kind of edit")]
    shown = [tag("div", tag("dd", value), tag("dt", name)) for value, name in figures]
    return tag(
        "header",
        tag("p", f"Pairs made by {survey.engine}", class_="over"),
        tag("h1", title),
        tag("dl", *shown, class_="figures"),
        _splits(survey),
    )


def _splits(survey: Survey) -> Markup:
    parts = []
    for split, (kept, rejected) in survey.splits.items():
        more = f" and {rejected:,} turned down" if rejected else ""
        parts.append(tag("span", tag("b", split), f" {kept:,} kept{more}" if survey.criteria else f" {kept:,}"))
    return tag("p", *parts, class_="splits")


def _reasons(survey: Survey) -> Markup | None:
    rows = {REASONS.get(reason, reason): (0, count) for reason, count in survey.reasons.items()}
    skipped = {f"Left out at import: {reason}": (0, count) for reason, count in survey.skipped.items()}
    if not rows and not skipped:
        return None
    return section(
        "Why pairs were turned down",
        "Each pair is counted by the first thing that it fails.",
        bars({**rows, **skipped}, counted="rejected"),
    )


def _kinds(survey: Survey) -> Markup:
    lead = (
        "The share of each kind of edit that was kept." if survey.criteria else "How many pairs of each kind of edit."
    )
    shown = bars(survey.kinds, share=bool(survey.criteria))
    return section("Kinds of edit", lead, legend(_SIDES) if survey.criteria else None, shown)


def _scores(survey: Survey) -> Markup | None:
    if not survey.scores:
        return None
    least = survey.criteria.least() if survey.criteria else {}
    ordered = [*(name for name in least if name in survey.scores), *sorted(survey.scores.keys() - least.keys())]
    plots = [_plot(survey, protocol, least.get(protocol)) for protocol in ordered]
    lead = "How many pairs have which score. Figures of different protocols cannot be compared."
    return section("Scores", lead, legend(_SIDES) if survey.criteria else None, tag("div", *plots, class_="plots"))


def _plot(survey: Survey, protocol: str, least: float | None) -> Markup:
    name = protocol.split("/")[1] if protocol.startswith("pair/") else protocol
    title, what = _TITLES.get(name, (name, ""))
    values = survey.scores[protocol]
    drawn = histogram(values["kept"], values["rejected"], least=least, label=f"Histogram of {title}")
    return tag(
        "figure", tag("h3", title), tag("p", what) if what else None, drawn, tag("code", protocol), class_="plot"
    )


def _sheet(
    title: str, lead: str, specimens: Sequence[Specimen], pictures: Mapping[Places, tuple[str, str]]
) -> Markup | None:
    return section(title, lead, cards(specimens, pictures)) if specimens else None


def _language(survey: Survey) -> Markup:
    lengths = [length for length, count in survey.lengths.items() for _ in range(count)]
    mean = sum(lengths) / max(1, len(lengths))
    drawn = histogram(lengths, (), least=None, label="Histogram of the number of words", whole=True)
    length = tag("figure", tag("h3", "Length"), tag("p", f"Words in an instruction; {mean:.1f} on average."), drawn)
    words = bars({word: (count, 0) for word, count in survey.words.items()})
    used = tag(
        "div", tag("h3", "Most used words"), tag("p", "Without articles and prepositions."), words, class_="used"
    )
    return section("Instructions", "All pairs, kept and turned down.", tag("div", length, used, class_="language"))


def _footer(survey: Survey) -> Markup:
    lines = ["The pairs were not filtered."]
    if survey.criteria:
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in survey.criteria.settings().items())
        lines = [f"Filtered with {told}."]
    return tag("footer", *(tag("p", line) for line in lines), tag("p", "Made by retouch data report."))
