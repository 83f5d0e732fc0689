"""Put an editor on the bench: itself, and beside it the source, the round trip and an untrained model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from retouch.conditioning.image import reconstruct, to_images, to_pixels
from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.evaluation.contestants import Edits, ReturnsSource, RoundTrip
from retouch.evaluation.report import Summary
from retouch.evaluation.run import Contestant, Progress, evaluate
from retouch.metrics.clip import load_encoder
from retouch.metrics.material import WEIGHTS, MaterialJudge
from retouch.models.checkpoint import Checkpoint

UNTRAINED_LIMIT = 40
"""Records put to the untrained model: its figures are near zero, its cost is the model's."""


def evaluate_editor(
    editor: Editor,
    pairs: Path,
    out: Path,
    *,
    settings: EditSettings | None = None,
    limit: int | None = None,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Summary:
    """Judge `editor` and its three baselines on the bench records in `pairs`; see `evaluation.run.evaluate`.

    `settings` override the model's own, but for the seed. The pocket CLIP judges additions and replacements.
    """
    round_trip = round_trip_of(editor.checkpoint)
    untrained = Editor(_untrained(editor.checkpoint))
    chosen = settings or EditSettings()
    contestants: list[Contestant] = [
        ReturnsSource(),
        RoundTrip(round_trip),
        Edits("untrained", _edit(untrained, chosen), limit=UNTRAINED_LIMIT),
        Edits("model", _edit(editor, chosen)),
    ]
    return evaluate(
        contestants,
        pairs,
        out,
        round_trip=round_trip,
        materials=MaterialJudge.load() if WEIGHTS.is_file() else None,
        encoder=load_encoder("pocket/clip"),
        limit=limit,
        seed=seed,
        on_progress=on_progress,
        cancelled=cancelled,
    )


def _edit(editor: Editor, settings: EditSettings) -> Callable[[Image.Image, str, int], Image.Image]:
    def edit(image: Image.Image, instruction: str, seed: int) -> Image.Image:
        return editor.edit(image, instruction, settings=replace(settings, seed=seed)).image

    return edit


def round_trip_of(checkpoint: Checkpoint) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """What takes a picture, (H, W, 3) uint8, through a model's autoencoder and back."""

    def round_trip(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.array(to_images(reconstruct(checkpoint, to_pixels([Image.fromarray(picture)])))[0])

    return round_trip


def _untrained(checkpoint: Checkpoint) -> Checkpoint:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = cast(UNet2DConditionModel, UNet2DConditionModel.from_config(dict(checkpoint.unet.config)))
    nn.Module.to(unet, checkpoint.device, checkpoint.dtype)
    return replace(checkpoint, unet=unet.eval().requires_grad_(False))
