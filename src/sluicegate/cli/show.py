"""``sluicegate show``: how a gateway is put together, and how its backends are."""

from __future__ import annotations

from collections.abc import Mapping

import click

from .configuration import Choice, choose_configuration
from .json_text import print_json
from .target import choose_headers, expect_address

__all__ = ["command"]


@click.group("show", short_help="Show the pipeline, the backends, what crosses or mirrors.")
def command() -> None:
    """Show how a gateway is put together, and how its backends are."""


@command.command("pipeline")
@choose_configuration
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def pipeline(choice: Choice, *, as_json: bool) -> None:
    """Show the policies that a call passes, outermost first, for every backend. Starts nothing."""
    from .assembly import pipelines, told

    plan = pipelines(choice.load_runnable().config)
    if as_json:
        print_json(plan)
    else:
        print("\n".join(told(plan)))


@command.command("backends")
@choose_configuration
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
def backends(choice: Choice, *, as_json: bool) -> None:
    """Start every backend, show what came of it and what it offers, and stop it again."""
    from .live import look_at_backends, print_backends

    entries = look_at_backends(choice.load_runnable().config)
    if as_json:
        print_json(entries)
    else:
        print_backends(entries)


@command.command("crossing")
@choose_configuration
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
def crossing(choice: Choice, *, as_json: bool) -> None:
    """Show what passes between each kind of client and each backend, what is translated and what is refused. Starts nothing."""
    from .crossing import cells, print_cells

    found = cells(choice.load_runnable().config)
    if as_json:
        print_json(found)
    else:
        print_cells(found)


@command.command("mirror")
@click.option("--url", default="http://127.0.0.1:8080/mcp", show_default=True, help="The gateway that runs.")
@choose_headers
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def mirror(url: str, headers: Mapping[str, str], *, as_json: bool) -> None:
    """Show how many answers of mirrors are others than those of their sources, and where the last of them differ; never what is there."""
    from .mirror_table import look_at_mirrors, print_mirrors

    expect_address(url, "--url")
    mirrors = look_at_mirrors(url, headers)
    if as_json:
        print_json(mirrors)
    else:
        print_mirrors(mirrors)
