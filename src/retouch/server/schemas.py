"""What goes over the wire: the shapes of requests and answers, from which OpenAPI and the page's types are made."""

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from retouch.core.settings import MAXIMUM_COUNT, MAXIMUM_GUIDANCE, MAXIMUM_STEPS, MAXIMUM_TEXT

Item = TypeVar("Item")
State = Literal["waiting", "running", "done", "failed", "cancelled"]
"""Of a node or a lookup: the last three are final, until somebody asks again."""


class Shape(BaseModel):
    """Base of all: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(BaseModel):
    """An error as RFC 9457 has it (`application/problem+json`): `detail` is the sentence to show."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    """A fixed word for programs: "not-found", "bad-image", "queue-full", …"""


class Page(BaseModel, Generic[Item]):
    """A part of a list; `next` goes into `cursor` for what follows, None at the end."""

    items: list[Item]
    next: str | None = None


class RegionHow(Shape):
    """How an edit keeps to its region; see `core.region_settings`."""

    grow: Annotated[int | None, Field(ge=-1000, le=1000)] = None
    feather: Annotated[int | None, Field(ge=0, le=1000)] = None


class ReferenceHow(Shape):
    """How an edit follows its references; see `core.reference_settings`."""

    detail: Annotated[float | None, Field(ge=0, le=1)] = None
    words: Annotated[float | None, Field(ge=0, le=2)] = None


class Settings(Shape):
    """The settings of an edit; None is the model's own; see `core.settings.EditSettings`."""

    steps: Annotated[int | None, Field(ge=1, le=MAXIMUM_STEPS)] = None
    scheduler: str | None = None
    text_guidance: Annotated[float | None, Field(ge=0, le=MAXIMUM_GUIDANCE)] = None
    image_guidance: Annotated[float | None, Field(ge=0, le=MAXIMUM_GUIDANCE)] = None
    negative: Annotated[str | None, Field(max_length=MAXIMUM_TEXT)] = None
    seed: Annotated[int | None, Field(ge=0, le=2**63 - 1)] = None
    """None draws one, which the node then tells."""
    keep_detail: bool | None = None
    profile: Literal["exact", "balanced", "fast"] | None = None
    """How much likeness to the exact result is given for speed."""
    region: RegionHow | None = None
    reference: ReferenceHow | None = None


class RegionAsk(Shape):
    """Where an edit acts: pixels of the parent's picture."""

    kind: Literal["whole", "auto", "phrase", "point", "box", "mask"]
    phrase: Annotated[str, Field(max_length=500)] = ""
    numbers: Annotated[list[float], Field(max_length=4)] = []
    """Of a point x, y; of a box left, top, right, bottom."""
    upload: str | None = None
    """Of a mask: the id of an upload, white where the edit acts, of the picture's size."""
    invert: bool = False


class ReferenceAsk(Shape):
    """A picture of an object to put in."""

    upload: str
    weight: Annotated[float, Field(ge=0, le=2)] = 1.0


class EditAsk(Shape):
    """All that makes a picture out of its parent's."""

    instruction: Annotated[str, Field(max_length=MAXIMUM_TEXT)] = ""
    model: str | None = None
    """A name that `GET /api/v1/models` lists; None is the server's default for such an edit."""
    settings: Settings = Settings()
    region: RegionAsk | None = None
    references: Annotated[list[ReferenceAsk], Field(max_length=16)] = []


class BranchAsk(EditAsk):
    """An edit to make of a node, `count` times with seeds one after the other: as many nodes."""

    count: Annotated[int, Field(ge=1, le=MAXIMUM_COUNT)] = 1


class NodePatch(Shape):
    """What of a node may be changed; what is left out stays."""

    label: Annotated[str | None, Field(max_length=200)] = None
    starred: bool | None = None


class ReplayAsk(Shape):
    """Repeat the path from the root to a node on another picture, or all of it in one edit."""

    onto: str | None = None
    """The node to begin from; None is the root."""
    how: Literal["step-by-step", "merged"] = "merged"


class Progress(BaseModel):
    """How many of `total` steps are done."""

    done: int
    total: int


class Node(BaseModel):
    """A picture of the tree, and what made it of its parent's. The root has no parent and no request."""

    id: str
    project_id: str
    parent_id: str | None
    state: State
    request: EditAsk | None
    """With everything filled in that the server or the model chose, once that is known."""
    label: str
    starred: bool
    pruned: bool
    created_at: datetime
    finished_at: datetime | None
    width: int | None
    height: int | None
    error: str | None
    """A sentence, where it failed."""
    warnings: list[str]
    progress: Progress | None
    place: int | None
    """In the queue, 1 is next; None where it does not wait."""
    attempts: int


class Project(BaseModel):
    """A design: a tree of pictures."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None
    nodes: int
    starred: int
    root_id: str
    cover_id: str
    """The node that stands for it in lists: the last one starred, else the last one done."""


class ProjectPatch(Shape):
    """What of a project may be changed."""

    title: Annotated[str, Field(min_length=1, max_length=200)]


class Tree(BaseModel):
    """A whole project. `version` grows with every change, and is what `GET …/events?after=` takes."""

    project: Project
    nodes: list[Node]
    can_undo: str | None
    """What an undo would take back, in words: "star 'green sofa'"."""
    can_redo: str | None
    version: int


class Upload(BaseModel):
    """A picture given beside an edit: a reference or a mask."""

    id: str
    width: int
    height: int


class Change(BaseModel):
    """A field in which two requests differ, as words."""

    field: str
    left: str
    right: str


class Comparison(BaseModel):
    """How two nodes differ: in what was asked along their paths, and in pixels."""

    left: str
    right: str
    changes: list[Change]
    same_size: bool
    differing: float | None
    """The share of pixels that differ by more than 2 levels; None where sizes differ."""
    psnr: float | None
    """In dB; None where the sizes differ or nothing does."""


class Lookup(BaseModel):
    """A region looked up before an edit, by words or at a point."""

    id: str
    node_id: str
    state: State
    region: RegionAsk
    found: str
    """How it was found, in words."""
    share: float | None
    """Of the picture."""
    box: list[int] | None
    error: str | None


class Model(BaseModel):
    """A model that the server offers."""

    name: str
    title: str
    reads_words: bool
    reads_references: bool
    default: bool
    defaults: Settings


class GalleryPicture(BaseModel):
    """A rendered room to start from."""

    name: str
    title: str
    width: int
    height: int
    suggestions: list[str]
    """Instructions that suit it."""


class Queue(BaseModel):
    """The state of the queue, as its owner may see it."""

    waiting: int
    running: int
    paused: bool
    workers: int
    """How many worker processes reported within the last seconds."""
    loading: list[str]
    """The models that workers are loading; edits wait for them meanwhile."""


class Me(BaseModel):
    """Who is asking. A server without users has one, called "local"."""

    name: str
    users: bool
    """Whether the server has users, so that one can log out."""
    version: str


class Login(Shape):
    """A name and its password, or the one-time token of the printed address."""

    name: Annotated[str, Field(max_length=100)] = ""
    password: Annotated[str, Field(max_length=1000)] = ""
    token: Annotated[str, Field(max_length=200)] = ""
