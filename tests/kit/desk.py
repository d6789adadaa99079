"""A gateway whose callers have tokens with rules of their own, and clients of both kinds of revisions in front of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import trio
from tests.kit.asgi import AsgiTransport
from tests.kit.messages import HELLO, INITIALIZED

from sluicegate import Gateway, Outside, open_gateway
from sluicegate.config.model import BackendConfig, BearerAuth, Config, ProxyConfig
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.settings.entitlements import RoleConfig, ScopedTokenSettings
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import run_inline

__all__ = ["ERAS", "Client", "Desk", "Json", "desk", "role", "token"]

Json = dict[str, Any]
NEW = "2026-07-28"
OURS = "io.modelcontextprotocol/"
ERAS = ["2025-11-25", NEW]
_NUMBERS = itertools.count(1)


def token(name: str, **lists: Any) -> ScopedTokenSettings:
    """The token of somebody: it is called as he is."""
    return ScopedTokenSettings(token=f"the-token-of-{name}", name=name, **lists)


def role(name: str, **lists: Any) -> RoleConfig:
    return RoleConfig(name=name, **lists)


@attrs.define(eq=False)
class Client:
    """Somebody with a token; with a handshake or without."""

    http: httpx2.AsyncClient
    token: str
    era: str
    session: str = ""
    can: Json = attrs.field(factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        told = {
            "authorization": f"Bearer {self.token}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
        }
        return told | ({"mcp-session-id": self.session} if self.session else {"mcp-protocol-version": NEW} if self.era == NEW else {})

    async def post(self, body: object, **headers: str) -> httpx2.Response:
        return await self.http.post("/mcp", content=json.dumps(body).encode(), headers=self.headers | headers)

    async def open(self) -> Client:
        """Begin a session, where there is such a thing."""
        if self.era != NEW:
            opened = await self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {**HELLO, "capabilities": self.can}})
            self.session = opened.headers.get("mcp-session-id", "")
            await self.post(INITIALIZED)
        return self

    def body(self, method: str, **params: Any) -> Json:
        meta = {"_meta": {f"{OURS}protocolVersion": NEW, f"{OURS}clientCapabilities": self.can}} if self.era == NEW else {}
        return {"jsonrpc": "2.0", "id": next(_NUMBERS), "method": method, "params": {**params, **meta}}

    async def ask(self, method: str, **params: Any) -> Json:
        """A request, and its answer."""
        body = self.body(method, **params)
        named = next((str(params[key]) for key in ("name", "uri", "taskId") if key in params), None)
        told = {"mcp-method": method} | ({} if named is None else {"mcp-name": named})
        answer = await self.post(body, **(told if self.era == NEW else {}))
        if answer.headers.get("content-type") != "text/event-stream":
            found: Json = answer.json()
            return found
        events = [event for event in EventParser(1 << 20).feed(answer.content) if isinstance(event, Event) and event.data]
        last: Json = json.loads(events[-1].data)
        return last

    async def names(self, method: str, member: str, key: str = "name") -> list[str]:
        return [entry[key] for entry in (await self.ask(method))["result"][member]]

    async def tools(self) -> list[str]:
        return await self.names("tools/list", "tools")

    async def call(self, name: str, /, **arguments: Any) -> Json:
        return await self.ask("tools/call", name=name, arguments=arguments)


@attrs.define(eq=False)
class Desk:
    """The gateway, and who is behind it."""

    gateway: Gateway
    backends: Mapping[str, ScriptedBackend]
    nursery: trio.Nursery

    def http(self, **headers: str) -> httpx2.AsyncClient:
        transport = AsgiTransport(self.gateway.asgi_app, self.nursery)
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None, headers=headers)

    async def client(self, name: str, era: str, can: Json | None = None) -> Client:
        """Whoever has that token."""
        return await Client(self.http(), f"the-token-of-{name}", era, can=can or {}).open()

    def calls(self, backend: str) -> list[str]:
        """What it was asked for, by method and name."""
        return [str(getattr(message, "method", "")) for message in self.backends[backend].received]


@asynccontextmanager
async def desk(
    backends: Mapping[str, ScriptedBackend], auth: BearerAuth, *, proxy: Json | None = None, config: Json | None = None, **settings: Any
) -> AsyncGenerator[Desk, None]:
    """A gateway in front of these backends, with these tokens."""
    made = Config(
        ProxyConfig("x", **(proxy or {})),
        tuple(BackendConfig(name, "inprocess", **settings) for name in backends),
        auth=auth,
        **(config or {}),
    )
    servers = {name: backend.connector for name, backend in backends.items()}
    async with trio.open_nursery() as nursery:
        outside = Outside(run_blocking=run_inline)
        async with open_gateway(made, servers=servers, sources=Sources.virtual(1), outside=outside) as gateway:
            await gateway.ready()
            yield Desk(gateway, backends, nursery)
        nursery.cancel_scope.cancel()
