"""Who puts objects in: anything that edits by example, and what it must beat or cannot pass."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from PIL import Image

from retouch.core.reference import Reference
from retouch.core.region import Region
from retouch.core.settings import EditSettings
from retouch.editing.protocol import ImageSource, RegionSource
from retouch.editing.result import EditResult
from retouch.evaluation.examples import ExampleCase, Picture

RoundTrip = Callable[[Picture], Picture]
ChooseRegion = Callable[[ExampleCase, int], Region | None]
"""The region that an edit is given of a case, with a seed; None is the whole picture."""


class ExampleContestant(Protocol):
    """Something that puts a case's object into its source."""

    @property
    def name(self) -> str:
        """What its column is called."""
        ...

    def answer(self, case: ExampleCase, seed: int) -> Picture:
        """Return the output, (H, W, 3) uint8, of the source's size."""
        ...


class ExampleEditor(Protocol):
    """Edits a picture by an instruction, by pictures of an object, or by both; see `InstructionEditor`."""

    def edit(
        self,
        images: ImageSource,
        instructions: str,
        *,
        settings: EditSettings | None = None,
        region: RegionSource = None,
        references: Sequence[Reference] = (),
    ) -> EditResult:
        """Edit one picture."""
        ...


def everywhere(case: ExampleCase, seed: int) -> None:
    """No region."""
    del case, seed


def true_region(case: ExampleCase, seed: int) -> Region:
    """The region that the record tells."""
    del seed
    return case.region


class EditsByExample:
    """An editor at the seam: shown the references, in words where they are given too, where `region` says."""

    def __init__(
        self,
        name: str,
        editor: ExampleEditor,
        *,
        words: bool = False,
        region: ChooseRegion = everywhere,
        settings: EditSettings | None = None,
    ) -> None:
        self.name = name
        self._editor, self._words, self._region = editor, words, region
        self._settings = settings or EditSettings()

    def answer(self, case: ExampleCase, seed: int) -> Picture:
        """Return the edited source."""
        result = self._editor.edit(
            Image.fromarray(case.source),
            case.instruction if self._words else "",
            settings=replace(self._settings, seed=seed),
            region=self._region(case, seed),
            references=case.references,
        )
        return np.array(result.image.convert("RGB"))


class EditsByWords:
    """An editor told the best caption, and shown nothing."""

    def __init__(
        self, name: str, edit: Callable[[Image.Image, str, int, Region | None], Image.Image],
        *, region: ChooseRegion = everywhere,
    ) -> None:  # fmt: skip
        self.name = name
        self._edit, self._region = edit, region

    def answer(self, case: ExampleCase, seed: int) -> Picture:
        """Return the edited source."""
        edited = self._edit(Image.fromarray(case.source), case.instruction, seed, self._region(case, seed))
        return np.array(edited.convert("RGB"))


class Collage:
    """Scales a cut-out reference into the region's box, as scissors and glue would; what an editor must beat."""

    def __init__(self, name: str = "collage", *, region: Callable[[ExampleCase, int], Region] = true_region) -> None:
        self.name = name
        self._region = region

    def answer(self, case: ExampleCase, seed: int) -> Picture:
        """Return the source with the first reference pasted in."""
        region, reference = self._region(case, seed), case.references[0]
        box = region.mask.getbbox()
        output = Image.fromarray(case.source)
        if box is None:
            return case.source
        shown = reference.picture.convert("RGBA")
        if reference.alpha is not None:
            shown.putalpha(reference.alpha)
        cut = shown.crop(shown.getchannel("A").getbbox())
        scale = min((box[2] - box[0]) / cut.width, (box[3] - box[1]) / cut.height)
        cut = cut.resize((max(1, round(cut.width * scale)), max(1, round(cut.height * scale))))
        # Things stand on the lower edge of their place.
        place = ((box[0] + box[2] - cut.width) // 2, box[3] - cut.height)
        pasted = output.copy()
        pasted.paste(cut, place, cut)
        output.paste(pasted, mask=region.mask)
        return np.array(output)


class SourceRoundTrip:
    """Puts nothing in: the source through the autoencoder and back."""

    name = "source"

    def __init__(self, round_trip: RoundTrip) -> None:
        self._round_trip = round_trip

    def answer(self, case: ExampleCase, seed: int) -> Picture:
        """Return the source's round trip."""
        del seed
        return self._round_trip(case.source)


class TrueRoundTrip:
    """The ground truth through the autoencoder and back: the ceiling, whose object stands in its own light."""

    name = "ground truth"

    def __init__(self, round_trip: RoundTrip) -> None:
        self._round_trip = round_trip

    def answer(self, case: ExampleCase, seed: int) -> Picture:
        """Return the target's round trip."""
        del seed
        return self._round_trip(case.target)
