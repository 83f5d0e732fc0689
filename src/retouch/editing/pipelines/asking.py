"""What each class of pipeline is called with beside what all are, and how its latents become pixels."""

import math
from typing import Any

from PIL import Image
from torch import Tensor

from retouch.core.errors import SettingsError
from retouch.editing.pipelines.family import Arguments, Ask
from retouch.models import klein, qwen_image

FLUX2_LEAST = 64
"""Pixels of a shorter side below which FLUX.2 refuses a picture."""


def ask_flux2(pipeline: Any, ask: Ask) -> Arguments:
    """FLUX.2 klein: the picture is the first of its references; with a region it takes one more of its own."""
    del pipeline
    references = [_enlarged(each, FLUX2_LEAST) for each in ask.references]
    if ask.mask is None:
        return {"image": [ask.picture, *references], **_size(ask)}
    return {"image": ask.picture, "image_reference": references[0] if references else None, **_size(ask)}


def ask_kontext(pipeline: Any, ask: Ask) -> Arguments:
    """FLUX.1 Kontext, kept from choosing a size of its own."""
    del pipeline
    width, height = ask.picture.size
    shown = {"image": ask.picture} if ask.mask is None else {"image": ask.picture, "image_reference": _one(ask)}
    return {**shown, **_size(ask), "max_area": width * height, "_auto_resize": False}


def ask_qwen(pipeline: Any, ask: Ask) -> Arguments:
    """Qwen-Image-Edit; its guidance acts only where there is a negative text, be it a space."""
    del pipeline
    return {"image": ask.picture, "negative_prompt": ask.settings.negative or " ", **_size(ask)}


def ask_qwen_plus(pipeline: Any, ask: Ask) -> Arguments:
    """Qwen-Image-Edit-2509 and later: several pictures, of which the first is edited."""
    return {**ask_qwen(pipeline, ask), "image": [ask.picture, *ask.references]}


def ask_longcat(pipeline: Any, ask: Ask) -> Arguments:
    """LongCat-Image-Edit, which has no argument for sizes; raises SettingsError for a text that it cannot read."""
    for text in (ask.instruction, ask.settings.negative or ""):
        count = len(pipeline.tokenizer(text, add_special_tokens=False)["input_ids"])
        if count > pipeline.tokenizer_max_length:
            raise SettingsError(
                f"The text has {count} tokens; the model reads {pipeline.tokenizer_max_length} at the most; shorten it."
            )
    return {"image": ask.picture, "negative_prompt": ask.settings.negative or ""}


def ask_sdxl(pipeline: Any, ask: Ask) -> Arguments:
    """InstructPix2Pix over Stable Diffusion XL, and CosXL, to which an empty negative text is not none."""
    del pipeline
    return {"image": ask.picture, "negative_prompt": ask.settings.negative or None, **_size(ask)}


def decode_flux2(pipeline: Any, latents: Tensor, size: tuple[int, int]) -> Tensor:
    """Latents (B, N, C) in rows of patches, normalised by the autoencoder's own statistics."""
    cell = pipeline.vae_scale_factor * klein.PATCH
    grid = latents.unflatten(1, (size[1] // cell, size[0] // cell)).permute(0, 3, 1, 2)
    return klein.decode_cells(pipeline.vae, grid)


def decode_flux(pipeline: Any, latents: Tensor, size: tuple[int, int]) -> Tensor:
    """Latents (B, N, C) in rows of patches, as FLUX.1 and LongCat have them."""
    vae = pipeline.vae
    unpacked = pipeline._unpack_latents(latents, size[1], size[0], pipeline.vae_scale_factor).to(vae.dtype)
    return vae.decode(unpacked / vae.config.scaling_factor + vae.config.shift_factor, return_dict=False)[0]


def decode_qwen(pipeline: Any, latents: Tensor, size: tuple[int, int]) -> Tensor:
    """Latents (B, N, C) in rows of patches, for an autoencoder of films whose first frame is the picture."""
    vae = pipeline.vae
    unpacked = pipeline._unpack_latents(latents, size[1], size[0], pipeline.vae_scale_factor).to(vae.dtype)
    return qwen_image.decode_frame(vae, unpacked[:, :, 0])


def decode_sdxl(pipeline: Any, latents: Tensor, size: tuple[int, int]) -> Tensor:
    """Latents (B, 4, h, w)."""
    del size
    vae = pipeline.vae
    return vae.decode((latents / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0]


def _size(ask: Ask) -> Arguments:
    return {"width": ask.picture.width, "height": ask.picture.height}


def _enlarged(picture: Image.Image, least: int) -> Image.Image:
    """The picture, its shorter side at least so many pixels."""
    factor = least / min(picture.size)
    if factor <= 1:
        return picture
    return picture.resize((math.ceil(picture.width * factor), math.ceil(picture.height * factor)))


def _one(ask: Ask) -> object:
    return ask.references[0] if ask.references else None
