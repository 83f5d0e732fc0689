"""From what a user names (`pocket`, a folder, a hub id) to a folder with a whole model in it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from retouch.core.errors import ModelError
from retouch.models.own_code import INDEX_FILE, refuse_own_code
from retouch.models.pocket import DEFAULT_MEMBER, POCKET, find_pocket, members
from retouch.models.spec import SPEC_FILE

WEIGHT_STEMS: dict[str, str] = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
"""The name of the weight file of each network, without its ending."""

COMPONENT_FILES: dict[str, str] = {
    "unet": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "tokenizer": "tokenizer_config.json",
    "scheduler": "scheduler_config.json",
}
"""The configuration file of each component that a model must have."""

EXPECTED_CLASSES: dict[str, str] = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
}

ADAPTER_FILE = "retouch-adapter.json"
"""Marks the folder of an adapter (see `models.adapter`)."""

PICKLED_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
"""What a model on the hub is called, OWNER/NAME."""


def is_on_hub(source: str) -> bool:
    """Whether `source` can only be a hub id: OWNER/NAME, nothing of this machine, no pocket model, no weights' file."""
    path = Path(source).expanduser()
    known = source.startswith(f"{POCKET}/") or path.exists() or path.suffix in (*PICKLED_SUFFIXES, ".safetensors")
    return HUB_ID.fullmatch(source) is not None and not known


def find_model(source: str, *, revision: str | None = None, variant: str | None = None, weights: bool = True) -> Path:
    """The folder of the model that `source` names, downloaded from the hub where need be.

    Args:
        source: `pocket`, `pocket/MEMBER`, a folder in diffusers layout, or a hub id `OWNER/NAME`.
        revision: branch, tag or commit, for hub ids.
        variant: the variant of the weight files, such as `fp16`.
        weights: whether the weights are wanted too, or the configuration alone.

    Raises:
        ModelError: nothing is there, the hub cannot be reached, the file named is no such folder, or the model would
            run code of its own.
    """
    if source == POCKET:
        return find_pocket(DEFAULT_MEMBER)
    if source.startswith(f"{POCKET}/"):
        return find_pocket(source.removeprefix(f"{POCKET}/"))
    path = Path(source).expanduser()
    if path.is_dir():
        refuse_own_code(path, source)
        return path
    if path.is_file():
        raise _refuse_file(path)
    if path.suffix in (*PICKLED_SUFFIXES, ".safetensors") or not HUB_ID.fullmatch(source):
        known = ", ".join(f"{POCKET}/{member}" for member in members()) or POCKET
        raise ModelError(
            f"The model '{source}' is unknown; give {known}, a folder, a .safetensors file, or a hub id OWNER/NAME."
        )
    folder = download(source, revision, model_patterns(variant=variant, weights=weights))
    refuse_own_code(folder, source)
    return folder


def read_index(folder: Path, source: str) -> Mapping[str, object]:
    """The content of `model_index.json`.

    Raises:
        ModelError: the file is missing or not valid.
    """
    path = folder / INDEX_FILE
    if not path.is_file():
        raise ModelError(
            f"'{source}' has no model_index.json; expected a folder in diffusers layout, with a folder each "
            f"for {', '.join(COMPONENT_FILES)}."
        )
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The model_index.json of '{source}' cannot be read ({error}); restore the file.") from error
    if not isinstance(index, dict):
        raise ModelError(f"The model_index.json of '{source}' is no JSON object; restore the file.")
    return index


def read_scheduler(folder: Path, source: str) -> Mapping[str, object]:
    """The saved configuration of the scheduler in a model's folder; raises ModelError."""
    path = folder / "scheduler" / "scheduler_config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The scheduler of '{source}' cannot be read ({error}); restore the file.") from error
    if not isinstance(content, dict):
        raise ModelError(f"The scheduler_config.json of '{source}' is no JSON object; restore the file.")
    return content


def check_components(folder: Path, source: str, *, variant: str | None = None) -> None:
    """See that every component of a Stable-Diffusion-1 model is there, as safetensors.

    Raises:
        ModelError: a component is missing, of another family, or pickled; the message says which.
    """
    index = read_index(folder, source)
    for component, expected in EXPECTED_CLASSES.items():
        _check_class(index, component, expected, source)
    if "text_encoder_2" in index:
        raise ModelError(f"'{source}' is of the SDXL family (it has a text_encoder_2); expected Stable Diffusion 1.")
    for component, file in COMPONENT_FILES.items():
        if not (folder / component / file).is_file():
            raise ModelError(
                f"'{source}' has no {component} ('{component}/{file}' is missing); restore it from the original model."
            )
    _check_vocabulary(folder / "tokenizer", source)
    for component in WEIGHT_STEMS:
        check_weights(folder / component, source, variant=variant)


def _check_class(index: Mapping[str, object], component: str, expected: str, source: str) -> None:
    entry = index.get(component)
    found = entry[1] if isinstance(entry, list) and len(entry) == 2 else None
    if found is None:
        pipeline = index.get("_class_name", "an unknown pipeline")
        raise ModelError(
            f"'{source}' has no {component} in its model_index.json (it is {pipeline}); expected a "
            f"Stable-Diffusion-1 model with {', '.join(COMPONENT_FILES)}."
        )
    if found != expected:
        raise ModelError(f"'{source}' has a {found} as its {component}, expected a {expected}; use another model.")


def has_vocabulary(folder: Path) -> bool:
    """Whether a tokenizer can be read from `folder`; without a vocabulary one would load, with three words."""
    merged = all((folder / file).is_file() for file in ("vocab.json", "merges.txt"))
    return merged or (folder / "tokenizer.json").is_file()


def _check_vocabulary(folder: Path, source: str) -> None:
    if not has_vocabulary(folder):
        raise ModelError(
            f"The tokenizer of '{source}' has no vocabulary ('tokenizer/tokenizer.json', or 'tokenizer/vocab.json' "
            "with 'tokenizer/merges.txt', is missing); restore it from the original model."
        )


def check_weights(folder: Path, source: str, *, variant: str | None = None) -> None:
    """See that a component's folder holds its weights as safetensors; raises ModelError saying what it holds."""
    component, stem = folder.name, WEIGHT_STEMS[folder.name]
    if not folder.is_dir():
        raise ModelError(f"'{source}' has no {component}; restore it from the original model.")
    insert = f".{variant}" if variant else ""
    wanted = f"{stem}{insert}.safetensors"
    if (folder / wanted).is_file() or (folder / f"{stem}.safetensors.index{insert}.json").is_file():
        return
    others = sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".safetensors")
    if others:
        raise ModelError(f"'{source}' has no '{component}/{wanted}', but {', '.join(others)}; ask for another variant.")
    if any(entry.suffix in PICKLED_SUFFIXES for entry in folder.iterdir()):
        raise ModelError(
            f"The {component} of '{source}' is pickled, which can run code on loading; convert the model "
            f"once with `retouch models convert {folder.parent} OUT`."
        )
    raise ModelError(
        f"'{source}' has no weights for its {component} ('{component}/{wanted}' is missing); "
        "restore it from the original model."
    )


def _refuse_file(path: Path) -> ModelError:
    if path.suffix in PICKLED_SUFFIXES:
        return ModelError(
            f"'{path}' is a pickled checkpoint, which can run code on loading; convert it once with "
            f"`retouch models convert {path} OUT` and use OUT."
        )
    if path.suffix == ".safetensors":
        return ModelError(
            f"'{path}' is a single-file checkpoint; bring it into a folder once with "
            f"`retouch models convert {path} OUT` and use OUT."
        )
    return ModelError(f"'{path}' is a file, expected a folder in diffusers layout, a hub id or '{POCKET}'.")


def model_patterns(*, variant: str | None = None, weights: bool = True) -> list[str]:
    """The files of a whole editor in diffusers layout, as `download` takes them."""
    return _configuration_patterns() + (_weight_patterns(variant) if weights else [])


def _configuration_patterns() -> list[str]:
    configurations = [f"{component}/{file}" for component, file in COMPONENT_FILES.items()]
    return [INDEX_FILE, SPEC_FILE, ADAPTER_FILE, "tokenizer/*", *configurations]


def _weight_patterns(variant: str | None) -> list[str]:
    """Only what is loaded: no safety checker, no pickles, one variant."""
    insert = f".{variant}" if variant else ""
    endings = (
        f"{insert}.safetensors",
        f".safetensors.index{insert}.json",
        f"{insert}-[0-9]*.safetensors",
        f"-[0-9]*{insert}.safetensors",
    )
    return [f"{component}/{stem}{ending}" for component, stem in WEIGHT_STEMS.items() for ending in endings]


def download(source: str, revision: str | None, patterns: list[str]) -> Path:
    """The folder of what matches `patterns` in the hub's `source`, cached or downloaded; raises ModelError."""
    at = f" at revision '{revision}'" if revision else ""
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=patterns))
    except GatedRepoError as error:
        raise ModelError(
            f"The model '{source}' is gated; accept its licence on its page on the hub, then give a token of that "
            "account: log in with `hf auth login`, or set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"The model '{source}' has no revision '{revision}'; name a branch, tag or commit.") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"There is no folder and no model on the hub called '{source}'; "
            "check the spelling, or log in with `hf auth login` if it is private."
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        raise ModelError(
            f"The model '{source}'{at} is not on this machine and {reason}; connect once to download it, "
            f"name a folder, or use '{POCKET}'."
        ) from error
    except HFValidationError as error:
        raise ModelError(f"'{source}' is neither a folder nor a valid hub id OWNER/NAME.") from error
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"Downloading '{source}'{at} failed ({reason}); try again, or use '{POCKET}'.") from error
