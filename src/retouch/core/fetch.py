"""Bounded download over http and https that never reaches a private address unasked."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from retouch.core.errors import ImageError

REDIRECT_CODES = (301, 302, 303, 307, 308)
NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, kw_only=True)
class FetchLimits:
    """What a download may take: `maximum_bytes`, `seconds` in all and for `redirects` together."""

    maximum_bytes: int = 64 * 2**20
    seconds: float = 30.0
    redirects: int = 5


def fetch(url: str, *, limits: FetchLimits | None = None, allow_private: bool = False) -> bytes:
    """The body behind `url`, at most `limits.maximum_bytes` long.

    The name is resolved once, the address is checked, and that very address is connected to, for the
    first request and for every redirect. Proxy settings of the environment are not used, since a
    proxy would resolve the name again. Raises ImageError for a private, loopback or link-local
    address (unless `allow_private`), a wrong scheme, an answer other than 200, too many redirects,
    bytes or seconds, and when the server cannot be reached.
    """
    limits = limits or FetchLimits()
    backend = _GuardedBackend(deadline=time.monotonic() + limits.seconds, allow_private=allow_private)
    try:
        with httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(), network_backend=backend, max_keepalive_connections=0
        ) as pool:
            return _follow(pool, url, limits, backend)
    except httpcore.TimeoutException as problem:
        raise ImageError(f"{url} took longer than {limits.seconds:g} s; download the file yourself.") from problem
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as problem:
        raise ImageError(f"{url} cannot be reached ({_first_line(problem)}); check the address.") from problem


def _follow(pool: httpcore.ConnectionPool, url: str, limits: FetchLimits, backend: "_GuardedBackend") -> bytes:
    address = _parse(url)
    for _ in range(limits.redirects + 1):
        with pool.stream("GET", _request_url(address), headers=_headers(address)) as response:
            if response.status not in REDIRECT_CODES:
                return _read_body(response, str(address), limits, backend)
            address = _parse(str(address.join(_location(response))))
    raise ImageError(f"{url} redirects more than {limits.redirects} times; give the final address.")


def _location(response: httpcore.Response) -> str:
    found = (value for name, value in response.headers if name.lower() == b"location")
    return next(found, b"").decode("latin-1")


def _parse(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as problem:
        raise ImageError(f'"{url}" is not a valid web address ({problem}).') from problem
    if address.scheme not in ("http", "https") or not address.host:
        raise ImageError(f'"{url}" is not an http or https address; download the file and give its path.')
    if address.userinfo:
        raise ImageError("A user name or password in an address is refused; download the file and give its path.")
    return address


def _request_url(address: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=address.raw_path)


def _headers(address: httpx.URL) -> list[tuple[bytes, bytes]]:
    # Unencoded, so that the byte limit bounds the memory too.
    return [
        (b"Host", address.netloc),
        (b"User-Agent", b"retouch"),
        (b"Accept", b"image/png, image/jpeg, image/webp"),
        (b"Accept-Encoding", b"identity"),
    ]


def _read_body(response: httpcore.Response, url: str, limits: FetchLimits, backend: "_GuardedBackend") -> bytes:
    if response.status != 200:
        raise ImageError(f"{url} answered with status {response.status} instead of 200; check the address.")
    body = bytearray()
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > limits.maximum_bytes:
            megabytes = limits.maximum_bytes / 2**20
            raise ImageError(f"{url} is larger than {megabytes:.3g} MB; download and shrink it first.")
        backend.seconds_left()
    return bytes(body)


def _first_line(problem: BaseException) -> str:
    return (str(problem) or type(problem).__name__).splitlines()[0]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open internet, seen through its IPv6 disguises."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class _GuardedBackend(httpcore.NetworkBackend):
    """Resolves, checks and connects to the checked address, within one deadline."""

    def __init__(self, *, deadline: float, allow_private: bool) -> None:
        self._deadline = deadline
        self._allow_private = allow_private
        self._sockets = httpcore.SyncBackend()

    def seconds_left(self, at_most: float | None = None) -> float:
        """Seconds until the deadline, or `at_most`; raises ReadTimeout once it has passed."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time limit has passed")
        return left if at_most is None else min(left, at_most)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of `host` that answers, all of them having been checked."""
        addresses = _resolve(host, port)
        for address in addresses:
            self._check(host, address)
        failure: httpcore.ConnectError | None = None
        for address in addresses:
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self.seconds_left(timeout), local_address, socket_options
                )
            except httpcore.ConnectError as problem:
                failure = problem
                continue
            self._check(host, stream.get_extra_info("server_addr")[0])
            return _DeadlineStream(stream, self)
        raise failure or httpcore.ConnectError("the name has no address")

    def _check(self, host: str, address: str) -> None:
        if not self._allow_private and not is_public(address):
            raise ImageError(
                f"{host} is at the private address {address}, which is refused; download the file and give its path."
            )


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise httpcore.ConnectError("the name is unknown") from problem
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every wait ends at the backend's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _GuardedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.seconds_left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.seconds_left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._backend.seconds_left(timeout))
        return _DeadlineStream(secured, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
