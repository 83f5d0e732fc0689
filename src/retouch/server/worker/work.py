"""Do what was claimed: make pictures or find a region, hand in what came out, and let each job end."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import select

from retouch.core.errors import Cancelled, RetouchError
from retouch.core.images import LoadedImage, load_image
from retouch.core.region import joined
from retouch.designs.request import Request, from_json, to_json
from retouch.editing.result import EditProgress, EditResult
from retouch.server.jobs.held import Claim, Found, Held, Made
from retouch.server.jobs.queue import WorkQueue
from retouch.server.killpoints import reached
from retouch.server.offered import choose_model
from retouch.server.pictures import StoredPicture, picture_from
from retouch.server.store.tables import Upload
from retouch.server.worker.grounds import Grounds
from retouch.server.worker.loaded import LoadedModels, out_of_memory
from retouch.server.worker.previews import Previews
from retouch.server.worker.pulse import Pulse
from retouch.server.worker.requests import Means, Uploads, arguments, look_up, share_of
from retouch.server.worker.watch import Watch

log = structlog.get_logger()
UNEXPECTED = "Something went wrong in the worker ({kind}); the server's log says what. Try again, and report it."
NO_MEMORY = "There is not enough memory for this edit, even alone; take a smaller picture or model."


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds between looking whether an edit is still wanted, telling how far it is, and previews (0: none)."""

    ask: float = 0.1
    tell: float = 0.25
    preview: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a worker works with."""

    queue: WorkQueue
    models: LoadedModels
    grounds: Grounds
    pace: Pace
    pulse: Pulse = field(default_factory=Pulse)


def do(claim: Claim, tools: Tools, stop: threading.Event) -> None:
    """Do what was claimed; every job of it has ended afterwards, waits again, or was taken from this worker.

    Raises what the database raises when it is out of reach; the lease then says what becomes of the jobs.
    """
    pace = tools.pace
    watch = Watch(tools.queue, claim.held, stop, every=pace.ask, tell_every=pace.tell, pulse=tools.pulse)
    try:
        if claim.kind == "lookup":
            _look_up(claim, tools)
        else:
            _edit(claim, claim.held, tools, watch)
    except Cancelled:
        for held in claim.held:
            tools.queue.give_back(held)
    except RetouchError as problem:
        _fail(tools, claim.held, str(problem))
    except Exception as problem:
        log.exception("job-failed", jobs=[held.job_id for held in claim.held])
        _fail(tools, claim.held, UNEXPECTED.format(kind=type(problem).__name__))


def _edit(claim: Claim, held: tuple[Held, ...], tools: Tools, watch: Watch, *, sparing: bool = False) -> None:
    """Make these pictures at once; where memory does not suffice, in halves, and one alone once more, sparingly."""
    try:
        _make(claim, held, tools, watch, sparing=sparing)
        return
    except (RetouchError, RuntimeError, MemoryError) as problem:
        if not out_of_memory(problem):
            raise
        log.warning("out-of-memory", jobs=len(held), sparing=sparing, problem=str(problem))
    # Outside of the handler, whose traceback holds what filled the memory.
    tools.models.free()
    if len(held) > 1:
        middle = len(held) // 2
        for half in (held[:middle], held[middle:]):
            _edit(claim, half, tools, watch)
    elif sparing:
        _fail(tools, held, NO_MEMORY)
    else:
        _edit(claim, held, tools, watch, sparing=True)


def _make(claim: Claim, held: tuple[Held, ...], tools: Tools, watch: Watch, *, sparing: bool) -> None:
    request = from_json(claim.request)
    model = claim.model or choose_model(request, tools.models.names)
    source = _source(tools, claim)
    editor = tools.models.get(model, sparing=sparing)
    warnings: list[str] = []
    means = Means(grounds=tools.grounds, uploads=_uploads(tools, claim, request.uploads), tell=warnings.append)
    given = arguments(request, source.pixels, means, seed=held[0].seed)
    previews = Previews(tools.pace.preview, len(held))

    def progress(event: EditProgress) -> None:
        if previews.due(event):
            watch.tell(event.done, event.total, previews.make(event))
            reached("after-preview")
        else:
            watch.told(event.done, event.total)

    result = editor.edit(
        source,
        given.instructions,
        settings=given.settings,
        region=given.regions or None,
        references=given.references,
        count=len(held),
        on_progress=progress,
        cancelled=watch.cancelled,
    )
    reached("after-edit")
    told = tuple(dict.fromkeys((*warnings, *result.warnings)))
    asked = replace(request, model=model)
    for number, one in enumerate(held):
        _hand_in(tools, one, replace(_made(asked, result, number), warnings=told))


def _hand_in(tools: Tools, held: Held, made: Made) -> None:
    _keep(tools, made.image, made.mask)
    reached("before-finish")
    taken = tools.queue.finish_edit(held, made)
    reached("after-finish")
    log.info("edit-ended", job=held.job_id, taken=taken)


def _keep(tools: Tools, *pictures: StoredPicture | None) -> None:
    """Write pictures before the transaction that names them, which is then short."""
    for picture in pictures:
        if picture is not None:
            tools.queue.blobs.put(picture)
        reached("after-picture")


def _made(request: Request, result: EditResult, number: int) -> Made:
    settings = replace(result.settings, seed=result.seeds[number])
    if request.region is None:
        settings = replace(settings, region=None)
    if not request.references:
        settings = replace(settings, reference=None)
    acted = [region for region in result.regions[0][number] if region is not None] if result.regions else []
    return Made(
        image=picture_from(result.images[0][number]),
        mask=picture_from(joined(acted).mask) if acted else None,
        request=to_json(replace(request, settings=settings)),
    )


def _look_up(claim: Claim, tools: Tools) -> None:
    request = from_json({"instruction": claim.request["instruction"], "region": claim.request["region"]})
    means = Means(grounds=tools.grounds, uploads=_uploads(tools, claim, request.uploads))
    region = look_up(request, _source(tools, claim).pixels, means)
    mask = picture_from(region.mask)
    found = Found(found=region.origin, share=share_of(region.mask), box=region.mask.getbbox(), mask=mask)
    _keep(tools, mask)
    reached("before-finish")
    tools.queue.finish_lookup(claim.held[0], found)
    reached("after-finish")


def _fail(tools: Tools, held: Sequence[Held], sentence: str) -> None:
    for one in held:
        tools.queue.fail(one, sentence)


def _source(tools: Tools, claim: Claim) -> LoadedImage:
    return load_image(tools.queue.blobs.read(claim.source), base_name="picture")


def _uploads(tools: Tools, claim: Claim, names: Sequence[str]) -> Uploads:
    """What reads the uploads of the owner of these ids; raises ServerError through it for one that is gone."""
    with tools.queue.database.read() as session:
        mine = select(Upload.id, Upload.sha256).where(Upload.owner_id == claim.owner_id, Upload.id.in_(names))
        digests = dict(session.execute(mine).tuples().all())
    return lambda name: tools.queue.blobs.read(digests.get(name, ""))
