"""``sluicegate login``: a person allows the gateway to use a backend."""

from __future__ import annotations

import os
import sys
import webbrowser
from functools import partial
from typing import TYPE_CHECKING

import attrs
import click

from .configuration import Choice, choose_configuration
from .tables import printable

if TYPE_CHECKING:
    from ..config.model import BackendConfig, Config
    from ..outside.loopback import Loopback

__all__ = ["command"]

SECONDS = 600.0
"""For a person to make up his mind."""
LONGEST_LINE = 16 * 1024


@click.command("login", short_help="Log in at a backend, in a browser.")
@click.argument("backend")
@choose_configuration
@click.option("--no-browser", is_flag=True, help="Only print the address; the answer may be pasted here.")
@click.option("--scope", "scopes", multiple=True, help="Ask for this, too; may be given several times.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where the browser comes back to; any free port unless given.")
def command(backend: str, choice: Choice, *, no_browser: bool, scopes: tuple[str, ...], port: int) -> None:
    """Log in at a backend whose auth is of type "authorization_code".

    Opens the browser, or prints the address where there is none. On a machine without one, open it elsewhere and paste the address at which
    the browser ends up. The login is kept beside the configuration, for its owner alone, and the gateway renews it.
    """
    config = choice.load().config
    found = _backend(config, backend)
    if config.logins is None:
        raise click.ClickException("a login is kept beside the configuration, and this one is no file of ours; name one with -c")
    import trio

    trio.run(partial(_log_in, config, found, scopes=scopes, port=port, opens_browser=not no_browser))
    click.echo(f"logged in at '{backend}'; a gateway that runs takes it by itself")


def _backend(config: Config, name: str) -> BackendConfig:
    found = next((one for one in config.backends if one.name == name), None)
    if found is None:
        raise click.ClickException(f"there is no backend '{name}'; there are: {', '.join(one.name for one in config.backends)}")
    if found.auth is None or found.auth.type != "authorization_code":
        raise click.ClickException(f"backend '{name}' takes no login: write auth = {{ type = \"authorization_code\" }} in its table first")
    return found


async def _log_in(config: Config, backend: BackendConfig, *, scopes: tuple[str, ...], port: int, opens_browser: bool) -> None:
    import trio

    from ..gateway.logging_in import LoginFailed, keep_login, log_in
    from ..outside import Outside
    from .conversation import log_quietly

    log_quietly()
    outside = Outside()
    assert backend.auth is not None
    auth = attrs.evolve(backend.auth, scopes=(*backend.auth.scopes, *scopes))
    wrong = f"nobody has answered within {SECONDS / 60:g} minutes"
    with trio.move_on_after(SECONDS):
        async with trio.open_nursery() as nursery:
            try:
                login = await log_in(backend.url or "", auth, outside, partial(_show, nursery, opens_browser), port=port)
                await keep_login(config, backend, login, outside)
                wrong = ""
            except LoginFailed as error:
                wrong = str(error)
            nursery.cancel_scope.cancel()
    if wrong:
        raise click.ClickException(f"no login at '{backend.name}': {printable(wrong)}")


async def _show(nursery: object, opens_browser: bool, address: str, loopback: Loopback) -> None:
    """Open the browser, and say what to do where there is none."""
    import trio

    assert isinstance(nursery, trio.Nursery)
    opened = opens_browser and await trio.to_thread.run_sync(webbrowser.open, address, abandon_on_cancel=True)
    click.echo("Your browser shows a page of the authorization server; if not, open:" if opened else "Open this address in a browser:")
    click.echo(f"\n  {address}\n")
    if not opened or sys.stdin.isatty():
        click.echo(f"If that is on another machine: it ends at {loopback.url}?…, which nobody answers there. Paste that address here.")
        nursery.start_soon(_take_pasted, loopback)


async def _take_pasted(loopback: Loopback) -> None:
    """Whatever a person writes, until it is an answer."""
    import trio

    from ..outside.loopback import answer_in

    read = partial(
        os.read, sys.stdin.fileno(), LONGEST_LINE
    )  # a thread that is left in `sys.stdin` would hold its lock when the process ends
    while line := await trio.to_thread.run_sync(read, abandon_on_cancel=True):
        if (answer := answer_in(line.decode(errors="replace"))) is not None and loopback.take(answer):
            return
        click.echo("That is not it: the address begins with the one above, holds code=… and is of this login")
