"""What a server is told by its command line and by RETOUCH_SERVER_… in the environment, for it and its workers."""

import json
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from retouch.server.offered import DEFAULT_MODELS

PREFIX = "RETOUCH_SERVER_"


class ServerSettings(BaseSettings):
    """All settings; each can be given as RETOUCH_SERVER_NAME.

    data: the folder of pictures, and of the database where that is SQLite. database: the address of another; "" is
    `retouch.db` in the folder. blobs: another place for pictures, a folder or an address that fsspec knows.
    models: what edits may ask for; pocket names, folders or hub ids. workers: processes that make pictures, started
    here. fake: whether they only pretend. step_seconds: how long a pretended step takes.
    lease_seconds, heartbeat_seconds: how long a worker may be silent, how often it speaks. stall_seconds,
    loading_seconds: how long a step of an edit and loading a model may take before the worker is ended and begun
    again; 0 for ever. batch: edits made at once that differ in their seeds alone. together: pictures made in one batch
    of edits by words, whoever asked for them; 0 is one on a CPU, on a GPU as many as the network takes at once.
    names: under which the server is known beside its address, such as that of a proxy before it. requests_per_second:
    how many each user may make for long, a few thousand at once; 0 is as many as they like.
    keep_loaded: models a worker keeps in memory. device, precision, backend: as `retouch edit` takes them.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data: Path = Path("retouch-data")
    database: str = ""
    blobs: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8750, ge=0, le=65535)
    names: tuple[str, ...] = ()
    requests_per_second: float = Field(default=200, ge=0, le=1e6)
    workers: int = Field(default=1, ge=0, le=64)
    models: tuple[str, ...] = DEFAULT_MODELS
    fake: bool = False
    step_seconds: float = Field(default=0.0, ge=0, le=60)
    lease_seconds: float = Field(default=30, gt=0, le=3600)
    heartbeat_seconds: float = Field(default=5, gt=0, le=600)
    stall_seconds: float = Field(default=600, ge=0, le=1e6)
    loading_seconds: float = Field(default=3600, ge=0, le=1e6)
    attempts: int = Field(default=2, ge=1, le=10)
    batch: int = Field(default=4, ge=1, le=64)
    together: int = Field(default=0, ge=0, le=64)
    preview_seconds: float = Field(default=1.0, ge=0, le=600)
    keep_loaded: int = Field(default=3, ge=1, le=20)
    device: str = "auto"
    precision: str = "auto"
    backend: str = "auto"

    @property
    def database_address(self) -> str:
        """The address of the database."""
        return self.database or f"sqlite:///{self.data.resolve() / 'retouch.db'}"

    @property
    def blobs_address(self) -> str:
        """The place of the pictures."""
        return self.blobs or str(self.data.resolve() / "blobs")

    def environment(self) -> dict[str, str]:
        """What makes another process read the same settings."""
        values = self.model_dump(mode="json")
        return {
            PREFIX + name.upper(): value if isinstance(value, str) else _json(value) for name, value in values.items()
        }


def _json(value: object) -> str:
    return json.dumps(value)
