"""The server end to end with the pocket model: a room, an instruction, previews, a picture, and how it was made."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tests.server.living import Follower, living

ROOM = Path(__file__).parents[2] / "examples" / "living-room.png"


def test_the_sofa_turns_green(tmp_path: Path) -> None:
    environment = {"RETOUCH_SERVER_LEASE_SECONDS": "30", "RETOUCH_SERVER_PREVIEW_SECONDS": "0.3"}
    with living(tmp_path / "data", environment=environment) as server:
        tree = server.begun(ROOM.read_bytes())
        follower = Follower(server, tree["project"]["id"], tree["version"])
        (node,) = server.branched(tree["project"]["root_id"], "make the sofa green", settings={"seed": 7, "steps": 12})
        done = follower.until(lambda kind, body: kind == "node" and body["state"] not in ("waiting", "running"), 120)
        assert done["state"] == "done", done["error"]
        previews = [body for _, kind, body in follower.heard if kind == "preview"]
        assert previews and {each["node_id"] for each in previews} == {node["id"]}
        settings = done["request"]["settings"]
        assert (done["request"]["model"], settings["seed"], settings["steps"]) == ("pocket", 7, 12)
        assert settings["text_guidance"] is not None and settings["scheduler"]
        file = tmp_path / "green.png"
        file.write_bytes(server.client.get(f"/api/v1/nodes/{node['id']}/download").content)
    with Image.open(file) as after, Image.open(ROOM) as before:
        assert after.size == before.size
        change = np.asarray(after.convert("RGB")).astype(float) - np.asarray(before.convert("RGB"))
    assert np.abs(change).mean() > 1, "something changed"
    command = [sys.executable, "-m", "retouch", "show", "--json", str(file)]
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert shown["model"] == "pocket" and shown["instructions"] == ["make the sofa green"]
    assert shown["settings"]["seed"] == 7 and shown["settings"]["steps"] == 12
