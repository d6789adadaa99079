"""The options that choose whom to ask: a gateway that runs at a URL, or one that lives as long as the command."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from ..protocol.addresses import is_address
from ..protocol.headers import is_header_name, is_header_value, is_token
from .configuration import Choice, choose_configuration

if TYPE_CHECKING:
    from .conversation import GatewayClient

__all__ = ["Target", "choose_headers", "choose_target", "expect_address"]

T = TypeVar("T")
Command = Callable[..., Any]


@attrs.frozen
class Target:
    """Whom to ask."""

    choice: Choice
    url: str | None
    headers: Mapping[str, str]

    def ask(self, question: Callable[[GatewayClient], Awaitable[T]]) -> T:
        """Open the conversation, ask, and close it again."""
        import trio

        from . import conversation

        opened: Callable[[], AbstractAsyncContextManager[GatewayClient]]
        if self.url is not None:
            opened = functools.partial(conversation.open_remote, self.url, self.headers)
        else:
            conversation.log_quietly()
            opened = functools.partial(conversation.open_local, self.choice.load_runnable().config)

        async def main() -> T:
            async with opened() as talk:
                return await question(talk)

        return trio.run(main)


def expect_address(url: str, option: str) -> None:
    """Refuse what is no URL."""
    if not is_address(url):
        raise click.BadParameter(f"{url!r} is no address; write http://HOST:PORT/mcp.", param_hint=option)


def _headers(token: str | None, lines: Iterable[str]) -> dict[str, str]:
    """The headers to send. What is wrong with them is told without their values, which may be secrets."""
    if token is not None and not is_token(token):
        raise click.BadParameter("a token is visible ASCII without spaces, and not empty.", param_hint="--token")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    for number, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        if not colon or not is_header_name(name.strip()):
            raise click.BadParameter(f"number {number} is no header; write 'NAME: VALUE'.", param_hint="--header")
        if not is_header_value(value.strip()):
            raise click.BadParameter(f"the value of {name.strip()!r} must be one line of Latin text.", param_hint="--header")
        headers[name.strip()] = value.strip()
    return headers


def choose_headers(command: Command) -> Command:
    """Add the options that make HTTP headers, and hand them to the command as ``headers``."""

    @click.option("--token", envvar="SLUICEGATE_TOKEN", show_envvar=True, help="Bearer token for the URL.")
    @click.option("--header", "header", multiple=True, metavar="'NAME: VALUE'", help="Another header for the URL; may be given often.")
    @functools.wraps(command)
    def with_headers(*args: Any, token: str | None, header: tuple[str, ...], **kwargs: Any) -> Any:
        return command(*args, headers=_headers(token, header), **kwargs)

    return with_headers


def choose_target(command: Command) -> Command:
    """Add the options to a command and hand it a `Target` as ``target``."""

    @choose_configuration
    @click.option("--url", help="Ask the gateway, or any other MCP server, that runs there.")
    @choose_headers
    @functools.wraps(command)
    def with_target(*args: Any, choice: Choice, url: str | None, headers: Mapping[str, str], **kwargs: Any) -> Any:
        if url is not None and choice.named:
            raise click.UsageError("--url asks a running gateway, so it goes with neither -c nor a .mcp.json.")
        if url is not None:
            expect_address(url, "--url")
        return command(*args, target=Target(choice, url, headers), **kwargs)

    return with_target
