"""The model card written beside an exported checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card states: title, what it is, data, how it was trained, and measured figures with their command."""

    title: str
    summary: str
    data: Sequence[str]
    training: Mapping[str, object]
    figures: Mapping[str, float] = field(default_factory=dict)
    licence: str = "apache-2.0"
    library: str = "diffusers"
    tags: Sequence[str] = ("image-editing", "instruct-pix2pix", "retouch")


def model_card(facts: CardFacts) -> str:
    """Return the card in Markdown, with the hub's metadata at its head."""
    lines = [
        "---",
        f"license: {facts.licence}",
        f"library_name: {facts.library}",
        f"tags: [{', '.join(facts.tags)}]",
        "---",
        f"# {facts.title}",
        "",
        facts.summary,
        "",
        "## Data",
        *(f"- {line}" for line in facts.data),
        "",
        "## Training",
        *(f"- {name}: {value}" for name, value in facts.training.items()),
    ]
    if facts.figures:
        lines += ["", "## Figures", *(f"- {name}: {value:.4g}" for name, value in facts.figures.items())]
    return "\n".join(lines) + "\n"
