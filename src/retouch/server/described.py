"""The OpenAPI of the app: what FastAPI finds, and what it cannot know: how problems look and who is let in."""

from typing import Any, cast

from fastapi import FastAPI

from retouch.server.problems import COMPATIBLE, MEDIA_TYPE
from retouch.server.schemas import Problem
from retouch.server.security.gate import OPEN

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}
_SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token of `retouch users token`."},
    "session": {"type": "apiKey", "in": "cookie", "name": "retouch", "description": "What a login sets."},
}


def describe(app: FastAPI) -> None:
    """Let the app tell its OpenAPI with that in it."""
    told = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(told())
        return app.openapi_schema

    app.openapi = openapi


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    parts = schema["components"]
    parts["schemas"]["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts["schemas"]["CompatibleError"] = _ERROR
    parts["schemas"].pop("HTTPValidationError", None)
    parts["schemas"].pop("ValidationError", None)
    parts["securitySchemes"] = _SECURITY
    for path, item in schema["paths"].items():
        for operation in cast(dict[str, dict[str, Any]], item).values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _problem(path)
            operation["security"] = [] if path in OPEN else [{"token": []}, {"session": []}]
    return schema


def _problem(path: str) -> dict[str, Any]:
    compatible = path.startswith(COMPATIBLE)
    name, media = ("CompatibleError", "application/json") if compatible else ("Problem", MEDIA_TYPE)
    return {
        "description": "What was refused or went wrong.",
        "content": {media: {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
