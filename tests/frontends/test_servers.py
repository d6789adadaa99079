"""HTTP/1.1 in memory: the application behind our own server and behind Hypercorn's parts, on the mock clock. Both do the same."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.http1.server.server import serve as serve_natively
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.hypercorn.connection import FAREWELL_SECONDS
from sluicegate.hypercorn.server import serve as serve_with_hypercorn
from sluicegate.protocol.principal import NOBODY
from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream

Serve = Callable[..., Awaitable[None]]


@pytest.fixture(params=[serve_natively, serve_with_hypercorn], ids=["native", "hypercorn"])
def serve(request: pytest.FixtureRequest) -> Serve:
    chosen: Serve = request.param
    return chosen


def request(method: str, body: object = None, session: str = "", **headers: str) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} /mcp HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}", "Content-Type: application/json"]
    lines += [f"Mcp-Session-Id: {session}"] if session else []
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def read_until(stream: MemoryStream, end: bytes) -> bytes:
    data = b""
    while end not in data:
        chunk = await stream.receive_some(65536)
        assert chunk, data
        data += bytes(chunk)
    return data


async def test_one_connection_carries_one_request_after_the_other(serve: Serve, gate: Any, talk: Any, autojump_clock: object) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as connections:
        listeners = await network.listen("127.0.0.1", 0)
        assert await connections.start(
            lambda task_status: serve(gate.app, listeners, connections=connections, task_status=task_status)
        ) == ["http://memory"]
        stream = await network.open_stream("127.0.0.1", 40000)
        session = await gate.open()
        for number in range(3):
            await stream.send_all(request("POST", talk.calling("echo", number), session))
            answer = await read_until(stream, b"hello")
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"server:" not in answer.lower()
        assert await stream.receive_some(1) == b""
        assert trio.current_time() == ServerSettings().idle_seconds
        connections.cancel_scope.cancel()


async def test_a_client_that_goes_away_frees_its_stream(serve: Serve, gate: Any, autojump_clock: object) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as connections:
        listeners = await network.listen("127.0.0.1", 0)
        connections.start_soon(lambda: serve(gate.app, listeners, connections=connections))
        session = await gate.open()
        stream = await network.open_stream("127.0.0.1", 40000)
        await stream.send_all(request("GET", None, session, Accept="text/event-stream"))
        await read_until(stream, b"0-0")
        live = gate.app.sessions.find(session, NOBODY)
        assert len(live.downlinks) == 1
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert not live.downlinks
        assert not live.listeners
        connections.cancel_scope.cancel()


async def test_idle_connections_end_with_the_accepting_and_others_after_their_answer(
    serve: Serve, gate: Any, talk: Any, autojump_clock: object
) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accept:
            listeners = await network.listen("127.0.0.1", 0)
            accept.start_soon(lambda: serve(gate.app, listeners, connections=connections))
            session = await gate.open()
            idle, busy = await network.open_stream("127.0.0.1", 40000), await network.open_stream("127.0.0.1", 40000)
            await busy.send_all(request("POST", talk.calling("slow"), session))
            await trio.sleep(1)
            accept.cancel_scope.cancel()
        assert await idle.receive_some(1) == b""
        assert trio.current_time() == 1
        assert b"at last" in await read_until(busy, b"at last")
        assert await busy.receive_some(1) == b""
        assert trio.current_time() == 5


class OneDeafClient(trio.abc.Listener[trio.abc.Stream]):
    """Gives one connection whose client never reads."""

    def __init__(self) -> None:
        self.client, self.ours = trio.testing.memory_stream_pair()
        self.ours.send_stream.send_all_hook = trio.sleep_forever
        self.waiting = [self.ours]

    async def accept(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if not self.waiting:
            await trio.sleep_forever()
        return self.waiting.pop()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_client_that_stops_reading_cannot_hold_up_the_end(serve: Serve, gate: Any, talk: Any, autojump_clock: object) -> None:
    listener = OneDeafClient()
    async with trio.open_nursery() as connections:
        connections.start_soon(lambda: serve(gate.app, [listener], connections=connections))
        session = await gate.open()
        await listener.client.send_all(request("POST", talk.calling("echo"), session))
        await trio.sleep(10)
        connections.cancel_scope.cancel()
    assert trio.current_time() in (10, 10 + FAREWELL_SECONDS)


class GoneAlready:
    """A socket whose client has reset the connection before it was looked at."""

    def getpeername(self) -> Any:
        raise OSError(107, "Transport endpoint is not connected")


async def test_a_client_that_left_before_it_was_accepted_is_no_failure(
    serve: Serve, gate: Any, autojump_clock: object, caplog: Any
) -> None:
    listener = OneDeafClient()
    listener.ours.socket = GoneAlready()  # type: ignore[attr-defined]
    await listener.client.aclose()
    async with trio.open_nursery() as connections:
        connections.start_soon(lambda: serve(gate.app, [listener], connections=connections))
        await trio.sleep(1)
        connections.cancel_scope.cancel()
    assert "a connection failed" not in caplog.text
