"""Asking a gateway from the command line: one that runs elsewhere, or one that lives as long as the command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import attrs
import click
import msgspec
import trio

from ..backends.link import State
from ..bridge.unreachable import reason
from ..config.model import Config
from ..gateway.fleet import BackendFailed
from ..gateway.opening import Gateway, open_gateway
from ..observe.log import configure
from ..protocol.calls import OURSELVES, Reply
from ..protocol.offers import ListKind

__all__ = ["GatewayClient", "log_quietly", "open_local", "open_remote", "unaudited"]


class GatewayClient(Protocol):
    """What the commands ask a gateway. Raises `click.ClickException` where the answer is an error."""

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a tool by its client-facing name; its result."""
        ...

    async def items(self, kind: ListKind) -> list[dict[str, Any]]:
        """A whole list, all its pages."""
        ...


class _Local(msgspec.Struct, frozen=True):
    gateway: Gateway

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return _value(await self.gateway.call_tool(name, dict(arguments)))

    async def items(self, kind: ListKind) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            await trio.lowlevel.checkpoint()
            page = _value(self.gateway.catalogue.page(kind, OURSELVES, cursor))
            found += page[kind.member]
            cursor = page.get("nextCursor")
            if cursor is None:
                return found


def _value(reply: Reply) -> dict[str, Any]:
    if reply.fault is not None:
        raise click.ClickException(_error_text(reply.fault.told, reply.fault.code))
    return reply.value


def _error_text(message: str, code: int) -> str:
    return f"{message} (JSON-RPC error {code})"


def log_quietly() -> None:
    """Let only errors through: what became of the backends is in the command's own words."""
    configure("error")


def unaudited(config: Config) -> Config:
    """The same for somebody who looks: the audit belongs to the gateway that runs, and its file to one process at a time."""
    return attrs.evolve(config, observability=attrs.evolve(config.observability, audit=None))


@asynccontextmanager
async def open_local(config: Config) -> AsyncIterator[GatewayClient]:
    """A gateway of our own, as soon as its backends have come up or had their time."""
    try:
        async with open_gateway(unaudited(config)) as gateway:
            await gateway.settled()
            for skipped in gateway.skipped:
                click.echo(f"warning: {skipped}", err=True)
            for backend in gateway.backends.values():
                if backend.state is State.STARTING:
                    click.echo(f"warning: [{backend.name}] is still starting, and what it offers is missing", err=True)
            yield _Local(gateway)
    except BackendFailed as error:
        raise click.ClickException(str(error)) from None


class _Remote(msgspec.Struct, frozen=True):
    client: Any  # the SDK's client; its module takes most of a second to import, so its name is not known up here

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        result = await self.client.call_tool(name, dict(arguments))
        return _plain(result)

    async def items(self, kind: ListKind) -> list[dict[str, Any]]:
        ask = {
            "tools": self.client.list_tools,
            "resources": self.client.list_resources,
            "resourceTemplates": self.client.list_resource_templates,
            "prompts": self.client.list_prompts,
        }[kind.member]
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = _plain(await ask(cursor=cursor))
            found += page[kind.member]
            cursor = page.get("nextCursor")
            if cursor is None:
                return found


def _plain(result: Any) -> dict[str, Any]:
    plain: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return plain


@asynccontextmanager
async def open_remote(url: str, headers: Mapping[str, str]) -> AsyncIterator[GatewayClient]:
    """A conversation with a gateway, or any other MCP server, that runs at a URL."""
    import httpx2
    from mcp import Client, MCPError
    from mcp.client.streamable_http import streamable_http_client

    try:
        async with (
            httpx2.AsyncClient(headers=dict(headers), timeout=httpx2.Timeout(30, read=300)) as http,
            Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
        ):
            yield _Remote(client)
    except* MCPError as group:
        error = first_leaf(group)
        assert isinstance(error, MCPError)
        raise click.ClickException(_error_text(error.message, error.code)) from None
    except* httpx2.HTTPError as group:
        raise click.ClickException(f"cannot talk to {url}: {reason(first_leaf(group))}") from None


def first_leaf(error: BaseException) -> BaseException:
    """The first exception of a group that is no group itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
