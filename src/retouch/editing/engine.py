"""The seam between an edit's course (chains, regions, sizes) and whatever turns pictures into edited ones."""

from typing import Protocol

from torch import Tensor

from retouch.core.fit import Fit
from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.editing.follow import Follower
from retouch.editing.inside import Inside
from retouch.editing.protocol import InstructionEditor
from retouch.editing.technique import Pass


class Engine(Protocol):
    """A loaded model that edits pictures of the sizes it knows; all pixels are (B, 3, H, W) from −1 to 1."""

    @property
    def name(self) -> str:
        """What the model is called, as it was asked for."""
        ...

    @property
    def native_size(self) -> int:
        """Side, in pixels, of the square that the model was trained on."""
        ...

    def fit(self, size: tuple[int, int]) -> Fit:
        """How a picture of `size` (width, height) is brought to the model's; raises ImageError beyond 10 to 1."""
        ...

    def reconstruct(self, pixels: Tensor) -> Tensor:
        """What comes back of pixels that an edit leaves alone."""
        ...

    def keeps_outside(self, how: RegionSettings) -> bool:
        """Whether an edit in a region leaves the outside as `reconstruct` has it, so that all else there is a shift."""
        ...

    def edit(
        self, pixels: Tensor, link: Pass, settings: EditSettings, follower: Follower, *, inside: Inside | None = None
    ) -> Tensor:
        """Pixels after one instruction, which acts `inside` regions where there are any.

        Raises Cancelled, ModelError and SettingsError as `InstructionEditor.edit` does.
        """
        ...


class EngineEditor(InstructionEditor, Protocol):
    """An editor that runs its courses over an engine, which may be asked for a single pass too."""

    @property
    def engine(self) -> Engine:
        """The model at work."""
        ...
