"""Laws of the tree, under any order of changes: undoing is exact, nothing is lost, every path leads to the root."""

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.designs.trees import AT, ROOT_IMAGE, asked, new_design

from retouch.core.errors import DesignError, SettingsError
from retouch.designs import changes
from retouch.designs.changes import Change, Step
from retouch.designs.design import Design, Node, below, finish, path, references


class Tree(RuleBasedStateMachine):
    """One person at one design; `done` and `undone` are the log, with the design before each change."""

    def __init__(self) -> None:
        super().__init__()
        self.design = new_design()
        self.done: list[tuple[Design, Change]] = []
        self.undone: list[Change] = []
        self.ids = itertools.count()

    def any_node(self, data: st.DataObject, shown: bool | None = None) -> Node:
        return data.draw(st.sampled_from([node for node in self.design if shown is None or node.shown is shown]))

    def record(self, step: Step) -> None:
        before = self.design
        self.design = step.design
        if step.changes_something:
            self.done.append((before, step.change))
            self.undone = []
        else:
            assert step.design == before
        hidden = {node.id for node in before if node.shown and not step.design[node.id].shown}
        assert set(step.stop) == {name for name in hidden if before[name].state in ("waiting", "running")}

    @rule(data=st.data(), count=st.integers(1, 3), deep=st.booleans())
    def grow(self, data: st.DataObject, count: int, deep: bool) -> None:
        ids = [f"n{next(self.ids)}" for _ in range(count)]
        make = changes.chain if deep else changes.branch
        requests = [asked(name) for name in ids]
        parent = self.any_node(data, shown=True).id
        self.record(make(self.design, parent, requests, ids=ids, change=f"c{next(self.ids)}", at=AT))
        if deep:
            assert [node.id for node in path(self.design, ids[-1])][-count - 1 :] == [parent, *ids]
        else:
            assert {self.design[name].parent for name in ids} == {parent}

    @rule(data=st.data(), text=st.sampled_from(["", "sofa", "lamp"]))
    def label(self, data: st.DataObject, text: str) -> None:
        node = self.any_node(data).id
        self.record(changes.label(self.design, node, text, change=f"c{next(self.ids)}"))
        assert self.design[node].label == text

    @rule(data=st.data(), starred=st.booleans())
    def star(self, data: st.DataObject, starred: bool) -> None:
        node = self.any_node(data).id
        self.record(changes.star(self.design, node, starred, change=f"c{next(self.ids)}"))
        assert self.design[node].starred == starred

    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        node = self.any_node(data)
        if node.parent is None:
            with pytest.raises(DesignError):
                changes.prune(self.design, node.id, change="c")
            return
        self.record(changes.prune(self.design, node.id, change=f"c{next(self.ids)}"))
        assert not any(each.shown for each in below(self.design, node.id))

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        before = self.design
        node = self.any_node(data)
        self.record(changes.restore(self.design, node.id, change=f"c{next(self.ids)}"))
        together = [each for each in before if node.pruned_by is not None and each.pruned_by == node.pruned_by]
        assert all(above.shown for each in [node, *together] for above in path(self.design, each.id))
        if node.shown:
            assert self.design == before

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        waiting = [node.id for node in self.design if node.state == "waiting"]
        if waiting:
            name = data.draw(st.sampled_from(waiting))
            self.design = finish(self.design, name, image=f"{len(self.design):064}", at=AT)
            with pytest.raises(DesignError):
                finish(self.design, name, image=ROOT_IMAGE, at=AT)

    @precondition(lambda self: self.done)
    @rule()
    def undo(self) -> None:
        before, change = self.done.pop()
        after_change = self.design
        step = changes.undo(self.design, change)
        for node in before:
            assert step.design[node.id].pruned_by == node.pruned_by
            assert (step.design[node.id].label, step.design[node.id].starred) == (node.label, node.starred)
        assert not any(step.design[node.id].shown for node in after_change if node.id not in before.nodes)
        assert changes.redo(step.design, step.change).design == after_change
        self.design = step.design
        self.undone.append(step.change)

    @precondition(lambda self: self.undone)
    @rule()
    def redo(self) -> None:
        before = self.design
        step = changes.redo(self.design, self.undone.pop())
        assert changes.undo(step.design, step.change).design == before
        self.design = step.design
        self.done.append((before, step.change))

    @invariant()
    def every_path_leads_to_the_root(self) -> None:
        for node in self.design:
            steps = path(self.design, node.id)
            assert steps[0] == self.design.root and steps[-1] == node
            assert not node.shown or all(above.shown for above in steps)

    @invariant()
    def pictures_are_counted(self) -> None:
        counts = references([self.design, self.design])
        assert set(counts) == set(self.design.pictures)
        assert counts[ROOT_IMAGE] == 2


Tree.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTree = Tree.TestCase


def grown() -> Design:
    design = changes.branch(new_design(), "root", [asked("a")], ids=["a"], change="1", at=AT).design
    return changes.branch(design, "a", [asked("b"), asked("c")], ids=["b", "c"], change="2", at=AT).design


def test_what_a_prune_stopped_begins_again_when_it_is_undone() -> None:
    design = finish(grown(), "a", image="1" * 64, at=AT)
    pruned = changes.prune(design, "a", change="3")
    assert pruned.stop == ("b", "c") and pruned.change.stopped == ("b", "c")
    undone = changes.undo(pruned.design, pruned.change)
    assert undone.start == ("b", "c") and undone.change.stopped == () and undone.stop == ()


def test_what_undoing_a_branch_stopped_begins_again_when_it_is_redone() -> None:
    step = changes.branch(new_design(), "root", [asked("a")], ids=["a"], change="1", at=AT)
    undone = changes.undo(step.design, step.change)
    assert undone.stop == ("a",) and not undone.design["a"].shown
    assert changes.redo(undone.design, undone.change).start == ("a",)


def test_what_was_pruned_earlier_stays_pruned() -> None:
    design = changes.prune(grown(), "b", change="3").design
    design = changes.prune(design, "a", change="4").design
    shown = changes.restore(design, "a", change="5").design
    assert [node.id for node in shown if node.shown] == ["root", "a", "c"]
    by_leaf = changes.restore(design, "b", change="5").design
    assert [node.id for node in by_leaf if node.shown] == ["root", "a", "b"]


def test_what_cannot_be_done() -> None:
    design = changes.prune(grown(), "b", change="3").design
    for bad in (
        lambda: changes.branch(design, "b", [asked("d")], ids=["d"], change="4", at=AT),
        lambda: changes.branch(design, "nowhere", [asked("d")], ids=["d"], change="4", at=AT),
        lambda: changes.branch(design, "a", [asked("d")], ids=["c"], change="4", at=AT),
        lambda: changes.branch(design, "a", [asked("d"), asked("e")], ids=["d", "d"], change="4", at=AT),
        lambda: changes.star(design, "nowhere", True, change="4"),
        lambda: changes.restore(design, "nowhere", change="4"),
        lambda: path(design, "nowhere"),
    ):
        with pytest.raises(DesignError):
            bad()
    with pytest.raises(SettingsError):
        changes.label(design, "a", "x" * 201, change="4")
    with pytest.raises(SettingsError):
        changes.label(design, "a", "\0", change="4")


def node(name: str, parent: str | None, pruned_by: str | None = None) -> Node:
    request = None if parent is None else asked(name)
    return Node(id=name, parent=parent, request=request, state="failed", created_at=AT, pruned_by=pruned_by)


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [node("a", "a")],
        [node("a", "b"), node("b", "a")],
        [node("a", None), node("b", None)],
        [node("a", None), node("c", "b"), node("b", "a")],
        [node("a", None, pruned_by="x")],
        [node("a", None), node("b", "a", pruned_by="x"), node("c", "b")],
    ],
    ids=["empty", "itself", "circle", "two roots", "child first", "root pruned", "shown below pruned"],
)
def test_what_is_no_tree(nodes: list[Node]) -> None:
    with pytest.raises(DesignError):
        Design({each.id: each for each in nodes})


def test_a_chain_of_thousands_needs_no_recursion() -> None:
    ids = [f"n{number}" for number in range(5000)]
    step = changes.chain(new_design(), "root", [asked(name) for name in ids], ids=ids, change="1", at=AT)
    assert len(path(step.design, ids[-1])) == 5001
    assert len(changes.prune(step.design, "n0", change="2").stop) == 5000
