"""The gate before all routes: which requests come through, in whose name, how large and how often.

All answers get their headers here. It stands before the routes so that a stranger's body is never read, and a new route
is closed until somebody opens it.
"""

from http.cookies import CookieError, SimpleCookie

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retouch.server.context import Context
from retouch.server.problems import Refusal, refused, too_large
from retouch.server.security.entrance import too_often
from retouch.server.security.names import (
    CALLER,
    SAFE_METHODS,
    check_host,
    check_origin,
    cookie_name,
    not_logged_in,
)
from retouch.server.security.people import Caller, by_cookie, by_token, note_use
from retouch.server.security.rates import Buckets

CLOSED = ("/api/", "/v1/")
"""Where paths begin that nobody unknown may ask for anything; all else is the page, its parts and /healthz."""
OPEN = ("/api/v1/login",)
CHANGE_COST = 3.0
_MEGABYTE = 2**20
_SMALL = _MEGABYTE
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Styles may be inline: Mantine and React Flow place things by style attributes and write <style> elements, for which
there is no nonce in a page that is a file. Inline styles run nothing; scripts come from files of ours alone."""
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Gate:
    """An ASGI app around another: see the module."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app, self._context = app, context
        self._rates = Buckets(context.limits.requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path: str = scope["path"]
        sending = _Sending(send, private=path.startswith(CLOSED))
        try:
            limit = await self._admit(scope)
        except Refusal as refusal:
            await refused(path, refusal)(scope, receive, sending)
            return
        await self._app(scope, _bounded(receive, limit), sending)

    async def _admit(self, scope: Scope) -> int:
        """Let a request through in its caller's name, or raise Refusal; how many bytes its body may have."""
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        check_host(headers, self._context.hosts)
        bearer = _bearer(headers)
        if bearer is None:
            check_origin(method, headers)
        caller = await self._caller(headers, bearer) if path.startswith(CLOSED) else None
        client = scope.get("client") or ("nobody", 0)
        who = f"address {client[0]}" if caller is None else caller.owner
        wait = self._rates.take(who, 1.0 if method in SAFE_METHODS else CHANGE_COST)
        if wait:
            raise too_often("requests", wait)
        if caller is None and path.startswith(CLOSED) and path not in OPEN:
            raise not_logged_in()
        scope.setdefault("state", {})[CALLER] = caller
        limit = self._largest(method, path)
        if _announced(headers) > limit:
            raise too_large("request", limit)
        return limit

    async def _caller(self, headers: Headers, bearer: str | None) -> Caller | None:
        cookie = None if bearer is not None else _cookie(headers)
        if bearer is None and cookie is None:
            return None
        return await run_in_threadpool(self._look, bearer, cookie)

    def _look(self, bearer: str | None, cookie: str | None) -> Caller | None:
        database = self._context.database
        with database.read() as session:
            caller = by_token(session, bearer) if bearer is not None else by_cookie(session, cookie or "")
        if caller is not None and not caller.by_cookie:
            note_use(database, caller)
        return caller

    def _largest(self, method: str, path: str) -> int:
        limits = self._context.limits
        if method != "POST":
            return _SMALL
        if path == "/api/v1/projects/import":
            return limits.archive_bytes + _SMALL
        if path in ("/api/v1/projects", "/api/v1/uploads"):
            return limits.upload_bytes + _SMALL
        return 4 * limits.upload_bytes + _SMALL if path == "/v1/images/edits" else _SMALL


class _Sending:
    """Sends an answer with the headers that all of ours carry."""

    def __init__(self, send: Send, *, private: bool) -> None:
        self._send, self._private = send, private

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self._private:
                headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _bounded(receive: Receive, limit: int) -> Receive:
    """What receives a body, and raises once it is longer than it may be, whatever it announced."""
    came = 0

    async def bounded() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > limit:
            raise HTTPException(413)
        return message

    return bounded


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else 0


def _bearer(headers: Headers) -> str | None:
    kind, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(cookie_name(headers))
    except CookieError:
        return None
    return None if found is None or not found.value else found.value
