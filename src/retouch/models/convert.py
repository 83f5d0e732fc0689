"""Turn pickled and single-file checkpoints into safetensors and diffusers folders."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from retouch.core.errors import ModelError, OutputError
from retouch.models.insert import PUBLISHED_FILE, PUBLISHED_PICKLE
from retouch.models.original import read_original
from retouch.models.save import save
from retouch.models.sources import PICKLED_SUFFIXES, WEIGHT_STEMS


def convert(source: str | Path, out: str | Path, *, like: str | None = None, tokenizer: str | None = None) -> Path:
    """Convert `source` to a form that `load` takes; return what was written.

    A folder with pickled components becomes a folder with safetensors; an `emb_opt.pt` in it is one of them (see
    `load_insert`). A single file with a whole model becomes a folder; such files hold neither configuration nor
    tokenizer. Both come from `like`, a model of the same shape; without it the weights' shapes tell the one
    (`read_original`), and `tokenizer` or its defaults give the other (`find_tokenizer`). A pickled state dict of one
    network becomes one .safetensors file. Pickles are read in a process of their own.

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
        return save(read_original(path, tokenizer=tokenizer, like=like), target)
    if target.suffix == ".safetensors":
        return convert_pickle(path, target)
    plain = target.with_name(f".{target.name}.{secrets.token_hex(4)}.safetensors")
    try:
        convert_pickle(path, plain)
        return save(read_original(plain, tokenizer=tokenizer, like=like, origin=path), target)
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
            for component in (*WEIGHT_STEMS, "image_encoder")
            for file in sorted((source / component).glob("*"))
            if file.suffix in PICKLED_SUFFIXES
        }
        optimizer = source / PUBLISHED_PICKLE
        if optimizer.is_file():
            files[optimizer] = partial / PUBLISHED_FILE
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
