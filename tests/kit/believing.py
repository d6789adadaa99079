"""A gateway that believes an issuer, both in memory, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import trio

from sluicegate import open_gateway
from sluicegate.config.model import BackendConfig, Config, JwtAuth, ProxyConfig
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import open_outside

from .asgi import AsgiTransport
from .issuer import AUDIENCE, ISSUER, Issuer
from .messages import HELLO

__all__ = ["AUTH", "Believing", "fronting"]

AUTH = JwtAuth(issuer=ISSUER, audience=AUDIENCE, jwks_uri=f"{ISSUER}/jwks", leeway_seconds=60)
_ACCEPT = {"accept": "application/json, text/event-stream"}


@attrs.define(eq=False)
class Believing:
    """The gateway has a backend ``b`` with a tool ``echo``."""

    http: httpx2.AsyncClient
    issuer: Issuer

    async def ask(self, *authorization: str) -> httpx2.Response:
        """Come in with these values of ``Authorization``."""
        return await self.http.get("/mirror", headers=[("authorization", value) for value in authorization])

    async def told(self, token: str) -> tuple[int, str]:
        """The status, and why."""
        answer = await self.ask(f"Bearer {token}")
        return answer.status_code, "" if answer.status_code == 200 else answer.json()["error"]["message"]

    async def open(self, token: str) -> str:
        """A session; its id."""
        opened = await self.http.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO},
            headers={"authorization": f"Bearer {token}", **_ACCEPT},
        )
        return str(opened.headers["mcp-session-id"])

    async def call(self, token: str, session: str) -> httpx2.Response:
        """One call of the tool."""
        return await self.http.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "b_echo", "arguments": {}}},
            headers={"authorization": f"Bearer {token}", "mcp-session-id": session, **_ACCEPT},
        )


@asynccontextmanager
async def fronting(
    auth: JwtAuth = AUTH, *, sources: Sources | None = None, issuer: Issuer | None = None, wait: float = 2, **proxy: Any
) -> AsyncGenerator[Believing, None]:
    """Run them; the keys are there after a moment unless ``wait`` is shorter."""
    sources = sources or Sources.virtual(1)
    issuer = issuer or Issuer(sources.wall)
    config = Config(ProxyConfig("test", **proxy), (BackendConfig("b", "inprocess"),), auth=auth)
    servers = {"b": ScriptedBackend(name="b").connector}
    async with open_outside() as world:
        world.web.sites["id.example"] = issuer.site
        async with (
            open_gateway(config, servers=servers, outside=world.outside, sources=sources) as gateway,
            trio.open_nursery() as nursery,
            httpx2.AsyncClient(transport=AsgiTransport(gateway.asgi_app, nursery), base_url="http://127.0.0.1") as http,
        ):
            await trio.sleep(wait)
            yield Believing(http, issuer)
