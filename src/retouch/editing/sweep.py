"""One edit over a grid of guidance scales and seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from retouch.core.errors import SettingsError
from retouch.core.settings import EditSettings
from retouch.editing.protocol import ImageSource, InstructionEditor, RegionSource


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepCell:
    """One result, its settings (all resolved), the label that tells it from the others, and what its edit warned of."""

    image: Image.Image
    settings: EditSettings
    label: str
    warnings: tuple[str, ...] = ()


def usual_text_guidance(editor: InstructionEditor) -> tuple[float, ...]:
    """What is swept over where nothing is said: about the editor's own guidance, or that alone where it is none."""
    own = editor.defaults.text_guidance
    if own is None or own <= 1.0:
        return (1.0 if own is None else own,)
    return (round(0.75 * own, 2), own, round(1.5 * own, 2))


def sweep(
    editor: InstructionEditor,
    image: ImageSource,
    instruction: str | Sequence[str],
    *,
    text_guidance: Sequence[float],
    image_guidance: Sequence[float | None],
    seeds: int = 1,
    settings: EditSettings | None = None,
    region: RegionSource | Sequence[RegionSource] = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[tuple[SweepCell, ...], ...]:
    """Edit `image` once for each combination.

    Args:
        editor: any editor.
        image: one picture.
        instruction: one instruction, or several that are done in a row.
        text_guidance: values of s_T; they vary fastest.
        image_guidance: values of s_I; None alone is for editors that have none.
        seeds: results of each combination, from the settings' seed on, made in one batch.
        settings: all the rest.
        region: where the instruction acts, one for all of several or one for each; see `InstructionEditor.edit`.
        on_progress: called with the number of combinations done and their total.
        cancelled: asked at every step; True ends the sweep.

    Returns:
        A row for each combination, in the order s_I, s_T; in a row a cell for each seed.

    Raises:
        SettingsError: a list is empty or a value out of range; and whatever the editor raises.
    """
    if not text_guidance or not image_guidance:
        raise SettingsError("A sweep needs at least one value of the text guidance and of the image guidance.")
    base = settings or EditSettings()
    grid = [
        replace(base, text_guidance=text, image_guidance=source) for source in image_guidance for text in text_guidance
    ]
    rows: list[tuple[SweepCell, ...]] = []
    for done, combination in enumerate(grid, start=1):
        result = editor.edit(image, instruction, settings=combination, region=region, count=seeds, cancelled=cancelled)
        rows.append(
            tuple(
                _cell(picture, replace(result.settings, seed=seed), result.warnings)
                for picture, seed in zip(result.images[0], result.seeds, strict=True)
            )
        )
        if on_progress is not None:
            on_progress(done, len(grid))
    return tuple(rows)


def _cell(image: Image.Image, settings: EditSettings, warnings: tuple[str, ...]) -> SweepCell:
    image_guidance = "" if settings.image_guidance is None else f"image {settings.image_guidance:g}, "
    label = f"text {settings.text_guidance:g}, {image_guidance}seed {settings.seed}"
    return SweepCell(image=image, settings=settings, label=label, warnings=warnings)
