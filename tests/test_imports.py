"""Importing a module does nothing: no file written, no socket, thread or CUDA; and `--help` stays light."""

import json
import subprocess
import sys
from pathlib import Path

# The watcher runs in a process of its own: an audit hook cannot be removed, and modules must be fresh.
WATCHER = """
import importlib, json, os, pkgutil, sys, tempfile, threading, traceback

sys.dont_write_bytecode = True
seen = []

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = any(letter in (mode or "") for letter in "wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
        if writes and not str(path).startswith("/dev/"):
            note(f"opens {path} for writing")
    elif event in ("socket.__new__", "socket.connect", "socket.getaddrinfo"):
        note(event)
    elif event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
        note(event)

def note(what):
    frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack()[:-2]]
    ours = [frame for frame in frames if "/retouch/" in frame]
    seen.append(f"{what}, from {ours[-1] if ours else frames[-1]}")

def start(thread, original=threading.Thread.start):
    note("a thread is started")
    original(thread)

# Two questions that libraries below ask the machine once: where temporary files go, which writes one to find
# out, and whether there is IPv6, which opens a socket. They are answered before anybody watches.
tempfile.gettempdir()
import urllib3.util.connection
threading.Thread.start = start

import retouch
names = [module.name for module in pkgutil.walk_packages(retouch.__path__, "retouch.")]
sys.addaudithook(watch)
for name in names:
    importlib.import_module(name)
count = threading.active_count()
if count != 1:
    seen.append(f"{count} threads are running")
if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
    seen.append("CUDA is initialised")
print(json.dumps({"names": names, "seen": seen}))
"""

HEAVY = [
    "torch",
    "diffusers",
    "transformers",
    "numpy",
    "pyarrow",
    "httpx",
    "mitsuba",
    "cv2",
    "datasets",
]


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_importing_every_module_does_nothing() -> None:
    report = json.loads(run(WATCHER))
    assert "retouch.core.images" in report["names"]
    assert report["seen"] == []


def test_the_watcher_sees_what_it_watches_for(tmp_path: Path) -> None:
    """The same program reports a file, a socket and a thread when a module does make one."""
    guilty = (
        f"open({str(tmp_path / 'made')!r}, 'w').close()\n"
        "socket.socket().close()\nthreading.Thread(target=int).start()\n"
    )
    program = WATCHER.replace("    importlib.import_module(name)\n", "    pass\nimport socket\n" + guilty)
    report = json.loads(run(program))
    assert len(report["seen"]) == 3
    assert any("for writing" in entry for entry in report["seen"])


def test_the_package_and_the_command_line_are_light() -> None:
    program = (
        "import json, sys\nimport retouch, retouch.cli.main\n"
        f"print(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))"
    )
    assert json.loads(run(program)) == []
