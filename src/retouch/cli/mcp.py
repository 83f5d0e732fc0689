"""`retouch mcp`: the tools by which an assistant uses a running server, over standard input and output."""

import os
from typing import Annotated

import typer

from retouch.core.errors import MissingExtraError, SettingsError

TOKEN = "RETOUCH_TOKEN"
Url = Annotated[str, typer.Option(help="Where the server is.")]
Seconds = Annotated[float, typer.Option(help="How long to wait for an edit.", min=1)]


def mcp(*, url: Url = "http://127.0.0.1:8750", seconds: Seconds = 300) -> None:
    """Offer edit, branch, tree and compare to an assistant that speaks MCP; RETOUCH_TOKEN holds an API token.

    [bold]Example[/bold]

    RETOUCH_TOKEN=$(retouch users token local --for assistant) retouch mcp
    """
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise SettingsError(f"{TOKEN} holds no API token; `retouch users token NAME` makes one.")
    try:
        from retouch.server.mcp import tools_of
    except ImportError as problem:
        raise MissingExtraError(
            f"The tools need '{problem.name}', which is not installed; run: pip install 'retouch[server]'."
        ) from problem
    tools_of(url, token, seconds).run("stdio")
