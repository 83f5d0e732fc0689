"""The model card written beside an exported checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from huggingface_hub import EvalResult, ModelCard, ModelCardData


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card states: title, what it is, data, how it was trained, and the last validation's figures.

    `base` is the hub id of the model that this one is an update of.
    """

    title: str
    summary: str
    data: Sequence[str]
    training: Mapping[str, object]
    figures: Mapping[str, float] = field(default_factory=dict)
    licence: str = "apache-2.0"
    library: str = "diffusers"
    task: str = "image-to-image"
    tags: Sequence[str] = ("image-editing", "instruct-pix2pix", "retouch")
    base: str | None = None


def model_card(facts: CardFacts) -> str:
    """Return the card in Markdown, with all of it but the prose as the hub's metadata at its head."""
    lines = [
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
    body = "\n".join(lines)
    return str(ModelCard(f"---\n{_metadata(facts).to_yaml()}\n---\n{body}\n"))


def _metadata(facts: CardFacts) -> ModelCardData:
    training = {name: _plain(value) for name, value in facts.training.items()}
    return ModelCardData(
        license=facts.licence,
        library_name=facts.library,
        pipeline_tag=facts.task,
        tags=list(facts.tags),
        base_model=facts.base,
        model_name=facts.title if facts.figures else None,
        eval_results=[_result(facts.task, name, value) for name, value in facts.figures.items()] or None,
        # Not one of the hub's own keys, which it keeps as they are.
        retouch={"data": list(facts.data), "training": training},
    )


def _result(task: str, name: str, value: float) -> EvalResult:
    return EvalResult(
        task_type=task,
        dataset_type="held-out",
        dataset_name="held-out records",
        metric_type=name,
        metric_value=float(f"{value:.4g}"),
    )


def _plain(value: object) -> object:
    """What YAML has a form of, or its text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
