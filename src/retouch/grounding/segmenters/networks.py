"""Networks and tokenizers of transformers out of a folder or the hub, safetensors only, errors in one sentence."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from retouch.core.errors import ModelError
from retouch.models.own_code import refuse_own_code
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import HUB_ID, download

_PATTERNS = ["*.json", "*.txt", "*.model", "model*.safetensors"]
_LOAD_ERRORS = (
    SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError, EOFError,
)  # fmt: skip


def find_network(source: str) -> Path:
    """The folder that `source` names, downloaded from the hub where need be.

    Raises ModelError where nothing is there, or it would run code of its own.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        refuse_own_code(folder, source)
        return folder
    if not HUB_ID.fullmatch(source):
        raise ModelError(
            f"There is no folder '{source}'; name a folder in transformers layout, or a hub id OWNER/NAME."
        )
    folder = download(source, None, _PATTERNS)
    refuse_own_code(folder, source)
    return folder


def called(source: str) -> str:
    """What a result calls the model: a folder by its name alone, which hides this machine's."""
    folder = Path(source).expanduser()
    return folder.resolve().name if folder.is_dir() else source


def model_type(folder: Path, source: str) -> str:
    """The `model_type` of a folder's config.json; raises ModelError where there is none."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"'{source}' has no readable config.json ({error}); name a folder in transformers layout."
        ) from error
    stated = content.get("model_type") if isinstance(content, dict) else None
    if not isinstance(stated, str):
        raise ModelError(f"The config.json of '{source}' states no model_type; restore the file.")
    return stated


def load_network(network: type[PreTrainedModel], folder: Path, source: str, device: str) -> Any:
    """A network of this class in evaluation mode, float32.

    Raises ModelError where its weights are missing, pickled, of another shape or do not fit its config.json.
    """
    loader: Any = network
    try:
        with quiet_libraries():
            loaded, report = loader.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(
            f"'{source}' cannot be loaded as {network.__name__} ({reason}); restore it or name another."
        ) from error
    missing = sorted(report.get("missing_keys", ()))
    if missing or report.get("mismatched_keys"):
        named = f" ('{missing[0]}' is missing)" if missing else ""
        raise ModelError(f"The weights of '{source}' do not fit its config.json{named}; restore both.")
    return loaded.eval().requires_grad_(False).to(device)


def load_words(folder: Path, source: str) -> PreTrainedTokenizerBase:
    """The tokenizer that lies beside a network; raises ModelError."""
    try:
        with quiet_libraries():
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(f"The tokenizer of '{source}' cannot be loaded ({reason}); restore its files.") from error
    return tokenizer
