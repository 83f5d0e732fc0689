"""A pipeline of diffusers called as its own documentation calls it, so that peers are measured by the same code."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from PIL import Image
from torch import nn

from retouch.conditioning.image import to_images, to_pixels
from retouch.core.errors import ModelError
from retouch.core.settings import EditSettings
from retouch.editing.device import choose_device, choose_precision
from retouch.evaluation.benchmark import Picture
from retouch.models.identity import fingerprint
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import find_model
from retouch.records.pair import JSON

_ARGUMENTS: Mapping[str, str] = {
    "steps": "num_inference_steps",
    "text_guidance": "guidance_scale",
    "image_guidance": "image_guidance_scale",
    "negative": "negative_prompt",
}
"""Our settings by the name of the pipeline's argument."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainPipeline:
    """A pipeline whose call takes `prompt` and `image`; what is not asked for is the pipeline's own default."""

    pipeline: Any
    source: str

    @classmethod
    def load(cls, source: str, *, device: str = "auto", precision: str = "auto") -> "PlainPipeline":
        """Load a folder in diffusers layout, `pocket` or a hub id by the class that it names.

        Raises ModelError where diffusers cannot load it or its call takes no picture and words.
        """
        from diffusers.pipelines.pipeline_utils import DiffusionPipeline

        where = choose_device(device)
        folder: Path = find_model(source)
        try:
            with quiet_libraries():
                pipeline = DiffusionPipeline.from_pretrained(
                    folder, dtype=choose_precision(precision, where), local_files_only=True
                ).to(where)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"diffusers cannot load '{source}' as a pipeline ({reason}); try it without it."
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        if not {"prompt", "image"} <= _taken(pipeline).keys():
            raise ModelError(f"'{source}' is a {type(pipeline).__name__}, whose call edits no picture by words.")
        return cls(pipeline=pipeline, source=source)

    @property
    def defaults(self) -> EditSettings:
        """The call's own settings; what it has no argument for stays open."""
        taken = _taken(self.pipeline)
        told = {name: taken.get(argument) for name, argument in _ARGUMENTS.items()}
        return EditSettings(
            steps=told["steps"], text_guidance=told["text_guidance"], image_guidance=told["image_guidance"]
        )

    def arguments(self, settings: EditSettings) -> dict[str, JSON]:
        """What the call is given, with the pipeline's own defaults where the settings are open."""
        taken = _taken(self.pipeline)
        asked = {argument: getattr(settings, name) for name, argument in _ARGUMENTS.items() if argument in taken}
        return {argument: taken[argument] if value is None else value for argument, value in asked.items()}

    def identity(self, settings: EditSettings) -> dict[str, JSON]:
        """See `Contestant`."""
        parts: dict[str, Any] = self.pipeline.components
        networks = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
        facts = {
            name: str(getattr(part, "config", type(part).__name__))
            for name, part in parts.items()
            if name == "scheduler"
        }
        return {
            "weights": fingerprint(networks, facts),
            "called": f"diffusers {version('diffusers')} {type(self.pipeline).__name__}",
            "settings": self.arguments(settings),
        }

    @torch.no_grad()
    def edit(self, image: Image.Image, instruction: str, seed: int, settings: EditSettings) -> Image.Image:
        """Call the pipeline on a picture as it is."""
        generator = torch.Generator().manual_seed(seed)
        with quiet_libraries():
            called = self.pipeline(prompt=instruction, image=image, generator=generator, **self.arguments(settings))
        return called.images[0]

    @torch.no_grad()
    def round_trip(self, picture: Picture) -> Picture:
        """The picture, (H, W, 3) uint8, through the pipeline's autoencoder and back where it is of the usual kind."""
        vae = getattr(self.pipeline, "vae", None)
        if not isinstance(vae, AutoencoderKL) or any(
            side % self.pipeline.vae_scale_factor for side in picture.shape[:2]
        ):
            return picture
        pixels = to_pixels([Image.fromarray(picture)]).to(vae.device, vae.dtype)
        latents: Any = vae.encode(pixels, return_dict=False)[0].mode()
        return np.array(to_images(vae.decode(latents, return_dict=False)[0])[0])


def _taken(pipeline: Any) -> dict[str, Any]:
    """The arguments of the call with their defaults."""
    return {name: one.default for name, one in inspect.signature(type(pipeline).__call__).parameters.items()}
