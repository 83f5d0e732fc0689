"""The in-house loop as an engine: any technique over a Stable-Diffusion-1 checkpoint."""

from torch import Tensor

from retouch.conditioning.image import reconstruct
from retouch.core.fit import Fit
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.editing.chain import edit_once
from retouch.editing.follow import Follower
from retouch.editing.inside import Inside
from retouch.editing.technique import Pass, Technique


class LoopEngine:
    """A technique run by the loop; see `Engine`."""

    def __init__(self, technique: Technique) -> None:
        self._technique = technique
        self._checkpoint = technique.checkpoint

    @property
    def name(self) -> str:
        """See `Engine`."""
        return self._checkpoint.source

    @property
    def native_size(self) -> int:
        """See `Engine`."""
        return self._checkpoint.spec.native_size

    def fit(self, size: tuple[int, int]) -> Fit:
        """See `Engine`."""
        spec = self._checkpoint.spec
        return Fit.for_model(size, native=spec.native_size, multiple=spec.size_multiple)

    def reconstruct(self, pixels: Tensor) -> Tensor:
        """See `Engine`."""
        return reconstruct(self._checkpoint, pixels)

    def keeps_outside(self, how: RegionSettings) -> bool:
        """See `Engine`."""
        return how.blends_to_the_end

    def edit(
        self, pixels: Tensor, link: Pass, settings: EditSettings, follower: Follower, *, inside: Inside | None = None
    ) -> Tensor:
        """See `Engine`."""
        return edit_once(self._technique, pixels, link, settings, follower, inside=inside)
