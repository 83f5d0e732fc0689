"""Find the tokenizer of a model whose file does not hold it: given, beside the file, or CLIP's own from the hub."""

from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from transformers import CLIPTokenizer

from retouch.core.errors import ModelError
from retouch.models.sources import download, find_model, has_vocabulary

CLIP = "openai/clip-vit-large-patch14"
"""The text encoder of Stable Diffusion 1, whose vocabulary all its models share."""

_SHARING = {
    CLIP: "",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "tokenizer/",
    "timbrooks/instruct-pix2pix": "tokenizer/",
    "stable-diffusion-v1-5/stable-diffusion-inpainting": "tokenizer/",
}
"""Hub ids with that vocabulary and the folder it lies in there."""

_FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def find_tokenizer(file: Path, given: str | Path | None = None) -> Path:
    """The folder of the tokenizer for the single-file model `file`.

    The one given, which is a folder with a vocabulary or a model that has one; else the folder `tokenizer` beside the
    file; else CLIP's own, from the hub's cache or, where the hub can be reached, from there (a few MB).

    Raises:
        ModelError: none of these has a vocabulary.
    """
    if given is not None:
        return _given(given)
    beside = file.parent / "tokenizer"
    if has_vocabulary(beside):
        return beside
    return _cached() or _downloaded(file)


def read_tokenizer(folder: Path, source: str) -> CLIPTokenizer:
    """The tokenizer in `folder`, which is for the model `source`; raises ModelError."""
    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"The tokenizer of '{source}' cannot be loaded ({reason}); restore it from the original model."
        ) from error


def _given(given: str | Path) -> Path:
    path = Path(given).expanduser()
    model = path if path.is_dir() else find_model(str(given), weights=False)
    for folder in (model, model / "tokenizer"):
        if has_vocabulary(folder):
            return folder
    raise ModelError(
        f"'{given}' has no tokenizer; expected a folder with tokenizer.json, or with vocab.json and merges.txt."
    )


def _cached() -> Path | None:
    for repository, folder in _SHARING.items():
        paths = [try_to_load_from_cache(repository, folder + name) for name in ("vocab.json", "merges.txt")]
        if all(isinstance(path, str) for path in paths):
            return Path(str(paths[0])).parent
    return None


def _downloaded(file: Path) -> Path:
    missing = ModelError(
        f"'{file}' holds no tokenizer, as such files never do, and none was found; put the folder 'tokenizer' of a "
        "Stable-Diffusion-1 model beside it, or name one with `--tokenizer FOLDER`."
    )
    try:
        folder = download(CLIP, None, list(_FILES))
    except ModelError as error:
        raise missing from error
    if not has_vocabulary(folder):
        raise missing
    return folder
