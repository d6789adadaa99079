"""``sluicegate``: the commands by name, and what becomes of an error.

A command's module is imported when the command is used, so that ``check`` and completion never wait for the event loop's libraries.
Exit codes: 0 done, 1 something is invalid or failed, 2 the command line itself is wrong.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import click

from ..config.problem import ConfigError
from .descriptors import open_standard_descriptors

__all__ = ["main"]

COMMANDS = {
    "run": "run",
    "check": "check",
    "call": "call",
    "list": "listing",
    "show": "show",
    "login": "login",
    "connect": "connect",
    "token": "token_command",
    "access": "access_command",
    "audit": "audit",
    "example": "example",
    "schema": "schema",
    "explain": "explain",
    "completion": "completion",
    "help": "help",
}
"""The commands in the order of the help, and their modules."""

DEBUG = "SLUICEGATE_DEBUG"
"""Environment variable: where it is set, an internal error shows its traceback."""


class _Commands(click.Group):
    """Imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in our order and not the alphabet's."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, if there is one."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f".{COMMANDS[cmd_name]}", __package__).command
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="'sluicegate help' lists the topics of the manual, and 'sluicegate help TOPIC' shows one.",
)
@click.version_option(package_name="sluicegate", message="%(prog)s %(version)s")
def cli() -> None:
    """Sluicegate puts many MCP servers behind one endpoint and keeps them alive."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; an error is words and an exit code, never a traceback."""
    open_standard_descriptors()
    try:
        code = cli.main(arguments, prog_name="sluicegate", standalone_mode=False) or 0
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  whatever it is, it becomes words
        code = _explain(error)
    sys.exit(_when_written(code))


def _when_written(code: int) -> int:
    """The exit code when all is written that was printed. Python itself would do that too late for words, and exit with 120."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # what is left of it is not tried again
        if code == 0 and not isinstance(error, BrokenPipeError):
            return _explain_one(error)
        return code or 1
    return code


def _explain(error: BaseException) -> int:
    """Print an error the way a person can act on it; the exit code."""
    return max([_explain_one(leaf) for leaf in _leaves(error)])


def _explain_one(error: BaseException) -> int:
    match error:
        case click.ClickException():
            error.show()
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            click.echo("interrupted", err=True)
            return 1
        case ConfigError():
            for problem in error.problems:
                click.echo(f"error: {problem}", err=True)
            return 1
        case OSError():
            click.echo(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", err=True)
            return 1
    if os.environ.get(DEBUG):
        raise error
    click.echo(f"error: internal error: {type(error).__name__}: {error}", err=True)
    click.echo(f"This is a bug of Sluicegate; with {DEBUG}=1 the same command shows where.", err=True)
    return 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
