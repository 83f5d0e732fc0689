"""Adapters: small folders that teach a model something more, such as to read a reference, and the model they are for.

A folder holds `retouch-adapter.json`, what it says in words (README.md), safetensors by part, and pictures where it
has any.
"""

import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from retouch.core.errors import ModelError, OutputError
from retouch.models.pocket import POCKET, find_pocket
from retouch.models.sources import ADAPTER_FILE, download
from retouch.models.spec import SPEC_FILE, ConditioningSpec, write_spec

AdapterKind = Literal["insert", "ip-adapter", "exemplar", "subject", "placement", "student"]

ADAPTER_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class AdapterFacts:
    """What an adapter says of itself.

    kind: what it teaches.
    base: the model it was trained over, as `models.load` takes it; "" where it stands alone.
    image_encoder: the CLIP model whose features it reads, as `load_image_encoder` takes it; "" where it reads none.
    sizes: of its own networks, by name.
    conventions: how it was trained where that matters in use, by name, such as {"null": "encoded-zero-image"}.
    """

    kind: AdapterKind
    base: str = ""
    image_encoder: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    conventions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class AdapterFolder:
    """An adapter as it lies on disk: its facts, its weights by part and name as stored, its place and its source."""

    facts: AdapterFacts
    parts: Mapping[str, Mapping[str, Tensor]]
    path: Path
    source: str

    def size(self, name: str) -> int:
        """One of the sizes; raises ModelError where the file does not say it."""
        if name not in self.facts.sizes:
            raise ModelError(f"The {ADAPTER_FILE} of '{self.source}' does not say its {name}; restore the file.")
        return self.facts.sizes[name]

    def part(self, name: str) -> Mapping[str, Tensor]:
        """The weights of one part; raises ModelError where it is missing."""
        if name not in self.parts:
            raise ModelError(f"The adapter '{self.source}' has no {name}.safetensors; restore the folder.")
        return self.parts[name]


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter."""
    return (folder / ADAPTER_FILE).is_file()


def adapter_kind(source: str | Path) -> AdapterKind | None:
    """The kind of the adapter that `source` names, in the package or a folder of this machine; None of other models.

    Raises:
        ModelError: its file is damaged, or a pocket member is missing.
    """
    name = str(source)
    folder = find_pocket(name.removeprefix(f"{POCKET}/")) if name.startswith(f"{POCKET}/") else Path(name).expanduser()
    return _facts(folder, name).kind if is_adapter(folder) else None


def read_adapter(source: str | Path, *, kind: AdapterKind | None = None) -> AdapterFolder:
    """Read the adapter that `source` names: `pocket/MEMBER`, a folder or a hub id.

    Raises:
        ModelError: there is none, it is damaged, of an unknown version, or not of the `kind` asked for.
    """
    name = str(source)
    folder = _folder(name)
    facts = _facts(folder, name)
    if kind is not None and facts.kind != kind:
        raise ModelError(f"'{name}' is an adapter of kind '{facts.kind}', expected '{kind}'.")
    try:
        parts = {file.stem: load_file(file) for file in sorted(folder.glob("*.safetensors"))}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The weights of the adapter '{name}' are damaged ({error}); restore them.") from error
    return AdapterFolder(facts=facts, parts=parts, path=folder, source=name)


def write_adapter(
    folder: str | Path,
    facts: AdapterFacts,
    parts: Mapping[str, Mapping[str, Tensor]],
    *,
    storage: torch.dtype = torch.float16,
    card: str | None = None,
    spec: ConditioningSpec | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write an adapter, whole or not at all, replacing one that is there; return its folder.

    `spec` is written beside, where the model that it makes is conditioned otherwise than its base, and `pictures`,
    encoded PNGs by the name of their file.

    Raises:
        OutputError: the folder cannot be written, or holds something else.
    """
    target = Path(folder).expanduser().resolve()
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not is_adapter(target)):
        raise OutputError(f"'{folder}' holds other things; name a new folder for the adapter.")
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        for name, weights in parts.items():
            stored = {key: weight.detach().cpu().to(storage).contiguous() for key, weight in weights.items()}
            save_file(stored, partial / f"{name}.safetensors")
        content = {"version": ADAPTER_VERSION, **asdict(facts)}
        (partial / ADAPTER_FILE).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        for name, data in (pictures or {}).items():
            (partial / name).write_bytes(data)
        if spec is not None:
            write_spec(spec, partial)
        if card is not None:
            (partial / "README.md").write_text(card, encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except OSError as error:
        raise OutputError(f"The adapter cannot be written to '{folder}': {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _folder(name: str) -> Path:
    if name.startswith(f"{POCKET}/"):
        return find_pocket(name.removeprefix(f"{POCKET}/"))
    folder = Path(name).expanduser()
    return folder if folder.is_dir() else download(name, None, [ADAPTER_FILE, SPEC_FILE, "*.safetensors", "*.png"])


def _facts(folder: Path, name: str) -> AdapterFacts:
    if not is_adapter(folder):
        raise ModelError(f"'{name}' is no adapter: it holds no {ADAPTER_FILE}; name a folder that a training wrote.")
    try:
        content = json.loads((folder / ADAPTER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The {ADAPTER_FILE} of '{name}' is not valid JSON ({error}); restore the file.") from error
    if not isinstance(content, dict) or content.pop("version", None) != ADAPTER_VERSION:
        raise ModelError(f"The {ADAPTER_FILE} of '{name}' is of a version this Retouch does not know; update Retouch.")
    _check_content(content, name)
    return AdapterFacts(**content)


def _check_content(content: Mapping[str, object], name: str) -> None:
    unknown = sorted(set(content) - {entry.name for entry in fields(AdapterFacts)})
    if unknown:
        raise ModelError(f"The {ADAPTER_FILE} of '{name}' has the unknown key '{unknown[0]}'; update Retouch.")
    if content.get("kind") not in get_args(AdapterKind):
        raise ModelError(
            f"The {ADAPTER_FILE} of '{name}' names the kind {content.get('kind')!r}; expected one of "
            f"{', '.join(get_args(AdapterKind))}."
        )
    for key, kind in (("base", str), ("image_encoder", str)):
        if not isinstance(content.get(key, ""), kind):
            raise ModelError(f"The {ADAPTER_FILE} of '{name}' has {content[key]!r} for '{key}', expected a text.")
    for key, kind in (("sizes", int), ("conventions", str)):
        values = content.get(key, {})
        if not isinstance(values, dict) or not all(type(value) is kind for value in values.values()):
            raise ModelError(f"The {ADAPTER_FILE} of '{name}' has {values!r} for '{key}'; restore the file.")
