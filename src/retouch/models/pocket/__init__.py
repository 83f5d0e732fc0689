"""The pocket family: the small checkpoints that come inside the package."""

from importlib.resources import files
from pathlib import Path

from retouch.core.errors import ModelError

POCKET = "pocket"
"""The source name of the family; `pocket` alone means its default member."""

DEFAULT_MEMBER = "instruct"

CLIP_MEMBER = "clip"
"""The encoder of texts and pictures."""

SEGMENTER_MEMBER = "segmenter"
"""What finds a phrase or a point's thing in a picture."""

PARSER_MEMBER = "parser"
"""The reader of instructions."""

INSERT_MEMBER, EXEMPLAR_MEMBER, PLACEMENT_MEMBER = "insert", "exemplar", "placement"
"""What puts an object in from its picture: without a region, in a region, and what proposes the region."""

_MARKS = ("model_index.json", "config.json", "meta.json", "retouch-adapter.json")


def members() -> tuple[str, ...]:
    """Names of the members present in this installation, sorted."""
    root = _weights_root()
    if not root.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in root.iterdir() if _is_member(entry)))


def find_pocket(member: str = DEFAULT_MEMBER) -> Path:
    """The folder of a member, in diffusers layout, or that of transformers or spaCy where it is one network alone.

    Raises:
        ModelError: the member is not in this installation.
    """
    folder = _weights_root() / member
    if _is_member(folder):
        return folder
    present = ", ".join(members()) or "none"
    raise ModelError(
        f"The pocket model '{member}' is not in this installation (present: {present}); "
        "reinstall Retouch, or name a folder or a hub id."
    )


def _is_member(folder: Path) -> bool:
    return any((folder / file).is_file() for file in _MARKS)


def _weights_root() -> Path:
    return Path(str(files(__name__) / "weights"))
