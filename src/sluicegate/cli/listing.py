"""``sluicegate list``: what a gateway offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .json_text import print_json
from .tables import print_table
from .target import Target, choose_target

if TYPE_CHECKING:
    from .conversation import GatewayClient

__all__ = ["command"]


@click.command("list", short_help="List tools, resources or prompts.")
@click.argument("what", type=click.Choice(["tools", "resources", "prompts"]))
@choose_target
@click.option("--json", "as_json", is_flag=True, help="Print the entries whole, as a JSON array.")
def command(what: str, target: Target, *, as_json: bool) -> None:
    """List the tools, resources or prompts that clients see; resource templates are among the resources."""
    entries = target.ask(_Question(what))
    if as_json:
        print_json(entries)
        return
    print_table((what[:-1].upper(), "DESCRIPTION"), ((_key(entry), _description(entry)) for entry in entries))


class _Question:
    def __init__(self, what: str) -> None:
        self.what = what

    async def __call__(self, talk: GatewayClient) -> list[dict[str, Any]]:
        from ..protocol.offers import KINDS

        return [entry for kind in KINDS if kind.capability == self.what for entry in await talk.items(kind)]


def _key(entry: dict[str, Any]) -> str:
    return str(entry.get("uri") or entry.get("uriTemplate") or entry.get("name", ""))


def _description(entry: dict[str, Any]) -> str:
    """The first line that tells something."""
    text = str(entry.get("description") or entry.get("title") or "").strip()
    return text.splitlines()[0] if text else ""
