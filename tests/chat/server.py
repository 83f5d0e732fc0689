"""A chat model's server on the loopback device: answers well by a domain's words, or as badly as it is told to."""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from retouch.datagen.domain import Domain

Line = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Say:
    """What one request gets: a status and headers, a body of any form, or a text as the model's; after `seconds`."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    text: str | None = None
    seconds: float = 0.0
    usage: bool = True


@dataclass
class ChatServer:
    """What arrived and what comes next: `script` is said first, then every request is answered well."""

    domain: Domain
    address: str = ""
    takes_schema: bool = True
    script: list[Say] = field(default_factory=list)
    requests: list[dict[str, object]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    held_at: int | None = None
    held: Event = field(default_factory=Event)
    stopped: Event = field(default_factory=Event)

    @property
    def url(self) -> str:
        return f"{self.address}/v1"

    def say(self, path: str, body: bytes) -> Say:
        if path != "/v1/chat/completions":
            return Say(status=404, body=b'{"error": {"message": "no such path"}}')
        request = json.loads(body)
        self.requests.append(request)
        if len(self.requests) == self.held_at:
            self.held.set()
            self.stopped.wait(60)
        if self.script:
            return self.script.pop(0)
        if "response_format" in request and not self.takes_schema:
            return Say(status=400, body=b'{"error": {"message": "response_format is not known here"}}')
        lines = good_lines(self.domain, body)
        if "response_format" in request:
            return Say(text=json.dumps({"lines": lines}))
        return Say(text="\n".join(map(json.dumps, lines)))


def good_lines(domain: Domain, request: bytes, count: int = 10) -> list[Line]:
    """Sound lines of any domain, the same for the same request."""
    draw = random.Random(hashlib.sha256(request).hexdigest())
    kind, values = next(iter(domain.attributes.items()))
    names = [thing.name for thing in domain.objects if kind in thing.looks]
    lines: list[Line] = []
    for number in range(count):
        place = draw.choice(domain.places).name
        one, other = draw.sample(names, 2)
        old, new = draw.sample(list(values), 2)
        line = {
            0: (f"{old} {one}", f"make the {one} {new}", f"{new} {one}"),
            1: (f"{place} with {old} {one} and {other}", f"remove the {other}", f"{place} with {old} {one}"),
            2: (
                f"{place} with {one} and no {other}",
                f"add {new} {other}",
                f"{place} with {one} and {new} {other}",
            ),
        }[number % 3]
        lines.append(dict(zip(("input", "edit", "output"), line, strict=True)))
    return lines


def completion(text: str, *, usage: bool) -> bytes:
    message = {"role": "assistant", "content": text}
    content: dict[str, object] = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "small",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }
    if usage:
        content["usage"] = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return json.dumps(content).encode()


@contextmanager
def serving(domain: Domain, script: Sequence[Say] = ()) -> Iterator[ChatServer]:
    chat = ChatServer(domain=domain, script=list(script))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chat.keys.add(self.headers.get("Authorization") or "")
            said = chat.say(self.path, body)
            chat.stopped.wait(said.seconds)
            data = said.body if said.body is not None else completion(said.text or "", usage=said.usage)
            try:
                self.send_response(said.status)
                for name, value in (("Content-Type", "application/json"), *said.headers):
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                return  # Who asked has gone.

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    chat.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        chat.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
