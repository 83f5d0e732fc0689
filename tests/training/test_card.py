"""The model card: metadata that the hub reads, whatever stands in it, beside the prose."""

from dataclasses import replace

from huggingface_hub import ModelCard

from retouch.training.card import CardFacts, model_card

FACTS = CardFacts(
    title="A card: with a colon",
    summary="Edits.",
    data=["12 pairs: rooms", "- photographs, #2"],
    training={"optimiser steps": 7, "lora": None, "betas": (0.9, 0.99)},
    figures={"held-out error": 0.123456},
    licence="mit",
)


def test_the_head_is_valid_and_holds_the_facts() -> None:
    data = ModelCard(model_card(FACTS)).data
    assert (data.get("license"), data.get("library_name")) == ("mit", "diffusers")
    assert data.get("retouch")["data"] == FACTS.data
    assert data.get("retouch")["training"] == {"optimiser steps": 7, "lora": None, "betas": "(0.9, 0.99)"}
    (result,) = data.get("eval_results")
    assert (result.metric_type, result.metric_value) == ("held-out error", 0.1235)


def test_the_prose_holds_them_too() -> None:
    text = ModelCard(model_card(FACTS)).text
    assert text.startswith("# A card: with a colon\n\nEdits.\n\n## Data\n- 12 pairs: rooms\n")
    assert "- optimiser steps: 7\n" in text
    assert text.endswith("## Figures\n- held-out error: 0.1235\n")


def test_a_card_without_figures_names_no_results() -> None:
    card = model_card(CardFacts(title="A", summary="B", data=[], training={}))
    assert "model-index" not in card and "Figures" not in card and "model_name" not in card


def test_an_update_names_its_base() -> None:
    data = ModelCard(model_card(replace(FACTS, base="someone/editor"))).data
    assert data.get("base_model") == "someone/editor"
    assert "base_model" not in model_card(FACTS)
