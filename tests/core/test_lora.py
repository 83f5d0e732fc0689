"""How a LoRA is named: a file, a scale, and nothing of this machine in its label."""

import pytest

from retouch.core.errors import SettingsError
from retouch.core.lora import Lora, parse_lora


@pytest.mark.parametrize(
    ("text", "source", "scale"),
    [
        ("style.safetensors", "style.safetensors", 1.0),
        ("style.safetensors:0.8", "style.safetensors", 0.8),
        ("runs/a:b/style:-1", "runs/a:b/style", -1.0),
        ("C:\\models\\style.safetensors", "C:\\models\\style.safetensors", 1.0),
    ],
)
def test_a_scale_follows_the_last_colon(text: str, source: str, scale: float) -> None:
    assert parse_lora(text) == Lora(source=source, scale=scale)


def test_the_label_names_it_again() -> None:
    lora = Lora(source="/home/somebody/style.safetensors", scale=0.123456789)
    assert lora.label == "style.safetensors:0.123456789"
    assert parse_lora(lora.label).scale == lora.scale


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "names no file"), (":1", "names no file"), ("a:nan", "is nan"), ("a:11", "from -10 to 10")],
)
def test_nonsense_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_lora(text)
