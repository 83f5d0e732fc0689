"""What a model itself makes of an edit, before anything is put into the source: what it does outside a region."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from retouch.conditioning.image import to_images, to_pixels
from retouch.core.fit import Fit
from retouch.core.region import Region
from retouch.core.region_settings import RegionSettings
from retouch.core.region_shape import grow
from retouch.core.region_window import window
from retouch.core.settings import EditSettings
from retouch.editing.detail import carry_detail, keeps_detail
from retouch.editing.engine import EngineEditor
from retouch.editing.follow import Follower
from retouch.editing.inside import Inside
from retouch.editing.technique import Pass


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnPicture:
    """One pass of a model at its own size.

    source, region: what the model was shown, a crop where the region is small.
    fit: how that came to the model's size.
    seen, made: the source's round trip through the autoencoder and the edited picture, (3, H, W) in −1…1.
    """

    source: Image.Image
    region: Region
    fit: Fit
    seen: Tensor
    made: Tensor

    @property
    def before(self) -> NDArray[np.uint8]:
        """The round trip, (H, W, 3)."""
        return np.array(to_images(self.seen[None])[0])

    @property
    def after(self) -> NDArray[np.uint8]:
        """The edited picture, (H, W, 3)."""
        return np.array(to_images(self.made[None])[0])

    def away(self, pixels: int) -> NDArray[np.bool_]:
        """What lies so many of the model's pixels or more from the region, (H, W)."""
        fitted = self.fit.apply(self.region.mask, method=Image.Resampling.BOX)
        near = Region(mask=fitted.point([0, *[255] * 255]), origin=self.region.origin)
        return np.array(grow(near, pixels).mask) == 0

    def finished(self) -> Image.Image:
        """The edited picture at the source's size, with its detail where the model saw it smaller."""
        if keeps_detail(self.fit, None):
            return carry_detail(self.source, self.seen, self.made, self.fit)
        return self.fit.invert(to_images(self.made[None])[0])


@torch.no_grad()
def own_picture(
    editor: EngineEditor,
    source: Image.Image,
    instruction: str,
    region: Region,
    *,
    settings: RegionSettings | None,
    blends: bool,
    seed: int,
) -> OwnPicture:
    """Edit a picture by one instruction as the editor does, but for the composite.

    Args:
        editor: its model and defaults.
        source: RGB.
        instruction: what to do.
        region: of the source's size.
        settings: how the edit keeps to it; None edits as if there were no region.
        blends: whether the source's latents stand outside; without, the whole picture is shown to the model.
        seed: of the edit.
    """
    engine = editor.engine
    how = None if settings is None else settings.resolve()
    if how is not None and blends and how.zoom == "auto":
        box = window(region, native=engine.native_size)
        source, region = source.crop(box), Region(mask=region.mask.crop(box), origin=region.origin)
    fit = engine.fit(source.size)
    pixels = to_pixels([fit.apply(source)])
    inside = None
    if how is not None:
        shape = (to_pixels([fit.apply(region.mask, method=Image.Resampling.BOX)])[:, :1] + 1) / 2
        inside = Inside(masks=shape, settings=how, blends=blends)
    made = engine.edit(
        pixels,
        Pass(instruction=instruction, number=0, seeds=[seed], alike=[0]),
        EditSettings(seed=seed).resolve(editor.defaults),
        Follower(on_progress=None, cancelled=None),
        inside=inside,
    )
    return OwnPicture(
        source=source, region=region, fit=fit, seen=engine.reconstruct(pixels)[0].cpu(), made=made[0].cpu()
    )
