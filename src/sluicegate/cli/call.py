"""``sluicegate call``: one tool call from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .target import Target, choose_target

if TYPE_CHECKING:
    from .conversation import Conversation

__all__ = ["command"]


@click.command("call", short_help="Call a tool.")
@click.argument("name")
@click.argument("arguments", metavar="[JSON]", default="{}")
@choose_target
@click.option("--json", "as_json", is_flag=True, help="Print the whole result and not only its text.")
def command(name: str, arguments: str, target: Target, *, as_json: bool) -> int:
    """Call a tool by the name that clients see.

    JSON is an object with its arguments; - reads it from standard input. Exits with 1 if the tool, or the way to it, fails.
    """
    given = _object(sys.stdin.read() if arguments == "-" else arguments)

    async def question(talk: Conversation) -> Mapping[str, Any]:
        return await talk.call_tool(name, given)

    result = target.ask(question)
    if as_json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        _print_text(result)
    return 1 if result.get("isError") else 0


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"this is no JSON: {error}", param_hint="JSON") from None
    if not isinstance(given, dict):
        raise click.BadParameter('the arguments of a tool are an object; write {"name": value}.', param_hint="JSON")
    return given


def _print_text(result: Mapping[str, Any]) -> None:
    """The text parts as they are, and of the others that they are there."""
    for part in result.get("content", ()):
        if part.get("type") == "text":
            print(part.get("text", ""))
        else:
            click.echo(f"({part.get('type', 'something')} left out; --json shows it)", err=True)
