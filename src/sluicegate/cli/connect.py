"""``sluicegate connect``: a running gateway as a stdio server, for clients that only start programs."""

from __future__ import annotations

from collections.abc import Mapping

import click

from .target import choose_headers

__all__ = ["command"]


@click.command("connect", short_help="Be a stdio server in front of a running gateway.")
@click.argument("url")
@choose_headers
def command(url: str, headers: Mapping[str, str]) -> None:
    """Speak MCP on stdin and stdout, and pass it on to the gateway that runs at URL.

    This is what goes into a desktop client's configuration to use a running daemon. It ends when stdin does, and waits while the daemon restarts.
    """
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} is no address; write http://HOST:PORT/mcp.", param_hint="URL")
    from .serving import connect

    connect(url, headers)
