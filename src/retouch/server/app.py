"""The app: routes, problems, the gate before them, and the context they work with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from retouch.server.context import Context
from retouch.server.described import describe
from retouch.server.events import Events
from retouch.server.housekeeping import tidy_for_ever
from retouch.server.problems import handle_problems
from retouch.server.routes import entering, nodes, openai, others, projects
from retouch.server.security.gate import Gate


def create_app(context: Context) -> FastAPI:
    """The app of a server; it closes nothing of the context."""
    app = FastAPI(title="Retouch", version="1", docs_url=None, redoc_url=None, lifespan=_running)
    app.state.context, app.state.events = context, Events(context.database)
    handle_problems(app)
    # Around all else, so that answers to what goes wrong inside carry its headers too.
    inside = app.build_middleware_stack
    app.build_middleware_stack = lambda: Gate(inside(), context)
    for module in (projects, nodes, others, entering, openai):
        app.include_router(module.router)
    describe(app)
    return app


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    """While the app runs, those who follow projects are told what changes, and what nothing names goes."""
    app.state.events.start()
    task = asyncio.create_task(tidy_for_ever(app.state.context))
    try:
        yield
    finally:
        app.state.events.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
