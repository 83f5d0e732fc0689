"""Nodes of a design: branched, changed, pruned, replayed, compared, and their pictures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Header, Query, Response
from fastapi import Request as HttpRequest
from sqlalchemy.orm import Session

from retouch.designs import changes
from retouch.designs.changes import Step
from retouch.designs.design import UNFINISHED, Design, below, path
from retouch.designs.replay import compared_paths, merged, replayed
from retouch.designs.request import Request, to_json
from retouch.server import answers, served
from retouch.server.answers import where_of
from retouch.server.asked import check_fits, edits_of, instruction_of, together, with_model
from retouch.server.context import Asking, InAsking
from retouch.server.killpoints import reached
from retouch.server.pixels import pixel_difference
from retouch.server.problems import conflict, missing
from retouch.server.schemas import BranchAsk, Change, Comparison, Lookup, Node, NodePatch, RegionAsk, ReplayAsk
from retouch.server.store import events, uploads, work
from retouch.server.store.columns import new_id, now
from retouch.server.store.idempotent import Asked, Json, digest, once
from retouch.server.store.trees import Open, apply, job_of, open_tree, owned_node, read_tree

router = APIRouter(prefix="/api/v1/nodes", tags=["nodes"])
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}, "image/webp": {}}}}


@router.get("/{node_id}")
def read_node(*, asking: InAsking, node_id: str) -> Node:
    """Return a node."""

    def work(session: Session) -> Node:
        return answers.node(session, asking.owner, owned_node(session, asking.owner, node_id))

    return asking.read(work)


@router.post("/{node_id}/branches", status_code=202)
def branch(
    *,
    asking: InAsking,
    node_id: str,
    ask: BranchAsk,
    idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
) -> list[Node]:
    """Ask for edits of a node's picture: `count` new nodes that wait to be made."""
    requests = edits_of(ask, asking.context.models)

    def work(session: Session) -> Json:
        tree = _opened(session, asking, node_id)
        check_fits(session, asking.owner, tree.design, node_id, requests)
        return _grown(tree, node_id, requests, changes.branch)

    told = digest(node_id, ask.model_dump(mode="json"))
    return _once(asking, "branches", idempotency_key, told, work)


@router.patch("/{node_id}")
def change_node(*, asking: InAsking, node_id: str, patch: NodePatch) -> Node:
    """Label or star a node."""

    def work(session: Session) -> Node:
        tree = _opened(session, asking, node_id)
        if patch.label is not None:
            text = patch.label
            tree = _after(tree, apply(tree, lambda design, name: changes.label(design, node_id, text, change=name)))
        if patch.starred is not None:
            starred = patch.starred
            apply(tree, lambda design, name: changes.star(design, node_id, starred, change=name))
        return _told(tree, [node_id])[0]

    return asking.write(work)


@router.post("/{node_id}/prune")
def prune(*, asking: InAsking, node_id: str) -> list[Node]:
    """Hide a node and all below it; nothing is lost. What of them waits or runs is cancelled. Returns what changed."""

    def work(session: Session) -> list[Node]:
        tree = _opened(session, asking, node_id)
        step = apply(tree, lambda design, name: changes.prune(design, node_id, change=name))
        return _told(tree, step.change.nodes)

    return asking.write(work)


@router.post("/{node_id}/restore")
def restore(*, asking: InAsking, node_id: str) -> list[Node]:
    """Show a pruned node, its path to the root and what was pruned with it again. Returns what changed."""

    def work(session: Session) -> list[Node]:
        tree = _opened(session, asking, node_id)
        step = apply(tree, lambda design, name: changes.restore(design, node_id, change=name))
        return _told(tree, step.change.nodes)

    return asking.write(work)


@router.post("/{node_id}/cancel")
def cancel(*, asking: InAsking, node_id: str) -> Node:
    """Stop a node that waits or runs, within one step."""

    def run(session: Session) -> Node:
        tree = _opened(session, asking, node_id)
        if tree.design[node_id].state in UNFINISHED:
            waiting = [node.id for node in below(tree.design, node_id)]
            work.stop(session, waiting)
            events.record(session, tree.project, "nodes", waiting)
        return _told(tree, [node_id])[0]

    return asking.write(run)


@router.post("/{node_id}/retry", status_code=202)
def retry(*, asking: InAsking, node_id: str) -> Node:
    """Put a node that failed or was cancelled into the queue again."""

    def run(session: Session) -> Node:
        tree = _opened(session, asking, node_id)
        _check_retry(tree.design, node_id)
        complete = with_model(tree.design[node_id].request or Request(), asking.context.models)
        tree.rows[node_id].request = to_json(complete)
        work.begin_again(session, asking.owner, [tree.rows[node_id]], tree.queue_limit)
        events.record(session, tree.project, "nodes", [node_id])
        return _told(tree, [node_id])[0]

    return asking.write(run)


@router.post("/{node_id}/move")
def move_in_queue(*, asking: InAsking, node_id: str, to: Literal["front", "back"]) -> Node:
    """Let a node that waits be the next of its owner's, or the last."""

    def run(session: Session) -> Node:
        tree = _opened(session, asking, node_id)
        job = job_of(session, node_id)
        if job is None or job.state != "waiting":
            conflict("The edit does not wait in the queue; it cannot be moved there.", "not-waiting")
        work.move(session, job, to)
        events.record(session, tree.project, "nodes", [node_id])
        return _told(tree, [node_id])[0]

    return asking.write(run)


@router.post("/{node_id}/replay", status_code=202)
def replay(
    *,
    asking: InAsking,
    node_id: str,
    ask: ReplayAsk,
    idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
) -> list[Node]:
    """Repeat the path to this node elsewhere in its design, or as one edit from the root; returns the new nodes."""

    def work(session: Session) -> Json:
        tree = _opened(session, asking, node_id)
        onto = ask.onto if ask.onto is not None else tree.design.root.id
        if onto not in tree.rows:
            missing("node in this project")
        steps = [with_model(each, asking.context.models) for each in replayed(tree.design, node_id, onto)]
        requests = [merged(steps, together)] if ask.how == "merged" else steps
        check_fits(session, asking.owner, tree.design, onto, requests)
        return _grown(tree, onto, requests, changes.chain)

    told = digest(node_id, ask.model_dump(mode="json"))
    return _once(asking, "replay", idempotency_key, told, work)


@router.get("/{node_id}/compare/{other_id}")
def compare(*, asking: InAsking, node_id: str, other_id: str) -> Comparison:
    """Say how two nodes of one design differ."""

    def work(session: Session) -> tuple[Design, str | None, str | None]:
        left, right = (owned_node(session, asking.owner, name) for name in (node_id, other_id))
        if left.project_id != right.project_id:
            missing("node in this project")
        return read_tree(session, left.project_id), left.image_id, right.image_id

    design, left, right = asking.read(work)
    if left is None or right is None:
        conflict("Only pictures can be compared, and one of the two is not done yet.", "no-picture")
    pixels = pixel_difference(asking.blobs.read(left), asking.blobs.read(right))
    return Comparison(
        left=node_id,
        right=other_id,
        changes=[Change(**asdict(each)) for each in compared_paths(design, node_id, other_id)],
        same_size=pixels is not None,
        differing=None if pixels is None else pixels.differing,
        psnr=None if pixels is None else pixels.psnr,
    )


@router.post("/{node_id}/lookups", status_code=202)
def look_up_region(*, asking: InAsking, node_id: str, region: RegionAsk, instruction: str = "") -> Lookup:
    """Find a region in a node's picture without editing it."""
    where, words = where_of(region), instruction_of(instruction)

    def work(session: Session) -> Lookup:
        tree = _opened(session, asking, node_id)
        check_fits(session, asking.owner, tree.design, node_id, [Request(instruction=words, region=where)])
        row = uploads.look_up(
            session, tree.project, tree.rows[node_id], where=where, instruction=words, limit=tree.queue_limit
        )
        return answers.lookup(row)

    return asking.write(work)


@router.get("/{node_id}/image", response_class=Response, responses=_PICTURE)
def image(
    *,
    asking: InAsking,
    request: HttpRequest,
    node_id: str,
    size: Annotated[Literal["full", "thumbnail", "screen"], Query(description="screen: at most 1600 pixels.")] = "full",
) -> Response:
    """Return a node's picture; it never changes (strong ETag, immutable)."""
    return served.picture(request, asking.blobs, _picture_of(asking, node_id), size)


@router.get("/{node_id}/download", response_class=Response, responses=_PICTURE)
def download(*, asking: InAsking, node_id: str, settings: bool = True) -> Response:
    """Return the PNG as a file, with the settings it was made by inside, or without."""

    def work(session: Session) -> Response:
        node = owned_node(session, asking.owner, node_id)
        if node.image_id is None:
            missing("picture: the node is not done")
        return served.file_of(session, asking.blobs, node, settings=settings)

    return asking.read(work)


@router.get("/{node_id}/mask", response_class=Response, responses=_PICTURE)
def mask(*, asking: InAsking, request: HttpRequest, node_id: str) -> Response:
    """Return where the edit acted, a grey PNG; 404 where it had no region."""
    return served.picture(request, asking.blobs, _picture_of(asking, node_id, mask=True))


class _Grow(Protocol):
    """How new nodes hang below another: side by side, or each below the one before."""

    def __call__(
        self, design: Design, parent: str, requests: Sequence[Request], *, ids: Sequence[str], change: str, at: datetime
    ) -> Step: ...


def _opened(session: Session, asking: Asking, node: str) -> Open:
    project = owned_node(session, asking.owner, node).project_id
    session.expire_all()
    return open_tree(session, asking.owner, project, asking.context.limits.waiting_jobs)


def _after(tree: Open, step: Step) -> Open:
    return replace(tree, design=step.design)


def _grown(tree: Open, parent: str, requests: Sequence[Request], grow: _Grow) -> Json:
    ids = [new_id() for _ in requests]
    apply(tree, lambda design, name: grow(design, parent, requests, ids=ids, change=name, at=now()))
    reached("inside-branch")
    return [node.model_dump(mode="json") for node in _told(tree, ids)]


def _once(asking: Asking, route: str, key: str | None, told: str, work: Callable[[Session], Json]) -> list[Node]:
    asked = Asked(owner=asking.owner, route=route, key=key, digest=told)
    reached("before-branch")
    answer = asking.write(lambda session: once(session, asked, lambda: work(session)))
    reached("after-branch")
    return [Node.model_validate(node) for node in answer]


def _told(tree: Open, names: Iterable[str]) -> list[Node]:
    return answers.nodes(tree.session, tree.project.owner_id, tree.project.id, list(names))


def _check_retry(design: Design, node: str) -> None:
    asked = design[node]
    if asked.state not in ("failed", "cancelled"):
        conflict(f"The edit is {asked.state}; only one that failed or was cancelled can be tried again.", "not-ended")
    if any(not each.shown or each.state in ("failed", "cancelled") for each in path(design, node)[:-1]):
        conflict("The picture it begins from is not there; try the edit above it again first.", "no-picture")
    if not asked.shown:
        conflict("The edit is pruned; restore it before you try it again.", "pruned")


def _picture_of(asking: Asking, node: str, *, mask: bool = False) -> str:
    row = asking.read(lambda session: owned_node(session, asking.owner, node))
    digest = row.mask_image_id if mask else row.image_id
    return digest if digest is not None else missing("region" if mask else "picture: the node is not done")
