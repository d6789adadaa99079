"""Clients of 2026-07-28 in front of a backend that shakes hands: each request stands for itself, and a question is an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import msgspec
import trio
from tests.flows.asked_clients import EVERYTHING, NEAR, Json, at, reached
from tests.kit.asgi import AsgiTransport

from sluicegate.config.model import Config, ProxyConfig, SecurityConfig
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import open_outside
from sluicegate.testing.transports import Transport

NEW = "2026-07-28"
OURS = "io.modelcontextprotocol/"
PARKED_SECONDS = 60.0


@attrs.define(eq=False)
class LoneClient:
    """One of them."""

    http: httpx2.AsyncClient
    can: Json = attrs.field(factory=lambda: dict(EVERYTHING))
    accept: str = "application/json, text/event-stream"
    notes: list[Json] = attrs.field(factory=list)
    """What came before answers."""
    number: int = 0

    async def ask(self, method: str, meta: Json | None = None, **params: Any) -> Json:
        """A request, and its answer."""
        self.number += 1
        said = {f"{OURS}protocolVersion": NEW, f"{OURS}clientCapabilities": self.can, **(meta or {})}
        body = {"jsonrpc": "2.0", "id": f"r{self.number}", "method": method, "params": {**params, "_meta": said}}
        named = {"mcp-name": params["name"]} if "name" in params else {}
        headers = {"accept": self.accept, "content-type": "application/json", "mcp-protocol-version": NEW, "mcp-method": method, **named}
        answer = await self.http.post("/mcp", content=msgspec.json.encode(body), headers=headers)
        *notes, last = _messages(answer)
        self.notes += notes
        assert last["id"] == body["id"], "each request is answered under its own id"
        return last

    async def call(self, **params: Any) -> Json:
        """Call the tool."""
        return await self.ask("tools/call", **{"name": "b_echo", "arguments": {"n": 1}, **params})

    async def come_back(self, asked: Json, *, meta: Json | None = None, **instead: Any) -> Json:
        """The same call with an answer to each question."""
        result = asked["result"]
        answers = {name: {"action": "accept"} for name in result["inputRequests"]}
        return await self.call(**{"inputResponses": answers, "requestState": result["requestState"], "meta": meta, **instead})


def _messages(answer: httpx2.Response) -> list[Json]:
    if answer.headers["content-type"] == "application/json":
        return [answer.json()]
    events = [event for event in EventParser(1 << 20).feed(answer.content) if isinstance(event, Event)]
    return [msgspec.json.decode(event.data) for event in events if event.data]


def is_asked(answer: Json) -> bool:
    """Whether it asks, and with what it takes to come back."""
    result: Json = answer.get("result", {})
    return {"inputRequests", "requestState"} <= result.keys() and str(result["resultType"]) == "input_required"


def text_of(answer: Json) -> str:
    assert answer["result"]["resultType"] == "complete", answer
    return str(answer["result"]["content"][0]["text"])


@attrs.define(eq=False)
class LoneHouse:
    """A gateway, and the clients in front of it."""

    gateway: Gateway
    backend: ScriptedBackend
    nursery: trio.Nursery

    def client(self, network: int = 1, can: Json | None = None) -> LoneClient:
        """One from a network of its own."""
        transport = AsgiTransport(self.gateway.asgi_app, self.nursery, client=(f"10.0.0.{network}", 50000))
        http = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None)
        return LoneClient(http, dict(EVERYTHING) if can is None else can)

    def is_empty(self) -> bool:
        """Whether nothing of any call is left."""
        own = self.gateway.backends["b"]
        links = own.clients
        assert links is not None
        sessions = self.backend.sessions
        open_ = [(one.duplex.theirs.running, one.duplex.ours.asked) for one in sessions]
        counts = (own.in_flight, len(links), own.open_questions, self.gateway.statistics()["parking"][""].parked)  # type: ignore[attr-defined]
        return counts == (0, 0, 0, 0) and all(not running and not asked for running, asked in open_)


@asynccontextmanager
async def lone_house(
    back: Transport, *steps: Any, most: int = 4, seconds: float = PARKED_SECONDS, backend: ScriptedBackend | None = None, **settings: Any
) -> AsyncGenerator[LoneHouse, None]:
    """A gateway that parks so many calls, in front of a backend ``b`` with a session for each."""
    scripted = backend or ScriptedBackend(*steps, name="b")
    own = {"sessions": "per_client", "max_sessions": 100} | settings
    async with open_outside() as world, trio.open_nursery() as nursery:
        config = Config(
            ProxyConfig("near", listen=at(NEAR)),
            (await reached(back, scripted, world, nursery, own),),
            security=SecurityConfig(max_parked_calls=most, parked_seconds=seconds),
        )
        servers = {"b": scripted.connector}
        async with open_gateway(config, servers=servers, outside=world.outside, sources=Sources.virtual(1)) as gateway:
            await gateway.ready("b")
            yield LoneHouse(gateway, scripted, nursery)
        nursery.cancel_scope.cancel()
