"""``sluicegate connect``: stdio on one side, the real HTTP frontend on the other."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.frontends.bridge import bridge

INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@attrs.define(eq=False)
class Client:
    stdin: trio.testing.MemorySendStream
    stdout: trio.testing.MemoryReceiveStream
    ended: trio.Event
    buffer: bytes = b""

    async def send(self, *messages: object) -> None:
        for message in messages:
            await self.stdin.send_all((message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")

    async def next(self) -> Any:
        while b"\n" not in self.buffer:
            chunk = await self.stdout.receive_some(65536)
            assert chunk
            self.buffer += bytes(chunk)
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)


@pytest.fixture
async def client(gate: Any, nursery: trio.Nursery) -> AsyncGenerator[Client, None]:
    to_us, stdin = trio.testing.memory_stream_one_way_pair()
    stdout, from_us = trio.testing.memory_stream_one_way_pair()
    ended = trio.Event()

    async def run() -> None:
        await bridge("http://127.0.0.1:8080/mcp", {"authorization": "Bearer secret"}, stdin, stdout, transport=gate.transport)
        ended.set()

    nursery.start_soon(run)
    yield Client(to_us, from_us, ended)
    await to_us.aclose()
    await ended.wait()


async def open_session(client: Client, talk: Any) -> None:
    await client.send(talk.opening())
    assert (await client.next())["result"]["serverInfo"]["name"] == "gate"
    await client.send(INITIALIZED)
    await trio.sleep(0.1)


async def test_messages_pass_both_ways(client: Client, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("echo", "e"), talk.calling("chatty", "c"))
    lines = [await client.next() for _ in range(5)]
    assert lines[0]["id"] == "e"
    assert [line.get("id") for line in lines[1:]] == [None, None, None, "c"]


async def test_changed_lists_reach_the_client(client: Client, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    gate.app.sessions.announce({"notifications/tools/list_changed"})
    assert (await client.next())["method"] == "notifications/tools/list_changed"


async def test_a_cancel_reaches_the_call(client: Client, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("slow", 5), {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
    assert (await client.next())["error"]["code"] == -32800


async def test_a_bad_line_gets_the_gateways_own_error(client: Client, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(b"garbage")
    answer = await client.next()
    assert (answer["error"]["code"], answer["id"]) == (-32700, None)


async def test_the_session_ends_with_the_input(client: Client, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    assert len(gate.app.sessions) == 1
    await client.stdin.aclose()
    await client.ended.wait()
    assert len(gate.app.sessions) == 0


async def test_a_restart_of_the_daemon_is_a_pause(client: Client, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    gate.app.drain()
    gate.transport.down = True
    await client.send(talk.calling("echo", 7), talk.calling("echo", 8))
    await trio.sleep(10)
    old, transport = gate.app, gate.transport
    gate.rebuild()
    transport.app, transport.down = gate.app, False
    assert {(await client.next())["id"], (await client.next())["id"]} == {7, 8}
    assert len(gate.app.sessions) == 1
    assert old is not gate.app
    await trio.sleep(5)
    gate.app.sessions.announce({"notifications/tools/list_changed"})
    assert (await client.next())["method"] == "notifications/tools/list_changed"


async def test_a_daemon_that_stays_away_is_told_of(client: Client, gate: Any, talk: Any, autojump_clock: object) -> None:
    gate.transport.down = True
    await client.send(talk.opening(id="first"))
    answer = await client.next()
    assert answer["id"] == "first"
    assert "cannot be reached" in answer["error"]["message"]
    assert 58 < trio.current_time() <= 60


async def test_a_refused_client_gets_the_reason_under_its_own_id(client: Client, gate: Any, talk: Any, autojump_clock: object) -> None:
    from sluicegate.identity.bearer import BearerTokens

    gate.app.identity = BearerTokens(["another"])
    await client.send(talk.opening(id="first"))
    answer = await client.next()
    assert (answer["id"], answer["error"]["code"]) == ("first", -32007)


async def test_a_stream_that_breaks_is_resumed(client: Client, gate: Any, talk: Any, autojump_clock: object) -> None:
    await open_session(client, talk)
    await client.send(talk.calling("chatty", 5))
    assert (await client.next())["params"]["progress"] == 0
    (session,) = gate.app.sessions._sessions.values()
    for line in session.lines - set(session.listeners):
        line.hang_up()
    lines = [await client.next() for _ in range(3)]
    assert [line.get("id") for line in lines] == [None, None, 5]
