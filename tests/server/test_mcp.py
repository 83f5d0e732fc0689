"""`retouch mcp` with the real MCP client over standard input and output, against a real server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.server.living import Living, living
from tests.server.rooms import png

Talk = Callable[[ClientSession], Awaitable[Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("mcp"), "--fake", environment={"RETOUCH_SERVER_STEP_SECONDS": "0.01"}) as made:
        yield made


@pytest.fixture(scope="module")
def token(server: Living) -> str:
    command = [sys.executable, "-m", "retouch", "users", "token", "local", "--data", str(server.log.parent)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def talk(url: str, token: str, about: Talk) -> Any:
    """What comes of a conversation with `retouch mcp`."""

    async def run() -> Any:
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", "retouch", "mcp", "--url", url],
            env={**os.environ, "RETOUCH_TOKEN": token},
        )
        async with stdio_client(parameters) as (reading, writing), ClientSession(reading, writing) as session:
            await session.initialize()
            return await about(session)

    return asyncio.run(run())


async def called(session: ClientSession, tool: str, **arguments: Any) -> tuple[list[str], int]:
    """The texts that a tool returns, and how many pictures."""
    result = await session.call_tool(tool, arguments)
    texts = [part.text for part in result.content if part.type == "text"]
    assert not result.is_error, texts
    return texts, sum(part.type == "image" and part.mime_type == "image/webp" for part in result.content)


def test_a_conversation(server: Living, token: str, tmp_path: Path) -> None:
    room = tmp_path / "room.png"
    room.write_bytes(png((64, 48)))

    async def about(session: ClientSession) -> None:
        tools = {tool.name for tool in (await session.list_tools()).tools}
        assert tools == {"edit", "branch", "tree", "compare"}
        texts, pictures = await called(session, "edit", picture=str(room), instruction="make it red", seed=3)
        assert pictures == 1 and "(done; seed 3)" in texts[1], texts
        project, root = texts[0].split()[1].rstrip(","), texts[0].split()[-1].rstrip(".")
        first = texts[1].split()[0]
        texts, pictures = await called(session, "branch", node=first, instruction="warmer", count=2, phrase="the sofa")
        assert pictures == len(texts) == 2
        (drawn,), _ = await called(session, "tree", project=project)
        lines = drawn.splitlines()
        assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4, 4]
        assert [line.split()[0] for line in lines[:2]] == [root, first] and "'warmer'" in lines[2]
        (listed,), _ = await called(session, "tree")
        assert project in listed and "room (4 nodes)" in listed
        (told,), pictures = await called(session, "compare", left=root, right=first)
        assert pictures == 2 and "make it red" in told and "% of the pixels differ" in told

    talk(server.address, token, about)


def test_what_is_refused(server: Living, token: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_text("a private key")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("edit", {"picture": str(secret), "instruction": "red"}, "no PNG, JPEG or WebP"),
        ("edit", {"picture": str(tmp_path / "none.png"), "instruction": "red"}, "cannot be read"),
        ("edit", {"picture": str(tmp_path), "instruction": "red"}, "cannot be read"),
        ("tree", {"project": "../../me"}, "is no id"),
        ("branch", {"node": "0" * 26, "instruction": "red"}, "no such node"),
        ("compare", {"left": "x?size=full", "right": "0"}, "is no id"),
        ("branch", {"node": "0" * 26}, "instruction"),
        ("branch", {"node": "0" * 26, "instruction": "red", "count": 99}, "count"),
    ]

    async def about(session: ClientSession) -> None:
        for tool, arguments, sentence in cases:
            result = await session.call_tool(tool, arguments)
            texts = " ".join(part.text for part in result.content if part.type == "text")
            assert result.is_error and sentence in texts, (tool, arguments, texts)

    talk(server.address, token, about)


def test_a_wrong_token_and_no_server(server: Living) -> None:
    async def about(session: ClientSession) -> str:
        result = await session.call_tool("tree", {})
        assert result.is_error
        return " ".join(part.text for part in result.content if part.type == "text")

    assert "not logged in" in talk(server.address, "rt_wrong", about)
    assert "cannot be reached" in talk("http://127.0.0.1:9", "rt_wrong", about)


def test_it_needs_a_token() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RETOUCH_TOKEN"}
    done = subprocess.run(
        [sys.executable, "-m", "retouch", "mcp"], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2 and "RETOUCH_TOKEN" in done.stderr and done.stdout == ""
