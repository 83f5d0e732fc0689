"""`POST /v1/images/edits` as OpenAI's clients send it: multipart in, pictures or server-sent events out."""

import asyncio
import base64
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from retouch.core.settings import MAXIMUM_TEXT
from retouch.server import compatible
from retouch.server.compatible import Begun, Seen, Wanted, Watch
from retouch.server.context import Asking, InAsking
from retouch.server.problems import Refusal, invalid
from retouch.server.uploaded import bytes_of

router = APIRouter(prefix="/v1", tags=["openai"])
EVERY_SECONDS = 0.2
COMMENT_SECONDS = 10.0
_MOST_PICTURES = 16
Format = Literal["png", "jpeg", "webp"]


class EditedPicture(BaseModel):
    """A picture, as base64."""

    b64_json: str


class EditedPictures(BaseModel):
    """The answer to an edit, as OpenAI's clients read it."""

    created: int
    data: list[EditedPicture]
    output_format: Format
    size: str
    usage: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _How:
    """In what form pictures are wanted."""

    format: Format
    quality: int
    partial: int


_USAGE: dict[str, Any] = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": EditedPictures, "content": {"text/event-stream": {}}}}


@router.post("/images/edits", response_class=JSONResponse, response_model=None, responses=_ANSWERS)
async def edit_images(
    *,
    asking: InAsking,
    request: Request,
    prompt: Annotated[str, Form(max_length=MAXIMUM_TEXT, description="What to change.")],
    image: Annotated[list[UploadFile] | None, File(description="The picture; further ones are references.")] = None,
    images: Annotated[list[UploadFile] | None, File(alias="image[]", description="The same, as arrays.")] = None,
    mask: Annotated[UploadFile | None, File(description="Transparent where the picture is to be edited.")] = None,
    model: Annotated[str | None, Form(max_length=200)] = None,
    n: Annotated[int, Form(ge=1, le=10)] = 1,
    size: Annotated[str, Form(max_length=20, description="WIDTHxHEIGHT, or auto: as it is.")] = "auto",
    response_format: Annotated[Literal["b64_json", "url"], Form(description="url is refused.")] = "b64_json",
    output_format: Annotated[Format, Form()] = "png",
    output_compression: Annotated[int, Form(ge=0, le=100, description="Of JPEG and WebP, 100 is best.")] = 90,
    stream: Annotated[bool, Form()] = False,
    partial_images: Annotated[int, Form(ge=0, le=3)] = 0,
) -> Response:
    """Edit a picture as OpenAI's image API does. Other fields of theirs are accepted and do nothing."""
    if response_format == "url":
        invalid("This server gives pictures as b64_json alone; ask for that response_format.", "no-urls")
    wanted = await run_in_threadpool(
        _wanted, asking, [*(image or ()), *(images or ())], mask, (prompt, model or None, n, size)
    )
    how = _How(format=output_format, quality=output_compression, partial=partial_images)
    begun = await run_in_threadpool(compatible.begin, asking, wanted)
    closing: Callable[[], bool] = lambda: request.app.state.events.closed  # noqa: E731
    if stream:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        told = _streamed(asking, begun, how, closing)
        return StreamingResponse(told, media_type="text/event-stream", headers=headers)
    return await _whole(asking, begun, how, request, closing)


def _wanted(
    asking: Asking, files: list[UploadFile], mask: UploadFile | None, asked: tuple[str, str | None, int, str]
) -> Wanted:
    limit = asking.context.limits.upload_bytes
    if not 1 <= len(files) <= _MOST_PICTURES:
        invalid(f"The edit comes with {len(files)} pictures; send 1 to {_MOST_PICTURES} as image.", "bad-request")
    prompt, model, count, size = asked
    return Wanted(
        pictures=tuple(bytes_of(each, limit) for each in files),
        mask=None if mask is None else bytes_of(mask, limit),
        prompt=prompt,
        model=model,
        count=count,
        size=size,
    )


async def _whole(asking: Asking, begun: Begun, how: _How, request: Request, closing: Callable[[], bool]) -> Response:
    """All pictures in one answer; the edit is given up where the client goes away meanwhile."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_in_peace, compatible.give_up, asking, begun)
        async for _ in _watched(asking, begun, closing):
            if await request.is_disconnected():
                return Response(status_code=499)
            if closing():
                stack.pop_all()
                raise _ending()
        pictures = await run_in_threadpool(compatible.results, asking, begun)
        encoded = [await run_in_threadpool(_encoded, data, how) for data in pictures]
        stack.pop_all()
    body = EditedPictures(
        created=int(time.time()),
        data=[EditedPicture(b64_json=text) for text, _ in encoded],
        output_format=how.format,
        size=encoded[0][1],
        usage=_USAGE,
    )
    return JSONResponse(body.model_dump(), background=BackgroundTask(compatible.forget, asking, begun))


async def _streamed(asking: Asking, begun: Begun, how: _How, closing: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Pictures as they become, then as they are; the edit is given up where the client goes away meanwhile."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_in_peace, compatible.give_up, asking, begun)
        sent, quiet = 0, time.monotonic()
        try:
            async for seen in _watched(asking, begun, closing, how.partial > 0):
                if closing():
                    stack.pop_all()
                    raise _ending()
                for preview in seen.previews[: how.partial * len(begun.nodes) - sent]:
                    text, size = await run_in_threadpool(_encoded, preview, how)
                    yield _event("partial_image", text, size, how, {"partial_image_index": sent})
                    sent += 1
                    quiet = time.monotonic()
                if time.monotonic() - quiet >= COMMENT_SECONDS:
                    yield b": still at it\n\n"
                    quiet = time.monotonic()
        except Refusal as problem:
            error = {"message": str(problem), "type": "server_error", "param": None, "code": problem.code}
            yield f"event: error\ndata: {json.dumps({'error': error})}\n\n".encode()
            return
        for data in await run_in_threadpool(compatible.results, asking, begun):
            text, size = await run_in_threadpool(_encoded, data, how)
            yield _event("completed", text, size, how, {"usage": _USAGE})
        stack.pop_all()
        await _in_peace(compatible.forget, asking, begun)


async def _watched(
    asking: Asking, begun: Begun, closing: Callable[[], bool], previews: bool = False
) -> AsyncIterator[Seen]:
    """How far the edit is, again and again until it is done; raises Refusal (422) where it failed."""
    watch = Watch(wanted=previews)
    while True:
        seen = await run_in_threadpool(compatible.look, asking, begun, watch)
        if seen.error is not None:
            raise Refusal(seen.error, status=422, code="edit-failed")
        yield seen
        if seen.ended or closing():
            return
        await asyncio.sleep(EVERY_SECONDS)


async def _in_peace(work: Callable[[Asking, Begun], None], asking: Asking, begun: Begun) -> None:
    """Do what has to be done even where this task is being cancelled."""
    with anyio.CancelScope(shield=True):
        await run_in_threadpool(work, asking, begun)


def _ending() -> Refusal:
    return Refusal(
        "The server ends; the edit is kept among the designs and goes on when it runs again.",
        status=503,
        code="ending",
    )


def _encoded(data: bytes, how: _How) -> tuple[str, str]:
    """A picture in the form that is wanted, as base64, and its size in words."""
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        size = f"{image.width}x{image.height}"
        if image.format != how.format.upper():
            buffer = io.BytesIO()
            fitting = image.convert("RGB") if how.format == "jpeg" else image
            fitting.save(buffer, format=how.format, **({} if how.format == "png" else {"quality": how.quality}))
            data = buffer.getvalue()
    return base64.b64encode(data).decode(), size


def _event(kind: str, text: str, size: str, how: _How, more: dict[str, Any]) -> bytes:
    name = f"image_edit.{kind}"
    body = {
        "type": name,
        "b64_json": text,
        "created_at": int(time.time()),
        "size": size,
        "quality": "auto",
        "background": "auto",
        "output_format": how.format,
        **more,
    }
    return f"event: {name}\ndata: {json.dumps(body)}\n\n".encode()
