"""The `retouch` command: its groups of commands, and how errors leave it."""

import atexit
import gc
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from retouch import __version__
from retouch.cli import (
    data,
    doctor,
    edit,
    evaluate,
    generate,
    mcp,
    models,
    region,
    rooms,
    serve,
    show,
    sweep,
    train,
    users,
)
from retouch.cli.output import fail, say
from retouch.core.errors import RetouchError

DEBUG = "RETOUCH_DEBUG"

WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""The variables of the environment by which OpenMP says how its threads wait for one another."""

EPILOG = (
    "Exit codes: 0 done, 1 unexpected error, 2 wrong usage or setting, 3 unusable image, 4 unusable model, "
    "5 output cannot be written, 6 unusable data, 7 training cannot go on, 8 an extra is missing, "
    "9 what was to be found is not in the picture, 10 a design cannot be used, 11 the server cannot run, "
    "130 interrupted.\n\n"
    f"{DEBUG}=1 shows the whole traceback of an error. HF_HUB_OFFLINE=1 keeps everything off the network."
)

# typer brings its own copy of the parser underneath, whose errors share this otherwise unnamed base.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="retouch",
    epilog=EPILOG,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"retouch {__version__}")
        raise typer.Exit


@app.callback()
def retouch(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Edit images with diffusion models, by instruction.

    [bold]First steps[/bold]

    retouch edit examples/living-room.png "make the sofa green" -o green.png

    retouch edit photo.jpg "make it a night shot" -o night.png --count 4

    retouch region photo.jpg "the lamp" --overlay lamp.png

    retouch models list

    retouch doctor
    """


app.command("edit")(edit.edit)
app.command("sweep")(sweep.sweep)
app.command("generate")(generate.generate)
app.command("region")(region.region)
app.command("show")(show.show)
app.add_typer(models.app, name="models")
app.add_typer(rooms.app, name="rooms")
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.add_typer(evaluate.app, name="eval")
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.add_typer(users.app, name="users")
app.command("mcp")(mcp.mcp)
app.command("doctor")(doctor.doctor)


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. Every error becomes one sentence on standard error."""
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(arguments) or ["--help"], prog_name="retouch", standalone_mode=False)
        code = code if isinstance(code, int) else 0
        if code == 130:
            fail("Interrupted; nothing half-written was left.")
        return code
    except KeyboardInterrupt:
        fail("Interrupted; nothing half-written was left.")
        return 130
    except RetouchError as error:
        return _report(error, str(error), error.exit_code)
    except UsageError as error:
        return _report(error, _usage(error), 2)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        what = (str(error) or "no message").splitlines()[0]
        return _report(error, f"{type(error).__name__}: {what}; {DEBUG}=1 shows where.", 1)


def _report(error: Exception, sentence: str, code: int) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    fail(sentence)
    return code


def _usage(error: Exception) -> str:
    message = getattr(error, "format_message", error.__str__)().rstrip(".?")
    context = getattr(error, "ctx", None)
    return f"{message}; see {context.command_path if context else 'retouch'} --help."


def main() -> None:
    """The entry point of the installed command."""
    # Thousands of modules are read, none of which goes: looking for what is unused costs more than a second there.
    gc.set_threshold(100_000, 50, 100)
    wait_briefly()
    _leave(run(sys.argv[1:]))


def wait_briefly() -> None:
    """Have threads that wait for one another sleep soon, unless the user says how they are to wait.

    Left to themselves torch's threads keep their cores busy for milliseconds before they sleep, after every operation,
    which takes several times as long as the work itself once another program wants a core too. torch reads this when
    it is imported, and the processes that a command starts have it too.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = "10000"


def _leave(code: int) -> None:
    """End the process without taking torch's modules down one by one, which costs another second."""
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    main()
