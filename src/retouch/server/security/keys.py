"""Secrets: drawn, and known again by their digests; passwords by hashes that are slow to guess against."""

import hashlib
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from retouch.core.errors import ServerError

TOKEN_OPENING = "rt_"
"""How the secrets of API tokens begin, so that people and scanners know one where they see it."""
MINIMUM_PASSWORD, MAXIMUM_PASSWORD = 8, 1000
_AT_ONCE = threading.Semaphore(2)
"""A hash takes 64 MB of memory on purpose; more at once would let strangers fill ours."""


def new_secret() -> str:
    """A secret of 256 bits that can stand in an address."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """What is kept of such a secret. Nobody can try 2^256 of them, so that a fast digest is enough."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def hash_password(password: str) -> str:
    """What is kept of a password, by argon2id; raises ServerError for one that is too short or too long."""
    if not MINIMUM_PASSWORD <= len(password) <= MAXIMUM_PASSWORD:
        raise ServerError(
            f"The password has {len(password)} characters; take {MINIMUM_PASSWORD} to {MAXIMUM_PASSWORD} of them."
        )
    with _AT_ONCE:
        return PasswordHasher().hash(password)


def is_password(password: str, kept: str | None) -> bool:
    """Whether it is the password; as slow where there is none (`kept` None), so that the time tells nothing."""
    try:
        with _AT_ONCE:
            PasswordHasher().verify(kept or _NOBODY, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return kept is not None


_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXRoaW5nIHRvIHNhbHQ$bm9ib2R5IGhhcyB0aGlzIGFzIGl0cyBoYXNoIGF0IGFsbA"
