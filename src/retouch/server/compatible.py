"""Edits that programs ask for in OpenAI's way: each a design of its own while it is made, gone once it is handed over.

It is listed like any other meanwhile, and stays where the server ends first: nothing that was accepted is lost. What
the asker no longer waits for is cancelled and goes to the trash, and so does what failed.
"""

import re
from dataclasses import dataclass, field

from PIL import Image, ImageOps
from sqlalchemy import select
from sqlalchemy.orm import Session

from retouch.core.images import load_image
from retouch.designs import changes
from retouch.server import schemas
from retouch.server.asked import check_fits, edits_of, title_of
from retouch.server.blobs import Blobs
from retouch.server.context import Asking
from retouch.server.killpoints import reached
from retouch.server.pictures import StoredPicture, layered, picture_from
from retouch.server.problems import invalid
from retouch.server.store import images, projects, uploads
from retouch.server.store.columns import new_id, now
from retouch.server.store.tables import Node
from retouch.server.store.trees import apply, open_tree
from retouch.server.store.work_tables import Job, Preview

FOREIGN = ("gpt-image", "chatgpt-image", "dall-e")
"""How names of models begin that clients send out of habit; they get the server's default."""
SIDES = (16, 4096)
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_TITLE = 80


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for: pictures, the first to be edited and the others shown, and where a mask is transparent."""

    pictures: tuple[bytes, ...]
    mask: bytes | None
    prompt: str
    model: str | None
    count: int
    size: str


@dataclass(frozen=True, kw_only=True)
class Begun:
    """An edit that was accepted: the project made for it, and one node for each picture."""

    project: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How far it is: whether it ended, the sentence of what failed, and previews that are new."""

    ended: bool
    error: str | None
    previews: tuple[bytes, ...]


@dataclass
class Watch:
    """Whether previews are wanted, and what was seen of them so far."""

    wanted: bool
    steps: dict[str, int] = field(default_factory=dict)


def begin(asking: Asking, wanted: Wanted) -> Begun:
    """Put it into the queue; raises Refusal, ImageError and SettingsError for what cannot be done."""
    root, mask, shown = _pictures(wanted)
    for each in (root, mask, *shown):
        if each is not None:
            asking.blobs.put(each)
    reached("inside-compatible")

    title = title_of(" ".join(wanted.prompt.split())[:_TITLE])

    def work(session: Session) -> Begun:
        project = projects.begin(session, asking.owner, title, _kept(session, asking.blobs, root))
        region = None
        if mask is not None:
            region = schemas.RegionAsk(kind="mask", upload=_upload(session, asking, mask))
        ask = schemas.BranchAsk(
            instruction=wanted.prompt,
            model=None if wanted.model is None or wanted.model.startswith(FOREIGN) else wanted.model,
            region=region,
            references=[schemas.ReferenceAsk(upload=_upload(session, asking, each)) for each in shown],
            count=wanted.count,
        )
        return Begun(project=project.id, nodes=_branched(session, asking, project.id, ask))

    return asking.write(work)


def look(asking: Asking, begun: Begun, watch: Watch) -> Seen:
    """How far it is."""
    with asking.context.database.read() as session:
        rows = session.execute(select(Node.state, Node.error).where(Node.id.in_(begun.nodes))).tuples().all()
        fresh = _fresh(session, begun, watch) if watch.wanted else []
    watch.steps.update({node: step for node, step, _ in fresh})
    lost = [error or "The edit was cancelled." for state, error in rows if state in ("failed", "cancelled")]
    if len(rows) < len(begun.nodes):
        lost.append("The design was deleted while it was made.")
    ended = bool(lost) or all(state == "done" for state, _ in rows)
    return Seen(ended=ended, error=lost[0] if lost else None, previews=tuple(image for _, _, image in fresh))


def results(asking: Asking, begun: Begun) -> list[bytes]:
    """The pictures that were made, as PNG, in the order of their seeds."""
    with asking.context.database.read() as session:
        query = select(Node.image_id).where(Node.id.in_(begun.nodes)).order_by(Node.seq)
        digests = session.scalars(query).all()
    return [asking.blobs.read(digest) for digest in digests if digest is not None]


def give_up(asking: Asking, begun: Begun) -> None:
    """Cancel what waits or runs of it, and throw it into the trash."""
    asking.write(lambda session: projects.trash(session, asking.owner, begun.project))


def forget(asking: Asking, begun: Begun) -> None:
    """Delete what was handed over."""

    def work(session: Session) -> None:
        projects.trash(session, asking.owner, begun.project)
        projects.delete_for_good(session, asking.blobs, asking.owner, begun.project)

    asking.write(work)


def size_of(text: str) -> tuple[int, int] | None:
    """The width and height of "640x480", None of "auto"; raises Refusal (422) for what is neither."""
    if text in ("auto", ""):
        return None
    found = _SIZE.fullmatch(text)
    sides = (int(found[1]), int(found[2])) if found is not None else (0, 0)
    if not all(SIDES[0] <= side <= SIDES[1] for side in sides):
        invalid(f"The size is {text!r:.40}; give auto or WIDTHxHEIGHT, each {SIDES[0]} to {SIDES[1]}.", "bad-size")
    return sides


def _pictures(wanted: Wanted) -> tuple[StoredPicture, StoredPicture | None, list[StoredPicture]]:
    """The picture to edit and the mask, both in the size that was asked for, and the pictures that are shown."""
    size = size_of(wanted.size)
    loaded = [load_image(data, base_name="image") for data in wanted.pictures]
    source = layered(loaded[0])
    mask = None if wanted.mask is None else _mask(wanted.mask, source.size)
    if size is not None:
        source = ImageOps.fit(source, size, Image.Resampling.LANCZOS)
        mask = None if mask is None else ImageOps.fit(mask, size, Image.Resampling.NEAREST)
    shown = [picture_from(layered(each)) for each in loaded[1:]]
    return picture_from(source), None if mask is None else picture_from(mask), shown


def _mask(data: bytes, size: tuple[int, int]) -> Image.Image:
    """White where the mask is transparent."""
    loaded = load_image(data, base_name="mask")
    if loaded.alpha is None:
        invalid("The mask is opaque everywhere; make it transparent where the picture is to be edited.", "bad-mask")
    if loaded.alpha.size != size:
        has, wants = ("{} x {}".format(*each) for each in (loaded.alpha.size, size))
        invalid(f"The mask is {has} pixels and the picture {wants}; make them alike.", "bad-mask")
    return ImageOps.invert(loaded.alpha.convert("L"))


def _fresh(session: Session, begun: Begun, watch: Watch) -> list[tuple[str, int, bytes]]:
    """The previews that were not seen yet: whose they are, of which step, and themselves."""
    drawn = session.execute(
        select(Job.node_id, Preview.step, Preview.image)
        .join(Preview, Preview.job_id == Job.id)
        .where(Job.node_id.in_(begun.nodes))
    ).tuples()
    return [(node or "", step, image) for node, step, image in drawn if watch.steps.get(node or "") != step]


def _kept(session: Session, blobs: Blobs, picture: StoredPicture) -> str:
    return images.keep(session, blobs, images.facts_of(picture), lambda: picture)


def _upload(session: Session, asking: Asking, picture: StoredPicture) -> str:
    facts = images.facts_of(picture)
    return uploads.add_upload(session, asking.blobs, asking.owner, facts, lambda: picture).id


def _branched(session: Session, asking: Asking, project: str, ask: schemas.BranchAsk) -> tuple[str, ...]:
    requests = edits_of(ask, asking.context.models)
    tree = open_tree(session, asking.owner, project, asking.context.limits.waiting_jobs)
    root, ids = tree.project.root_id, tuple(new_id() for _ in requests)
    check_fits(session, asking.owner, tree.design, root, requests)
    apply(tree, lambda design, name: changes.branch(design, root, requests, ids=ids, change=name, at=now()))
    return ids
