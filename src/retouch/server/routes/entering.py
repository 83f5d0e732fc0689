"""Who is asking, and coming and going: the session's cookie is set and taken away."""

import structlog
from fastapi import APIRouter, Request, Response

from retouch import __version__
from retouch.server.context import Asking, InAsking, InContext
from retouch.server.problems import Refusal
from retouch.server.schemas import Login, Me
from retouch.server.security import people
from retouch.server.security.names import cookie_name
from retouch.server.store.database import Database

log = structlog.get_logger()
router = APIRouter(prefix="/api/v1", tags=["me"])


@router.get("/me")
def me(*, asking: InAsking) -> Me:
    """Say who is asking."""
    return _me(asking.context.database, asking.owner)


@router.post("/login")
def login(*, context: InContext, ask: Login, request: Request, response: Response) -> Me:
    """Set the session's cookie (HttpOnly, SameSite=Strict) for a name and its password, or for the printed token."""
    database, entrance = context.database, context.entrance
    address = request.client.host if request.client is not None else "nobody"
    try:
        if ask.token:
            secret = entrance.by_token(database, ask.token)
        else:
            secret = entrance.by_password(database, ask.name, ask.password, address)
    except Refusal as refusal:
        log.warning("login-refused", name=ask.name, address=address, code=refusal.code)
        raise
    response.set_cookie(
        cookie_name(request.headers),
        secret,
        max_age=people.SESSION_DAYS * 24 * 3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    with database.read() as session:
        caller = people.by_cookie(session, secret)
    if caller is None:
        raise Refusal("The user was disabled a moment ago.", status=401, code="not-logged-in")
    told = _me(database, caller.owner)
    log.info("login", name=told.name, address=address)
    return told


@router.post("/logout", status_code=204)
def logout(*, asking: InAsking, request: Request, response: Response) -> None:
    """End the session."""
    if asking.caller.by_cookie:
        _end(asking)
    response.delete_cookie(cookie_name(request.headers), httponly=True, samesite="strict")


def _end(asking: Asking) -> None:
    asking.write(lambda session: people.end_session(session, asking.caller.digest))


def _me(database: Database, owner: str) -> Me:
    with database.read() as session:
        return Me(name=people.name_of(session, owner), users=people.has_users(session), version=__version__)
