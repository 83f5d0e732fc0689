"""A text-to-image model as the start of an editor."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Generator

from retouch.core.errors import ModelError
from retouch.models.load import load
from retouch.models.save import save
from retouch.models.spec import PUBLISHED
from retouch.models.widen import as_editor

if TYPE_CHECKING:
    from pathlib import Path

    from retouch.models.checkpoint import Checkpoint

SPEC = PUBLISHED["instruct"]


def predict(checkpoint: "Checkpoint", latents: torch.Tensor) -> torch.Tensor:
    context = torch.randn(1, 5, 16, generator=Generator().manual_seed(1))
    with torch.no_grad():
        return checkpoint.unet(latents, torch.tensor(300), context, return_dict=False)[0]


def test_it_begins_by_predicting_what_the_start_does(make_tiny: Callable[..., "Checkpoint"], tmp_path: "Path") -> None:
    start = make_tiny(kind="generate")
    start.unet.conv_in.bias.data.fill_(0.5)  # pyright: ignore[reportOptionalMemberAccess]
    editor = as_editor(start, SPEC)
    latents, source = torch.randn(2, 1, 4, 8, 8, generator=Generator().manual_seed(0))
    torch.testing.assert_close(predict(editor, torch.cat([latents, source], dim=1)), predict(start, latents))
    assert start.kind == "generate"
    assert editor.kind == "instruct"
    assert load(save(editor, tmp_path / "editor")).kind == "instruct"


def test_an_editor_keeps_its_weights(make_tiny: Callable[..., "Checkpoint"]) -> None:
    start = make_tiny()
    assert as_editor(start, SPEC).unet is start.unet


def test_other_kinds_are_refused(make_tiny: Callable[..., "Checkpoint"]) -> None:
    with pytest.raises(ModelError, match="9 channels"):
        as_editor(make_tiny(kind="inpaint"), SPEC)
    with pytest.raises(ModelError, match="kind 'inpaint'"):
        as_editor(make_tiny(), PUBLISHED["inpaint"])
