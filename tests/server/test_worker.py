"""What a worker does with what it claimed: hand in, run out of memory, find the disk full, be told to stop."""

import errno
import io
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image
from sqlalchemy import select
from tests.server.yard import MODELS, PLAIN, Yard

from retouch.core.errors import ModelError
from retouch.editing.fake import FakeEditor
from retouch.editing.protocol import InstructionEditor
from retouch.editing.result import EditProgress
from retouch.server.blobs import Blobs
from retouch.server.jobs.held import Claim
from retouch.server.settings import ServerSettings
from retouch.server.store.columns import new_id
from retouch.server.store.tables import LOCAL_OWNER
from retouch.server.store.work_tables import Preview
from retouch.server.worker.fakes import FakeGrounds, slow_editor
from retouch.server.worker.loaded import LoadedModels, out_of_memory
from retouch.server.worker.previews import Previews
from retouch.server.worker.process import tools_of
from retouch.server.worker.pulse import Pulse
from retouch.server.worker.work import NO_MEMORY, Pace, Tools, do


@pytest.fixture
def place(sqlite_yard: Yard) -> Yard:
    return sqlite_yard


class Hungry(FakeEditor):
    """Has memory for `most` pictures at once; where it is not sparing, for one less."""

    def __init__(self, name: str, most: int, tried: list[tuple[int, bool]], sparing: bool) -> None:
        super().__init__(name)
        self.most, self.tried, self.sparing = most, tried, sparing

    def edit(self, images: Any, instructions: Any, *, count: int = 1, **more: Any) -> Any:
        self.tried.append((count, self.sparing))
        if count > self.most - (not self.sparing):
            raise ModelError("There is not enough memory.") from MemoryError()
        return super().edit(images, instructions, count=count, **more)


def tools(place: Yard, load: Callable[[str, bool], InstructionEditor] | None = None) -> Tools:
    models = LoadedModels(names=MODELS, load=load or (lambda name, _: slow_editor(name, 0.0)), most=2)
    return Tools(queue=place.queue, models=models, grounds=FakeGrounds(), pace=Pace(ask=0.0, tell=0.0, preview=0.001))


def claim(place: Yard) -> Claim:
    found = place.queue.claim(new_id(), MODELS)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("most", "tried"),
    [
        (9, [(4, False)]),
        (3, [(4, False), (2, False), (2, False)]),
        (2, [(4, False), (2, False), (1, False), (1, False), (2, False), (1, False), (1, False)]),
    ],
)
def test_too_little_memory_makes_it_smaller(place: Yard, most: int, tried: list[tuple[int, bool]]) -> None:
    nodes = place.branch(place.project(LOCAL_OWNER), 4)
    seen: list[tuple[int, bool]] = []
    do([claim(place)], tools(place, lambda name, spare: Hungry(name, most, seen, spare)), threading.Event())
    assert place.states(nodes) == ["done"] * 4 and seen == tried
    plain = place.branch(place.project(LOCAL_OWNER), 4)
    do([claim(place)], tools(place), threading.Event())
    assert [place.node(node).image_id for node in nodes] == [place.node(node).image_id for node in plain]


def test_alone_it_is_tried_sparingly_then_fails_alone(place: Yard) -> None:
    root = place.project(LOCAL_OWNER)
    nodes = place.branch(root, 2)
    seen: list[tuple[int, bool]] = []
    do([claim(place)], tools(place, lambda name, spare: Hungry(name, 1, seen, spare)), threading.Event())
    assert place.states(nodes) == ["done"] * 2 and seen == [(2, False), (1, False), (1, True), (1, False), (1, True)]
    lost, kept = place.branch(root, instruction="large"), place.branch(root, instruction="small")
    do([claim(place)], tools(place, lambda name, spare: Hungry(name, 0, seen, spare)), threading.Event())
    do([claim(place)], tools(place), threading.Event())
    assert place.states([*lost, *kept]) == ["failed", "done"] and place.node(lost[0]).error == NO_MEMORY


def test_on_the_cpu_it_fails_without_a_second_load(place: Yard, tiny_folder: Path) -> None:
    name = str(tiny_folder)
    settings = ServerSettings(models=(name,), device="cpu", backend="torch")
    made = tools_of(settings, place.queue, Pulse(step=60.0, loading=60.0)).models
    loads: list[bool] = []

    def starved(*_: object) -> None:
        raise MemoryError

    def load(source: str, sparing: bool) -> Any:
        editor: Any = made.load(source, sparing)
        editor.checkpoint.unet.register_forward_pre_hook(starved)
        loads.append(sparing)
        return editor

    (node,) = place.branch(place.project(LOCAL_OWNER), like=replace(PLAIN, model=name))
    found = place.queue.claim(new_id(), (name,))
    assert found is not None
    do([found], replace(tools(place), models=replace(made, load=load)), threading.Event())
    assert (place.node(node).state, place.node(node).error, loads) == ("failed", NO_MEMORY, [False])


def test_of_a_model_one_way_of_loading_is_kept() -> None:
    alive: weakref.WeakSet[FakeEditor] = weakref.WeakSet()

    def load(name: str, _: bool) -> InstructionEditor:
        assert name not in [editor.name for editor in alive], "the other is gone before this one comes"
        editor = FakeEditor(name)
        alive.add(editor)
        return editor

    models = LoadedModels(names=MODELS, load=load, most=3)
    for name, sparing in (("pocket", False), ("pocket/insert", False), ("pocket", True)):
        models.get(name, sparing=sparing)
    assert models.loaded("pocket") is None and models.loaded("pocket/insert") is not None
    models.get("pocket")
    assert models.loaded("pocket") is not None and len(alive) == 2


def test_what_is_no_lack_of_memory() -> None:
    assert not out_of_memory(None) and not out_of_memory(ModelError("no")) and not out_of_memory(RuntimeError("shape"))
    assert out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))


class Full(MemoryFileSystem):
    """A disk that is full from the nth write on, until there is room again."""

    cachable = False
    store: dict[str, Any] = {}

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.store.clear()

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        if self.room <= 0:
            super().pipe_file(path, value[: len(value) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= 1
        super().pipe_file(path, value)


@pytest.mark.parametrize("room", [1, 2, 3])
def test_a_full_disk_fails_what_does_not_fit_and_keeps_the_rest(place: Yard, room: int) -> None:
    files = Full(room)
    place.blobs = Blobs(files=files, root="/full")
    nodes = place.branch(place.project(LOCAL_OWNER), 4)
    do([claim(place)], tools(place), threading.Event())
    assert place.states(nodes) == ["done"] * (room - 1) + ["failed"] * (5 - room)
    assert "cannot be written" in (place.node(nodes[-1]).error or "")
    for name in files.find("/full/pictures"):
        Image.open(io.BytesIO(files.cat_file(name))).load()
    files.room = 99
    from retouch.server.store import work

    lost = [node for node in nodes if place.node(node).state == "failed"]
    place.database.write(
        lambda session: work.begin_again(session, LOCAL_OWNER, [session.merge(place.node(n)) for n in lost], 99)
    )
    do([claim(place)], tools(place), threading.Event())
    assert place.states(nodes) == ["done"] * 4


def test_a_local_disk_that_is_full_leaves_nothing_behind(place: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    from retouch.core import files

    (node,) = place.branch(place.project(LOCAL_OWNER))

    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    claimed = claim(place)
    assert isinstance(place.blobs.files, LocalFileSystem)
    monkeypatch.setattr(files, "_write_and_sync", full)
    do([claimed], tools(place), threading.Event())
    assert place.node(node).state == "failed" and "disk is full" in (place.node(node).error or "")
    assert len(list(Path(place.blobs.root).rglob("*.*"))) == 1


def test_what_breaks_unexpectedly_fails_without_its_insides(place: Yard) -> None:
    (node,) = place.branch(place.project(LOCAL_OWNER))

    def load(_: str, __: bool) -> InstructionEditor:
        raise KeyError("/secret/path")

    do([claim(place)], tools(place, load), threading.Event())
    error = place.node(node).error or ""
    assert place.node(node).state == "failed" and "KeyError" in error and "secret" not in error


def test_a_worker_that_is_to_end_gives_back(place: Yard) -> None:
    nodes = place.branch(place.project(LOCAL_OWNER), 2)
    stop = threading.Event()
    stop.set()
    do([claim(place)], tools(place), stop)
    assert place.states(nodes) == ["waiting"] * 2 and place.job(nodes[0]).attempts == 0


def test_all_cancelled_stops_at_the_next_step(place: Yard) -> None:
    nodes = place.branch(place.project(LOCAL_OWNER), 2)
    steps: list[int] = []

    class Told(FakeEditor):
        def edit(self, images: Any, instructions: Any, **more: Any) -> Any:
            inner = more.pop("on_progress")

            def progress(event: EditProgress) -> None:
                steps.append(event.done)
                inner(event)
                if event.done == 2:
                    for node in nodes:
                        place.stop(node)

            return super().edit(images, instructions, on_progress=progress, **more)

    claimed = claim(place)
    do([claimed], tools(place, lambda name, _: Told(name)), threading.Event())
    assert place.states(nodes) == ["cancelled"] * 2 and steps == [1, 2]


def test_a_lost_lease_stops_the_work_and_takes_nothing_in(place: Yard) -> None:
    from datetime import timedelta

    (node,) = place.branch(place.project(LOCAL_OWNER))
    claimed = claim(place)
    place.clock += timedelta(seconds=31)
    place.queue.expire()
    do([claimed], tools(place), threading.Event())
    assert place.node(node).state == "waiting" and place.job(node).attempts == 1


def test_models_are_loaded_once_and_only_those_of_the_list() -> None:
    loads: list[str] = []

    def load(name: str, _: bool) -> InstructionEditor:
        loads.append(name)
        return slow_editor(name, 0.0)

    models = LoadedModels(names=MODELS, load=load, most=2)
    for name in ("pocket", "pocket/insert", "pocket", "pocket/exemplar", "pocket"):
        assert models.get(name).name == name
    assert loads == ["pocket", "pocket/insert", "pocket/exemplar"]
    models.free()
    models.get("pocket")
    assert loads[-1] == "pocket"
    with pytest.raises(ModelError, match="not one this server offers"):
        models.get("/etc/passwd")


def test_previews_cost_at_most_a_tenth() -> None:
    small = Image.new("RGB", (2000, 1000))
    event = EditProgress(done=1, total=9, instruction=0, preview=lambda: (small,))
    assert not Previews(0, 1).due(event) and not Previews(9, 1).due(event)
    previews = Previews(1e-9, 1)
    assert previews.due(event) and not previews.due(replace(event, done=9))
    with Image.open(io.BytesIO(previews.make(event)[0])) as shown:
        assert (shown.format, shown.size) == ("JPEG", (512, 256))
    assert not previews.due(event), "it took all the time there was"
    assert Previews(1e-9, 2).make(event) == ()


def test_no_preview_that_the_picture_would_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    shown: dict[int, list[int]] = {}
    for total in (16, 32, 160):
        previews = Previews(1.0, 1)
        for done in range(1, total + 1):
            at[0] += 1 / 16
            event = EditProgress(done=done, total=total, instruction=0, preview=lambda: (Image.new("RGB", (9, 9)),))
            if previews.due(event):
                shown.setdefault(total, []).append(done)
                previews.make(event)
    assert shown == {32: [16], 160: list(range(16, 145, 16))}


def test_each_of_several_has_a_preview(place: Yard) -> None:
    place.branch(place.project(LOCAL_OWNER), 3)
    seen: list[int] = []

    def at_step(_: str) -> None:
        time.sleep(0.02)
        with place.database.read() as session:
            seen.append(len(session.scalars(select(Preview.job_id)).all()))

    do([claim(place)], tools(place, lambda name, _: FakeEditor(name, at_step=at_step)), threading.Event())
    assert max(seen) == 3
