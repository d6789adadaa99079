"""A frontend in memory: the real ASGI application, an HTTP client in front of it, and tools that are plain functions behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest
import trio
from tests.kit.asgi import AsgiTransport

from sluicegate.frontends.admission import Admission
from sluicegate.frontends.app import App
from sluicegate.frontends.door import Door
from sluicegate.frontends.endpoint import Endpoint, Limits
from sluicegate.frontends.ticket_office import TicketOffice
from sluicegate.frontends.wishes import Wishes
from sluicegate.identity.bearer import BearerTokens
from sluicegate.policies.lifetime import Lifetime
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.routing.directory import Directory
from sluicegate.sources import Sources

BOTH = "application/json, text/event-stream"
Tool = Callable[[Call], Awaitable[Reply]]


def result(text: str) -> Reply:
    return Reply(Raw(encode({"content": [{"type": "text", "text": text}]})))


@attrs.define(eq=False)
class Gate:
    """One endpoint and what a test needs around it."""

    endpoint: Endpoint
    calls: trio.Nursery
    connections: trio.Nursery
    tools: dict[str, Tool]
    refusals: list[tuple[int, str]]
    app: App = attrs.field(init=False)
    http: httpx2.AsyncClient = attrs.field(init=False)
    transport: AsgiTransport = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rebuild()

    def rebuild(
        self,
        *,
        tokens: tuple[str, ...] = (),
        admission: Admission | None = None,
        limits: Limits | None = None,
        wishes: Wishes | None = None,
        tickets: TicketOffice | None = None,
    ) -> None:
        """Another application on the same endpoint."""
        self.endpoint.limits = limits or self.endpoint.limits
        identity = BearerTokens(tokens) if tokens else None
        self.app = App(self.endpoint, identity=identity, admission=admission or Admission(), tickets=tickets, wishes=wishes)
        self.transport = AsgiTransport(self.app, self.connections)
        self.http = httpx2.AsyncClient(transport=self.transport, base_url="http://127.0.0.1:8080", timeout=None)

    async def post(self, body: object, session: str | None = None, **headers: str) -> httpx2.Response:
        """POST a message; keywords are headers with underscores, and an empty one is left out."""
        sent = {"content-type": "application/json", "accept": BOTH} | {name.replace("_", "-"): value for name, value in headers.items()}
        if session is not None:
            sent["mcp-session-id"] = session
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = self.http.build_request("POST", "/mcp", content=content)
        for name in ("accept", "content-type"):
            request.headers.pop(name, None)
        request.headers.update({name: value for name, value in sent.items() if value})
        return await self.http.send(request)

    async def open(self, version: str = "2025-11-25", **headers: str) -> str:
        """A session that is ready."""
        answer = await self.post(opening(version), **headers)
        session = answer.headers["mcp-session-id"]
        told = await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, session, **headers)
        assert told.status_code == 202
        return str(session)

    @asynccontextmanager
    async def stream(self, method: str, session: str, body: object = None, **headers: str) -> AsyncGenerator[Stream, None]:
        """A request whose answer is read event by event."""
        sent = {"accept": BOTH, "content-type": "application/json", "mcp-session-id": session}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body).encode()
        async with self.http.stream(method, "/mcp", content=content, headers=sent) as response, aclosing(response.aiter_raw()) as chunks:
            yield Stream(response, chunks)


@attrs.define(eq=False)
class Stream:
    response: httpx2.Response
    chunks: AsyncGenerator[bytes, None]
    parser: EventParser = attrs.field(factory=lambda: EventParser(1 << 20))
    waiting: list[Event] = attrs.field(factory=list)

    async def next(self) -> Event:
        """The next event that says something; the priming event does not."""
        while not self.waiting:
            self.take(await anext(self.chunks))
        return self.waiting.pop(0)

    async def rest(self) -> list[Event]:
        """All events up to the end."""
        async for chunk in self.chunks:
            self.take(chunk)
        return self.waiting

    def take(self, chunk: bytes) -> None:
        for event in self.parser.feed(chunk):
            assert isinstance(event, Event)
            if event.data:
                self.waiting.append(event)


def opening(version: str = "2025-11-25", id: object = 0) -> dict[str, object]:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    return {"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params}


def calling(name: str, id: object = 1, **params: Any) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": {}} | params}


class Talk:
    """What tests of this folder share; a fixture, because test folders are no packages."""

    opening = staticmethod(opening)
    calling = staticmethod(calling)
    result = staticmethod(result)
    both = BOTH


@pytest.fixture
def talk() -> type[Talk]:
    return Talk


@pytest.fixture
def tools() -> dict[str, Tool]:
    async def echo(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return result("hello")

    async def slow(call: Call) -> Reply:
        await trio.sleep(5)
        return result("at last")

    async def chatty(call: Call) -> Reply:
        for step in range(3):
            await trio.sleep(1)
            call.back.note(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":%d}}' % step)
        await trio.sleep(1)
        return result("done")

    async def buggy(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("a bug")

    return {"echo": echo, "slow": slow, "chatty": chatty, "buggy": buggy}


@pytest.fixture
async def gate(tools: dict[str, Tool]) -> AsyncGenerator[Gate, None]:
    async def handler(call: Call) -> Reply:
        if call.method == "tools/call" and call.target in tools:
            return await tools[call.target](call)
        await trio.lowlevel.checkpoint()
        if call.method == "tools/call":
            return Reply.failed(faults.unknown_name("tool", call.target))
        return Reply.failed(faults.unknown_method(call.method))

    async def settled() -> None:
        await trio.lowlevel.checkpoint()

    refusals: list[tuple[int, str]] = []
    async with trio.open_nursery() as connections, trio.open_nursery() as calls:
        endpoint = Endpoint(
            "gate",
            "1.0",
            Lifetime(handler),
            Directory(),
            settled,
            calls,
            Sources.seeded(1),
            Door(lambda *what: refusals.append(what)),
            Limits(max_body_size=1000),
            Lifetime,
        )
        yield Gate(endpoint, calls, connections, tools, refusals)
        calls.cancel_scope.cancel()
        connections.cancel_scope.cancel()
