"""Send a checkpoint's folder to the hub: what would go is known first, and pickles never go."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub import CommitOperationAdd, HfApi, ModelCard, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open

from retouch.core.errors import ModelError
from retouch.models.sources import PICKLED_SUFFIXES, check_components

CARD = "README.md"
LORA = "pytorch_lora_weights.safetensors"


@dataclass(frozen=True, kw_only=True)
class UploadFile:
    """A file by its path within the folder, and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What goes where, with the title and the licence its card states, or None."""

    folder: Path
    repository: str
    files: tuple[UploadFile, ...]
    title: str | None
    licence: str | None

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def plan_upload(folder: Path, repository: str) -> Upload:
    """Look through `folder` without the network; hidden files stay behind.

    Raises:
        ModelError: the folder is no checkpoint, or holds a pickle or a damaged file, or its card cannot be
            read, or `repository` is no OWNER/NAME.
    """
    _check_repository(repository)
    if not folder.is_dir():
        raise ModelError(f"There is no folder '{folder}'; give a checkpoint's folder, such as a run's 'model'.")
    paths = sorted(_files(folder))
    for path in paths:
        _check_file(path, folder)
    _check_kind(folder)
    title, licence = _card(folder / CARD)
    files = tuple(UploadFile(path=path.relative_to(folder).as_posix(), size=path.stat().st_size) for path in paths)
    return Upload(folder=folder, repository=repository, files=files, title=title, licence=licence)


def push(upload: Upload, *, private: bool = False, revision: str | None = None) -> str:
    """Send the planned files as one commit, making repository and branch where they are missing; return its address.

    The token is that of the environment (HF_TOKEN) or of `hf auth login`.

    Raises:
        ModelError: nobody is logged in, the hub cannot be reached or refuses, or a repository that should be
            private is public.
    """
    if constants.HF_HUB_OFFLINE:
        raise ModelError("HF_HUB_OFFLINE is set, so that nothing can be pushed; unset it, or look with --dry-run.")
    if get_token() is None:
        raise ModelError("Nobody is logged in to the hub; run `hf auth login`, or set HF_TOKEN to a token that writes.")
    try:
        return _send(HfApi(), upload, private=private, revision=revision)
    except HfHubHTTPError as error:
        raise _refusal(upload.repository, error) from error
    except (HTTPError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"The hub at {constants.ENDPOINT} cannot be reached ({reason}); push again when it can."
        ) from error


def _send(api: HfApi, upload: Upload, *, private: bool, revision: str | None) -> str:
    api.create_repo(upload.repository, private=private or None, exist_ok=True)
    if private and not api.model_info(upload.repository).private:
        raise ModelError(
            f"'{upload.repository}' is there already and is public; make it private on the hub, or name another one."
        )
    if revision is not None:
        api.create_branch(upload.repository, branch=revision, exist_ok=True)
    operations = [
        CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=upload.folder / file.path) for file in upload.files
    ]
    message = f"Upload {upload.title or 'a checkpoint'}"
    return api.create_commit(upload.repository, operations, commit_message=message, revision=revision).commit_url


def _check_repository(repository: str) -> None:
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise ModelError(f"'{repository}' is no valid hub id; expected OWNER/NAME.") from error
    if "/" not in repository:
        raise ModelError(f"'{repository}' names no owner; expected OWNER/NAME.")


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


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
    return (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05") or start == b"PK\x03\x04"


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


def _card(path: Path) -> tuple[str | None, str | None]:
    if not path.is_file():
        return None, None
    try:
        card = ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True)
    except (yaml.YAMLError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"The head of '{path}' is not valid YAML ({reason}); mend it, then push again.") from error
    titles = (line.removeprefix("# ").strip() for line in card.text.splitlines() if line.startswith("# "))
    return next(titles, None), card.data.get("license")


def _refusal(repository: str, error: HfHubHTTPError) -> ModelError:
    status = error.response.status_code
    if status == 401:
        return ModelError("The hub does not accept the token; run `hf auth login`, or set HF_TOKEN to one that writes.")
    if status in (403, 404):
        return ModelError(
            f"The token may not write to '{repository}'; ask its owner, or take a token with write access."
        )
    reason = (error.server_message or str(error)).splitlines()[0]
    return ModelError(f"The hub refused '{repository}' with status {status} ({reason}); mend that and push again.")
