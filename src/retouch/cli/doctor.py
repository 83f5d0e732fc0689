"""`retouch doctor`: what this machine offers and what is missing, with the command to add it."""

import platform
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from retouch import __version__
from retouch.cli.options import DEFAULT_MODEL, Json
from retouch.cli.output import say, say_facts, say_json

SHOWN_VERSIONS = ("torch", "diffusers", "transformers", "pillow", "numpy")


def doctor(
    *,
    bench: Annotated[bool, typer.Option("--bench", help="Time a step with each backend, and choose.")] = False,
    model: Annotated[str, typer.Option("--model", "-m", help="What is timed.")] = DEFAULT_MODEL,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the networks kept for OpenVINO.")] = False,
    json: Json = False,
) -> None:
    """Report device, versions, extras, models and free disk, and how to add what is missing.

    [bold]Examples[/bold]

    retouch doctor

    retouch doctor --bench --model pocket
    """
    if clear:
        from retouch.models.openvino.kept import clear_kept

        freed = clear_kept()
        say_json({"freed_bytes": freed}) if json else say(f"Removed {freed / 1e6:.0f} MB of networks for OpenVINO.")
        return
    if bench:
        from retouch.cli.doctor_bench import measure_backends

        measure_backends(model, json=json)
        return
    report = {
        "retouch": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: _version(name) or "missing" for name in SHOWN_VERSIONS},
        "devices": _devices(),
        "extras": {extra: _extra(extra, packages) for extra, packages in _extras().items()},
        "models": _models(),
        "free_disk_gigabytes": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
    }
    if json:
        say_json(report)
        return
    extras = {f"extra {name}": state for name, state in report.pop("extras").items()}
    say_facts({name: _shown(value) for name, value in {**report, **extras}.items()})


def _shown(value: object) -> object:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else value


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[str]:
    import torch

    found = [f"cpu ({torch.get_num_threads()} threads)"]
    if torch.cuda.is_available():
        found += [f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _extras() -> dict[str, list[str]]:
    """The packages of each extra, as the installed Retouch declares them."""
    extras: dict[str, list[str]] = {}
    for requirement in metadata.requires("retouch") or ():
        match = re.match(r"([A-Za-z0-9._-]+).*;.*extra\s*==\s*['\"]([^'\"]+)['\"]", requirement)
        if match and match[1] != "retouch":
            extras.setdefault(match[2], []).append(match[1])
    return extras


def _extra(name: str, packages: list[str]) -> str:
    missing = [package for package in packages if _version(package) is None]
    return f'missing {", ".join(missing)}; add it with: pip install "retouch[{name}]"' if missing else "present"


def _models() -> list[str]:
    from retouch.models.catalogue import catalogue

    return [entry.source for entry in catalogue() if entry.place != "hub"]
