"""A scripted MCP endpoint over HTTP, as an ASGI application: the far side of the HTTP backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import attrs
import msgspec
import trio

from sluicegate.http1.asgi import Receive, Send
from sluicegate.protocol.sse import format_event

__all__ = ["Answer", "Script", "ScriptedEndpoint"]

Json = dict[str, Any]


@attrs.define(eq=False)
class Answer:
    """One request that arrived, and the way to answer it."""

    verb: str
    url: str
    headers: dict[str, str]
    message: Json
    """The JSON-RPC message; empty where there was none."""
    _receive: Receive = attrs.field(repr=False)
    _send: Send = attrs.field(repr=False)

    @property
    def method(self) -> str:
        """The JSON-RPC method, or the HTTP verb where there is no message."""
        return str(self.message.get("method", self.verb))

    def response(self, **members: object) -> Json:
        """A JSON-RPC response to the message."""
        return {"jsonrpc": "2.0", "id": self.message.get("id"), **members}

    async def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; header names with underscores."""
        await self._head(status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def json(self, value: object, status: int = 200, **headers: str) -> None:
        """A whole answer in JSON."""
        await self.send(status, msgspec.json.encode(value), content_type="application/json", **headers)

    async def result(self, value: object, **headers: str) -> None:
        """A JSON-RPC result."""
        await self.json(self.response(result=value), 200, **headers)

    async def stream(self, **headers: str) -> None:
        """Begin a stream of events; its head leaves at once."""
        await self._head(200, {"content_type": "text/event-stream", **headers})
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def event(self, value: object = None, *, id: str | None = None, retry: int | None = None) -> None:
        """One event of a stream that has begun."""
        data = b"" if value is None else msgspec.json.encode(value)
        await self._send({"type": "http.response.body", "body": format_event(data, id=id, retry=retry), "more_body": True})

    async def end(self) -> None:
        """The orderly end of a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def wait_gone(self) -> None:
        """Wait until the client has closed the answer."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _head(self, status: int, headers: dict[str, str]) -> None:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


Script = Callable[[Answer], Awaitable[None]]


@attrs.define(eq=False)
class ScriptedEndpoint:
    """Keeps sessions as a server should; ``on`` has a script for every method or HTTP verb that shall do something else."""

    on: dict[str, Script] = attrs.field(factory=dict)
    stateful: bool = True
    seen: list[Answer] = attrs.field(factory=list, init=False)
    """Everything that arrived, in order."""
    session: str = attrs.field(default="", init=False)
    """The id of the living session."""
    _sessions: int = attrs.field(default=0, init=False)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        body = await _read(receive)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        url = f"{scope['scheme']}://{headers.get('host', '')}{scope['path']}"
        answer = Answer(scope["method"], url, headers, msgspec.json.decode(body) if body else {}, receive, send)
        self.seen.append(answer)
        script = self.on.get(answer.method)
        if answer.method == "initialize":
            await (script or self.open)(answer)
        elif self.stateful and headers.get("mcp-session-id") != self.session:
            await answer.send(404, b"Session not found")
        else:
            await (script or self._plain)(answer)

    def methods(self) -> list[str]:
        """What arrived, in order, by method."""
        return [answer.method for answer in self.seen]

    def forget(self) -> None:
        """Lose the session, as a restarted server does."""
        self.session = "lost"

    async def open(self, answer: Answer) -> None:
        """Answer ``initialize`` with a new session."""
        self._sessions += 1
        self.session = f"session-{self._sessions}" if self.stateful else ""
        headers = {"mcp_session_id": self.session} if self.stateful else {}
        capabilities = {"tools": {"listChanged": True}}
        await answer.result({"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": {}}, **headers)

    async def _plain(self, answer: Answer) -> None:
        if answer.verb == "GET":
            await answer.stream()
            await answer.wait_gone()
        elif answer.verb == "DELETE":
            self.forget()
            await answer.send(204)
        elif "id" in answer.message and "method" in answer.message:
            await answer.result({"content": [{"type": "text", "text": f"call {answer.message['id']}"}]})
        else:
            await trio.lowlevel.checkpoint()
            await answer.send(202)


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        piece = await receive()
        body += piece.get("body", b"")
        more = piece.get("more_body", False)
    return body
