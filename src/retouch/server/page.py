"""The page at `/`: the built one where this installation has it, else a sentence; and `/healthz`."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

PAGE = Path(__file__).with_name("page")
BUILD = "This installation has no page to show; build it with `make web` (needs Node 20.19 or newer)."
PLAIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Retouch</title></head>
<body><main><h1>Retouch</h1><p>The server runs. This installation has no page; build it with <code>make web</code>,
or use the API, which <a href="openapi.json">openapi.json</a> describes.</p></main></body></html>
"""


def has_page(folder: Path = PAGE) -> bool:
    """Whether the page was built."""
    return (folder / "index.html").is_file()


def serve_page(app: FastAPI, folder: Path = PAGE) -> None:
    """Answer at `/` and `/healthz`; to be called after all other routes."""

    @app.get("/healthz", include_in_schema=False)
    def healthy() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    if has_page(folder):
        app.mount("/", StaticFiles(directory=folder, html=True), name="page")
        return

    @app.get("/", include_in_schema=False)
    def plain() -> HTMLResponse:
        return HTMLResponse(PLAIN)
