"""The app: routes, problems, and the context they work with."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from retouch.server.context import Context
from retouch.server.events import Events
from retouch.server.problems import handle_problems
from retouch.server.routes import nodes, others, projects


def create_app(context: Context) -> FastAPI:
    """The app of a server; it closes nothing of the context."""
    events = Events(context.database)
    app = FastAPI(title="Retouch", version="1", docs_url=None, redoc_url=None, lifespan=_telling(events))
    app.state.context, app.state.events = context, events
    handle_problems(app)
    for module in (projects, nodes, others):
        app.include_router(module.router)
    return app


def _telling(events: Events) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """While the app runs, those who follow projects are told what changes."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        events.start()
        yield
        events.close()

    return lifespan
