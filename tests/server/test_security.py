"""The gate: secrets that let in, once or until they are taken back; whence, how much and how often anybody may ask."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from tests.server.conftest import ADDRESS
from tests.server.rooms import begun, ok, png, problem

from retouch.core.errors import ServerError
from retouch.server.app import create_app
from retouch.server.context import Context, Limits
from retouch.server.housekeeping import tidy
from retouch.server.page import serve_page
from retouch.server.security.keys import digest_of
from retouch.server.security.people import People
from retouch.server.security.rates import Buckets, Rate
from retouch.server.serve import check_reach
from retouch.server.settings import ServerSettings
from retouch.server.store.columns import now
from retouch.server.store.tables import LoginSession, Token, User

PASSWORD = "correct horse"
PROJECTS = "/api/v1/projects"
ME = "/api/v1/me"


@pytest.fixture
def people(context: Context) -> People:
    return People(database=context.database)


@pytest.fixture
def stranger(context: Context) -> Iterator[TestClient]:
    app = create_app(context)
    serve_page(app)
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as made:
        yield made


def log_in(client: TestClient, name: str, password: str = PASSWORD) -> int:
    return client.post("/api/v1/login", json={"name": name, "password": password}).status_code


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_the_printed_token_lets_in_once(stranger: TestClient, context: Context) -> None:
    problem(stranger.get(ME), 401, "not-logged-in")
    token = context.entrance.once.draw()
    answer = stranger.post("/api/v1/login", json={"token": token})
    assert ok(answer)["name"] == "local" and ok(answer)["users"] is False
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("retouch-8750=") and "HttpOnly" in cookie and "SameSite=strict" in cookie
    secret = stranger.cookies["retouch-8750"]
    with context.database.read() as session:
        kept = session.scalars(select(LoginSession.id)).all()
    assert kept == [digest_of(secret)] and token not in kept
    assert ok(stranger.get(ME))["name"] == "local"
    stranger.cookies.clear()
    problem(stranger.post("/api/v1/login", json={"token": token}), 401, "not-logged-in")
    problem(stranger.post("/api/v1/login", json={"token": "x"}), 401, "not-logged-in")


def test_a_newer_token_ends_the_older(stranger: TestClient, context: Context) -> None:
    older, newer = context.entrance.once.draw(), context.entrance.once.draw()
    problem(stranger.post("/api/v1/login", json={"token": older}), 401, "not-logged-in")
    ok(stranger.post("/api/v1/login", json={"token": newer}))


def test_no_token_lets_in_where_there_are_users(stranger: TestClient, context: Context, people: People) -> None:
    token = context.entrance.once.draw()
    people.add("anna", PASSWORD)
    problem(stranger.post("/api/v1/login", json={"token": token}), 401, "not-logged-in")


def test_a_session_from_login_to_logout(stranger: TestClient, people: People) -> None:
    people.add("anna", PASSWORD)
    assert [log_in(stranger, *what) for what in (("anna", "wrong"), ("nobody", PASSWORD), ("local", ""))] == [401] * 3
    assert log_in(stranger, "anna") == 200
    assert ok(stranger.get(ME)) == {**ok(stranger.get(ME)), "name": "anna", "users": True}
    secret = stranger.cookies["retouch-8750"]
    assert stranger.post("/api/v1/logout").status_code == 204 and "retouch-8750" not in stranger.cookies
    stranger.cookies.set("retouch-8750", secret)
    problem(stranger.get(ME), 401, "not-logged-in")


@pytest.mark.parametrize("what", ["disable", "password", "expire"])
def test_what_ends_a_session(stranger: TestClient, context: Context, people: People, what: str) -> None:
    people.add("anna", PASSWORD)
    log_in(stranger, "anna")
    ends: dict[str, Callable[[], object]] = {
        "disable": lambda: people.disable("anna"),
        "password": lambda: people.set_password("anna", "another horse"),
        "expire": lambda: context.database.write(
            lambda session: session.execute(update(LoginSession).values(expires_at=now() - timedelta(seconds=1)))
        ),
    }
    ends[what]()
    problem(stranger.get(ME), 401, "not-logged-in")
    tidy(context)
    with context.database.read() as session:
        assert session.scalars(select(LoginSession)).all() == []
    assert log_in(stranger, "anna") == (200 if what == "expire" else 401)


def test_tokens_count_until_they_are_revoked(stranger: TestClient, context: Context, people: People) -> None:
    people.add("anna", PASSWORD)
    secret = people.new_token("anna", "a program")
    assert secret.startswith("rt_") and ok(stranger.get(ME, headers=bearer(secret)))["name"] == "anna"
    (key,) = people.tokens("anna")
    used = key.last_used_at
    assert used is not None and stranger.get(ME, headers=bearer(secret)).status_code == 200
    assert people.tokens("anna")[0].last_used_at == used, "kept to the minute, not with each request"
    with context.database.read() as session:
        assert session.scalars(select(Token.hash)).all() == [digest_of(secret)]
    people.disable("anna")
    problem(stranger.get(ME, headers=bearer(secret)), 401, "not-logged-in")
    people.disable("anna", False)
    assert stranger.get(ME, headers=bearer(secret)).status_code == 200
    people.revoke(key.id)
    problem(stranger.get(ME, headers=bearer(secret)), 401, "not-logged-in")


def test_a_bearer_counts_before_a_cookie(client: TestClient) -> None:
    problem(client.get(ME, headers=bearer("rt_wrong")), 401, "not-logged-in")
    for odd in ("Basic eDp5", "Bearer", "bearer", ""):
        assert client.get(ME, headers={"Authorization": odd}).status_code in (200, 401)


def test_passwords_are_kept_as_argon2(context: Context, people: People) -> None:
    people.add("anna", PASSWORD)
    with context.database.read() as session:
        kept = session.scalar(select(User.password_hash).where(User.name == "anna")) or ""
    assert kept.startswith("$argon2id$") and PASSWORD not in kept
    for wrong in ("short", "x" * 1001):
        with pytest.raises(ServerError, match="characters"):
            people.add("boris", wrong)
    for name in ("", " anna", "a\nb", "x" * 101, "a\0b"):
        with pytest.raises(ServerError, match="no name"):
            people.add(name, PASSWORD)
    with pytest.raises(ServerError, match="already"):
        people.add("anna", PASSWORD)
    for name in ("nobody", "a\0b"):
        with pytest.raises(ServerError, match="no user"):
            people.disable(name)


def test_what_was_made_before_there_were_users_is_kept(client: TestClient, people: People) -> None:
    made = begun(client)
    people.rename("local", "anna")
    people.set_password("anna", PASSWORD)
    problem(client.get(ME), 401, "not-logged-in")
    assert log_in(client, "anna") == 200
    assert ok(client.get(PROJECTS))["items"][0]["id"] == made["project"]["id"]


def test_passwords_are_tried_only_so_often(stranger: TestClient, people: People) -> None:
    people.add("anna", PASSWORD)
    tried = [log_in(stranger, "anna", f"wrong {number}") for number in range(11)]
    assert tried == [401] * 10 + [429]
    refused = stranger.post("/api/v1/login", json={"name": "anna", "password": PASSWORD})
    assert problem(refused, 429, "too-many-requests") and 0 < int(refused.headers["retry-after"]) <= 12
    assert log_in(stranger, "boris") == 429, "the address is slowed down too"


CROSS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": ADDRESS},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "null"},
]
OWN = [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": ADDRESS}, {}]


@pytest.mark.parametrize("headers", CROSS)
def test_other_sites_change_nothing(client: TestClient, context: Context, headers: dict[str, str]) -> None:
    problem(client.post("/api/v1/queue/pause", headers=headers), 403, "cross-site")
    token = context.entrance.once.draw()
    problem(client.post("/api/v1/login", json={"token": token}, headers=headers), 403, "cross-site")
    assert client.get(ME, headers=headers).status_code == 200 and not ok(client.get("/api/v1/queue"))["paused"]
    assert "access-control-allow-origin" not in client.get(ME, headers=headers).headers


@pytest.mark.parametrize("headers", OWN)
def test_the_own_page_changes(client: TestClient, headers: dict[str, str]) -> None:
    assert ok(client.post("/api/v1/queue/pause", headers=headers))["paused"]


def test_names_that_lead_here_by_a_strangers_will(client: TestClient, context: Context) -> None:
    for host in ("evil.example", "evil.example:8750", "127.0.0.1.evil.example", "localhost@evil", "", "[::1"):
        problem(client.get(ME, headers={"Host": host}), 421, "wrong-host")
        problem(client.get("/healthz", headers={"Host": host}), 421, "wrong-host")
    for host in ("localhost:8750", "127.0.0.1:8750", "[::1]:8750", "LOCALHOST:8750", "127.0.0.2:8750"):
        assert client.get("/openapi.json", headers={"Host": host}).status_code == 200
    named = replace(context, hosts=frozenset({"designs.example"}))
    with TestClient(create_app(named), base_url="https://designs.example") as other:
        answer = other.post("/api/v1/login", json={"token": named.entrance.once.draw()})
        assert "Secure" in answer.headers["set-cookie"] and answer.headers["set-cookie"].startswith("retouch=")
        assert other.get("/openapi.json", headers={"Host": "127.0.0.1"}).status_code == 421


def test_every_answer_carries_the_headers(client: TestClient, context: Context) -> None:
    root = begun(client)["project"]["root_id"]
    image = f"/api/v1/nodes/{root}/image"
    for path in (ME, image, "/openapi.json", "/api/v1/nothing", PROJECTS):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert (
        client.get(ME).headers["cache-control"] == "no-store"
        and "immutable" in client.get(image).headers["cache-control"]
    )
    context.blobs.files.rm(context.blobs.root, recursive=True)
    broken = client.get(image)
    assert broken.status_code == 500 and broken.headers["x-content-type-options"] == "nosniff"


def test_the_page_and_health_are_open(stranger: TestClient) -> None:
    for path in ("/", "/healthz", "/openapi.json", "/?token=abc"):
        assert stranger.get(path).status_code == 200
    for path in ("/api/v1/nothing", "/api/", "/v1/models"):
        assert stranger.get(path).status_code == 401


def test_bodies_end_where_they_are_too_large(client: TestClient, stranger: TestClient, context: Context) -> None:
    limit = context.limits.upload_bytes
    large = {"image": ("room.png", png() + bytes(limit + 2**20), "image/png")}
    problem(client.post(PROJECTS, files=large), 413, "too-large")
    problem(client.post("/api/v1/uploads", files={"image": ("a.png", bytes(limit + 1), "image/png")}), 413, "too-large")

    def endless() -> Iterator[bytes]:
        head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        yield head
        for _ in range(4 * limit // 2**16):
            yield bytes(2**16)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    problem(client.post(PROJECTS, content=endless(), headers=kind), 413, "too-large")
    body = b'{"title": "' + b"x" * 2**21 + b'"}'
    problem(client.patch(f"{PROJECTS}/1", content=body, headers={"Content-Type": "application/json"}), 413, "too-large")
    asked: list[int] = []

    def watched() -> Iterator[bytes]:
        for number in range(1000):
            asked.append(number)
            yield bytes(2**16)

    problem(stranger.post(PROJECTS, content=watched(), headers=kind), 401, "not-logged-in")


def test_asking_too_often(context: Context) -> None:
    slow = replace(context, limits=Limits(requests=Rate(per_second=0.001, burst=10)))
    people = People(database=context.database)
    people.add("anna", PASSWORD)
    headers = [bearer(people.new_token(name, "x")) for name in ("anna", "local")]
    with TestClient(create_app(slow), base_url=ADDRESS) as client:
        told = [client.get(ME, headers=headers[0]).status_code for _ in range(11)]
        assert told == [200] * 10 + [429]
        assert problem(client.get(ME, headers=headers[0]), 429, "too-many-requests")
        told = [client.post("/api/v1/queue/pause", headers=headers[1]).status_code for _ in range(4)]
        assert told == [200] * 3 + [429], "a change counts as three"


def test_a_bucket_fills_again() -> None:
    at = [0.0]
    buckets = Buckets(Rate(per_second=2, burst=3), clock=lambda: at[0])
    assert [buckets.take("anna") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("boris") == 0
    at[0] = 0.5
    assert buckets.take("anna") == 0 and buckets.take("anna") == 0.5
    at[0] = 100
    assert buckets.take("anna", 3) == 0 and buckets.take("anna") > 0
    buckets.give_back("anna", 99)
    assert buckets.take("anna", 3) == 0 and buckets.take("anna") > 0


def test_other_machines_need_users(context: Context, people: People) -> None:
    here = ServerSettings(host="127.0.0.1")
    assert check_reach(here, context).startswith("/?token=")
    for settings in (ServerSettings(host="0.0.0.0"), ServerSettings(host="::"), ServerSettings(names=("a.example",))):
        with pytest.raises(ServerError, match="needs users"):
            check_reach(settings, context)
    people.disable("local")
    assert check_reach(here, context) == ""
    people.add("anna", PASSWORD)
    assert check_reach(here, context) == check_reach(ServerSettings(host="0.0.0.0"), context) == ""
