"""The region that an editing model itself takes an instruction to mean, without a reader or a segmenter."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from retouch.attention.roi import SMALL_LATENTS, Roi, RoiSettings, Watch, meaningful, region_of_interest
from retouch.attention.words import Reader
from retouch.conditioning.image import encode_source, to_pixels
from retouch.conditioning.instruct import instruct_branches
from retouch.conditioning.text import text_length
from retouch.conditioning.unet import unet_predictor
from retouch.core.fit import Fit
from retouch.core.region import Region
from retouch.core.region_request import whole
from retouch.core.seeds import derive_seed
from retouch.diffusion.guidance import IMAGE, InstructGuidance
from retouch.diffusion.loop import denoise, unit_noise
from retouch.diffusion.schedules import make_scheduler
from retouch.editing.grounded import Tell, allowed, asks_for_removal
from retouch.editing.protocol import RegionFinder
from retouch.editing.request import required
from retouch.grounding.locate import Located, WhenMissing
from retouch.grounding.missing import NothingStandsOut
from retouch.grounding.shapes import dilated
from retouch.models.checkpoint import Checkpoint

NAME = "lime"
_LARGE = 64
"""Cells of the latents' side for which the published settings hold."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnFinder:
    """Finds regions by LIME (arXiv 2312.09256): an edit is begun, and it is seen where the model reads its words.

    checkpoint: of kind `instruct`; it is left as it was.
    settings: None takes the published ones, or those measured for small latents where the model's are.
    when_missing: what becomes of an edit where nothing stands out; see `Finder`.
    margin: whether regions are dilated by 11 pixels in 512, as those of phrases are.
    seed: of the noise that the edit begins with and of k-means.
    """

    checkpoint: Checkpoint
    settings: RoiSettings | None = None
    when_missing: WhenMissing = "refuse"
    margin: bool = True
    seed: int = 0

    def find(self, image: Image.Image, instruction: str) -> Located:
        """Where an instruction acts in a picture; the score is the region's contrast, see `Roi`.

        Raises ModelError where the model edits otherwise, MissingExtraError where scikit-learn is not installed.
        """
        spec = self.checkpoint.spec
        fit = Fit.for_model(image.size, native=spec.native_size, multiple=spec.size_multiple)
        settings = self.settings or _settings_for(spec.native_size // self.checkpoint.vae_factor)
        roi = self._look(to_pixels([fit.apply(image.convert("RGB"))]), instruction, settings)
        if roi.contrast < settings.least:
            missing = NothingStandsOut(instruction=instruction, score=roi.contrast)
            nothing = Region(mask=Image.new("L", image.size, 0), origin=f"nothing: {missing.sentence}")
            region = whole(image.size) if self.when_missing == "whole" else nothing
            return Located(region=region, score=roi.contrast, missing=missing)
        shape = _shape(roi, fit)
        mask = Image.fromarray(np.uint8(255) * (dilated(shape) if self.margin else shape))
        return Located(region=Region(mask=mask, origin=f"{NAME} ({roi.contrast:.2f})"), score=roi.contrast)

    @torch.no_grad()
    def _look(self, pixels: Tensor, instruction: str, settings: RoiSettings) -> Roi:
        """Begin the edit of a picture, (1, 3, H, W), with the model's own settings, and look on."""
        checkpoint, defaults = self.checkpoint, self.checkpoint.spec.defaults
        guidance = InstructGuidance(
            text=required(defaults.text_guidance, "text_guidance"),
            image=required(defaults.image_guidance, "image_guidance"),
        )
        conditions = [Generator().manual_seed(derive_seed(self.seed, "condition"))]
        source = encode_source(checkpoint, pixels, conditions)
        reader = Reader(tokenizer=checkpoint.tokenizer, length=text_length(checkpoint))
        # Where the branch with the picture alone does not count it is not computed.
        alone = guidance.weights(0.0)[IMAGE] != 0
        watch = Watch(
            [meaningful(reader, instruction)],
            (source.shape[-2], source.shape[-1]),
            settings,
            branch=2 if alone else 1,
        )
        generators = [Generator().manual_seed(self.seed)]
        with watch.over(checkpoint.unet):
            denoise(
                unet_predictor(checkpoint, instruct_branches(checkpoint, source, [instruction])),
                make_scheduler(required(defaults.scheduler, "scheduler"), checkpoint.scheduler_config),
                guidance,
                unit_noise(source.shape[1:], generators, source.device),
                steps=required(defaults.steps, "steps"),
                generator=generators,
                before=(watch.before,),
                until=settings.span[1],
            )
        return region_of_interest(watch.attention(), watch.features(), settings, seed=self.seed)[0]


def region_of_model(finder: OwnFinder, *, tell: Tell = lambda _: None) -> RegionFinder:
    """What looks where the model takes an instruction to be; it raises NotFoundError as `region_of_phrase` does."""
    return lambda picture, instruction: allowed(
        finder.find(picture, instruction), finder.when_missing, tell, removal=asks_for_removal(instruction)
    )


def _settings_for(side: int) -> RoiSettings:
    return RoiSettings() if side >= _LARGE else SMALL_LATENTS


def _shape(roi: Roi, fit: Fit) -> np.ndarray:
    """The region's cells at the picture's size, (H, W) bool."""
    cells = Image.fromarray(np.uint8(255) * roi.mask).resize(fit.model_size, Image.Resampling.BILINEAR)
    return np.asarray(fit.invert(cells)) >= 128
