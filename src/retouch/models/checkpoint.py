"""A loaded model as one value: its networks, its tokenizer, its noise schedule and its spec."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from retouch.core.errors import ModelError
from retouch.models.kept import Kept
from retouch.models.resident import device_of, dtype_of
from retouch.models.spec import CHANNELS, ConditioningSpec, Kind


@dataclass(frozen=True, kw_only=True, eq=False)
class TextTower:
    """What reads the words: an encoder and its tokenizer."""

    encoder: CLIPTextModel
    tokenizer: CLIPTokenizer


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """The components of a Stable-Diffusion-1 model, in evaluation mode, and where they came from.

    `text` is None where the model reads no words, but pictures; `scheduler_config` is the saved configuration of a
    diffusers scheduler; `source` is what was asked for; `kept` holds what the networks made of pictures and texts
    before.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: TextTower | None
    scheduler_config: Mapping[str, object]
    spec: ConditioningSpec
    source: str
    kept: Kept = field(default_factory=Kept, repr=False)

    @property
    def kind(self) -> Kind:
        """What the model was made for, read from the width of the U-Net's first convolution."""
        return kind_of(self.unet, self.source)

    @property
    def text_encoder(self) -> CLIPTextModel:
        """What encodes the words; raises ModelError where the model reads none."""
        return self._words().encoder

    @property
    def tokenizer(self) -> CLIPTokenizer:
        """What cuts the words into tokens; raises ModelError where the model reads none."""
        return self._words().tokenizer

    def _words(self) -> TextTower:
        if self.text is None:
            raise ModelError(f"'{self.source}' reads no words; give it a picture of the object.")
        return self.text

    @property
    def device(self) -> torch.device:
        """Where the U-Net computes, and the other networks with it."""
        return device_of(self.unet)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the U-Net's weights."""
        return dtype_of(self.unet)

    @property
    def latent_channels(self) -> int:
        """Channels of the latents, 4 in this family."""
        return int(self.vae.config["latent_channels"])

    @property
    def vae_factor(self) -> int:
        """Pixels of the image for each cell of the latents, along one side."""
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """The networks by the name of their folder."""
        words = {} if self.text is None else {"text_encoder": self.text.encoder}
        return {"unet": self.unet, "vae": self.vae, **words}


def kind_of(unet: UNet2DConditionModel, source: str) -> Kind:
    """The kind of a U-Net by the number of channels it takes.

    Raises:
        ModelError: no kind has that many channels.
    """
    found = int(unet.conv_in.weight.shape[1])
    for kind, channels in CHANNELS.items():
        if channels == found:
            return kind
    known = ", ".join(f"{channels} ({kind})" for kind, channels in CHANNELS.items())
    raise ModelError(f"The U-Net of '{source}' takes {found} channels; expected one of {known}.")
