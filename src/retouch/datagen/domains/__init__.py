"""The domains that come with the package, by name, and any other by its file."""

from importlib.resources import files
from pathlib import Path

from retouch.core.errors import DataError
from retouch.datagen.domain import Domain
from retouch.datagen.domain_file import read_domain

_SUFFIXES = (".yaml", ".yml")


def domain_names() -> tuple[str, ...]:
    """Names of the domains in the package, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def load_domain(source: str | Path) -> Domain:
    """The domain of a name in the package, or of a YAML file. Raises DataError."""
    if str(source) in domain_names():
        return read_domain(_folder() / f"{source}.yaml")
    path = Path(source).expanduser()
    if not path.is_file() and path.suffix.lower() not in _SUFFIXES:
        raise DataError(
            f"The domain '{source}' is neither in the package nor a file; "
            f"choose {' or '.join(domain_names())}, or give a YAML file."
        )
    return read_domain(path)


def _folder() -> Path:
    return Path(str(files(__name__)))
