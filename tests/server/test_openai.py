"""`/v1/images/edits` with the real `openai` client against a real server and its worker."""

import base64
import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image
from tests.server.living import Living, living, waited
from tests.server.rooms import png

STEP = 0.15


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(
        tmp_path_factory.mktemp("openai"), "--fake", environment={"RETOUCH_SERVER_STEP_SECONDS": str(STEP)}
    ) as made:
        yield made


@pytest.fixture(scope="module")
def client(server: Living) -> Iterator[openai.OpenAI]:
    command = [sys.executable, "-m", "retouch", "users", "token", "local", "--data", str(server.log.parent)]
    key = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key=key, http_client=http, max_retries=0) as made:
        yield made


def opened(text: str | None) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text or "")))


def file(size: tuple[int, int] = (64, 48), colour: Any = "green", mode: str = "RGB") -> tuple[str, bytes, str]:
    return ("room.png", png(size, colour, mode), "image/png")


def half_mask() -> tuple[str, bytes, str]:
    """Transparent on the left, where the picture is to be edited."""
    mask = Image.new("RGBA", (64, 48), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 48))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return ("mask.png", buffer.getvalue(), "image/png")


def designs(server: Living, *, trashed: bool = False) -> list[dict[str, Any]]:
    return Living.ok(server.client.get("/api/v1/projects", params={"trashed": trashed}))["items"]


def gone(server: Living) -> bool:
    return waited(lambda: True if not designs(server) else None, 10)


def test_an_edit(server: Living, client: openai.OpenAI) -> None:
    answer = client.images.edit(image=file(), prompt="make it red", model="gpt-image-1", n=2)
    pictures = [opened(each.b64_json) for each in answer.data or []]
    assert [(each.size, each.format) for each in pictures] == [((64, 48), "PNG")] * 2
    assert pictures[0].tobytes() != pictures[1].tobytes() != file()[1] and answer.output_format == "png"
    assert gone(server) and designs(server, trashed=True) == []


def test_forms_and_sizes(client: openai.OpenAI) -> None:
    answer = client.images.edit(
        image=file(),
        prompt="red",
        size="96x32",
        output_format="jpeg",
        output_compression=50,  # pyright: ignore[reportArgumentType]
    )
    (picture,) = (opened(each.b64_json) for each in answer.data or [])
    assert (picture.size, picture.format) == ((96, 32), "JPEG") and answer.size == "96x32"


def test_only_what_is_transparent_in_the_mask_is_edited(client: openai.OpenAI) -> None:
    answer = client.images.edit(image=file(), mask=half_mask(), prompt="make it red", response_format="b64_json")
    picture = opened((answer.data or [])[0].b64_json).convert("RGB")
    assert picture.getpixel((60, 24)) == (0, 128, 0) and picture.getpixel((4, 24)) != (0, 128, 0)


def test_further_pictures_are_references(server: Living, client: openai.OpenAI) -> None:
    seen: list[dict[str, Any]] = []
    with client.images.edit(
        image=[file(), file((30, 30), "red")], prompt="put it in", stream=True, partial_images=1
    ) as stream:
        for _ in stream:
            seen += designs(server)
    tree = seen[0]
    assert tree["title"] == "put it in" and tree["nodes"] == 2, "a design like others while it is made"


def test_a_stream_shows_how_it_becomes(server: Living, client: openai.OpenAI) -> None:
    with client.images.edit(
        image=file(), prompt="make it red", stream=True, partial_images=2, output_format="webp"
    ) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[-1] == "image_edit.completed" and 1 <= kinds.count("image_edit.partial_image") <= 2
    partial = [event for event in events if event.type == "image_edit.partial_image"]
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert {opened(event.b64_json).format for event in events} == {"WEBP"} and events[-1].size == "64x48"
    assert gone(server)


def test_a_client_that_goes_away_cancels(server: Living, client: openai.OpenAI) -> None:
    before = {each["id"] for each in designs(server, trashed=True)}
    client.images.edit(image=file(), prompt="slowly", stream=True, n=10).close()
    (lost,) = waited(lambda: [x for x in designs(server, trashed=True) if x["id"] not in before] or None, 15)
    states = {node["state"] for node in server.ended(lost["id"])["nodes"]}
    assert lost["title"] == "slowly" and "cancelled" in states and not designs(server)


def test_a_client_that_waits_no_longer_cancels(server: Living, client: openai.OpenAI) -> None:
    before = {each["id"] for each in designs(server, trashed=True)}
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).images.edit(image=file(), prompt="too slow", n=10)
    (lost,) = waited(lambda: [x for x in designs(server, trashed=True) if x["id"] not in before] or None, 15)
    assert lost["title"] == "too slow" and "cancelled" in {each["state"] for each in server.ended(lost["id"])["nodes"]}


def test_what_fails_is_told_and_kept(server: Living, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="was asked to fail") as told:
        client.images.edit(image=file(), prompt="fail")
    assert told.value.code == "edit-failed" and "fail" in [each["title"] for each in designs(server, trashed=True)]
    with (
        pytest.raises(openai.APIError, match="was asked to fail"),
        client.images.edit(image=file(), prompt="fail", stream=True) as stream,
    ):
        list(stream)
    assert gone(server)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"response_format": "url"}, "no-urls"),
        ({"size": "big"}, "bad-size"),
        ({"size": "1x1"}, "bad-size"),
        ({"size": "99999x99999"}, "bad-size"),
        ({"model": "nothing"}, "unknown-model"),
        ({"mask": file(mode="RGB")}, "bad-mask"),
        ({"mask": file((10, 20), (0, 0, 0, 0), "RGBA")}, "bad-image"),
        ({"mask": file((20, 20), (0, 0, 0, 0), "RGBA")}, "bad-mask"),
        ({"image": ("a.svg", b"<svg/>", "image/svg+xml")}, "bad-image"),
        ({"image": []}, "bad-request"),
        ({"prompt": "  "}, "nothing-asked"),
        ({"n": 11}, "bad-request"),
        ({"partial_images": 4}, "bad-request"),
        ({"image": [file()] * 17}, "bad-request"),
    ],
)
def test_what_is_refused(server: Living, client: openai.OpenAI, what: dict[str, Any], code: str) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.images.edit(**{"image": file(), "prompt": "red", **what})
    assert told.value.code == code and told.value.type == "invalid_request_error", told.value
    assert not designs(server)


def test_who_is_let_in(server: Living, client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError, match="not logged in"):
        client.with_options(api_key="sk-wrong").images.edit(image=file(), prompt="red")
    with pytest.raises(openai.NotFoundError):
        client.models.list()


def test_a_server_that_ends_keeps_the_edit(tmp_path: Path) -> None:
    with living(tmp_path, "--fake", environment={"RETOUCH_SERVER_STEP_SECONDS": "2"}) as server:
        answers: list[httpx.Response] = []

        def ask() -> None:
            files, data = {"image": file()}, {"prompt": "for later"}
            answers.append(server.client.post("/v1/images/edits", files=files, data=data))

        thread = threading.Thread(target=ask)
        thread.start()
        waited(lambda: designs_of(server) or None)
        server.process.terminate()
        thread.join(20)
        assert server.process.wait(40) == 0
        assert answers[0].status_code == 503 and answers[0].json()["error"]["code"] == "ending"
    with living(tmp_path, "--fake") as again:
        (kept,) = designs_of(again)
        assert kept["title"] == "for later"
        assert [node["state"] for node in again.ended(kept["id"])["nodes"]] == ["done", "done"]


def designs_of(server: Living) -> list[dict[str, Any]]:
    with httpx.Client(base_url=server.address, cookies=server.client.cookies, trust_env=False) as client:
        return Living.ok(client.get("/api/v1/projects"))["items"]
