"""`retouch serve` and `retouch worker`: the server with its page, and what makes its pictures elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli.output import say, warn
from retouch.core.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from retouch.server.settings import ServerSettings

Data = Annotated[Path | None, typer.Option(help="The folder of pictures and database. (default: retouch-data)")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="postgresql://… or sqlite:///FILE instead of one in the folder."),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model that edits may ask for; repeat for more. (default: the pocket family)"),
]
Host = Annotated[str | None, typer.Option(help="The address to listen at. (default: 127.0.0.1, this machine alone)")]
Port = Annotated[int | None, typer.Option(help="The port to listen at, 0 for any. (default: 8750)")]
Workers = Annotated[int | None, typer.Option(help="Processes that make pictures. (default: 1)")]
Together = Annotated[
    int | None,
    typer.Option(help="Pictures made in one batch for several users; 0 is as many as pay on the device. (default: 0)"),
]
Fake = Annotated[bool, typer.Option("--fake", help="Pretend to edit, for tests: every edit tints the picture.")]


def serve(
    *,
    data: Data = None,
    database: DatabaseUrl = None,
    model: Models = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    together: Together = None,
    fake: Fake = False,
) -> None:
    """Serve designs on a page and an API; RETOUCH_SERVER_… in the environment sets the same and more.

    [bold]Examples[/bold]

    retouch serve

    retouch serve --data designs --port 8080 --workers 2

    retouch serve --database postgresql://retouch@db/retouch --data /srv/retouch --workers 0
    """
    settings = server_settings(
        data=data,
        database=database,
        models=model,
        host=host,
        port=port,
        workers=workers,
        together=together,
        fake=fake,
    )
    from retouch.server.page import BUILD, has_page
    from retouch.server.serve import serve as run

    def announce(address: str) -> None:
        if not has_page():
            warn(BUILD)
        print(f"Retouch is at {address}", flush=True)

    run(settings, announce)
    say("Retouch has ended; everything is kept.")


def worker(
    *,
    data: Data = None,
    database: DatabaseUrl = None,
    model: Models = None,
    together: Together = None,
    fake: Fake = False,
) -> None:
    """Make pictures for a server that runs elsewhere, with its database and its folder of pictures.

    [bold]Example[/bold]

    retouch worker --database postgresql://retouch@db/retouch --data /srv/retouch
    """
    settings = server_settings(data=data, database=database, models=model, together=together, fake=fake)
    from retouch.server.logs import write_logs
    from retouch.server.worker.process import run_worker

    write_logs()
    run_worker(settings)


def server_settings(**given: Any) -> "ServerSettings":
    """The settings of the environment with these in place; raises SettingsError and MissingExtraError."""
    try:
        from pydantic import ValidationError

        from retouch.server.settings import ServerSettings
    except ImportError as problem:
        raise MissingExtraError(
            f"The server needs '{problem.name}', which is not installed; run: pip install 'retouch[server]'."
        ) from problem
    # An option that was left out is None, a switch False, a list empty; 0 is a number like others.
    named = {name: value for name, value in given.items() if value is not None and value is not False and value != []}
    try:
        return ServerSettings(**named)
    except ValidationError as problem:
        first = problem.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"The server's setting {name} is {first.get('input')!r}: {first['msg']}.") from problem
