"""Load a pipeline of a known family: from safetensors, without code of its own, in a memory mode, with LoRAs."""

import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from retouch.core.errors import MissingExtraError, ModelError, SettingsError
from retouch.core.lora import Lora
from retouch.editing.device import choose_device, choose_precision
from retouch.editing.memory import memory_errors
from retouch.editing.memory_mode import check_mode
from retouch.editing.pipelines.families import find_family
from retouch.editing.pipelines.family import ModelFamily
from retouch.editing.pipelines.index import find_pipeline, pipeline_class
from retouch.editing.pipelines.memory import place
from retouch.models.lora_file import read_lora
from retouch.models.quiet import quiet_libraries
from retouch.models.sources import read_index

# What the libraries raise for missing, damaged or mismatched files.
_LOAD_ERRORS = (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError)
QUANTISATIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "nf4": ("bitsandbytes_4bit", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}),
    "int8": ("bitsandbytes_8bit", {"load_in_8bit": True}),
}
"""How weights are kept in fewer bits, by the name a user asks for: the library's backend and its arguments."""


def load_pipeline(
    source: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    revision: str | None = None,
    variant: str | None = None,
    memory: str = "auto",
    quantise: str | None = None,
    loras: Sequence[Lora] = (),
) -> tuple[Any, ModelFamily]:
    """Load the pipeline in a folder or on the hub, whose class its `model_index.json` names.

    Args:
        source: a folder in diffusers layout, or a hub id.
        device, precision: as `Editor.load` takes them.
        revision, variant: of the hub's model, and of its weight files.
        memory: `auto`, `full` (all networks on the device), `offload` (one at a time) or `sequential` (by layers).
        quantise: None, `nf4` or `int8`, for the two largest networks; needs bitsandbytes and CUDA.
        loras: added to the networks that they are for.

    Raises:
        MissingExtraError: bitsandbytes or torchvision is wanted and not installed.
        ModelError: the class is unknown, or the model incomplete, damaged, gated or unsafe; or a LoRA does not fit.
        SettingsError: the device, the precision or the mode is not to be had.
    """
    name, where = str(source), choose_device(device)
    dtype, mode = choose_precision(precision, where), check_mode(memory, where)
    named = pipeline_class(source, revision=revision)
    if named is None:
        raise ModelError(f"'{name}' has no model_index.json that names a pipeline; give a folder in diffusers layout.")
    family = find_family(named)
    options = _quantised(family, quantise, where, dtype)
    folder = find_pipeline(source, revision=revision, variant=variant)
    _check_stored(folder, name, quantise, where)
    with memory_errors(f"loading '{name}'"):
        switches = _switches(folder, family, name)
        pipeline = _read(folder, family, name, dtype, {**options, **switches, "variant": variant})
        _add_loras(pipeline, family, loras, name)
        place(pipeline, mode, where)
    return pipeline, family


def _read(folder: Path, family: ModelFamily, name: str, dtype: torch.dtype, options: Mapping[str, Any]) -> Any:
    import diffusers

    try:
        with quiet_libraries():
            pipeline = getattr(diffusers, family.pipeline).from_pretrained(
                folder, dtype=dtype, use_safetensors=True, local_files_only=True, **options
            )
    except _LOAD_ERRORS as error:
        if family.reads_pictures and "processor" in str(error) and not _installed("torchvision"):
            raise MissingExtraError(
                f"{family.name} reads pictures with torchvision, which is not installed: run pip install "
                "'retouch[modern]'."
            ) from error
        raise ModelError(
            f"'{name}' cannot be loaded as {family.pipeline} ({_reason(error)}); restore it from the original model."
        ) from error
    _check_parts(pipeline, name)
    return pipeline


def _check_parts(pipeline: Any, name: str) -> None:
    """See that networks and scheduler are of the classes that the pipeline was made for, with all their weights."""
    expected = pipeline._get_signature_types()
    for component, part in pipeline.components.items():
        classes = tuple(each for each in expected.get(component, ()) if not issubclass(each, Enum))
        if (component == "scheduler" or isinstance(part, nn.Module)) and classes and not isinstance(part, classes):
            raise ModelError(
                f"'{name}' has a {type(part).__name__} as its {component}, expected a {classes[0].__name__}; restore "
                "it from the original model."
            )
        absent = [key for key, weight in _weights(part) if weight.device.type == "meta"]
        if absent:
            raise ModelError(
                f"The weights of the {component} of '{name}' do not fit its config.json ({len(absent)} missing, the "
                f"first '{absent[0]}'); restore both from the original model."
            )


def _weights(part: object) -> Iterable[tuple[str, Tensor]]:
    return part.named_parameters() if isinstance(part, nn.Module) else ()


def _reason(error: Exception) -> str:
    """The first line that says something: titles end in a colon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.endswith(":")] or lines
    return told[0].rstrip(".") if told else type(error).__name__


def _switches(folder: Path, family: ModelFamily, name: str) -> dict[str, Any]:
    return dict(family.switches(folder, read_index(folder, name))) if family.switches else {}


def _check_stored(folder: Path, name: str, quantise: str | None, device: torch.device) -> None:
    """See that weights which are stored in fewer bits can be read here, and are not to be quantised again."""
    stored = sorted(file.parent.name for file in folder.glob("*/config.json") if "quantization_config" in _json(file))
    if not stored:
        return
    where = f"The {stored[0]} of '{name}' is stored quantised"
    if quantise is not None:
        raise SettingsError(f"{where}, so that {quantise} cannot be had of it; leave the quantisation out.")
    if _method(folder / stored[0] / "config.json") != "bitsandbytes":
        return
    if not _installed("bitsandbytes"):
        raise MissingExtraError(
            f"{where} with bitsandbytes, which is not installed: run pip install 'retouch[modern]'."
        )
    if device.type != "cuda":
        raise SettingsError(f"{where}, which needs a GPU with CUDA, not {device.type}; use a copy of whole weights.")


def _method(file: Path) -> object:
    settings = _json(file).get("quantization_config")
    return settings.get("quant_method") if isinstance(settings, dict) else None


def _json(file: Path) -> Mapping[str, object]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # What reads it in earnest says what is wrong with it.
        return {}
    return content if isinstance(content, dict) else {}


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _quantised(family: ModelFamily, name: str | None, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    if name is None:
        return {}
    if name not in QUANTISATIONS:
        raise SettingsError(f"The quantisation '{name}' is unknown; choose {' or '.join(QUANTISATIONS)}.")
    if not _installed("bitsandbytes"):
        raise MissingExtraError(
            f"The quantisation {name} needs bitsandbytes, which is not installed: run pip install 'retouch[modern]'."
        )
    if device.type != "cuda":
        raise SettingsError(f"The quantisation {name} needs a GPU with CUDA, not {device.type}; leave it out.")
    from diffusers import PipelineQuantizationConfig

    backend, arguments = QUANTISATIONS[name]
    computing: dict[str, Any] = {"bnb_4bit_compute_dtype": dtype} if name == "nf4" else {}
    largest = sorted(family.billions, key=lambda part: family.billions[part])[-2:]
    config = PipelineQuantizationConfig(
        quant_backend=backend, quant_kwargs={**arguments, **computing}, components_to_quantize=largest
    )
    return {"quantization_config": config}


def _add_loras(pipeline: Any, family: ModelFamily, loras: Sequence[Lora], name: str) -> None:
    if not loras:
        return
    if not family.lora:
        raise ModelError(f"'{name}' is a {type(pipeline).__name__}, which takes no LoRA; leave it out.")
    names = [f"lora{number}" for number in range(len(loras))]
    for adapter, lora in zip(names, loras, strict=True):
        file = read_lora(lora.source).file
        try:
            with quiet_libraries(errors=False):
                pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name=adapter)
                found = {each for parts in pipeline.get_list_adapters().values() for each in parts}
        except _LOAD_ERRORS as error:
            raise ModelError(
                f"The LoRA '{lora.source}' does not fit '{name}' ({_reason(error)}); use one that was made for it."
            ) from error
        if adapter not in found:
            raise ModelError(f"The LoRA '{lora.source}' changes nothing in '{name}'; use one that was made for it.")
    cast(Any, pipeline).set_adapters(names, [lora.scale for lora in loras])
