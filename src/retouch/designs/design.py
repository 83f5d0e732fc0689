"""A design as a value: a tree of pictures, each with the request that made it of its parent's."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from retouch.core.errors import DesignError
from retouch.designs.request import Request

State = Literal["waiting", "running", "done", "failed", "cancelled"]
UNFINISHED: tuple[State, ...] = ("waiting", "running")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A picture of the tree.

    parent, request: None at the root alone. pruned_by: the id of the change that hid it; None where it is shown.
    image, mask: hex digests of the picture's and its region's PNG; None before it is done, or where it had no region.
    """

    id: str
    parent: str | None
    request: Request | None
    state: State
    created_at: datetime
    finished_at: datetime | None = None
    label: str = ""
    starred: bool = False
    pruned_by: str | None = None
    image: str | None = None
    mask: str | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether it is not pruned."""
        return self.pruned_by is None

    @property
    def name(self) -> str:
        """What people call it: its label, else its instruction."""
        words = self.label or (self.request.instruction if self.request else "the first picture") or "an edit"
        return words if len(words) <= 60 else f"{words[:59]}…"


@dataclass(frozen=True)
class Design:
    """A tree of nodes by their ids, parents before their children; raises DesignError for what is no such tree.

    What is shown hangs together: the parent of a node that is shown is shown.
    """

    nodes: Mapping[str, Node]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        seen: set[str] = set()
        for key, node in self.nodes.items():
            if key != node.id:
                raise DesignError(f"The node '{node.id}' of the design goes by the id '{key}'.")
            if (node.parent is None) != (node.request is None) or (node.parent is None) != (not seen):
                raise DesignError(f"The node '{key}' must have a parent and a request, as all but the first have.")
            if node.parent is not None and node.parent not in seen:
                raise DesignError(f"The parent '{node.parent}' of the node '{key}' does not come before it.")
            if node.shown and node.parent is not None and not self.nodes[node.parent].shown:
                raise DesignError(f"The node '{key}' is shown and its parent '{node.parent}' is not.")
            seen.add(key)
        if not seen:
            raise DesignError("The design has no picture; expected one at least.")
        if not self.root.shown:
            raise DesignError("The first picture of the design is pruned; it must be shown.")

    def __getitem__(self, key: str) -> Node:
        try:
            return self.nodes[key]
        except KeyError:
            raise DesignError(f"The design has no node '{key}'.") from None

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def root(self) -> Node:
        """The picture it began with."""
        return next(iter(self.nodes.values()))

    @property
    def pictures(self) -> tuple[str, ...]:
        """The digests of all pictures and regions of its nodes, pruned ones too, each once."""
        named = (digest for node in self for digest in (node.image, node.mask) if digest is not None)
        return tuple(dict.fromkeys(named))

    @property
    def uploads(self) -> tuple[str, ...]:
        """The ids of all uploads its requests name, each once."""
        return tuple(dict.fromkeys(name for node in self if node.request is not None for name in node.request.uploads))

    def having(self, nodes: Iterable[Node]) -> "Design":
        """The design with these nodes in place of those of the same ids, or beside the others."""
        return Design({**self.nodes, **{node.id: node for node in nodes}})

    def with_uploads(self, renamed: Callable[[str], str]) -> "Design":
        """The design with other names for the uploads of its requests."""
        requests = ((node, node.request) for node in self if node.request is not None)
        return self.having(replace(node, request=request.with_uploads(renamed)) for node, request in requests)


def begun(node: str, *, image: str, at: datetime) -> Design:
    """A design of nothing but its first picture."""
    root = Node(id=node, parent=None, request=None, state="done", image=image, created_at=at, finished_at=at)
    return Design({node: root})


def path(design: Design, node: str) -> tuple[Node, ...]:
    """The nodes from the root to a node, both included; raises DesignError where there is no such node."""
    found = [design[node]]
    while found[-1].parent is not None:
        found.append(design[found[-1].parent])
    return tuple(reversed(found))


def below(design: Design, node: str) -> tuple[Node, ...]:
    """A node and all that descend from it, parents first; raises DesignError where there is no such node."""
    inside = {design[node].id}
    for each in design:
        if each.parent in inside:
            inside.add(each.id)
    return tuple(each for each in design if each.id in inside)


def references(designs: Iterable[Design]) -> dict[str, int]:
    """How many nodes of all these designs show each picture or region, by its digest."""
    counts: dict[str, int] = {}
    for node in (node for design in designs for node in design):
        for digest in {node.image, node.mask} - {None}:
            counts[str(digest)] = counts.get(str(digest), 0) + 1
    return counts


def finish(
    design: Design,
    node: str,
    *,
    image: str,
    at: datetime,
    mask: str | None = None,
    request: Request | None = None,
    warnings: tuple[str, ...] = (),
) -> Design:
    """The design with a node done: its picture, where it acted, and the request with all that was left open filled in.

    Raises DesignError where the node does not wait or run; a picture never changes once it is there.
    """
    before = design[node]
    if before.state not in UNFINISHED:
        raise DesignError(f"The node '{node}' is {before.state}; only one that waits or runs can be finished.")
    after = replace(
        before,
        state="done",
        image=image,
        mask=mask,
        request=request or before.request,
        warnings=warnings,
        finished_at=at,
    )
    return design.having([after])
