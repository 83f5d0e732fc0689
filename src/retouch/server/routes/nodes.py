"""Nodes of a design: branched, changed, pruned, replayed, compared, and their pictures."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response

from retouch.server.schemas import BranchAsk, Comparison, Lookup, Node, NodePatch, RegionAsk, ReplayAsk

router = APIRouter(prefix="/api/v1/nodes", tags=["nodes"])
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}, "image/webp": {}}}}


@router.get("/{node_id}")
def read_node(node_id: str) -> Node:
    """Return a node."""
    raise NotImplementedError


@router.post("/{node_id}/branches", status_code=202)
def branch(
    node_id: str, ask: BranchAsk, idempotency_key: Annotated[str | None, Header(max_length=100)] = None
) -> list[Node]:
    """Ask for edits of a node's picture: `count` new nodes that wait to be made."""
    raise NotImplementedError


@router.patch("/{node_id}")
def change_node(node_id: str, patch: NodePatch) -> Node:
    """Label or star a node."""
    raise NotImplementedError


@router.post("/{node_id}/prune")
def prune(node_id: str) -> list[Node]:
    """Hide a node and all below it; nothing is lost. What of them waits or runs is cancelled. Returns what changed."""
    raise NotImplementedError


@router.post("/{node_id}/restore")
def restore(node_id: str) -> list[Node]:
    """Show a pruned node, its path to the root and what was pruned with it again. Returns what changed."""
    raise NotImplementedError


@router.post("/{node_id}/cancel")
def cancel(node_id: str) -> Node:
    """Stop a node that waits or runs, within one step."""
    raise NotImplementedError


@router.post("/{node_id}/retry", status_code=202)
def retry(node_id: str) -> Node:
    """Put a node that failed or was cancelled into the queue again."""
    raise NotImplementedError


@router.post("/{node_id}/move")
def move_in_queue(node_id: str, to: Literal["front", "back"]) -> Node:
    """Let a node that waits be the next of its owner's, or the last."""
    raise NotImplementedError


@router.post("/{node_id}/replay", status_code=202)
def replay(
    node_id: str, ask: ReplayAsk, idempotency_key: Annotated[str | None, Header(max_length=100)] = None
) -> list[Node]:
    """Repeat the path to this node elsewhere in its design, or as one edit from the root; returns the new nodes."""
    raise NotImplementedError


@router.get("/{node_id}/compare/{other_id}")
def compare(node_id: str, other_id: str) -> Comparison:
    """Say how two nodes of one design differ."""
    raise NotImplementedError


@router.post("/{node_id}/lookups", status_code=202)
def look_up_region(node_id: str, region: RegionAsk, instruction: str = "") -> Lookup:
    """Find a region in a node's picture without editing it."""
    raise NotImplementedError


@router.get("/{node_id}/image", response_class=Response, responses=_PICTURE)
def image(
    node_id: str,
    size: Annotated[Literal["full", "thumbnail", "screen"], Query(description="screen: at most 1600 pixels.")] = "full",
) -> Response:
    """Return a node's picture; it never changes (strong ETag, immutable)."""
    raise NotImplementedError


@router.get("/{node_id}/download", response_class=Response, responses=_PICTURE)
def download(node_id: str, settings: bool = True) -> Response:
    """Return the PNG as a file, with the settings it was made by inside, or without."""
    raise NotImplementedError


@router.get("/{node_id}/mask", response_class=Response, responses=_PICTURE)
def mask(node_id: str) -> Response:
    """Return where the edit acted, a grey PNG; 404 where it had no region."""
    raise NotImplementedError
