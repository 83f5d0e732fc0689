"""Do what was claimed: make pictures or find a region, hand in what came out, and let each job end."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import select

from retouch.core.errors import Cancelled, ModelError, RetouchError
from retouch.core.images import LoadedImage, load_image
from retouch.core.region import joined
from retouch.designs.request import Request, from_json, to_json
from retouch.editing.result import EditProgress, EditResult
from retouch.server.jobs.held import Claim, Found, Held, Made
from retouch.server.jobs.queue import WorkQueue
from retouch.server.killpoints import reached
from retouch.server.pictures import StoredPicture, picture_from
from retouch.server.store.tables import Upload
from retouch.server.worker.grounds import Grounds
from retouch.server.worker.loaded import LoadedModels, out_of_memory
from retouch.server.worker.previews import Previews
from retouch.server.worker.pulse import Pulse
from retouch.server.worker.requests import Means, Uploads, arguments, look_up, share_of
from retouch.server.worker.together import ReadEdit, Together, model_of, results_of
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
    together: Together = field(default_factory=Together)


def do(claims: Sequence[Claim], tools: Tools, stop: threading.Event) -> None:
    """Do what was claimed, one claim or edits that can be made in one batch; every job of it has ended afterwards,
    waits again, or was taken from this worker.

    Raises what the database raises when it is out of reach; the lease then says what becomes of the jobs.
    """
    held, pace = _held(claims), tools.pace
    watch = Watch(tools.queue, held, stop, every=pace.ask, tell_every=pace.tell, pulse=tools.pulse)
    try:
        if claims[0].kind == "lookup":
            with _failing(tools, held):
                _look_up(claims[0], tools)
        else:
            _edit(claims, tools, watch)
    except Cancelled:
        for one in held:
            tools.queue.give_back(one)


@contextmanager
def _failing(tools: Tools, held: Sequence[Held]) -> Iterator[None]:
    """Let jobs fail with what the block raises."""
    try:
        yield
    except Cancelled:
        raise
    except Exception as problem:
        _fail(tools, held, problem)


def _edit(claims: Sequence[Claim], tools: Tools, watch: Watch, *, sparing: bool = False) -> None:
    """Make these pictures at once; what fails of several claims, or for lack of memory, is made in halves, so that the
    others do not fail with it. One picture for which memory does not suffice is tried once more, sparingly, where the
    model can be loaded so."""
    watch.work_on(_held(claims))
    try:
        made = _make(claims, tools, watch, sparing=sparing)
    except Cancelled:
        if watch.stopping:
            raise
        # None of these is wanted any more; of the others there may be some.
        return
    except Exception as problem:
        lacks_memory = out_of_memory(problem)
        if len(claims) == 1 and not lacks_memory:
            _fail(tools, _held(claims), problem)
            return
        event = "out-of-memory" if lacks_memory else "not-made-together"
        log.warning(event, jobs=len(_held(claims)), sparing=sparing, problem=str(problem))
    else:
        for edit, result in made:
            with _failing(tools, edit.claim.held):
                _hand_in(tools, edit, result)
        return
    # Outside of the handler, whose traceback holds what filled the memory.
    if lacks_memory:
        tools.together.too_many(model_of(claims[0], tools.models), len(_held(claims)))
        tools.models.free()
    if len(_held(claims)) > 1:
        for half in _halves(claims):
            _edit(half, tools, watch)
    elif sparing:
        _fail(tools, _held(claims), ModelError(NO_MEMORY))
    else:
        _edit(claims, tools, watch, sparing=True)


def _halves(claims: Sequence[Claim]) -> tuple[Sequence[Claim], Sequence[Claim]]:
    """Claims in two, one claim by its jobs."""
    if len(claims) > 1:
        middle = len(claims) // 2
        return claims[:middle], claims[middle:]
    held = claims[0].held
    middle = len(held) // 2
    return (replace(claims[0], held=held[:middle]),), (replace(claims[0], held=held[middle:]),)


def _make(claims: Sequence[Claim], tools: Tools, watch: Watch, *, sparing: bool) -> list[tuple[ReadEdit, EditResult]]:
    """The results of claims, each with what was asked."""
    model = model_of(claims[0], tools.models)
    editor = tools.models.get(model, sparing=sparing)
    edits = [_read(claim, tools, model) for claim in claims]
    previews = Previews(tools.pace.preview, len(_held(claims)))

    def progress(event: EditProgress) -> None:
        if previews.due(event):
            watch.tell(event.done, event.total, previews.make(event))
            reached("after-preview")
        else:
            watch.told(event.done, event.total)

    results = results_of(editor, edits, on_progress=progress, cancelled=watch.cancelled)
    reached("after-edit")
    return list(zip(edits, results, strict=True))


def _hand_in(tools: Tools, edit: ReadEdit, result: EditResult) -> None:
    told = tuple(dict.fromkeys((*edit.warnings, *result.warnings)))
    for number, held in enumerate(edit.claim.held):
        made = replace(_made(edit.request, result, number), warnings=told)
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


def _fail(tools: Tools, held: Sequence[Held], problem: Exception) -> None:
    sentence = str(problem)
    if not isinstance(problem, RetouchError):
        sentence = UNEXPECTED.format(kind=type(problem).__name__)
        log.error("job-failed", jobs=[one.job_id for one in held], exc_info=problem)
    for one in held:
        tools.queue.fail(one, sentence)


def _held(claims: Sequence[Claim]) -> tuple[Held, ...]:
    return tuple(held for claim in claims for held in claim.held)


def _read(claim: Claim, tools: Tools, model: str) -> ReadEdit:
    """A claim with its request and picture read; raises RetouchError where they cannot be."""
    request, source = from_json(claim.request), _source(tools, claim)
    warnings: list[str] = []
    means = Means(grounds=tools.grounds, uploads=_uploads(tools, claim, request.uploads), tell=warnings.append)
    given = arguments(request, source.pixels, means, seed=claim.held[0].seed)
    return ReadEdit(claim=claim, request=replace(request, model=model), source=source, given=given, warnings=warnings)


def _source(tools: Tools, claim: Claim) -> LoadedImage:
    return load_image(tools.queue.blobs.read(claim.source), base_name="picture")


def _uploads(tools: Tools, claim: Claim, names: Sequence[str]) -> Uploads:
    """What reads the uploads of the owner of these ids; raises ServerError through it for one that is gone."""
    with tools.queue.database.read() as session:
        mine = select(Upload.id, Upload.sha256).where(Upload.owner_id == claim.owner_id, Upload.id.in_(names))
        digests = dict(session.execute(mine).tuples().all())
    return lambda name: tools.queue.blobs.read(digests.get(name, ""))
