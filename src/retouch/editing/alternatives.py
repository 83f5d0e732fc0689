"""Several instructions for one picture, each done to the picture itself, in one batch where the model allows it."""

from collections.abc import Callable, Sequence

from retouch.core.errors import SettingsError
from retouch.core.settings import EditSettings
from retouch.editing.protocol import ImageSource, InstructionEditor
from retouch.editing.result import EditProgress, EditResult
from retouch.editing.together import OneEdit, edit_together


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

    They are made as `edit_together` makes edits of several pictures.

    Args:
        editor: any editor.
        image: one picture.
        instructions: one at least, none of them empty.
        settings: for all of them; each instruction has the same seeds.
        count: results of each instruction.
        on_progress: called after every step; `done` and `total` count over all instructions.
        cancelled: asked at every step.

    Raises:
        SettingsError: there is no instruction, or an empty one; and whatever the editor raises.
    """
    if isinstance(instructions, str) or not instructions or not all(map(_has_words, instructions)):
        raise SettingsError('Give a list of instructions, none of them empty, such as "make the sofa green".')
    edits = [OneEdit(image=image, instruction=text, count=count) for text in instructions]
    return edit_together(editor, edits, settings=settings, on_progress=on_progress, cancelled=cancelled)


def _has_words(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())
