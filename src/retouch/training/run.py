"""Run a training: a recipe file's member, or a kind with its usual settings."""

import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import torch

from retouch.core.errors import SettingsError, TrainingError
from retouch.training.cache import OnPrepared
from retouch.training.parallel import Processes
from retouch.training.recipe import OwnLoop, Recipe
from retouch.training.trainer import OnProgress, TrainReport, train


def read_recipe(path: Path, member: str | None, *, data: Path, out: Path) -> Recipe | OwnLoop:
    """Call the function `member` of a recipe file with (data, out) and return its run configuration.

    Without `member` the file must define exactly one. Raises SettingsError for a missing file, an
    unknown member or a function that returns something else.
    """
    members = recipe_members(path)
    if member is None:
        if len(members) != 1:
            raise SettingsError(f"{path} has the members {', '.join(members)}; name one of them.")
        member = next(iter(members))
    if member not in members:
        raise SettingsError(f"{path} has no member '{member}'; it has {', '.join(members)}.")
    recipe = members[member](data, out)
    if not isinstance(recipe, Recipe | OwnLoop):
        raise SettingsError(f"'{member}' of {path} returned a {type(recipe).__name__}; it must return a recipe.")
    return recipe


def recipe_members(path: Path) -> dict[str, Callable[[Path, Path], object]]:
    """Return the public functions a recipe file defines, by name. Raises SettingsError where it cannot be read."""
    if not path.is_file():
        raise SettingsError(f"There is no recipe file {path}; the project's own lie in recipes/.")
    module = _import_file(path)
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"retouch_recipe_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path} is not a Python file; a recipe is one.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError) as error:
        raise SettingsError(f"{path} cannot be read as a recipe: {error}.") from error
    return module


def run_recipe(
    recipe: Recipe | OwnLoop,
    out: Path,
    *,
    device: str = "auto",
    steps: int | None = None,
    on_prepared: OnPrepared = lambda _done, _total: None,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrainReport:
    """Build and train a recipe, resuming from `out`; `steps` overrides how long it goes.

    `device` is "cpu", "cuda" or "auto", which prefers CUDA. Of several processes the first prepares
    latents alone, so that they are computed once. Raises TrainingError as `train` does,
    and where memory runs out.
    """
    if isinstance(recipe, OwnLoop):
        return recipe.run(out, steps=steps, on_progress=on_progress, cancelled=cancelled)
    settings = recipe.settings if steps is None else replace(recipe.settings, steps=steps)
    try:
        where = _device(device)
        with Processes(where).first_goes_ahead():
            kind = recipe.build(where, on_prepared=on_prepared)
        return train(kind, settings, out, on_progress=on_progress, cancelled=cancelled)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TrainingError(
            "Memory ran out; the last good checkpoint was kept: train with a smaller batch_size."
        ) from error


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("The device cuda was asked for, but this machine has none that torch can use; give cpu.")
    return torch.device(name)
