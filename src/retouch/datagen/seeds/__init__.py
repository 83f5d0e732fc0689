"""Triples written by hand, about photographs of all kinds and about rooms, for a first writer to learn from."""

from importlib.resources import files
from pathlib import Path


def seed_triples() -> Path:
    """The JSON-lines file of the triples, {"caption", "edit", "output"} a line."""
    return Path(str(files(__name__) / "triples.jsonl"))
