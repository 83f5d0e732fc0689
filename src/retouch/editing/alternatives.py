"""Several instructions for one picture, each done to the picture itself, in one batch where the model allows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from retouch.conditioning.image import to_pixels
from retouch.core.errors import SettingsError
from retouch.core.images import LoadedImage
from retouch.core.settings import EditSettings
from retouch.editing.backend import Watch
from retouch.editing.chain import Finish, Job
from retouch.editing.editor import Editor
from retouch.editing.follow import Follower
from retouch.editing.instructing import Instructing
from retouch.editing.memory import memory_errors
from retouch.editing.protocol import ImageSource, InstructionEditor
from retouch.editing.request import Prepared, prepare
from retouch.editing.result import EditProgress, EditResult
from retouch.editing.technique import Pass, View


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One picture to make: the number of its instruction, and its seed."""

    number: int
    seed: int


def edit_alternatives(
    editor: InstructionEditor,
    image: ImageSource,
    instructions: Sequence[str],
    *,
    settings: EditSettings | None = None,
    count: int = 1,
    on_progress: Callable[[EditProgress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[EditResult, ...]:
    """Edit a picture by each of the instructions apart; a result for each, as `editor.edit` would give it.

    A model of the loop that edits by instruction alone makes them together, so many at once as the editor takes
    pictures; any other one after the other. What differs from edits made apart is rounding.

    Args:
        editor: any editor.
        image: one picture.
        instructions: one at least, none of them empty.
        settings: for all of them; each instruction has the same seeds.
        count: results of each instruction.
        on_progress: called after every step; `instruction` counts from 0 where they are made one after the other.
        cancelled: asked at every step.

    Raises:
        SettingsError: there is no instruction, or an empty one; and whatever the editor raises.
    """
    texts = [text.strip() for text in instructions]
    if isinstance(instructions, str) or not texts or not all(texts):
        raise SettingsError('Give a list of instructions, none of them empty, such as "make the sofa green".')
    if not isinstance(editor, Editor) or not isinstance(editor.technique, Instructing):
        return tuple(
            editor.edit(image, text, settings=settings, count=count, on_progress=on_progress, cancelled=cancelled)
            for text in texts
        )
    prepared = prepare(
        image, texts, settings=editor.asked(settings), region=None, count=count, defaults=editor.defaults
    )
    follower, watch = Follower(on_progress=on_progress, cancelled=cancelled), Watch(editor.checkpoint)
    made = _together(editor, prepared, follower)
    timings, warnings = follower.timings(), editor.warnings_of(prepared) + watch.warnings()
    return tuple(
        EditResult(
            images=(pictures,),
            intermediates=(tuple((picture,) for picture in pictures),),
            seeds=prepared.seeds,
            instructions=(text,),
            settings=prepared.settings,
            timings=timings,
            warnings=warnings,
        )
        for text, pictures in zip(texts, made, strict=True)
    )


def _together(editor: Editor, prepared: Prepared, follower: Follower) -> list[tuple[Image.Image, ...]]:
    """The pictures by instruction, then seed."""
    engine, (image,) = editor.engine, prepared.images
    rows = [_Row(number=number, seed=seed) for number in range(len(prepared.instructions)) for seed in prepared.seeds]
    parts = [rows[start : start + editor.batch_size] for start in range(0, len(rows), editor.batch_size)]
    follower.expect(len(parts))
    shown: list[Image.Image] = []
    for part in parts:
        with memory_errors(f"{len(part)} pictures at once with '{engine.name}'"):
            shown += _part(editor, prepared, image, part, follower)
    count = len(prepared.seeds)
    return [tuple(shown[start : start + count]) for start in range(0, len(shown), count)]


def _part(
    editor: Editor, prepared: Prepared, image: LoadedImage, rows: Sequence[_Row], follower: Follower
) -> list[Image.Image]:
    engine = editor.engine
    fit = engine.fit(image.pixels.size)
    jobs = [Job(image=0, seed=row.seed, fit=fit) for row in rows]
    pixels = to_pixels([fit.apply(image.pixels)]).expand(len(rows), -1, -1, -1)
    finish = Finish(engine, pixels, jobs, [image] * len(rows), prepared.settings.keep_detail)
    link = Pass(
        instruction=prepared.instructions[rows[0].number],
        apart=[prepared.instructions[row.number] for row in rows],
        number=0,
        seeds=[row.seed for row in rows],
        alike=[0] * len(rows),
        views=[View(box=(0, 0, *fit.source_size), fit=fit)] * len(rows),
    )
    return finish(engine.edit(pixels, link, prepared.settings, follower))
