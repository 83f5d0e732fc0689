"""The app as a whole: light to import, one form for every error, no insides told."""

import json
import subprocess
import sys

from fastapi.testclient import TestClient
from tests.server.rooms import begun, problem

from retouch.server.app import create_app
from retouch.server.context import Context

WATCHER = """
import json, sys
import retouch.server.app
print(json.dumps(sorted({"torch", "diffusers", "transformers", "mitsuba"} & set(sys.modules))))
"""


def test_the_server_needs_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", WATCHER], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_what_goes_wrong_inside_is_not_told(client: TestClient, context: Context) -> None:
    made = begun(client)
    root = made["nodes"][0]["id"]
    context.blobs.files.rm(context.blobs.root, recursive=True)
    told = problem(client.get(f"/api/v1/nodes/{root}/image"), 500, "internal")
    assert str(context.blobs.root) not in json.dumps(told)


def test_a_lost_database_is_a_problem(client: TestClient, context: Context) -> None:
    with context.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE changes")
    told = problem(client.post("/api/v1/projects", data={"gallery": "blue"}), 500, "internal")
    assert "changes" not in json.dumps(told)


def test_the_contract_is_whole(context: Context) -> None:
    paths = create_app(context).openapi()["paths"]
    assert len(paths) >= 30 and all(path.startswith(("/api/v1/", "/v1/")) for path in paths)
