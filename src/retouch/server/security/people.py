"""Users and API tokens in the database: added, listed, disabled; and who it is that shows a secret."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import and_, delete, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from retouch.core.errors import ServerError
from retouch.server.security.keys import TOKEN_OPENING, digest_of, hash_password, is_password, new_secret
from retouch.server.store.columns import new_id, now
from retouch.server.store.database import Database
from retouch.server.store.tables import LOCAL_OWNER, LoginSession, Token, User

SESSION_DAYS = 30
_USED_EVERY = timedelta(minutes=1)
"""How exactly it is kept when a token was last used: a write for each request would cost more than it tells."""
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user as lists show one; `tokens` are those that are not revoked."""

    name: str
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Key:
    """An API token as lists show one."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks: the user, and the digest of the secret that says so, of a browser's cookie or of an API token."""

    owner: str
    digest: str
    by_cookie: bool


@dataclass(frozen=True, kw_only=True)
class People:
    """The users of a database, as those see them who look after it. All raise ServerError where a name is unknown."""

    database: Database

    def add(self, name: str, password: str) -> None:
        """Add a user; raises ServerError for a name that is taken or none, or a password that is too short."""
        row = User(id=new_id(), name=_checked(name), password_hash=hash_password(password), created_at=now())
        self._write(lambda session: session.add(row), taken=name)

    def everybody(self) -> list[Person]:
        """All users, by their names."""
        with self.database.read() as session:
            return [_person(session, row) for row in session.scalars(select(User).order_by(User.name))]

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password; every browser has to log in again."""
        kept = hash_password(password)

        def work(session: Session) -> None:
            user = _user(session, name)
            user.password_hash = kept
            _end_sessions(session, user)

        self._write(work)

    def rename(self, name: str, to: str) -> None:
        """Give a user another name; raises ServerError where it is taken."""

        def work(session: Session) -> None:
            _user(session, name).name = _checked(to)

        self._write(work, taken=to)

    def disable(self, name: str, disabled: bool = True) -> None:
        """Let a user in no more, by whatever secret, or let the user in again; what the user made stays."""

        def work(session: Session) -> None:
            user = _user(session, name)
            user.disabled_at = (user.disabled_at or now()) if disabled else None
            if disabled:
                _end_sessions(session, user)

        self._write(work)

    def new_token(self, name: str, label: str) -> str:
        """A new API token of a user: its secret, which is not kept and cannot be shown again."""
        secret = TOKEN_OPENING + new_secret()

        def work(session: Session) -> None:
            row = Token(id=new_id(), user_id=_user(session, name).id, name=_checked(label), hash=digest_of(secret))
            row.created_at = now()
            session.add(row)

        self._write(work)
        return secret

    def tokens(self, name: str) -> list[Key]:
        """The tokens of a user, the revoked ones too, the oldest first."""
        with self.database.read() as session:
            rows = session.scalars(select(Token).where(Token.user_id == _user(session, name).id).order_by(Token.id))
            names = ("id", "name", "created_at", "last_used_at", "revoked_at")
            return [Key(**{each: getattr(row, each) for each in names}) for row in rows]

    def revoke(self, token: str) -> None:
        """Let a token count no more; raises ServerError where there is none of this id."""

        def work(session: Session) -> None:
            row = session.get(Token, token)
            if row is None:
                raise ServerError(f"There is no token {token!r:.40}; `retouch users tokens NAME` lists them.")
            row.revoked_at = row.revoked_at or now()

        self._write(work)

    def _write(self, work: Callable[[Session], Value], taken: str | None = None) -> Value:
        try:
            return self.database.write(work)
        except IntegrityError as problem:
            if taken is None:
                raise
            raise ServerError(f"There is a user '{taken}' already; choose another name.") from problem


def has_users(session: Session) -> bool:
    """Whether anybody has a password; else all belongs to the user "local", who needs none."""
    return bool(session.scalar(select(exists().where(User.password_hash.is_not(None)))))


def by_password(database: Database, name: str, password: str) -> str | None:
    """The id of the user who logs in by name and password; None where the two do not fit or the user is disabled."""
    with database.read() as session:
        user = session.scalar(select(User).where(User.name == name)) if "\0" not in name else None
    fits = is_password(password, None if user is None else user.password_hash)
    return user.id if fits and user is not None and user.disabled_at is None else None


def begin_session(session: Session, owner: str) -> str:
    """Let a browser be logged in; what its cookie holds."""
    secret, at = new_secret(), now()
    row = LoginSession(id=digest_of(secret), user_id=owner, created_at=at, expires_at=at + timedelta(days=SESSION_DAYS))
    session.add(row)
    return secret


def end_session(session: Session, digest: str) -> None:
    """Let a browser be logged in no more."""
    session.execute(delete(LoginSession).where(LoginSession.id == digest))


def forget_sessions(session: Session) -> None:
    """Forget the sessions that are over."""
    session.execute(delete(LoginSession).where(LoginSession.expires_at < now()))


def by_cookie(session: Session, secret: str) -> Caller | None:
    """Who shows this secret in a cookie."""
    return _of_session(session, digest_of(secret))


def by_token(session: Session, secret: str) -> Caller | None:
    """Who shows this secret of an API token."""
    return _of_token(session, digest_of(secret))


def still_there(session: Session, caller: Caller) -> bool:
    """Whether what let somebody in counts still."""
    look = _of_session if caller.by_cookie else _of_token
    return look(session, caller.digest) == caller


def note_use(database: Database, caller: Caller) -> None:
    """Keep that a token was used, to the minute."""
    at = now()
    stale = or_(Token.last_used_at.is_(None), Token.last_used_at < at - _USED_EVERY)
    of_caller = and_(Token.hash == caller.digest, stale)
    with database.read() as session:
        due = session.scalar(select(exists().where(of_caller)))
    if due:
        database.write(lambda session: session.execute(update(Token).where(of_caller).values(last_used_at=at)))


def name_of(session: Session, owner: str) -> str:
    """The name of a user."""
    return session.get_one(User, owner).name


def local_is_open(session: Session) -> bool:
    """Whether the user "local" may be let in by a printed address."""
    return not has_users(session) and session.get_one(User, LOCAL_OWNER).disabled_at is None


def _of_session(session: Session, digest: str) -> Caller | None:
    found = session.execute(select(LoginSession, User).join(User).where(LoginSession.id == digest)).one_or_none()
    if found is None or found[1].disabled_at is not None or found[0].expires_at <= now():
        return None
    return Caller(owner=found[1].id, digest=digest, by_cookie=True)


def _of_token(session: Session, digest: str) -> Caller | None:
    found = session.execute(select(Token, User).join(User).where(Token.hash == digest)).one_or_none()
    if found is None or found[1].disabled_at is not None or found[0].revoked_at is not None:
        return None
    return Caller(owner=found[1].id, digest=digest, by_cookie=False)


def _user(session: Session, name: str) -> User:
    user = session.scalar(select(User).where(User.name == name)) if "\0" not in name else None
    if user is None:
        raise ServerError(f"There is no user {name!r:.110}; `retouch users list` shows who there is.")
    return user


def _checked(name: str) -> str:
    if not name.strip() or name != name.strip() or len(name) > 100 or not name.isprintable():
        raise ServerError(f"{name!r:.110} is no name; take 1 to 100 characters that can be printed, no space around.")
    return name


def _end_sessions(session: Session, user: User) -> None:
    session.execute(delete(LoginSession).where(LoginSession.user_id == user.id))


def _person(session: Session, row: User) -> Person:
    count = len(session.scalars(select(Token.id).where(Token.user_id == row.id, Token.revoked_at.is_(None))).all())
    return Person(
        name=row.name,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        has_password=row.password_hash is not None,
        tokens=count,
    )
