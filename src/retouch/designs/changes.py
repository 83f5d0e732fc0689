"""What people change in a design, each change with all that is needed to take it back and to make it again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from retouch.core.errors import DesignError
from retouch.designs.design import UNFINISHED, Design, Node, below, path
from retouch.designs.request import Request, check_words

Field = Literal["label", "starred", "pruned_by"]
Kind = Literal["branch", "label", "star", "prune", "restore"]
Content = str | bool | None
MAXIMUM_LABEL = 200


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A field of a node, what it holds without the change and with it."""

    node: str
    field: Field
    before: Content
    after: Content


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a design. Of new nodes it says that they are shown; without it they are pruned by it.

    stopped: nodes that waited or ran when the change, or its undoing, last hid them: what shows them again begins their
    work again.
    """

    id: str
    kind: Kind
    words: str
    differences: tuple[Difference, ...]
    stopped: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """The ids of the nodes that it changes, each once."""
        return tuple(dict.fromkeys(difference.node for difference in self.differences))


@dataclass(frozen=True, kw_only=True)
class Step:
    """A design after a change or its undoing, the change to remember, and what that means for the work on nodes.

    stop: nodes that waited or ran and are hidden now. start: nodes whose work was stopped by what is undone now.
    """

    design: Design
    change: Change
    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()

    @property
    def changes_something(self) -> bool:
        """Whether there is anything to remember."""
        return bool(self.change.differences)


def branch(
    design: Design, parent: str, requests: Sequence[Request], *, ids: Sequence[str], change: str, at: datetime
) -> Step:
    """A new node that waits for each request, side by side below `parent`.

    Raises DesignError where the parent is pruned or missing, or an id is taken.
    """
    nodes = [_waiting(name, parent, request, at) for name, request in zip(ids, requests, strict=True)]
    return _grown(design, parent, nodes, change)


def chain(
    design: Design, parent: str, requests: Sequence[Request], *, ids: Sequence[str], change: str, at: datetime
) -> Step:
    """A new node that waits for each request, each below the one before; raises as `branch` does."""
    parents = [parent, *ids[:-1]]
    nodes = [_waiting(name, above, request, at) for name, above, request in zip(ids, parents, requests, strict=True)]
    return _grown(design, parent, nodes, change)


def label(design: Design, node: str, text: str, *, change: str) -> Step:
    """Give a node a label; raises DesignError where there is no such node, SettingsError for what is no label."""
    check_words("The label", text, MAXIMUM_LABEL)
    before = design[node]
    named = replace(before, label=text)
    difference = Difference(node=node, field="label", before=before.label, after=text)
    return _made(design, change, "label", f"label '{named.name}'", [difference])


def star(design: Design, node: str, starred: bool, *, change: str) -> Step:
    """Star a node, or take its star; raises DesignError where there is no such node."""
    before = design[node]
    verb = "star" if starred else "take the star of"
    difference = Difference(node=node, field="starred", before=before.starred, after=starred)
    return _made(design, change, "star", f"{verb} '{before.name}'", [difference])


def prune(design: Design, node: str, *, change: str) -> Step:
    """Hide a node and what is shown below it; raises DesignError for the root, or where there is no such node."""
    if design[node].parent is None:
        raise DesignError("The first picture of a design cannot be pruned; throw the whole design away instead.")
    hidden = [each for each in below(design, node) if each.shown]
    differences = [Difference(node=each.id, field="pruned_by", before=None, after=change) for each in hidden]
    return _made(design, change, "prune", f"prune '{design[node].name}'", differences)


def restore(design: Design, node: str, *, change: str) -> Step:
    """Show a pruned node again, what was pruned with it, and the paths to them; raises DesignError for no such node."""
    cause = design[node].pruned_by
    together = [each.id for each in design if cause is not None and each.pruned_by == cause]
    shown: dict[str, Node] = {}
    for each in together:
        shown |= {above.id: above for above in path(design, each) if not above.shown}
    differences = [
        Difference(node=each.id, field="pruned_by", before=each.pruned_by, after=None) for each in shown.values()
    ]
    return _made(design, change, "restore", f"restore '{design[node].name}'", differences)


def undo(design: Design, change: Change) -> Step:
    """Take a change back, the last that was made and not taken back."""
    return _moved(design, change, [(each, each.before) for each in change.differences])


def redo(design: Design, change: Change) -> Step:
    """Make a change again, the last that was taken back."""
    return _moved(design, change, [(each, each.after) for each in change.differences])


def _waiting(name: str, parent: str, request: Request, at: datetime) -> Node:
    return Node(id=name, parent=parent, request=request, state="waiting", created_at=at)


def _grown(design: Design, parent: str, nodes: Sequence[Node], change: str) -> Step:
    if not design[parent].shown:
        raise DesignError(f"'{design[parent].name}' is pruned; restore it before you branch from it.")
    if len({node.id for node in nodes} - set(design.nodes)) != len(nodes):
        raise DesignError("An id for a new node is taken.")
    differences = tuple(Difference(node=node.id, field="pruned_by", before=change, after=None) for node in nodes)
    words = f"branch '{nodes[0].name}'" if nodes else "branch"
    made = Change(id=change, kind="branch", words=words, differences=differences)
    return Step(design=design.having(nodes), change=made)


def _made(design: Design, change: str, kind: Kind, words: str, differences: Iterable[Difference]) -> Step:
    real = tuple(each for each in differences if each.before != each.after)
    made = Change(id=change, kind=kind, words=words, differences=real)
    return redo(design, made)


def _moved(design: Design, change: Change, contents: Sequence[tuple[Difference, Content]]) -> Step:
    changed = {name: design[name] for name in change.nodes}
    for difference, content in contents:
        changed[difference.node] = _with(changed[difference.node], difference.field, content)
    after = design.having(changed.values())
    hidden = tuple(name for name in changed if design[name].shown and not after[name].shown)
    appeared = any(not design[name].shown and after[name].shown for name in changed)
    stop = tuple(name for name in hidden if design[name].state in UNFINISHED)
    start = change.stopped if appeared else ()
    remembered = replace(change, stopped=stop if hidden else () if appeared else change.stopped)
    return Step(design=after, change=remembered, stop=stop, start=start)


def _with(node: Node, name: Field, content: Content) -> Node:
    if name == "starred":
        return replace(node, starred=bool(content))
    if name == "label":
        return replace(node, label=str(content or ""))
    return replace(node, pruned_by=None if content is None else str(content))
