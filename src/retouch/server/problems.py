"""What a request is refused with: a status, a fixed word and a sentence, as `application/problem+json`."""

import logging
from http import HTTPStatus
from typing import NoReturn

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from retouch.core.errors import DesignError, ImageError, RetouchError, ServerError, SettingsError
from retouch.server.schemas import Problem

_LOG = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
COMPATIBLE = "/v1/"
"""Where paths begin whose clients expect errors in OpenAI's form."""
_KINDS: tuple[tuple[type[RetouchError], int, str], ...] = (
    (SettingsError, 422, "bad-settings"),
    (ImageError, 422, "bad-image"),
    (DesignError, 409, "not-possible"),
)
_WORDS = {
    400: "bad-request",
    401: "not-logged-in",
    403: "not-allowed",
    404: "not-found",
    405: "bad-method",
    413: "too-large",
    415: "bad-media-type",
    422: "bad-request",
    429: "too-many-requests",
}

_SENTENCES = {
    404: "There is nothing at this address; look at /openapi.json for what there is.",
    405: "This address does not take that method; look at /openapi.json for those it takes.",
    413: "The request is larger than this address takes; send less.",
}


class Refusal(ServerError):
    """A request that is refused with a status and a fixed word."""

    def __init__(self, detail: str, *, status: int, code: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers: dict[str, str] = {}


def missing(what: str) -> NoReturn:
    """Refuse because there is nothing of that id, or it is another's."""
    raise Refusal(f"There is no such {what}; it may have been deleted.", status=404, code="not-found")


def conflict(detail: str, code: str) -> NoReturn:
    """Refuse because of the state that something is in."""
    raise Refusal(detail, status=409, code=code)


def invalid(detail: str, code: str) -> NoReturn:
    """Refuse because of what was sent."""
    raise Refusal(detail, status=422, code=code)


def too_large(what: str, limit: int) -> Refusal:
    """What refuses an upload of more than `limit` bytes."""
    detail = f"The {what} is larger than {limit / 2**20:g} MB; send a smaller one."
    return Refusal(detail, status=413, code="too-large")


def handle_problems(app: FastAPI) -> None:
    """Let every error leave the app as a problem."""
    app.add_exception_handler(RetouchError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_anything)


def problem(status: int, detail: str, code: str) -> JSONResponse:
    """The answer that tells a problem."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, code=code)
    return JSONResponse(body.model_dump(), status_code=status, media_type=MEDIA_TYPE)


def refused(path: str, error: Refusal) -> JSONResponse:
    """The answer that tells a refusal to a request of a path."""
    answer = told(path, error.status, str(error), error.code)
    answer.headers.update(error.headers)
    return answer


def told(path: str, status: int, detail: str, code: str) -> JSONResponse:
    """The answer that tells a problem in the form that the clients of a path know."""
    if not path.startswith(COMPATIBLE):
        return problem(status, detail, code)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"error": {"message": detail, "type": kind, "param": None, "code": code}}
    return JSONResponse(body, status_code=400 if status == 422 else status)


async def _of_ours(request: Request, error: Exception) -> JSONResponse:
    path = request.url.path
    if isinstance(error, Refusal):
        return refused(path, error)
    for kind, status, code in _KINDS:
        if isinstance(error, kind):
            return told(path, status, str(error), code)
    return await _of_anything(request, error)


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = " ".join(str(part) for part in first["loc"])
    return told(request.url.path, 422, f"{place}: {first['msg']}.", "bad-request")


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = error.status_code
    sentence = _SENTENCES.get(status, f"The request was refused ({error.detail}).")
    answer = told(request.url.path, status, sentence, _WORDS.get(status, "refused"))
    answer.headers.update(error.headers or {})
    return answer


async def _of_anything(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("A request failed", exc_info=error)
    detail = "Something went wrong on the server; its log says what. Try again, and report it if it stays."
    return told(request.url.path, 500, detail, "internal")
