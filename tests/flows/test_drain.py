"""Leaving the block: calls in flight get their time, and then everything has ended."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate import Builder, Outside, Reply
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.script import Answer, Delay, Hang

POST = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n%bContent-Length: %d\r\n\r\n%b"


def post(body: bytes, session: bytes = b"") -> bytes:
    return POST % (b"Mcp-Session-Id: %b\r\n" % session if session else b"", len(body), body)


async def answer(stream: trio.abc.Stream) -> bytes:
    """One response, whole, with a Content-Length or in chunks."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = await stream.receive_some()
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    while b"transfer-encoding: chunked" in head.lower() and not body.endswith(b"0\r\n\r\n"):
        body += await stream.receive_some()
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += await stream.receive_some()
    return head + b"\r\n\r\n" + body


async def opened(network: MemoryNetwork) -> tuple[trio.abc.Stream, bytes]:
    """A connection with a session on it."""
    stream = await network.open_stream("127.0.0.1", 8080)
    hello = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}'
    await stream.send_all(post(hello))
    head = (await answer(stream)).split(b"\r\n\r\n")[0]
    session = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"mcp-session-id"))
    await stream.send_all(post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}', session))
    assert b"202" in (await answer(stream)).split(b"\r\n")[0]
    return stream, session


@pytest.mark.parametrize(("step", "seconds", "says"), [(Delay(5), 5, b"#1"), (Hang(), 10, b"going down")])
async def test_a_call_in_flight_is_answered_within_the_grace_or_told_that_it_was_cut(
    step: Delay | Hang, seconds: float, says: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    network, scripted, answers = MemoryNetwork(), ScriptedBackend(step), list[bytes]()

    async def use() -> None:
        stream, session = await opened(network)
        await stream.send_all(post(b'{"jsonrpc":"2.0","id":"q","method":"tools/call","params":{"name":"b_echo","arguments":{}}}', session))
        answers.append(await answer(stream))

    builder = Builder("x").listen("127.0.0.1", 8080).proxy(shutdown_timeout_seconds=10).backend("b", scripted.connector)
    async with trio.open_nursery() as nursery:
        async with builder.open(outside=Outside(listen=network.listen)) as gateway:
            await nursery.start(gateway.serve)
            await gateway.settled()
            nursery.start_soon(use)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert scripted.calls == 1
            began = trio.current_time()
        assert seconds == pytest.approx(trio.current_time() - began, abs=0.5)
    assert says in answers[0]
    assert b'"id":"q"' in answers[0]
    assert scripted.sessions == []


async def test_nothing_is_accepted_any_more_once_the_drain_has_begun(autojump_clock: trio.testing.MockClock) -> None:
    network, scripted, replies, knocked = MemoryNetwork(), ScriptedBackend(Delay(5)), list[Reply](), list[float]()

    async def knock() -> None:
        stream, _session = await opened(network)
        assert await stream.receive_some() == b"", "an idle connection is closed as the drain begins"
        knocked.append(trio.current_time())
        with pytest.raises(OSError, match=r"nothing listens|refused"):
            await network.open_stream("127.0.0.1", 8080)

    async def work() -> None:
        replies.append(await gateway.call_tool("b_echo"))

    builder = Builder("x").listen("127.0.0.1", 8080).backend("b", scripted.connector)
    async with trio.open_nursery() as nursery, builder.open(outside=Outside(listen=network.listen)) as gateway:
        await nursery.start(gateway.serve)
        await gateway.settled()
        gateway._endpoint.calls.start_soon(work)
        nursery.start_soon(knock)
        await trio.testing.wait_all_tasks_blocked(0.01)
    assert [reply.fault for reply in replies] == [None]
    assert knocked[0] < trio.current_time(), "while the call went on"


async def test_cancelling_the_block_cuts_everything_at_once(autojump_clock: trio.testing.MockClock) -> None:
    scripted, replies = ScriptedBackend(Hang()), list[Reply]()
    with trio.CancelScope() as scope:
        async with Builder("x").backend("b", scripted.connector).open() as gateway, trio.open_nursery() as nursery:
            await gateway.settled()

            async def use() -> None:
                replies.append(await gateway.call_tool("b_echo"))

            nursery.start_soon(use)
            await trio.sleep(3)
            scope.cancel()
    assert trio.current_time() == 3
    assert replies == []
    assert scripted.sessions == []


async def test_fronts_in_a_nursery_outside_end_with_a_block_that_is_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    network, (ours, theirs) = MemoryNetwork(), trio.testing.memory_stream_pair()
    builder = Builder("x").listen("127.0.0.1", 8080).backend("b", ScriptedBackend().connector)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with builder.open(outside=Outside(listen=network.listen)) as gateway:
                    await nursery.start(gateway.serve)
                    nursery.start_soon(gateway.serve_stdio, theirs, theirs)
                    await gateway.settled()
                    scope.cancel()
                    await trio.sleep_forever()
            assert gateway._app.draining, "where the application is mounted elsewhere, it answers 503 from now on"
    with pytest.raises(OSError, match="nothing listens"):
        await network.open_stream("127.0.0.1", 8080)
    assert trio.current_time() == 0
    await ours.aclose()


async def test_a_call_over_stdio_has_as_long_as_any_other(autojump_clock: trio.testing.MockClock) -> None:
    scripted, answers = ScriptedBackend(Delay(20, Answer("late"))), list[bytes]()
    ours, theirs = trio.testing.memory_stream_pair()

    async def use() -> None:
        for message in (
            b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t"}}}',
            b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
            b'{"jsonrpc":"2.0","id":"q","method":"tools/call","params":{"name":"b_echo","arguments":{}}}',
        ):
            await ours.send_all(message + b"\n")
        while part := await ours.receive_some():
            answers.append(bytes(part))

    async with trio.open_nursery() as nursery:
        async with Builder("x").backend("b", scripted.connector).open() as gateway:
            nursery.start_soon(gateway.serve_stdio, theirs, theirs)
            await gateway.settled()
            nursery.start_soon(use)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert scripted.calls == 1
        await theirs.aclose()
    assert b"late" in b"".join(answers)
    assert trio.current_time() == pytest.approx(20, abs=1)
