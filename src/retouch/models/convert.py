"""Turn pickled and single-file checkpoints into safetensors and diffusers folders."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from retouch.core.errors import ModelError, OutputError
from retouch.models.checkpoint import Checkpoint, kind_of
from retouch.models.load import read_scheduler
from retouch.models.quiet import quiet_libraries
from retouch.models.save import save
from retouch.models.sources import PICKLED_SUFFIXES, WEIGHT_STEMS, find_model
from retouch.models.spec import CHANNELS, Kind, read_spec

_FIRST_CONVOLUTION = "model.diffusion_model.input_blocks.0.0.weight"
_TEXT_PREFIX = "cond_stage_model.transformer.text_model."

REFERENCES: dict[Kind, str] = {
    "generate": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "instruct": "timbrooks/instruct-pix2pix",
    "inpaint": "stable-diffusion-v1-5/stable-diffusion-inpainting",
}
"""Hub ids whose configuration a single-file checkpoint of each kind shares."""


def convert(source: str | Path, out: str | Path, *, like: str | None = None) -> Path:
    """Convert `source` to a form that `load` takes; return what was written.

    A folder with pickled components becomes a folder with safetensors. A single file with a whole model
    becomes a folder; its configuration and tokenizer, which such files do not hold, come from `like`, a
    model of the same shape (default: the published one of its kind, from the hub). A pickled state dict
    of one network becomes one .safetensors file. Pickles are read in a process of their own.

    Raises:
        ModelError: the source is missing, unsafe, damaged or of an unknown kind.
        OutputError: `out` exists or cannot be written.
    """
    path, target = Path(source).expanduser(), Path(out).expanduser()
    if not path.exists():
        raise ModelError(f"There is no '{source}'; name a checkpoint file or a folder.")
    if target.exists():
        raise OutputError(f"'{out}' exists already; name a new place for the converted model.")
    if path.is_dir():
        return _convert_folder(path, target)
    if path.suffix == ".safetensors":
        return _convert_whole_model(path, target, like)
    if target.suffix == ".safetensors":
        return convert_pickle(path, target)
    plain = target.with_name(f".{target.name}.{secrets.token_hex(4)}.safetensors")
    try:
        return _convert_whole_model(convert_pickle(path, plain), target, like)
    finally:
        plain.unlink(missing_ok=True)


def convert_pickle(file: Path, out: Path) -> Path:
    """Write the tensors of a pickled state dict as the safetensors file `out`, from a separate process.

    Raises:
        ModelError: the file holds anything but tensors and plain data, or is damaged.
        OutputError: `out` cannot be written.
    """
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _unpickle({file: partial})
        partial.rename(out)
    except OSError as error:
        raise OutputError(f"'{out}' cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return out


def _unpickle(files: Mapping[Path, Path]) -> None:
    """Convert each file to the path it maps to, all in one child process."""
    paths = [str(path) for pair in files.items() for path in pair]
    command = [sys.executable, "-P", "-m", "retouch.models.unpickle", *paths]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode != 0:
        reason = (child.stderr.strip().splitlines() or ["the process died"])[-1]
        raise ModelError(f"{reason}; get a safetensors version of the model.")


def _convert_folder(source: Path, target: Path) -> Path:
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns("*.bin", "*.ckpt", "*.pt", "*.pth", "*.pkl"))
        files = {
            file: partial / component / _safetensors_name(file)
            for component in WEIGHT_STEMS
            for file in sorted((source / component).glob("*"))
            if file.suffix in PICKLED_SUFFIXES
        }
        _unpickle({file: plain for file, plain in files.items() if not plain.exists()})
        partial.rename(target)
    except OSError as error:
        raise OutputError(f"'{target}' cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _safetensors_name(pickled: Path) -> str:
    """The hub calls pickled text encoders `pytorch_model`, safe ones `model`."""
    return pickled.stem.removeprefix("pytorch_") + ".safetensors"


def _convert_whole_model(file: Path, target: Path, like: str | None) -> Path:
    kind = _kind_of_file(file)
    reference = like or REFERENCES[kind]
    try:
        configuration = find_model(reference, weights=False)
    except ModelError as error:
        raise ModelError(
            f"A single-file checkpoint has no configuration of its own: {error} "
            "A folder of a model of the same shape will do: `--like FOLDER`."
        ) from error
    try:
        with quiet_libraries():
            checkpoint = _read_whole_model(file, configuration)
    except (ValueError, RuntimeError, KeyError, TypeError, OSError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"'{file}' does not have the shape of '{reference}' ({reason}); name a model of its shape with `--like`."
        ) from error
    return save(checkpoint, target)


def _kind_of_file(file: Path) -> Kind:
    channels = _input_channels(file)
    for kind, width in CHANNELS.items():
        if width == channels:
            return kind
    raise ModelError(f"The U-Net in '{file}' takes {channels} channels; expected 4, 8 or 9.")


def _input_channels(file: Path) -> int:
    try:
        with safe_open(file, framework="pt") as tensors:
            if _FIRST_CONVOLUTION in tensors.keys():  # noqa: SIM118, not a dictionary
                return int(tensors.get_slice(_FIRST_CONVOLUTION).get_shape()[1])
    except (SafetensorError, OSError) as error:
        raise ModelError(f"'{file}' is no valid safetensors file ({error}); get it again.") from error
    raise ModelError(
        f"'{file}' does not hold a whole Stable-Diffusion-1 model; "
        "to convert one network's weights, let OUT end in .safetensors."
    )


def _read_whole_model(file: Path, configuration: Path) -> Checkpoint:
    where = {"config": str(configuration), "local_files_only": True}
    unet = UNet2DConditionModel.from_single_file(str(file), subfolder="unet", **where)
    vae = AutoencoderKL.from_single_file(str(file), subfolder="vae", **where)
    return Checkpoint(
        unet=unet,
        vae=vae,
        text_encoder=_read_text_encoder(file, configuration),
        tokenizer=CLIPTokenizer.from_pretrained(configuration / "tokenizer", local_files_only=True),
        scheduler_config=read_scheduler(configuration, str(configuration)),
        spec=read_spec(configuration, kind_of(unet, str(file))),
        source=str(file),
    )


def _read_text_encoder(file: Path, configuration: Path) -> CLIPTextModel:
    config = CLIPTextConfig.from_pretrained(configuration / "text_encoder", local_files_only=True)
    encoder = CLIPTextModel(config)
    tensors = {
        name.removeprefix(_TEXT_PREFIX): value
        for name, value in load_file(file).items()
        if name.startswith(_TEXT_PREFIX) and not name.endswith("position_ids")
    }
    encoder.load_state_dict(tensors)
    return encoder.eval()
