"""Downloads are bounded in bytes, time and redirects, and never reach a private address unasked."""

import io
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from retouch.core import fetch as fetching
from retouch.core.errors import ImageError
from retouch.core.fetch import FetchLimits, fetch, is_public
from retouch.core.images import load_image

BUFFER = io.BytesIO()
Image.new("RGB", (32, 32), (1, 2, 3)).save(BUFFER, format="PNG")
PICTURE = BUFFER.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Serves a picture, redirects, endless bytes and endless waits."""

    def do_GET(self) -> None:
        path, _, argument = self.path.lstrip("/").partition("/")
        try:
            getattr(self, f"serve_{path.partition('.')[0]}")(argument)
        except (BrokenPipeError, ConnectionResetError):
            return

    def serve_picture(self, _: str) -> None:
        self.answer(200, {"Content-Length": str(len(PICTURE)), "X-Host": self.headers["Host"]})
        self.wfile.write(PICTURE)

    def serve_host(self, _: str) -> None:
        self.answer(200, {})
        self.wfile.write(self.headers["Host"].encode())

    def serve_missing(self, _: str) -> None:
        self.answer(404, {})

    def serve_redirect(self, argument: str) -> None:
        left = int(argument)
        self.answer(302, {"Location": f"/redirect/{left - 1}" if left > 1 else "/picture.png"})

    def serve_away(self, argument: str) -> None:
        self.answer(307, {"Location": f"http://{argument}/picture.png"})

    def serve_endless(self, _: str) -> None:
        self.answer(200, {})
        while True:
            self.wfile.write(bytes(65536))

    def serve_slow(self, _: str) -> None:
        self.answer(200, {})
        for _piece in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def test_a_picture_comes_through_redirects(server: str) -> None:
    assert fetch(f"{server}/picture.png", allow_private=True) == PICTURE
    assert fetch(f"{server}/redirect/5", allow_private=True) == PICTURE
    assert load_image(f"{server}/picture.png?size=1", allow_private=True).name == "picture.png"


def test_the_host_header_is_the_name_asked_for(server: str) -> None:
    assert fetch(f"{server}/host", allow_private=True).decode() == server.removeprefix("http://")


def test_limits_hold(server: str) -> None:
    limits = FetchLimits(maximum_bytes=2**20, seconds=0.5, redirects=3)
    for path, said in [
        ("redirect/9", "redirects more than 3"),
        ("endless", "larger than 1 MB"),
        ("slow", "longer than 0.5 s"),
        ("missing", "404"),
    ]:
        start = time.monotonic()
        with pytest.raises(ImageError, match=said):
            fetch(f"{server}/{path}", limits=limits, allow_private=True)
        assert time.monotonic() - start < 5


def test_private_addresses_are_refused_by_number_and_by_name(server: str) -> None:
    port = server.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0", "127.1"):
        with pytest.raises(ImageError, match="private address"):
            fetch(f"http://{host}:{port}/picture.png")


def resolve_as(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: object, **keywords: object) -> list[tuple]:
        if host in names:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]
        return real(host, port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(fetching.socket, "getaddrinfo", resolve)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_as(monkeypatch, mixed=["93.184.216.34", "192.168.0.1"])
    with pytest.raises(ImageError, match=r"192\.168\.0\.1"):
        fetch("http://mixed/picture.png")


def test_a_redirect_to_a_private_address_is_refused(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = server.rpartition(":")[2]
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    resolve_as(monkeypatch, inside=["127.0.0.2"])
    assert fetch(f"{server}/picture.png") == PICTURE
    with pytest.raises(ImageError, match=r"127\.0\.0\.2"):
        fetch(f"{server}/away/inside:{port}")


def test_a_name_that_changes_its_mind_reaches_only_the_checked_address(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second look-up would point elsewhere, but there is none."""
    port = server.rpartition(":")[2]
    answers = iter([["127.0.0.1"]])

    def resolve(host: str, port: int, *args: object, **keywords: object) -> list[tuple]:
        addresses = next(answers) if host == "rebinding" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(fetching.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    assert fetch(f"http://rebinding:{port}/picture.png") == PICTURE


@pytest.mark.parametrize(
    "url",
    ["http://", "https:///a.png", "http://user:pass@example.com/a.png", "http://exa mple/", "gopher://x/"],
)
def test_strange_addresses_are_refused(url: str) -> None:
    with pytest.raises(ImageError) as caught:
        fetch(url)
    assert "pass" not in str(caught.value).replace("password", "")


def test_unreachable_servers_are_one_sentence() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ImageError, match="cannot be reached"):
        fetch(f"http://127.0.0.1:{port}/", allow_private=True)
    with pytest.raises(ImageError, match="cannot be reached"):
        fetch("http://no-such-host.invalid/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::10.0.0.1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public
