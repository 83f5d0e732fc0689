"""All that a model's answers depend on beside the case and the seed, as the keys of kept answers have it."""

from dataclasses import asdict
from typing import Any

from torch import nn

from retouch.core.settings import EditSettings
from retouch.editing.editor import Editor
from retouch.editing.pipelines.editor import PipelineEditor
from retouch.models.checkpoint import Checkpoint
from retouch.models.identity import fingerprint
from retouch.records.pair import JSON


def weights_of(editor: Editor | PipelineEditor, side: int | None = None) -> str:
    """The fingerprint of all that an editor's answers depend on beside settings; `side` as it was loaded with."""
    if isinstance(editor, Editor):
        return checkpoint_weights(editor.checkpoint)
    parts: dict[str, Any] = editor.pipeline.components
    networks = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
    facts = {"family": editor.family.name, "class": type(editor.pipeline).__name__, "side": side}
    return fingerprint(networks, {**facts, "scheduler": dict(editor.pipeline.scheduler.config)})


def checkpoint_weights(checkpoint: Checkpoint) -> str:
    """The same of a checkpoint alone."""
    words = {} if checkpoint.text is None else checkpoint.tokenizer.get_vocab()
    facts = {"spec": asdict(checkpoint.spec), "scheduler": dict(checkpoint.scheduler_config), "words": words}
    return fingerprint(checkpoint.modules, facts)


def settings_json(settings: EditSettings) -> dict[str, JSON]:
    """Resolved settings of an edit of the whole picture, without the seed."""
    shown = {name: value for name, value in asdict(settings).items() if name not in ("seed", "region", "reference")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in shown.items()}
