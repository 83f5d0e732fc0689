"""Tools for assistants, by the Model Context Protocol: edit, branch, tree and compare on a running server."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from retouch import __version__

EVERY_SECONDS = 0.3
MOST_BYTES = 64 * 2**20
_FINAL = ("done", "failed", "cancelled")
_OPENINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
"""How the files begin that are sent: no other file of this machine leaves it, whatever an assistant asks for."""
_ABOUT = (
    "Retouch edits pictures by instruction and keeps every version in a tree. Begin with `edit` on a picture file, "
    "go on with `branch` from any node, see what there is with `tree`, and how two nodes differ with `compare`."
)
Instruction = Annotated[str, Field(description='What to change, such as "make the sofa green".', max_length=10_000)]
Phrase = Annotated[str, Field(description="What of the picture to keep the edit to, in words; empty for all of it.")]
Variations = Annotated[int, Field(description="How many variations.", ge=1, le=8)]
Seed = Annotated[int | None, Field(description="For the same result again.", ge=0)]
ModelName = Annotated[str, Field(description="A model that the server lists; empty for its default.")]
Answer = list[Image | str]


class Remote:
    """A server, spoken with over HTTP."""

    def __init__(self, url: str, token: str, seconds: float) -> None:
        headers = {"Authorization": f"Bearer {token}", "User-Agent": f"retouch-mcp/{__version__}"}
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, follow_redirects=False)
        self._seconds = seconds

    async def ask(self, method: str, path: str, **what: Any) -> Any:
        """The JSON of an answer; raises ToolError with the server's sentence."""
        return (await self._send(method, path, **what)).json()

    async def picture(self, node: str) -> Image:
        """A node's picture, at most 1600 pixels wide and high."""
        answer = await self._send("GET", f"/api/v1/nodes/{node}/image", params={"size": "screen"})
        return Image(data=answer.content, format="webp")

    async def made(self, node: str, body: dict[str, Any]) -> Answer:
        """Ask for an edit, wait until it is made, and return what was made."""
        nodes = await self.ask("POST", f"/api/v1/nodes/{_name(node)}/branches", json=body)
        until = time.monotonic() + self._seconds
        for each in nodes:
            while each["state"] not in _FINAL and time.monotonic() < until:
                await asyncio.sleep(EVERY_SECONDS)
                each.update(await self.ask("GET", f"/api/v1/nodes/{each['id']}"))
        answer: Answer = []
        for each in nodes:
            answer.append(_line(each))
            if each["state"] == "done":
                answer.append(await self.picture(each["id"]))
        return answer

    async def _send(self, method: str, path: str, **what: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, **what)
        except httpx.HTTPError as problem:
            raise ToolError(f"The server at {self._client.base_url} cannot be reached ({problem}).") from problem
        if answer.is_success:
            return answer
        try:
            sentence = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            sentence = f"The server answered {answer.status_code}."
        raise ToolError(sentence)


def tools_of(url: str, token: str, seconds: float = 300) -> MCPServer:
    """The tools on a server, in the name of a token's user; edits are waited for `seconds` at most."""
    remote = Remote(url, token, seconds)
    server = MCPServer("retouch", title="Retouch", instructions=_ABOUT, version=__version__)

    @server.tool(structured_output=False)
    async def edit(  # noqa: PLR0917
        picture: Annotated[str, Field(description="The path of a PNG, JPEG or WebP file on this machine.")],
        instruction: Instruction,
        phrase: Phrase = "",
        count: Variations = 1,
        seed: Seed = None,
        model: ModelName = "",
    ) -> Answer:
        """Begin a design with a picture and edit it; returns the new nodes and their pictures."""
        path, data = await asyncio.to_thread(_read, picture)
        tree = await remote.ask("POST", "/api/v1/projects", files={"image": (path.name, data)})
        root = tree["project"]["root_id"]
        made = await remote.made(root, _body(instruction, phrase, count, seed, model))
        return [f"Design {tree['project']['id']}, root node {root}.", *made]

    @server.tool(structured_output=False)
    async def branch(  # noqa: PLR0917
        node: Annotated[str, Field(description="The id of the node to go on from.")],
        instruction: Instruction,
        phrase: Phrase = "",
        count: Variations = 1,
        seed: Seed = None,
        model: ModelName = "",
    ) -> Answer:
        """Edit the picture of a node; returns the new nodes and their pictures."""
        return await remote.made(node, _body(instruction, phrase, count, seed, model))

    @server.tool(structured_output=False)
    async def tree(
        project: Annotated[str, Field(description="The id of a design; empty lists the designs.")] = "",
    ) -> str:
        """List the designs, or the nodes of one as a tree."""
        if not project:
            page = await remote.ask("GET", "/api/v1/projects")
            return "\n".join(f"{each['id']}  {each['title']} ({each['nodes']} nodes)" for each in page["items"])
        return _drawn((await remote.ask("GET", f"/api/v1/projects/{_name(project)}"))["nodes"])

    @server.tool(structured_output=False)
    async def compare(
        left: Annotated[str, Field(description="The id of a node.")],
        right: Annotated[str, Field(description="The id of another node of the same design.")],
    ) -> Answer:
        """Say how two nodes differ, in what was asked and in pixels; returns both pictures too."""
        told = await remote.ask("GET", f"/api/v1/nodes/{_name(left)}/compare/{_name(right)}")
        return [_differences(told), await remote.picture(left), await remote.picture(right)]

    return server


def _read(picture: str) -> tuple[Path, bytes]:
    path = Path(picture).expanduser()
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as problem:
        raise ToolError(f"{picture} cannot be read ({problem.strerror or problem}).") from problem
    if len(data) > MOST_BYTES or not data.startswith(_OPENINGS):
        raise ToolError(f"{picture} is no PNG, JPEG or WebP of at most {MOST_BYTES // 2**20} MB.")
    return path, data


def _name(identity: str) -> str:
    if not (identity.isascii() and identity.isalnum()):
        raise ToolError(f"{identity!r:.60} is no id; `tree` lists those there are.")
    return identity


def _body(instruction: str, phrase: str, count: int, seed: int | None, model: str) -> dict[str, Any]:
    return {
        "instruction": instruction,
        "model": model or None,
        "count": count,
        "settings": {"seed": seed},
        "region": {"kind": "phrase", "phrase": phrase} if phrase else None,
    }


def _line(node: dict[str, Any]) -> str:
    request = node["request"]
    asked = "the picture it began with" if request is None else repr(request["instruction"])
    seed = None if request is None else request["settings"]["seed"]
    notes = [node["state"], *([] if seed is None else [f"seed {seed}"]), *(["starred"] if node["starred"] else [])]
    notes += [node["error"]] if node["error"] else []
    notes += node["warnings"]
    return f"{node['id']}  {node['label'] or asked} ({'; '.join(notes)})"


def _drawn(nodes: list[dict[str, Any]]) -> str:
    """The nodes that are shown, each below its parent and further in."""
    depths: dict[str, int] = {}
    below: dict[str | None, list[dict[str, Any]]] = {}
    for node in nodes:
        if not node["pruned"]:
            below.setdefault(node["parent_id"], []).append(node)
    lines, waiting = [], list(reversed(below.get(None, [])))
    while waiting:
        node = waiting.pop()
        depth = depths[node["id"]] = depths.get(node["parent_id"], -1) + 1
        lines.append("  " * depth + _line(node))
        waiting += reversed(below.get(node["id"], []))
    return "\n".join(lines)


def _differences(told: dict[str, Any]) -> str:
    lines = [f"{each['field']}: {each['left']} | {each['right']}" for each in told["changes"]]
    if not told["same_size"]:
        lines.append("The pictures differ in size.")
    elif told["differing"] is not None:
        psnr = "" if told["psnr"] is None else f", PSNR {told['psnr']:.1f} dB"
        lines.append(f"{told['differing']:.1%} of the pixels differ{psnr}.")
    return "\n".join(lines) or "Nothing differs."
