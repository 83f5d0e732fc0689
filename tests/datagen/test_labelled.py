"""Instructions with labels: what they say is what their edits are, and they repeat."""

from retouch.datagen.labelled import photo_instructions, room_instructions


def test_labels_say_what_the_instruction_says() -> None:
    texts = list(room_instructions(400, seed=0))
    assert len(texts) == 400
    kinds = {label for text in texts for label in text.labels if label.startswith("kind=")}
    assert {"kind=recolour", "kind=remove", "kind=compound", "kind=null", "kind=walls"} <= kinds
    for text in texts:
        if text.labels[:1] == ("kind=recolour",) and "green" in text.text.lower().split():
            assert "said=green" in text.labels
    red = [text for text in texts if "kind=remove" in text.labels and "sofa" in text.text.lower()]
    assert all("object=sofa" in text.labels or "kind=compound" in text.labels for text in red)


def test_splits_and_seeds_differ_and_repeat() -> None:
    first = list(room_instructions(60, seed=0))
    assert first == list(room_instructions(60, seed=0))
    assert first != list(room_instructions(60, seed=1))
    assert first != list(room_instructions(60, seed=0, split="validation"))


def test_photographs_have_looks_and_garments() -> None:
    texts = list(photo_instructions(200, seed=0))
    assert texts == list(photo_instructions(200, seed=0))
    aspects = {label.partition("=")[0] for text in texts for label in text.labels}
    assert {"kind", "look", "object", "colour", "pattern"} <= aspects
    assert all(text.labels for text in texts)
