"""`retouch users`: who may use a server, and the API tokens of programs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli.output import say, say_json, say_table
from retouch.cli.serve import Data, DatabaseUrl, server_settings
from retouch.core.errors import SettingsError

if TYPE_CHECKING:
    from retouch.server.security.people import Key, People, Person

app = typer.Typer(
    no_args_is_help=True,
    help="Users of a server and their API tokens. A server without users lets in whoever opens the printed address.",
)
Name = Annotated[str, typer.Argument(help="The user's name.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("add")
def add(*, name: Name, data: Data = None, database: DatabaseUrl = None) -> None:
    """Add a user; the password is asked for, or read from standard input where that is no terminal."""
    with _people(data, database) as people:
        people.add(name, _password())
    say(f"Added {name}.")


@app.command("list")
def list_users(*, as_json: AsJson = False, data: Data = None, database: DatabaseUrl = None) -> None:
    """List the users."""
    with _people(data, database) as people:
        found = people.everybody()
    if as_json:
        say_json([_person(each) for each in found])
        return
    rows = [
        [
            each.name,
            "disabled" if each.disabled_at else "yes" if each.has_password else "no password",
            str(each.tokens),
            _minute(each.created_at),
        ]
        for each in found
    ]
    say_table(("name", "may log in", "tokens", "added"), rows)


@app.command("disable")
def disable(*, name: Name, data: Data = None, database: DatabaseUrl = None) -> None:
    """Let a user in no more, at once and by whatever means; designs stay."""
    with _people(data, database) as people:
        people.disable(name)
    say(f"Disabled {name}.")


@app.command("enable")
def enable(*, name: Name, data: Data = None, database: DatabaseUrl = None) -> None:
    """Let a user in again who was disabled."""
    with _people(data, database) as people:
        people.disable(name, False)
    say(f"Enabled {name}.")


@app.command("password")
def password(*, name: Name, data: Data = None, database: DatabaseUrl = None) -> None:
    """Give a user another password, asked for as by `add`; all browsers have to log in again."""
    with _people(data, database) as people:
        people.set_password(name, _password())
    say(f"{name} has another password.")


@app.command("rename")
def rename(
    *,
    name: Name,
    to: Annotated[str, typer.Argument(help="The new name.", show_default=False)],
    data: Data = None,
    database: DatabaseUrl = None,
) -> None:
    """Give a user another name.

    [bold]Example[/bold]: keep what was made before there were users

    retouch users rename local anna

    retouch users password anna
    """
    with _people(data, database) as people:
        people.rename(name, to)
    say(f"{name} is {to} now.")


@app.command("token")
def token(
    *,
    name: Name,
    label: Annotated[str, typer.Option("--for", help="What the token is for.")] = "a program",
    data: Data = None,
    database: DatabaseUrl = None,
) -> None:
    """Make an API token of a user and print it, this once; without users the name is "local"."""
    with _people(data, database) as people:
        secret = people.new_token(name, label)
    say(secret)


@app.command("tokens")
def tokens(*, name: Name, as_json: AsJson = False, data: Data = None, database: DatabaseUrl = None) -> None:
    """List the API tokens of a user; what they are is not kept."""
    with _people(data, database) as people:
        found = people.tokens(name)
    if as_json:
        say_json([_key(each) for each in found])
        return
    rows = [
        [each.id, each.name, _minute(each.created_at), _minute(each.last_used_at), "no" if each.revoked_at else "yes"]
        for each in found
    ]
    say_table(("id", "for", "made", "last used", "counts"), rows)


@app.command("revoke")
def revoke(
    *,
    token_id: Annotated[str, typer.Argument(help="The token's id, as `tokens` lists it.", show_default=False)],
    data: Data = None,
    database: DatabaseUrl = None,
) -> None:
    """Let an API token count no more."""
    with _people(data, database) as people:
        people.revoke(token_id)
    say(f"Revoked {token_id}.")


@contextmanager
def _people(data: Data, database: DatabaseUrl) -> "Iterator[People]":
    settings = server_settings(data=data, database=database)
    from retouch.server.jobs.opened import open_queue
    from retouch.server.security.people import People

    opened = open_queue(settings).database
    try:
        yield People(database=opened)
    finally:
        opened.close()


def _password() -> str:
    """The password: never an argument, which other users of the machine could read."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise SettingsError("No password came on standard input; write it there, on a line of its own.")
    return line


def _person(person: "Person") -> dict[str, object]:
    return {
        "name": person.name,
        "created_at": _iso(person.created_at),
        "disabled_at": _iso(person.disabled_at),
        "has_password": person.has_password,
        "tokens": person.tokens,
    }


def _key(key: "Key") -> dict[str, object]:
    return {
        "id": key.id,
        "for": key.name,
        "created_at": _iso(key.created_at),
        "last_used_at": _iso(key.last_used_at),
        "revoked_at": _iso(key.revoked_at),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _minute(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M")
