"""``sluicegate show``: how a gateway is put together, and how its backends are."""

from __future__ import annotations

import json

import click

from .configuration import Choice, choose_configuration

__all__ = ["command"]


@click.group("show", short_help="Show the pipeline or the backends.")
def command() -> None:
    """Show how a gateway is put together, and how its backends are."""


@command.command("pipeline")
@choose_configuration
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def pipeline(choice: Choice, *, as_json: bool) -> None:
    """Show the policies that a call passes, outermost first, for every backend. Starts nothing."""
    from .assembly import pipelines, told

    plan = pipelines(choice.load_runnable().config)
    print(json.dumps(plan, indent=2) if as_json else "\n".join(told(plan)))


@command.command("backends")
@choose_configuration
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
def backends(choice: Choice, *, as_json: bool) -> None:
    """Start every backend, show what came of it and what it offers, and stop it again."""
    from .live import look_at_backends, print_backends

    entries = look_at_backends(choice.load_runnable().config)
    if as_json:
        print(json.dumps(entries, indent=2))
    else:
        print_backends(entries)
