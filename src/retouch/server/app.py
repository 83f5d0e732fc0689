"""The app: routes, problems, and the context they work with."""

from fastapi import FastAPI

from retouch.server.context import Context
from retouch.server.problems import handle_problems
from retouch.server.routes import nodes, others, projects


def create_app(context: Context) -> FastAPI:
    """The app of a server; it closes nothing of the context."""
    app = FastAPI(title="Retouch", version="1", docs_url=None, redoc_url=None)
    app.state.context = context
    handle_problems(app)
    for module in (projects, nodes, others):
        app.include_router(module.router)
    return app
