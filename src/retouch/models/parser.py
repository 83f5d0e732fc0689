"""Instruction parsers: spaCy pipelines that name the parts of instructions, in folders as spaCy writes them."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from retouch.core.errors import MissingExtraError, ModelError
from retouch.models.pocket import PARSER_MEMBER, POCKET, find_pocket

JOIN = "JOIN"
"""The label of the words between two steps; the others are the roles of parts."""

FACTS = "meta.json"
"""The file that every spaCy folder has."""


class ParserWeights(nn.Module):
    """The weights of a pipeline's networks, to look at: spaCy has them in arrays of its own."""

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        networks = [pipe.model for _, pipe in pipeline.pipeline if hasattr(pipe, "model")]
        arrays = [
            node.get_param(name)
            for network in networks
            for node in network.walk()
            for name in node.param_names
            if node.has_param(name)
        ]
        self.weights = nn.ParameterList(nn.Parameter(torch.as_tensor(array)) for array in arrays)


def import_spacy() -> Any:
    """spaCy, imported when it is first wanted. Raises MissingExtraError where it is not installed."""
    try:
        import spacy
    except ImportError as error:
        raise MissingExtraError("Reading instructions needs spaCy; run `pip install 'retouch[grounding]'`.") from error
    return spacy


def load_pipeline(source: str | Path) -> Any:
    """Load a parser's pipeline: `pocket/parser` (or `pocket`), or a folder that spaCy or Retouch wrote.

    Raises MissingExtraError without spaCy, ModelError where the folder holds no pipeline that names steps.
    """
    spacy = import_spacy()
    named = str(source) in (POCKET, f"{POCKET}/{PARSER_MEMBER}")
    folder = find_pocket(PARSER_MEMBER) if named else Path(source).expanduser()
    try:
        pipeline = spacy.load(folder)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"The parser '{source}' cannot be loaded ({reason}); restore it or name another.") from error
    if "ner" not in pipeline.pipe_names or JOIN not in pipeline.get_pipe("ner").labels:
        raise ModelError(f"'{source}' is a spaCy pipeline that names no steps; name one that Retouch trained.")
    return pipeline
