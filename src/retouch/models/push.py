"""Which folders are checkpoints that may go to the hub: pickles never go."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from retouch.core.errors import ModelError
from retouch.core.upload import Upload, check_repository, plan, visible_files
from retouch.models.sources import PICKLED_SUFFIXES, check_components

LORA = "pytorch_lora_weights.safetensors"


def plan_upload(folder: Path, repository: str) -> Upload:
    """Look through `folder` without the network; hidden files stay behind.

    Raises:
        ModelError: the folder is no checkpoint, or holds a pickle or a damaged file, or its card cannot be
            read, or `repository` is no OWNER/NAME.
    """
    check_repository(repository, "model")
    if not folder.is_dir():
        raise ModelError(f"There is no folder '{folder}'; give a checkpoint's folder, such as a run's 'model'.")
    for path in sorted(visible_files(folder)):
        _check_file(path, folder)
    _check_kind(folder)
    return plan(folder, repository, contents="model")


def _check_file(path: Path, folder: Path) -> None:
    name = path.relative_to(folder)
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except SafetensorError as error:
            raise ModelError(f"'{name}' of '{folder}' is damaged ({error}); restore it, then push again.") from error
    elif path.suffix in PICKLED_SUFFIXES or _looks_pickled(path):
        raise ModelError(
            f"'{name}' of '{folder}' is pickled, which can run code where it is opened; "
            f"take it out, or push what `retouch models convert {folder} OUT` writes."
        )


def _looks_pickled(path: Path) -> bool:
    """Whether a file begins as a pickle (protocol 2 and later) or as torch's archive of them does."""
    with path.open("rb") as file:
        start = file.read(4)
    return start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") or start == b"PK\x03\x04"


def _check_kind(folder: Path) -> None:
    """A whole model, one network of it, or the updates of a LoRA."""
    if (folder / "model_index.json").is_file():
        check_components(folder, str(folder))
        return
    alone = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    if alone or (folder / LORA).is_file():
        return
    inner = " Its folder 'model' is one." if (folder / "model").is_dir() else ""
    raise ModelError(
        f"'{folder}' is no checkpoint: expected model_index.json, or config.json beside safetensors, or {LORA}.{inner}"
    )
