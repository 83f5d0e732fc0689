"""Files for the hub: what would go is known before anything goes, and what is refused is said in one sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from huggingface_hub import CommitOperationAdd, HfApi, RepoCard, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError
from huggingface_hub.utils import validate_repo_id

from retouch.core.errors import DataError, ModelError

CARD = "README.md"
Contents = Literal["model", "dataset"]
_WHAT = {"model": "a checkpoint", "dataset": "a dataset"}
_ERRORS: dict[Contents, type[DataError | ModelError]] = {"model": ModelError, "dataset": DataError}


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
    contents: Contents
    files: tuple[UploadFile, ...]
    title: str | None
    licence: str | None

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def plan(folder: Path, repository: str, *, contents: Contents) -> Upload:
    """List what `folder` holds, without the network; hidden files stay behind.

    Raises ModelError or DataError, after what is sent, where `repository` is no OWNER/NAME or the card cannot be read.
    """
    check_repository(repository, contents)
    title, licence = _card(folder / CARD, contents)
    files = tuple(
        UploadFile(path=path.relative_to(folder).as_posix(), size=path.stat().st_size)
        for path in sorted(visible_files(folder))
    )
    return Upload(folder=folder, repository=repository, contents=contents, files=files, title=title, licence=licence)


def send(upload: Upload, *, private: bool = False, revision: str | None = None) -> str:
    """Send the planned files as one commit, making repository and branch where they are missing; return its address.

    The token is that of the environment (HF_TOKEN) or of `hf auth login`.

    Raises:
        ModelError, DataError: nobody is logged in, the hub cannot be reached or refuses, or a repository that
            should be private is public; which of the two, after what is sent.
    """
    error = _ERRORS[upload.contents]
    if constants.HF_HUB_OFFLINE:
        raise error("HF_HUB_OFFLINE is set, so that nothing can be pushed; unset it, or look with --dry-run.")
    if get_token() is None:
        raise error("Nobody is logged in to the hub; run `hf auth login`, or set HF_TOKEN to a token that writes.")
    try:
        return _send(HfApi(), upload, private=private, revision=revision)
    except HfHubHTTPError as problem:
        raise error(_refusal(upload.repository, problem)) from problem
    except (HTTPError, OSError) as problem:
        reason = (str(problem) or type(problem).__name__).splitlines()[0]
        raise error(
            f"The hub at {constants.ENDPOINT} cannot be reached ({reason}); push again when it can."
        ) from problem


def check_repository(repository: str, contents: Contents) -> None:
    """Raise ModelError or DataError, after what it holds, where `repository` is no OWNER/NAME."""
    error = _ERRORS[contents]
    try:
        validate_repo_id(repository)
    except HFValidationError as problem:
        raise error(f"'{repository}' is no valid hub id; expected OWNER/NAME.") from problem
    if "/" not in repository:
        raise error(f"'{repository}' names no owner; expected OWNER/NAME.")


def visible_files(folder: Path) -> Iterator[Path]:
    """All files below `folder` of which no part of the path is hidden."""
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _send(api: HfApi, upload: Upload, *, private: bool, revision: str | None) -> str:
    kind = upload.contents
    api.create_repo(upload.repository, private=private or None, exist_ok=True, repo_type=kind)
    if private and not api.repo_info(upload.repository, repo_type=kind).private:
        raise _ERRORS[kind](
            f"'{upload.repository}' is there already and is public; make it private on the hub, or name another one."
        )
    if revision is not None:
        api.create_branch(upload.repository, branch=revision, exist_ok=True, repo_type=kind)
    operations = [
        CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=upload.folder / file.path) for file in upload.files
    ]
    message = f"Upload {upload.title or _WHAT[kind]}"
    done = api.create_commit(upload.repository, operations, commit_message=message, revision=revision, repo_type=kind)
    return done.commit_url


def _card(path: Path, contents: Contents) -> tuple[str | None, str | None]:
    if not path.is_file():
        return None, None
    try:
        card = RepoCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True)
    except (yaml.YAMLError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise _ERRORS[contents](
            f"The head of '{path}' is not valid YAML ({reason}); mend it, then push again."
        ) from error
    titles = (line.removeprefix("# ").strip() for line in card.text.splitlines() if line.startswith("# "))
    return next(titles, None), card.data.get("license")


def _refusal(repository: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    if status == 401:
        return "The hub does not accept the token; run `hf auth login`, or set HF_TOKEN to one that writes."
    if status in (403, 404):
        return f"The token may not write to '{repository}'; ask its owner, or take a token with write access."
    reason = (error.server_message or str(error)).splitlines()[0]
    return f"The hub refused '{repository}' with status {status} ({reason}); mend that and push again."
