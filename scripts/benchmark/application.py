"""The whole gateway in this process, from the ASGI application to the session with a backend: what `inside` measures.

What is left out is HTTP itself, in front and behind, so that a difference in what remains is seen the sooner.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from sluicegate import Builder, Call, Gateway, Reply, open_gateway
from sluicegate.backends.attached import AttachedConnector
from sluicegate.config.model import MetricsConfig, ObservabilityConfig
from sluicegate.http1.asgi import ASGIApp
from sluicegate.protocol.messages import Params, Raw, encode

__all__ = ["Exchange", "Instant", "calling", "getting", "open_session", "opened", "posting"]

HEADERS = [
    (b"host", b"localhost"),
    (b"accept", b"application/json, text/event-stream"),
    (b"content-type", b"application/json"),
    (b"mcp-protocol-version", b"2025-11-25"),
]
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "scale", "version": "1"}}
SCHEMA = {"type": "object", "properties": {"path": {"type": "string", "description": "where it is"}}}


@attrs.frozen
class Instant:
    """A session with a backend that answers at once (implements `BackendSession`)."""

    tools: int = 1
    size: int = 5
    """Bytes of text that a tool gives back."""

    async def request(self, call: Call) -> Reply:
        """Answer it."""
        call.trail.sent = True
        await trio.lowlevel.checkpoint()
        return self._answers[call.method]

    def tell(self, method: str, params: Params) -> None:
        """Take a notification."""

    async def wait_closed(self) -> str:
        """It never closes."""
        await trio.sleep_forever()
        raise AssertionError

    @functools.cached_property
    def _answers(self) -> dict[str, Reply]:
        tools = [{"name": f"tool{number}", "description": "does something " * 5, "inputSchema": SCHEMA} for number in range(self.tools)]
        answers = {
            "initialize": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "instant", "version": "1"},
            },
            "tools/list": {"tools": tools},
            "tools/call": {"content": [{"type": "text", "text": "x" * self.size}]},
        }
        return {method: Reply(Raw(encode(answer))) for method, answer in answers.items()}


@asynccontextmanager
async def opened(*backends: Instant) -> AsyncGenerator[Gateway, None]:
    """A gateway in front of these: ``b0``, ``b1``, ….  It counts calls, takes any number of sessions, and looks twice a second for idle ones."""
    builder = Builder("scale")
    servers: dict[str, object] = {}
    for number, session in enumerate(backends):
        servers[f"b{number}"] = AttachedConnector(session)
        builder.backend(f"b{number}", AttachedConnector(session))
    config = builder.config()
    security = attrs.evolve(config.security, max_sessions=1_000_000, orphan_seconds=0.5)
    config = attrs.evolve(config, security=security, observability=ObservabilityConfig(metrics=MetricsConfig(enabled=True)))
    async with open_gateway(config, servers=servers) as gateway:
        await gateway.settled()
        yield gateway


def _nobody() -> None:
    """Nobody wants to know that the client has gone."""


@attrs.define(eq=False)
class Exchange:
    """One HTTP request, as our own server hands it to the application."""

    body: bytes
    headers: list[tuple[bytes, bytes]]
    method: str = "POST"
    path: str = "/mcp"
    status: int = 0
    session: str = ""
    answer: bytes = b""
    ended: trio.Event = attrs.field(factory=trio.Event)
    _gone: Callable[[], None] = _nobody

    async def run(self, app: ASGIApp) -> bytes:
        """Send it; the answer's body."""
        scope = {"type": "http", "method": self.method, "path": self.path, "headers": self.headers}
        await app(scope | {"extensions": {"sluicegate.disconnect": self._register}}, self._receive, self._send)
        self._gone = _nobody  # our own server forgets it, too, so that no circle is left
        self.ended.set()
        return self.answer

    def _register(self, callback: Callable[[], None]) -> None:
        self._gone = callback

    async def _receive(self) -> MutableMapping[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.body":
            self.answer += message["body"]
        else:
            self.status = message["status"]
            self.session = dict(message["headers"]).get(b"mcp-session-id", b"").decode()


def getting(session: str = "", *, method: str = "GET", path: str = "/mcp") -> Exchange:
    """A request without a body."""
    return Exchange(b"", [*HEADERS, (b"mcp-session-id", session.encode())] if session else HEADERS, method, path)


def posting(method: str, params: object, session: str = "") -> Exchange:
    """A POST of one message."""
    headers = [*HEADERS, (b"mcp-session-id", session.encode())] if session else HEADERS
    message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
    return Exchange(encode(message if method.startswith("notifications/") else message | {"id": 1}), headers)


def calling(tool: str, session: str) -> Exchange:
    """A call of a tool."""
    return posting("tools/call", {"name": tool, "arguments": {}}, session)


async def open_session(app: ASGIApp) -> str:
    """A session that is ready; its id."""
    hello = posting("initialize", HELLO)
    await hello.run(app)
    await posting("notifications/initialized", {}, hello.session).run(app)
    return hello.session
