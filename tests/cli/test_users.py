"""`retouch users`: who may use a server, from the command line; secrets come in by standard input alone."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Command, Ran

PASSWORD = "correct horse"


@pytest.fixture
def users(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    def call(*arguments: object, given: str = PASSWORD + "\n") -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        return command("users", *arguments, "--data", tmp_path)

    return call


def test_users_come_and_go(users: Command) -> None:
    assert users("add", "anna").out == "Added anna.\n"
    found = {each["name"]: each for each in json.loads(users("list", "--json").out)}
    assert set(found) == {"anna", "local"} and found["anna"]["has_password"] and not found["local"]["has_password"]
    assert users("disable", "anna").code == users("password", "anna", given="another horse").code == 0
    assert "disabled" in users("list").out
    assert users("enable", "anna").code == users("rename", "anna", "Anna B").code == 0
    assert "Anna B" in users("list").out and "disabled" not in users("list").out


def test_tokens_are_shown_once(users: Command) -> None:
    secret = users("token", "local", "--for", "a script").out.strip()
    assert secret.startswith("rt_") and len(secret) > 40
    (key,) = json.loads(users("tokens", "local", "--json").out)
    assert key["for"] == "a script" and key["revoked_at"] is None and secret not in users("tokens", "local").out
    assert users("revoke", key["id"]).code == 0
    assert json.loads(users("tokens", "local", "--json").out)[0]["revoked_at"] is not None


@pytest.mark.parametrize(
    ("what", "given", "code", "sentence"),
    [
        (("add", "anna"), "", 2, "standard input"),
        (("add", "anna"), "short\n", 11, "characters"),
        (("add", "local"), PASSWORD, 11, "already"),
        (("add", ""), PASSWORD, 11, "no name"),
        (("password", "nobody"), PASSWORD, 11, "no user"),
        (("token", "nobody"), "", 11, "no user"),
        (("revoke", "nothing"), "", 11, "no token"),
        (("rename", "nobody", "anna"), "", 11, "no user"),
    ],
)
def test_what_is_refused(users: Command, what: tuple[str, ...], given: str, code: int, sentence: str) -> None:
    ran = users(*what, given=given)
    assert ran.code == code and sentence in ran.err and ran.err.count("\n") == 1 and PASSWORD not in ran.err


def test_a_server_for_others_needs_users(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "retouch", "serve", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 11 and "needs users" in ran.stderr and "users add" in ran.stderr and ran.stdout == ""
