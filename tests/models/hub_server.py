"""A small hub on the loopback device: what a push sends is remembered, and what it sent can be read again."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from threading import Thread
from urllib.parse import parse_qs, unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What arrived: requests, repositories, and files by repository, branch and path."""

    address: str = ""
    refuse: int | None = None
    private: dict[str, bool] = field(default_factory=dict)
    branches: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    stored: dict[str, bytes] = field(default_factory=dict)
    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:  # noqa: PLR0911
        if self.refuse is not None:
            return self.refuse, {"error": "no"}
        if method == "PUT":
            self.stored[path.rpartition("/")[2]] = body
            return 200, {}
        if "/resolve/" in path:
            return self._resolve(path)
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self._object(each) for each in json.loads(body)["objects"]]}
        return self._of_repository(path.split("/")[3:], body)

    def _of_repository(self, parts: list[str], body: bytes) -> tuple[int, object]:  # noqa: PLR0911
        repository = "/".join(parts[:2])
        match parts[2:]:
            case [] | ["revision", _] if repository in self.private:
                return 200, self._info(repository)
            case ["tree", _, *place]:
                return 200, [entry for entry in self._entries(repository) if under(entry["path"], place)]
            case ["paths-info", _]:
                wanted = parse_qs(body.decode()).get("paths", []) if body[:1] != b"{" else json.loads(body)["paths"]
                return 200, [entry for entry in self._entries(repository) if entry["path"] in wanted]
            case ["branch", branch]:
                self.branches.append(branch)
                return 200, {}
            case ["preupload", _]:
                return 200, {"files": [_mode(file) for file in json.loads(body)["files"]]}
            case ["commit", branch]:
                return self._commit(repository, branch, body)
        return 404, {"error": "/".join(parts)}

    def _info(self, repository: str) -> dict[str, object]:
        siblings = [{"rfilename": entry["path"]} for entry in self._entries(repository) if entry["type"] == "file"]
        facts = {"id": repository, "private": self.private[repository], "sha": COMMIT, "tags": []}
        return {**facts, "siblings": siblings}

    def _entries(self, repository: str) -> list[dict[str, object]]:
        """Files and folders of the branch main."""
        files = {
            path: data for (name, branch, path), data in self.files.items() if (name, branch) == (repository, "main")
        }
        folders = {parent.as_posix() for path in files for parent in PurePosixPath(path).parents} - {"."}
        made = [{"type": "directory", "path": folder, "size": 0, "oid": COMMIT} for folder in sorted(folders)]
        return made + [{"type": "file", "path": p, "size": len(data), "oid": COMMIT} for p, data in files.items()]

    def _resolve(self, path: str) -> tuple[int, object]:
        repository, _, place = path.removeprefix("/datasets/").partition("/resolve/")
        data = self.files.get((repository, "main", unquote(place.partition("/")[2])))
        return (404, {"error": path}) if data is None else (200, data)

    def _create(self, wanted: dict[str, str]) -> tuple[int, object]:
        name = f"{wanted['organization']}/{wanted['name']}"
        there = name in self.private
        self.private.setdefault(name, wanted.get("visibility") == "private")
        return (409 if there else 200), {"url": f"{self.address}/{name}"}

    def _object(self, wanted: dict[str, object]) -> dict[str, object]:
        return {**wanted, "actions": {"upload": {"href": f"{self.address}/stored/{wanted['oid']}", "header": {}}}}

    def _commit(self, repository: str, branch: str, body: bytes) -> tuple[int, object]:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.files[repository, branch, value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.files[repository, branch, value["path"]] = self.stored[value["oid"]]
        return 200, {"commitUrl": f"{self.address}/{repository}/commit/{COMMIT}", "commitOid": COMMIT}


def under(path: object, place: list[str]) -> bool:
    """Whether a path lies below a folder; the whole repository where none is named."""
    return not place or str(path).startswith(unquote("/".join(place)) + "/")


def _mode(file: dict[str, object]) -> dict[str, object]:
    large = str(file["path"]).endswith((".safetensors", ".parquet", ".tar"))
    return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            hub.requests.append(f"{self.command} {path}")
            hub.tokens.add(self.headers.get("Authorization") or "")
            status, content = hub.answer(self.command, path, body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            if wanted and status == 200:
                start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
                status, whole, data = 206, len(data), data[start : end + 1]
                self.send_response(status)
                self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{whole}")
            else:
                self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "EntryNotFound")
            if isinstance(content, bytes):
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_PUT = _do  # noqa: N815 (the names the server looks for)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
