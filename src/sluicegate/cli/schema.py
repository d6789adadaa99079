"""``sluicegate schema``: what an editor needs to know of configurations."""

from __future__ import annotations

import click

from ..config.schema import schema
from .json_text import print_json

__all__ = ["command"]


@click.command("schema", short_help="Print the JSON Schema of configurations, for editors.")
def command() -> None:
    """Print the JSON Schema of configurations, for editors and for programs that write them.

    `sluicegate schema > sluicegate.schema.json`, and `#:schema ./sluicegate.schema.json` in the first line of a configuration beside it:
    editors that know TOML then complete its keys, explain them, and mark mistakes.
    """
    print_json(schema())
