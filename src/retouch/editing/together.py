"""Edits of several pictures, each by its own instruction, in one batch where the model allows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from PIL import Image

from retouch.conditioning.image import to_pixels
from retouch.core.errors import SettingsError
from retouch.core.images import LoadedImage, load_image
from retouch.core.settings import EditSettings
from retouch.editing.backend import Watch
from retouch.editing.chain import Finish, Job, by_size
from retouch.editing.editor import Editor
from retouch.editing.follow import Follower
from retouch.editing.instructing import Instructing
from retouch.editing.memory import memory_errors
from retouch.editing.protocol import ImageSource, InstructionEditor
from retouch.editing.request import Prepared, prepare
from retouch.editing.result import EditProgress, EditResult
from retouch.editing.technique import Pass, View


@dataclass(frozen=True, kw_only=True, eq=False)
class OneEdit:
    """A picture, its instruction, and how many results it has, with the seeds `seed`, `seed + 1`, ….

    seed: None is that of the settings.
    """

    image: ImageSource
    instruction: str
    seed: int | None = None
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One result to make: the number of its edit, and what it is in a batch."""

    edit: int
    job: Job


def pictures_at_once(editor: InstructionEditor) -> int:
    """How many pictures with instructions of their own an editor makes in one batch; 1: one after the other."""
    batching = _batching(editor)
    return 1 if batching is None else batching.batch_size


def edit_together(
    editor: InstructionEditor,
    edits: Sequence[OneEdit],
    *,
    settings: EditSettings | None = None,
    on_progress: Callable[[EditProgress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[EditResult, ...]:
    """Edit pictures, each by its own instruction; a result for each edit, as `editor.edit` would give it.

    A model of the loop that edits by instruction alone makes those of one model size together, so many at once as the
    editor takes pictures; any other one after the other. What differs from edits made apart is rounding, and that the
    timings are those of all.

    Args:
        editor: any editor.
        edits: one at least, each with an instruction that is not empty.
        settings: for all of them.
        on_progress: called after every step; `done` and `total` count over all edits, by their results.
        cancelled: asked at every step; True ends all of them.

    Raises:
        SettingsError: there is no edit, or one without an instruction; and whatever the editor raises.
    """
    _check(edits)
    batching = _batching(editor)
    if batching is None:
        return _one_by_one(editor, edits, settings or EditSettings(), on_progress, cancelled)
    prepared = _prepared(batching, edits, batching.asked(settings))
    follower, watch = Follower(on_progress=on_progress, cancelled=cancelled), Watch(batching.checkpoint)
    made = _made(batching, prepared, follower)
    timings, warnings = follower.timings(), watch.warnings()
    return tuple(
        EditResult(
            images=(pictures,),
            intermediates=(tuple((picture,) for picture in pictures),),
            seeds=one.seeds,
            instructions=one.instructions,
            settings=one.settings,
            timings=timings,
            warnings=batching.warnings_of(one) + warnings,
        )
        for one, pictures in zip(prepared, made, strict=True)
    )


def _batching(editor: InstructionEditor) -> Editor | None:
    """The editor where it makes edits with instructions of their own in one batch."""
    return editor if isinstance(editor, Editor) and isinstance(editor.technique, Instructing) else None


def _check(edits: object) -> None:
    if not isinstance(edits, Sequence) or not edits or not all(isinstance(edit, OneEdit) for edit in edits):
        raise SettingsError("Give a list of edits, each OneEdit(image=…, instruction=…), one at least.")
    for edit in edits:
        if not isinstance(edit.instruction, str) or not edit.instruction.strip():
            raise SettingsError(
                f'An instruction is {edit.instruction!r}; give each edit words, such as "make the sofa green".'
            )
        if isinstance(edit.count, bool) or not isinstance(edit.count, int) or edit.count < 1:
            raise SettingsError(f"count is {edit.count!r}; expected a whole number from 1 on.")


def _one_by_one(
    editor: InstructionEditor,
    edits: Sequence[OneEdit],
    settings: EditSettings,
    on_progress: Callable[[EditProgress], None] | None,
    cancelled: Callable[[], bool] | None,
) -> tuple[EditResult, ...]:
    counted = _Counted([edit.count for edit in edits], on_progress or (lambda _: None))
    return tuple(
        editor.edit(
            edit.image,
            edit.instruction,
            settings=_own(settings, edit),
            count=edit.count,
            on_progress=partial(counted.told, number),
            cancelled=cancelled,
        )
        for number, edit in enumerate(edits)
    )


class _Counted:
    """Tells how far edits made one after the other are; each is the share of all that its results are.

    An editor counts as it likes, for several results as for one or for each, so the first event says what the total is.
    """

    def __init__(self, counts: Sequence[int], tell: Callable[[EditProgress], None]) -> None:
        self._counts, self._all, self._tell = counts, sum(counts), tell
        self._done = self._total = 0

    def told(self, number: int, event: EditProgress) -> None:
        """Tell of an edit's event as one of all edits."""
        own, before = self._counts[number], sum(self._counts[:number])
        self._total = self._total or event.total * self._all // own
        done = self._total * (before * event.total + own * event.done) // (self._all * event.total)
        self._done = max(self._done, done)
        self._tell(replace(event, done=self._done, total=self._total))


def _own(settings: EditSettings, edit: OneEdit) -> EditSettings:
    return settings if edit.seed is None else replace(settings, seed=edit.seed)


def _prepared(editor: Editor, edits: Sequence[OneEdit], settings: EditSettings) -> list[Prepared]:
    """Each edit in its checked form; a picture that several of them name is read once."""
    sources = {id(edit.image): edit.image for edit in edits}
    read = {key: _read(source) for key, source in sources.items()}
    return [
        prepare(
            read[id(edit.image)],
            edit.instruction,
            settings=_own(settings, edit),
            region=None,
            count=edit.count,
            defaults=editor.defaults,
        )
        for edit in edits
    ]


def _read(source: ImageSource) -> LoadedImage:
    return source if isinstance(source, LoadedImage) else load_image(source)


def _made(editor: Editor, prepared: Sequence[Prepared], follower: Follower) -> list[tuple[Image.Image, ...]]:
    """The pictures by edit, then seed."""
    batches = by_size(_rows(editor, prepared), lambda row: row.job, editor.batch_size)
    follower.expect(len(batches))
    made: dict[tuple[int, int], Image.Image] = {}
    for rows in batches:
        size = " x ".join(str(side) for side in rows[0].job.fit.model_size)
        with memory_errors(f"{len(rows)} pictures of {size} pixels with '{editor.name}'"):
            pictures = _batch(editor, prepared, rows, follower)
        made.update({(row.edit, row.job.seed): picture for row, picture in zip(rows, pictures, strict=True)})
    return [tuple(made[number, seed] for seed in one.seeds) for number, one in enumerate(prepared)]


def _rows(editor: Editor, prepared: Sequence[Prepared]) -> list[_Row]:
    """What is to be made; edits of the same picture share its number."""
    images = [one.images[0] for one in prepared]
    keys = [image.file_sha256 or id(image) for image in images]
    fits = [editor.engine.fit(image.pixels.size) for image in images]
    return [
        _Row(edit=number, job=Job(image=keys.index(key), seed=seed, fit=fit))
        for number, (one, key, fit) in enumerate(zip(prepared, keys, fits, strict=True))
        for seed in one.seeds
    ]


def _batch(editor: Editor, prepared: Sequence[Prepared], rows: Sequence[_Row], follower: Follower) -> list[Image.Image]:
    engine, settings = editor.engine, prepared[0].settings
    jobs, inputs = [row.job for row in rows], [prepared[row.edit].images[0] for row in rows]
    fitted = {job.image: job.fit.apply(image.pixels) for job, image in zip(jobs, inputs, strict=True)}
    pixels = to_pixels([fitted[job.image] for job in jobs])
    finish = Finish(engine, pixels, jobs, inputs, settings.keep_detail)
    texts = [prepared[row.edit].instructions[0] for row in rows]
    link = Pass(
        instruction=texts[0],
        apart=texts,
        number=0,
        seeds=[job.seed for job in jobs],
        alike=[job.image for job in jobs],
        views=[View(box=(0, 0, *job.fit.source_size), fit=job.fit) for job in jobs],
    )
    return finish(engine.edit(pixels, link, settings, follower))
