"""``sluicegate call``: one tool call from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .json_text import print_json
from .target import Target, choose_target

if TYPE_CHECKING:
    from .conversation import GatewayClient

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
    if not _is_text(name):
        raise click.BadParameter("the name is no UTF-8 text.", param_hint="NAME")
    given = _object(sys.stdin.read() if arguments == "-" else arguments)

    async def question(talk: GatewayClient) -> Mapping[str, Any]:
        return await talk.call_tool(name, given)

    result = target.ask(question)
    if as_json:
        print_json(result)
    else:
        _print_text(result)
    return 1 if result.get("isError") else 0


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text, parse_constant=_refuse)
        sendable = _is_text(json.dumps(given, ensure_ascii=False))
    except ValueError as error:
        raise click.BadParameter(f"this is no JSON: {error}", param_hint="JSON") from None
    except RecursionError:
        raise click.BadParameter("this is nested too deeply.", param_hint="JSON") from None
    if not sendable:
        raise click.BadParameter("this holds half a character, which cannot be sent.", param_hint="JSON")
    if not isinstance(given, dict):
        raise click.BadParameter('the arguments of a tool are an object; write {"name": value}.', param_hint="JSON")
    return given


def _refuse(word: str) -> None:
    raise ValueError(f"JSON has no {word}")


def _is_text(text: str) -> bool:
    """Whether it can be sent: no byte of the command line that is no UTF-8, and no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _print_text(result: Mapping[str, Any]) -> None:
    """The text parts as they are, and of the others that they are there."""
    for part in result.get("content", ()):
        if part.get("type") == "text":
            print(part.get("text", ""))
        else:
            click.echo(f"({part.get('type', 'something')} left out; --json shows it)", err=True)
