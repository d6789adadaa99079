"""``sluicegate connect``: a running gateway as a stdio server, for clients that only start programs."""

from __future__ import annotations

from collections.abc import Mapping

import click

from .memory import load_structlog
from .target import choose_headers, expect_address

__all__ = ["command"]


@click.command("connect", short_help="Be a stdio server in front of a running gateway.")
@click.argument("url")
@choose_headers
def command(url: str, headers: Mapping[str, str]) -> None:
    """Speak MCP on stdin and stdout, and pass it on to the gateway that runs at URL.

    This is what goes into a desktop client's configuration to use a running daemon. It ends when stdin does, and waits while the daemon restarts.
    """
    expect_address(url, "URL")
    load_structlog()
    from .serving import connect

    connect(url, headers)
