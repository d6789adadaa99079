"""``sluicegate completion``: what a shell needs to complete our command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]


@click.command("completion", short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell; its start-up file is the place to evaluate it."""
    complete = get_completion_class(shell)
    assert complete is not None
    print(complete(ctx.find_root().command, {}, "sluicegate", "_SLUICEGATE_COMPLETE").source())
