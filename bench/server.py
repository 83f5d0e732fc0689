"""The server under load on this machine: what reads take, whether anything is lost, and edits an hour.

    python bench/server.py [--clients 50] [--jobs 500] [--workers 2] [--edits 16] [--steps 20] [--together N]

The load is of clients that ask for edits of the fake editor and read their trees and pictures meanwhile. The rate is of
1, 4 and 16 clients that each wait for one edit of the pocket model before they ask for the next, on one worker, beside
a loop that calls the library with the same picture, instruction and steps. A client waits as the page does: it follows
its design's events over one connection. The library is timed before and after each, since a machine is seldom idle; the
ratio is to the mean of the two. With `--together N` the worker makes so many pictures in one batch; `--jobs 0` leaves
the load out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from retouch.core.settings import EditSettings
from retouch.editing.load import load_editor

PICTURE = Path(__file__).parents[1] / "examples" / "living-room.png"
INSTRUCTION = "make the sofa green"
FINAL = ("done", "failed", "cancelled")
TOKEN = "RETOUCH_TOKEN"


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--edits", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--together", type=int, default=0)
    asked = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} before")
    if asked.jobs:
        _load(asked.clients, asked.jobs, asked.workers)
    if asked.edits:
        _rates(asked.edits, asked.steps, asked.together)


def _load(clients: int, jobs: int, workers: int) -> None:
    with _server("--fake", "--workers", str(workers)) as address, ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        shares = [jobs // clients + (number < jobs % clients) for number in range(clients)]
        told = list(pool.map(lambda share: _client(address, share), shares))
        wall = time.perf_counter() - began
    states = sum((states for states, _ in told), Counter[str]())
    reads = sorted(seconds * 1000 for _, latencies in told for seconds in latencies)
    lost = jobs - sum(states.values())
    print(f"load: {clients} clients, {jobs} edits of the fake editor, {workers} workers: {wall:.0f} s")
    print(f"  ended {dict(states)}, lost {lost}; {jobs / wall:.1f} edits a second")
    median, high = statistics.median(reads), reads[int(0.95 * len(reads))]
    print(f"  {len(reads)} reads: median {median:.0f} ms, p95 {high:.0f} ms, longest {reads[-1]:.0f} ms")


def _client(address: str, edits: int) -> tuple[Counter[str], list[float]]:
    """Ask for edits and read until all have ended; their states, and the seconds of each read."""
    latencies: list[float] = []
    with _client_of(address) as client:
        tree = _begun(client)
        for number in range(edits):
            _branch(client, tree, f"{INSTRUCTION} {number}")
        while True:
            now = _timed(latencies, lambda: _json(client.get(f"/api/v1/projects/{tree['project']['id']}")))
            done = [node["id"] for node in now["nodes"] if node["state"] == "done"]
            shown = f"/api/v1/nodes/{done[-1]}/image?size=thumbnail"
            _timed(latencies, lambda shown=shown: client.get(shown).raise_for_status())
            states = Counter(node["state"] for node in now["nodes"] if node["parent_id"])
            if all(state in FINAL for state in states):
                return states, latencies
            time.sleep(0.2)


def _rates(edits: int, steps: int, together: int) -> None:
    library = _library(edits, steps)
    next(library)
    before = next(library)
    how = f"{together} pictures together" if together else "as many together as pay"
    print(f"rate: pocket, {steps} steps, {edits} edits each time, {how}; the library in a loop: {before:.0f} an hour")
    with _server("--workers", "1", "--together", str(together)) as address:
        _one_after_the_other(address, 2, steps)
        for clients in (1, 4, 16):
            each = max(1, edits // clients)
            began = time.perf_counter()
            with ThreadPoolExecutor(clients) as pool:
                list(pool.map(lambda _, each=each: _one_after_the_other(address, each, steps), range(clients)))
            rate = 3600 * each * clients / (time.perf_counter() - began)
            after = next(library)
            ratio = rate / ((before + after) / 2)
            print(f"  served to {clients} clients: {rate:.0f} an hour, {ratio:.2f} of the library's {after:.0f}")
            before = after


def _library(edits: int, steps: int) -> Iterator[float]:
    """Edits an hour of a loop that calls the library, measured anew each time; 0 after loading and a first edit."""
    editor = load_editor("pocket")
    settings = EditSettings(steps=steps, seed=1)
    editor.edit(PICTURE, INSTRUCTION, settings=settings)
    yield 0.0
    while True:
        began = time.perf_counter()
        for _ in range(edits):
            editor.edit(PICTURE, INSTRUCTION, settings=settings)
        yield 3600 * edits / (time.perf_counter() - began)


def _one_after_the_other(address: str, edits: int, steps: int) -> None:
    with _client_of(address) as client:
        tree = _begun(client)
        follow = f"/api/v1/projects/{tree['project']['id']}/events?after={tree['version']}"
        with client.stream("GET", follow) as answer:
            lines = answer.iter_lines()
            for number in range(edits):
                node = _branch(client, tree, INSTRUCTION, {"steps": steps, "seed": 7 * number})
                state = next(state for name, state in _heard(lines) if name == node and state in FINAL)
                assert state == "done", state


def _heard(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The nodes that events tell of, and their states."""
    kind = ""
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "event":
            kind = value
        elif key == "data" and kind == "node":
            told = json.loads(value)
            yield told["id"], told["state"]


def _client_of(address: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {os.environ[TOKEN]}"}
    return httpx.Client(base_url=address, timeout=120, trust_env=False, headers=headers)


def _begun(client: httpx.Client) -> Any:
    files = {"image": ("room.png", PICTURE.read_bytes(), "image/png")}
    return _json(client.post("/api/v1/projects", data={"title": "bench"}, files=files))


def _branch(client: httpx.Client, tree: Any, instruction: str, settings: dict[str, int] | None = None) -> str:
    body = {"instruction": instruction, "settings": settings or {}}
    return _json(client.post(f"/api/v1/nodes/{tree['project']['root_id']}/branches", json=body))[0]["id"]


def _json(answer: httpx.Response) -> Any:
    answer.raise_for_status()
    return answer.json()


def _timed(latencies: list[float], work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    found = work()
    latencies.append(time.perf_counter() - began)
    return found


@contextmanager
def _server(*arguments: str) -> Iterator[str]:
    """A server in a folder of its own; its address."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        retouch, place = (sys.executable, "-m", "retouch"), ("--data", folder)
        token = subprocess.run(
            [*retouch, "users", "token", "local", *place], capture_output=True, text=True, check=True
        )
        os.environ[TOKEN] = token.stdout.strip()
        command = [*retouch, "serve", *place, "--port", "0", *arguments]
        os.environ["RETOUCH_SERVER_REQUESTS_PER_SECOND"] = "0"
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1].partition("/?")[0]
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
