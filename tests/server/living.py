"""A server that runs in processes of its own, and a client of it, for tests of what happens to processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from retouch.server.settings import PREFIX

QUICK = {"LEASE_SECONDS": "2", "HEARTBEAT_SECONDS": "0.5", "PREVIEW_SECONDS": "0.05", "STEP_SECONDS": "0.05"}
Json = dict[str, Any]
FINAL = ("done", "failed", "cancelled")


@dataclass
class Living:
    """A server process on a folder and a database."""

    process: subprocess.Popen[str]
    address: str
    log: Path
    token: str = ""
    enter: bool = True
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.address, timeout=30, trust_env=False)
        if self.token and self.enter:
            self.ok(self.client.post("/api/v1/login", json={"token": self.token}))

    def begun(self, data: bytes, title: str = "Room") -> Json:
        """The tree of a new project."""
        files = {"image": ("room.png", data, "image/png")}
        return self.ok(self.client.post("/api/v1/projects", data={"title": title}, files=files))

    def branched(self, node: str, instruction: str = "make it green", **more: Any) -> list[Json]:
        """New nodes."""
        return self.ok(self.client.post(f"/api/v1/nodes/{node}/branches", json={"instruction": instruction, **more}))

    def tree(self, project: str) -> Json:
        """A project as it is."""
        return self.ok(self.client.get(f"/api/v1/projects/{project}"))

    def ended(self, project: str, seconds: float = 60) -> Json:
        """The tree once none of its nodes waits or runs."""

        def ready() -> Json | None:
            tree = self.tree(project)
            return tree if all(node["state"] in FINAL for node in tree["nodes"]) else None

        return waited(ready, seconds)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process and return its exit code."""
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait(40)

    @staticmethod
    def ok(answer: httpx.Response) -> Any:
        """The JSON of an answer that is no problem."""
        assert answer.status_code < 300, answer.text
        return answer.json()


@contextmanager
def living(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Living]:
    """Run `retouch serve` on a folder until the block ends; what it says goes to `serve.log` there."""
    began = begin(folder, *arguments, environment=environment)
    try:
        yield began
    finally:
        if began.process.poll() is None:
            began.end()


def begin(folder: Path, *arguments: str, environment: dict[str, str] | None = None, enter: bool = True) -> Living:
    """Start `retouch serve` and wait for its address; without `enter` the token is left to somebody else."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "serve.log"
    command = [sys.executable, "-m", "retouch", "serve", "--data", str(folder), "--port", "0", *arguments]
    settings = {PREFIX + name: value for name, value in QUICK.items()}
    with log.open("a") as stream:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **settings, **(environment or {})},
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("Retouch is at http"):
        process.kill()
        process.wait()
        raise AssertionError((line, log.read_text()))
    address, _, token = line.split()[-1].partition("/?token=")
    return Living(process=process, address=address, log=log, token=token, enter=enter)


def waited(look: Callable[[], Any], seconds: float = 30) -> Any:
    """What `look` returns once it returns something."""
    until = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)
    return found


class Follower:
    """Follows a project in a thread; `heard` has (id, event, data) of all that came."""

    def __init__(self, server: Living, project: str, after: int) -> None:
        self.heard: list[tuple[int | None, str, Json]] = []
        self._cookies = server.client.cookies
        self._url = f"{server.address}/api/v1/projects/{project}/events?after={after}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def until(self, wanted: Callable[[str, Json], bool], seconds: float = 30) -> Json:
        """The first event that is wanted."""
        return waited(lambda: next((body for _, kind, body in list(self.heard) if wanted(kind, body)), None), seconds)

    def ended(self) -> bool:
        """Whether the connection ended."""
        self._thread.join(15)
        return not self._thread.is_alive()

    def _run(self) -> None:
        name, number = "", None
        try:
            with httpx.stream("GET", self._url, timeout=60, trust_env=False, cookies=self._cookies) as answer:
                for line in answer.iter_lines():
                    key, _, value = line.partition(": ")
                    if key == "id":
                        number = int(value)
                    elif key == "event":
                        name = value
                    elif key == "data":
                        self.heard.append((number, name, json.loads(value)))
                        number = None
        except httpx.TransportError:
            return
