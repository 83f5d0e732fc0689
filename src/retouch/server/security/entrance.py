"""How people come in: by the one-time token of the printed address, or by name and password, not too often."""

import hmac
import threading
from dataclasses import dataclass, field

from retouch.server.problems import Refusal
from retouch.server.security.keys import digest_of, new_secret
from retouch.server.security.people import begin_session, by_password, local_is_open
from retouch.server.security.rates import Buckets, Rate
from retouch.server.store.database import Database
from retouch.server.store.tables import LOCAL_OWNER

TRIES = Rate(per_second=0.1, burst=10)
"""Wrong passwords for one name, or from one address."""


class OneTime:
    """A token that lets one browser in, once; only its digest is here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digest: str | None = None

    def draw(self) -> str:
        """A new token; the one before counts no more."""
        secret = new_secret()
        with self._lock:
            self._digest = digest_of(secret)
        return secret

    def redeem(self, secret: str) -> bool:
        """Whether it is the token; it never is again."""
        with self._lock:
            fits = self._digest is not None and hmac.compare_digest(self._digest, digest_of(secret))
            if fits:
                self._digest = None
            return fits


@dataclass(frozen=True)
class Entrance:
    """The door of one server process."""

    once: OneTime = field(default_factory=OneTime)
    tries: Buckets = field(default_factory=lambda: Buckets(TRIES))

    def by_token(self, database: Database, token: str) -> str:
        """Let the user "local" in by the printed token; what the cookie is to hold. Raises Refusal (401)."""
        with database.read() as session:
            is_open = local_is_open(session)
        if not is_open or not self.once.redeem(token):
            raise _wrong("This address was used before or is none that the server printed; start it again for another.")
        return database.write(lambda session: begin_session(session, LOCAL_OWNER))

    def by_password(self, database: Database, name: str, password: str, address: str) -> str:
        """Let a user in; what the cookie is to hold.

        Raises Refusal: the two do not fit (401), or it was tried too often for this name or from this address (429).
        """
        keys = (f"name {name}", f"address {address}")
        for number, key in enumerate(keys):
            wait = self.tries.take(key)
            if wait:
                for taken in keys[:number]:
                    self.tries.give_back(taken)
                raise too_often("passwords", wait)
        owner = by_password(database, name, password)
        if owner is None:
            raise _wrong("Name and password do not fit; try again, or ask whoever runs the server.")
        for key in keys:
            self.tries.give_back(key)
        return database.write(lambda session: begin_session(session, owner))


def too_often(what: str, seconds: float) -> Refusal:
    """What refuses somebody who asks too often, and says when to come back."""
    whole = max(1, round(seconds + 0.5))
    unit = "second" if whole == 1 else "seconds"
    refusal = Refusal(f"Too many {what} in a short time; wait {whole} {unit}.", status=429, code="too-many-requests")
    refusal.headers["Retry-After"] = str(whole)
    return refusal


def _wrong(detail: str) -> Refusal:
    return Refusal(detail, status=401, code="not-logged-in")
