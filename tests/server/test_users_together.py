"""Edits of several users made in one batch: each gets its own picture and ends for itself."""

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from tests.server.yard import MODELS, PLAIN, Yard, noise, yard

from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.designs.request import from_json
from retouch.editing.fake import FakeEditor
from retouch.editing.protocol import InstructionEditor
from retouch.server.jobs.held import Claim
from retouch.server.jobs.queue import WorkQueue
from retouch.server.pictures import StoredPicture
from retouch.server.store.columns import new_id
from retouch.server.store.database import Database
from retouch.server.store.tables import Event
from retouch.server.store.work_tables import Preview
from retouch.server.worker.fakes import FakeGrounds, slow_editor
from retouch.server.worker.loaded import LoadedModels
from retouch.server.worker.together import Together, at_once, with_others
from retouch.server.worker.work import Pace, Tools, do

if TYPE_CHECKING:
    from retouch.editing.editor import Editor

TWO_STEPS = replace(PLAIN, settings=EditSettings(steps=2))
WORDS = ("make it night", "paint the walls blue", "remove the lamp", "make it green")


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Yard:
    return yard(database, tmp_path / "blobs")


@pytest.fixture
def editor(make_tiny: Callable[..., Any]) -> "Editor":
    from retouch.editing.editor import Editor

    return Editor(make_tiny())


def tools(place: Yard, editor: InstructionEditor, *, together: int = 8) -> Tools:
    """A worker's, with the model loaded."""
    models = LoadedModels(names=MODELS, load=lambda _, __: editor, most=2)
    models.get("pocket")
    pace = Pace(ask=0.0, tell=0.0, preview=0.0001)
    pictures = (lambda _: together) if isinstance(editor, FakeEditor) else lambda each: at_once(each, together)
    return Tools(
        queue=place.queue, models=models, grounds=FakeGrounds(), pace=pace, together=Together(pictures=pictures)
    )


def claimed(tools: Tools) -> tuple[Claim, ...]:
    first = tools.queue.claim(new_id(), MODELS)
    assert first is not None
    return with_others(tools.queue, first, tools.models, tools.together)


def shown(place: Yard, node: str) -> np.ndarray:
    with Image.open(io.BytesIO(place.blobs.read(place.node(node).image_id or ""))) as image:
        return np.asarray(image, dtype=int)


def of_several(place: Yard, *, size: tuple[int, int] = (64, 48)) -> list[str]:
    """An edit that waits of each of four users, of a picture and by an instruction of its own."""
    return [
        place.branch(
            place.project(place.owner(new_id()), noise(number, size)),
            instruction=text,
            seed=10 * number,
            like=TWO_STEPS,
        )[0]
        for number, text in enumerate(WORDS)
    ]


def test_each_gets_its_own_picture(sqlite_yard: Yard) -> None:
    from retouch.editing.editor import Editor

    editor = Editor.load("pocket", device="cpu", precision="float32", backend="torch")
    nodes = of_several(sqlite_yard)
    rows: list[int] = []
    hook = editor.checkpoint.unet.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, threading.Event())
    assert sqlite_yard.states(nodes) == ["done"] * 4 and len(rows) == 2, "one batch of two steps"
    hook.remove()
    for number, (node, text) in enumerate(zip(nodes, WORDS, strict=True)):
        alone = editor.edit(
            sqlite_yard.blobs.read(noise(number).sha256), text, settings=EditSettings(steps=2, seed=10 * number)
        )
        assert np.abs(shown(sqlite_yard, node) - np.asarray(alone.image, dtype=int)).max() <= 1
        request = from_json(sqlite_yard.node(node).request)
        assert (request.instruction, request.model) == (text, "pocket")
        assert request.settings == replace(alone.settings, region=None, reference=None)
        with sqlite_yard.database.read() as session:
            events = select(Event).where(Event.project_id == sqlite_yard.node(node).project_id)
            assert [event.payload["ids"] for event in session.scalars(events)] == [[node], [node]]


def test_seeds_and_several_share_a_batch(sqlite_yard: Yard, editor: "Editor") -> None:
    one = sqlite_yard.branch(
        sqlite_yard.project(sqlite_yard.owner("a"), noise(1)), 3, instruction="a", seed=4, like=TWO_STEPS
    )
    two = sqlite_yard.branch(
        sqlite_yard.project(sqlite_yard.owner("b"), noise(2)), 2, instruction="b", seed=9, like=TWO_STEPS
    )
    with_model = tools(sqlite_yard, editor)
    claims = claimed(with_model)
    assert sorted(len(claim.held) for claim in claims) == [2, 3]
    do(claims, with_model, threading.Event())
    for nodes, number, text, seed in ((one, 1, "a", 4), (two, 2, "b", 9)):
        source = sqlite_yard.blobs.read(noise(number).sha256)
        alone = editor.edit(source, text, settings=EditSettings(steps=2, seed=seed), count=len(nodes))
        for node, picture in zip(nodes, alone.images[0], strict=True):
            assert np.abs(shown(sqlite_yard, node) - np.asarray(picture, dtype=int)).max() <= 1


def test_a_setting_of_a_region_is_kept_to_regions(sqlite_yard: Yard, editor: "Editor") -> None:
    like = replace(TWO_STEPS, settings=EditSettings(steps=2, region=RegionSettings(feather=3)))
    nodes = [
        sqlite_yard.branch(sqlite_yard.project(sqlite_yard.owner(text), noise(1)), instruction=text, like=like)[0]
        for text in ("a", "b")
    ]
    with_model = tools(sqlite_yard, editor)
    claims = claimed(with_model)
    assert len(claims) == 2
    do(claims, with_model, threading.Event())
    assert sqlite_yard.states(nodes) == ["done"] * 2
    assert all(from_json(sqlite_yard.node(node).request).settings.region is None for node in nodes)


def at_calls(editor: "Editor", work: Callable[[int, int], None]) -> Any:
    """Do something at each call of the network, given its number, from 1, and the pictures in it; what ends that."""
    calls: list[int] = []

    def hook(_: object, given: tuple[Any, ...]) -> None:
        calls.append(len(given[0]) // 3)
        work(len(calls), calls[-1])

    return editor.checkpoint.unet.register_forward_pre_hook(hook)


def test_one_that_is_cancelled_does_not_cost_the_others(sqlite_yard: Yard, editor: "Editor") -> None:
    nodes = of_several(sqlite_yard)
    hook = at_calls(editor, lambda number, _: sqlite_yard.stop(nodes[1]) if number == 1 else None)
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, threading.Event())
    hook.remove()
    assert sqlite_yard.states(nodes) == ["done", "cancelled", "done", "done"]
    assert sqlite_yard.node(nodes[1]).image_id is None


def test_all_that_are_cancelled_stop_the_batch(sqlite_yard: Yard, editor: "Editor") -> None:
    nodes = of_several(sqlite_yard)
    calls: list[int] = []

    def work(number: int, _: int) -> None:
        calls.append(number)
        for node in nodes:
            sqlite_yard.stop(node)

    hook = at_calls(editor, work)
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, threading.Event())
    hook.remove()
    assert sqlite_yard.states(nodes) == ["cancelled"] * 4 and calls == [1]


def test_a_picture_that_cannot_be_read_fails_alone(sqlite_yard: Yard, editor: "Editor") -> None:
    nodes = of_several(sqlite_yard)
    (lost,) = (name for name in sqlite_yard.blobs.files.find(sqlite_yard.blobs.root) if noise(2).sha256 in name)
    Path(lost).write_bytes(b"no picture")
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, threading.Event())
    assert sqlite_yard.states(nodes) == ["done", "done", "failed", "done"]
    assert sqlite_yard.node(nodes[2]).error and sqlite_yard.node(nodes[0]).error is None


def test_an_edit_that_breaks_the_batch_fails_alone(sqlite_yard: Yard) -> None:
    nodes = [
        sqlite_yard.branch(sqlite_yard.project(sqlite_yard.owner(str(number))), instruction=text)[0]
        for number, text in enumerate(("a", "fail", "b", "c", "d"))
    ]
    with_model = tools(sqlite_yard, slow_editor("pocket", 0.0))
    do(claimed(with_model), with_model, threading.Event())
    assert sqlite_yard.states(nodes) == ["done", "failed", "done", "done", "done"]
    assert "asked to fail" in (sqlite_yard.node(nodes[1]).error or "")


def test_a_disk_that_is_full_for_one_keeps_the_others(sqlite_yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    from retouch.core.errors import OutputError

    nodes = [
        sqlite_yard.branch(sqlite_yard.project(sqlite_yard.owner(str(number))), instruction=f"i{number}")[0]
        for number in range(3)
    ]
    put, tried = type(sqlite_yard.blobs).put, list[str]()

    def full_once(blobs: Any, picture: StoredPicture) -> None:
        tried.append(picture.sha256)
        if len(tried) == 2:
            raise OutputError("The disk is full.")
        put(blobs, picture)

    with_model = tools(sqlite_yard, slow_editor("pocket", 0.0))
    claims = claimed(with_model)
    monkeypatch.setattr(type(sqlite_yard.blobs), "put", full_once)
    do(claims, with_model, threading.Event())
    assert sorted(sqlite_yard.states(nodes)) == ["done", "done", "failed"] and len(tried) == 3


def test_too_little_memory_makes_it_smaller_from_then_on(sqlite_yard: Yard, editor: "Editor") -> None:
    sizes: list[int] = []

    def hungry(_: int, pictures: int) -> None:
        sizes.append(pictures)
        if pictures > 2:
            raise MemoryError

    nodes = of_several(sqlite_yard)
    hook = at_calls(editor, hungry)
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, threading.Event())
    hook.remove()
    assert sqlite_yard.states(nodes) == ["done"] * 4 and sizes == [4, 2, 2, 2, 2]
    of_several(sqlite_yard)
    with_model.models.get("pocket")
    assert len(claimed(with_model)) == 2


def long_edits(place: Yard, count: int, steps: int) -> list[str]:
    """An edit of so many steps that waits of each of so many users."""
    like = replace(PLAIN, settings=EditSettings(steps=steps))
    return [
        place.branch(place.project(place.owner(new_id()), noise(number)), instruction=f"i{number}", like=like)[0]
        for number in range(count)
    ]


def test_in_halves_each_tells_of_its_own(sqlite_yard: Yard, editor: "Editor") -> None:
    nodes = long_edits(sqlite_yard, 4, 40)
    told: list[list[tuple[int, str]]] = []
    previews: list[set[str]] = []

    def look(_: int, pictures: int) -> None:
        if pictures == 4:
            raise MemoryError
        jobs = [sqlite_yard.job(node) for node in nodes]
        told.append([(job.done, job.state) for job in jobs])
        with sqlite_yard.database.read() as session:
            previews.append(set(session.scalars(select(Preview.job_id))))

    hook = at_calls(editor, look)
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, threading.Event())
    hook.remove()
    halves = told[:40], told[40:]
    assert [[row[0][0] for row in half] for half in halves] == [[*range(40)], [40] * 40]
    assert [row[2][0] for row in halves[0]] == [0] * 40, "what waits is not told of"
    assert [row[2][0] for row in halves[1]] == [*range(40)]
    assert {row[2][1] for row in told} == {"running"} and {row[0][1] for row in halves[1]} == {"done"}
    ids = [sqlite_yard.job(node).id for node in nodes]
    assert set(ids[:2]) in previews[:40] and set(ids[2:]) in previews[40:]


@pytest.mark.parametrize("half", [(0, 1), (2, 3)])
def test_a_half_that_is_cancelled_stops_and_the_other_goes_on(
    sqlite_yard: Yard, editor: "Editor", half: tuple[int, int]
) -> None:
    nodes = long_edits(sqlite_yard, 4, 3)
    sizes: list[int] = []

    def work(number: int, pictures: int) -> None:
        sizes.append(pictures)
        if number == 1:
            raise MemoryError
        if number == 2:
            for each in half:
                sqlite_yard.stop(nodes[each])
        if number == 3:
            assert {sqlite_yard.states(nodes)[each] for each in half} == {"cancelled"}, "at the next step"

    hook = at_calls(editor, work)
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, threading.Event())
    hook.remove()
    assert sqlite_yard.states(nodes) == ["cancelled" if each in half else "done" for each in range(4)]
    assert sizes == ([4, 2, 2, 2, 2] if half == (0, 1) else [4, 2, 2, 2])


def test_a_worker_that_is_to_end_gives_back_what_waits_in_halves(sqlite_yard: Yard, editor: "Editor") -> None:
    nodes, stop = long_edits(sqlite_yard, 4, 3), threading.Event()

    def work(number: int, _: int) -> None:
        if number == 1:
            raise MemoryError
        if number == 2:
            sqlite_yard.stop(nodes[0])
            stop.set()

    hook = at_calls(editor, work)
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, stop)
    hook.remove()
    assert sqlite_yard.states(nodes)[1:] == ["waiting"] * 3


def test_each_has_its_own_preview_and_progress(sqlite_yard: Yard, editor: "Editor") -> None:
    nodes = long_edits(sqlite_yard, 3, 40)
    seen: list[dict[str, bytes]] = []

    def look(_: int, __: int) -> None:
        with sqlite_yard.database.read() as session:
            seen.append({row.job_id: row.image for row in session.scalars(select(Preview))})

    hook = at_calls(editor, look)
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, threading.Event())
    hook.remove()
    most = max(seen, key=len)
    assert set(most) == {sqlite_yard.job(node).id for node in nodes} and len(set(most.values())) == 3
    assert [(sqlite_yard.job(node).done, sqlite_yard.job(node).total) for node in nodes] == [(40, 40)] * 3


def test_a_worker_that_is_to_end_gives_all_back(sqlite_yard: Yard, editor: "Editor") -> None:
    nodes, stop = of_several(sqlite_yard), threading.Event()
    hook = at_calls(editor, lambda number, _: stop.set() if number == 1 else None)
    with_model = tools(sqlite_yard, editor)
    do(claimed(with_model), with_model, stop)
    hook.remove()
    assert sqlite_yard.states(nodes) == ["waiting"] * 4 and {sqlite_yard.job(node).attempts for node in nodes} == {0}


def test_all_that_a_dead_worker_held_is_tried_again_alone(place: Yard) -> None:
    nodes = of_several(place)
    with_model = tools(place, slow_editor("pocket", 0.0))
    claims = claimed(with_model)
    assert len(claims) == 4 and place.queue.bury(claims[0].held[0].worker_id) == 4
    assert place.states(nodes) == ["waiting"] * 4
    for _ in nodes:
        again = claimed(with_model)
        assert len(again) == 1 and again[0].held[0].attempt == 2
        do(again, with_model, threading.Event())
    assert place.states(nodes) == ["done"] * 4


def test_a_lease_that_is_lost_takes_nothing_in(sqlite_yard: Yard) -> None:
    nodes = of_several(sqlite_yard)
    with_model = tools(sqlite_yard, slow_editor("pocket", 0.0))
    claims = claimed(with_model)
    (lost,) = (held for claim in claims for held in claim.held if held.node_id == nodes[3])
    assert sqlite_yard.queue.give_back(lost)
    do(claims, with_model, threading.Event())
    assert sqlite_yard.states(nodes) == ["done", "done", "done", "waiting"]


def test_none_is_taken_along_where_none_is_asked_for_or_the_model_is_not_loaded(sqlite_yard: Yard) -> None:
    of_several(sqlite_yard)
    alone = tools(sqlite_yard, slow_editor("pocket", 0.0), together=1)
    assert len(claimed(alone)) == 1
    several = tools(sqlite_yard, slow_editor("pocket", 0.0), together=3)
    several.models.free()
    assert len(claimed(several)) == 1
    several.models.get("pocket")
    assert len(claimed(several)) == 2


def test_trouble_with_the_database_keeps_what_is_claimed(sqlite_yard: Yard) -> None:
    class Troubled(WorkQueue):
        def claim_beside(self, first: Claim, held: int, most: int) -> Claim | None:
            if held > 1:
                raise OperationalError("select", {}, Exception("gone"))
            return super().claim_beside(first, held, most)

    nodes = of_several(sqlite_yard)
    with_model = tools(sqlite_yard, slow_editor("pocket", 0.0), together=4)
    with_model = replace(
        with_model,
        queue=Troubled(database=sqlite_yard.database, blobs=sqlite_yard.blobs, clock=lambda _: sqlite_yard.clock),
    )
    claims = claimed(with_model)
    assert len(claims) == 2
    do(claims, with_model, threading.Event())
    assert sorted(sqlite_yard.states(nodes)) == ["done", "done", "waiting", "waiting"]
