"""Large answers leave in parts where that saves a copy; what the client gets is the same everywhere. On the mock clock."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.exchange import Exchange
from sluicegate.frontends.stdio import serve_stdio
from sluicegate.http1.server.server import serve as serve_natively
from sluicegate.hypercorn.server import serve as serve_with_hypercorn
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw, encode_result
from sluicegate.protocol.parts import Parts
from sluicegate.testing.line_client import open_line_client
from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream

# The numbers that are promised. Taken from the source they would move with it.
LARGEST = 1024 * 1024
LARGE = 65_536

TEXT = "x" * LARGE + "é"
RESULT = {"content": [{"type": "text", "text": TEXT}]}


@pytest.fixture
def large_gate(gate: Any, talk: Any) -> Any:
    async def large(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        call.back.note(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')
        reply: Reply = talk.result(TEXT)
        return reply

    gate.tools["large"] = large
    gate.rebuild(limits=Limits(max_body_size=1000))
    return gate


async def read_answer(stream: MemoryStream) -> tuple[bytes, bytes]:
    """Head and body of an answer that says how long it is."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += bytes(await stream.receive_some(65536))
    head, _, body = data.partition(b"\r\n\r\n")
    (length,) = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < length:
        body += bytes(await stream.receive_some(65536))
    return head, body


@pytest.mark.parametrize("serve", [serve_natively, serve_with_hypercorn], ids=["native", "hypercorn"])
async def test_every_server_sends_it_whole_and_the_connection_stays(
    serve: Callable[..., Awaitable[None]], large_gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as connections:
        listeners = await network.listen("127.0.0.1", 0)
        connections.start_soon(lambda: serve(large_gate.app, listeners, connections=connections))
        stream = await network.open_stream("127.0.0.1", 40000)
        session = await large_gate.open()
        for number in ("a", 2):
            body = json.dumps(talk.calling("large", number)).encode()
            lines = [b"POST /mcp HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", b"Accept: application/json"]
            lines += [b"Mcp-Session-Id: " + session.encode(), b"Content-Length: %d" % len(body)]
            await stream.send_all(b"\r\n".join([*lines, b"", body]))
            head, answer = await read_answer(stream)
            assert head.startswith(b"HTTP/1.1 200")
            expected = json.dumps({"jsonrpc": "2.0", "id": number, "result": RESULT}, separators=(",", ":"), ensure_ascii=False)
            assert answer == expected.encode()
        connections.cancel_scope.cancel()


async def test_a_batch_holds_it(large_gate: Any, talk: Any, autojump_clock: trio.testing.MockClock) -> None:
    session = await large_gate.open("2025-03-26")
    batch = [talk.calling("large", 1), talk.calling("echo", 2)]
    answers = (await large_gate.post(batch, session, accept="application/json")).json()
    assert {answer["id"]: answer["result"] == RESULT for answer in answers} == {1: True, 2: False}


async def test_a_stream_holds_it(large_gate: Any, talk: Any, autojump_clock: trio.testing.MockClock) -> None:
    session = await large_gate.open()
    async with large_gate.stream("POST", session, talk.calling("large", 1)) as stream:
        events = [json.loads(event.data) for event in await stream.rest()]
    assert [event.get("result") for event in events] == [None, RESULT]


async def test_stdio_holds_it(large_gate: Any, talk: Any, autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        async with open_line_client(partial(serve_stdio, large_gate.endpoint), nursery) as client:
            await client.send(talk.opening("2025-03-26"), {"jsonrpc": "2.0", "method": "notifications/initialized"})
            await client.next()
            await client.send(talk.calling("large", 1))
            assert [(await client.next()).get("result") for _ in range(2)] == [None, RESULT]
            await client.send([talk.calling("large", 2)])
            await client.next()
            (answer,) = await client.next()
            assert answer["result"] == RESULT
        nursery.cancel_scope.cancel()


async def test_an_answer_that_becomes_an_event_over_a_mebibyte_is_told_of_once_for_each_tool(
    gate: Any, talk: Any, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def tool(size: int, *, notes: bool) -> Callable[[Call], Awaitable[Reply]]:
        async def run(call: Call) -> Reply:
            await trio.lowlevel.checkpoint()
            if notes:
                call.back.note(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')
            reply: Reply = talk.result("x" * size)
            return reply

        return run

    gate.tools |= {
        "one": tool(LARGEST, notes=True),
        "two": tool(LARGEST, notes=True),
        "small": tool(1000, notes=True),
        "plain": tool(LARGEST, notes=False),
    }
    session = await gate.open()
    for name in ("one", "one", "two", "small", "plain"):
        assert len((await gate.post(talk.calling(name), session)).content) >= 1000
    told = [record for record in caplog.records if "event over 1 MiB" in record.message]
    assert [record.target for record in told] == ["one", "two"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("size", "kind"), [(LARGE - 1, bytes), (LARGE, Parts)])
async def test_an_answer_is_in_parts_from_the_size_on_from_which_that_saves_a_copy(size: int, kind: type) -> None:
    result, replies = Raw(b'{"a":"%b"}' % (b"x" * (size - 8))), list[bytes | Parts | None]()

    async def handler(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(result)

    outlet = SimpleNamespace(note=None, ask=None, begin=None, reply=replies.append)
    await Exchange(b"1", Call("tools/call", "a", {}), SimpleNamespace(ask=None), outlet, lambda: None, True).run(handler)
    (reply,) = replies
    assert isinstance(reply, kind)
    assert bytes(reply or b"") == encode_result(b"1", result)
