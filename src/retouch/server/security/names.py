"""What a request says of where it comes from and goes to: host, origin, the name of our cookie."""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from retouch.server.problems import Refusal

CALLER = "caller"
"""The name under which a request carries who asks."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""What this machine calls itself. An address of a stranger's that leads here (DNS rebinding) is none of them."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def host_of(headers: Headers) -> tuple[str, int | None]:
    """The name and the port that a request was sent to; ("", None) for what is neither."""
    try:
        parts = urlsplit(f"//{headers.get('host', '')}")
        return (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "", None


def cookie_name(headers: Headers) -> str:
    """The name of our cookie. Cookies know no ports, so that two servers on one machine need two names."""
    _, port = host_of(headers)
    return "retouch" if port is None else f"retouch-{port}"


def is_loopback(host: str) -> bool:
    """Whether a name or address can only be reached from this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(headers: Headers, hosts: frozenset[str] | None) -> None:
    """Raise Refusal (421) where a request was sent to a name that is not ours; None is any."""
    name, _ = host_of(headers)
    if hosts is None or name in hosts or (is_loopback(name) and not hosts.isdisjoint(LOOPBACK_NAMES)):
        return
    raise Refusal(
        f"This server does not answer to the name {name!r:.80}; use the address that it printed, "
        "or tell it the name in RETOUCH_SERVER_NAMES.",
        status=421,
        code="wrong-host",
    )


def check_origin(method: str, headers: Headers) -> None:
    """Raise Refusal (403) where a browser says that another site makes it change something.

    Browsers say so in Sec-Fetch-Site, or in Origin where the address is not encrypted and not of this machine. What
    sends neither is no browser, and has no cookies that it did not put there itself.
    """
    if method in SAFE_METHODS:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site in ("same-origin", "none") or (site is None and (origin is None or _same(origin, headers))):
        return
    raise Refusal(
        "Another site asked for this in your name, which is refused; use the page of this server.",
        status=403,
        code="cross-site",
    )


def not_logged_in() -> Refusal:
    """What refuses somebody who shows nothing that lets in."""
    refusal = Refusal(
        "You are not logged in; open the address that the server prints when it starts, log in, or send an API token.",
        status=401,
        code="not-logged-in",
    )
    refusal.headers["WWW-Authenticate"] = "Bearer"
    return refusal


def _same(origin: str, headers: Headers) -> bool:
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""
