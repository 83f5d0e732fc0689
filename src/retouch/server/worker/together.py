"""Edits of several who ask, made in one batch: how many, which, and their results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from retouch.core.errors import RetouchError
from retouch.core.images import LoadedImage
from retouch.designs.request import Request, from_json
from retouch.editing.protocol import InstructionEditor
from retouch.editing.result import EditProgress, EditResult
from retouch.server.jobs.held import Claim
from retouch.server.jobs.queue import WorkQueue
from retouch.server.offered import choose_model
from retouch.server.worker.loaded import LoadedModels
from retouch.server.worker.requests import Arguments

log = structlog.get_logger()


def at_once(editor: InstructionEditor, asked: int) -> int:
    """How many edits with instructions of their own to make at once: as many as were `asked` for, where the editor
    makes so many in one batch; for 0 on a GPU as many as it does, and 1 on a CPU, whose cores are full with one."""
    from retouch.editing.editor import Editor
    from retouch.editing.together import pictures_at_once

    most = pictures_at_once(editor)
    if asked:
        return min(asked, most)
    return 1 if isinstance(editor, Editor) and editor.checkpoint.device.type == "cpu" else most


@dataclass(frozen=True, kw_only=True)
class Together:
    """How many pictures a worker makes at once, by what is asked of the editor.

    Where memory did not suffice for some with a model, it is half of them at most from then on.
    """

    pictures: Callable[[InstructionEditor], int] = lambda _: 1
    _bounds: dict[str, int] = field(default_factory=dict)

    def most(self, model: str, editor: InstructionEditor) -> int:
        """At most so many with this model."""
        most = self.pictures(editor)
        return min(most, self._bounds.get(model, most))

    def too_many(self, model: str, pictures: int) -> None:
        """Memory did not suffice for so many with this model."""
        half = max(1, pictures // 2)
        self._bounds[model] = min(half, self._bounds.get(model, half))


@dataclass(frozen=True, kw_only=True)
class ReadEdit:
    """A claim of edits with its request, which names the model, and its picture read; `warnings` of the reading."""

    claim: Claim
    request: Request
    source: LoadedImage
    given: Arguments
    warnings: Sequence[str]


def model_of(claim: Claim, models: LoadedModels) -> str:
    """The name of the model that makes a claim's edits; raises SettingsError where none can."""
    return claim.model or choose_model(from_json(claim.request), models.names)


def with_others(queue: WorkQueue, first: Claim, models: LoadedModels, together: Together) -> tuple[Claim, ...]:
    """A claim, and others that wait for what is made in one batch with it; itself alone as long as its model is not
    loaded, since only then it is known how many that are."""
    claims = [first]
    try:
        name = model_of(first, models) if first.together_key else ""
        editor = models.loaded(name)
        most = 1 if editor is None else together.most(name, editor)
        held = len(first.held)
        while held < most and (other := queue.claim_beside(first, held, most - held)) is not None:
            claims.append(other)
            held += len(other.held)
    except (RetouchError, SQLAlchemyError) as problem:
        # What is claimed already is not to wait for a lease to be over.
        log.warning("none-claimed-beside", problem=str(problem))
    return tuple(claims)


def results_of(
    editor: InstructionEditor,
    edits: Sequence[ReadEdit],
    *,
    on_progress: Callable[[EditProgress], None],
    cancelled: Callable[[], bool],
) -> Sequence[EditResult]:
    """A result for each edit: of one, whatever it asks for; of several, which ask by words alone, in one batch."""
    if len(edits) == 1:
        edit, given = edits[0], edits[0].given
        made = editor.edit(
            edit.source,
            given.instructions,
            settings=given.settings,
            region=given.regions or None,
            references=given.references,
            count=len(edit.claim.held),
            on_progress=on_progress,
            cancelled=cancelled,
        )
        return (made,)
    from retouch.editing.together import OneEdit, edit_together

    asked = [
        OneEdit(
            image=edit.source,
            instruction=edit.given.instructions[0],
            seed=edit.given.settings.seed,
            count=len(edit.claim.held),
        )
        for edit in edits
    ]
    return edit_together(editor, asked, settings=edits[0].given.settings, on_progress=on_progress, cancelled=cancelled)
