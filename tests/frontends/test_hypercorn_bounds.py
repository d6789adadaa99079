"""Hypercorn's parts at their bounds: the last moment and the one after it, and what is left of what has ended. On the mock clock."""

from __future__ import annotations

import gc
from functools import partial

import attrs
import h2.errors
import h2.events
import h2.settings
import pytest
import trio
import trio.testing
from tests.kit.broken import BrokenFirst
from tests.kit.hypercorn_front import SETTINGS, app, front, rest, speak

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.outgoing import MessageSender
from sluicegate.hypercorn.connection import HypercornConnection
from sluicegate.hypercorn.minimum_rate import NEVER, MinimumRate
from sluicegate.hypercorn.server import serve
from sluicegate.testing.memory_wire import MemoryNetwork


def test_what_goes_on_may_take_its_time_and_longer_for_what_moves() -> None:
    rate = MinimumRate(20, 500)
    assert rate.run(False, 100) == NEVER
    assert rate.run(True, 100) == 120
    rate.size += 1000
    assert rate.run(True, 110) == 122
    assert rate.run(False, 111) == NEVER
    assert rate.run(True, 112) == 132, "what moved before does not count any more"
    rate.run(False, 113)
    rate.size += 1000
    assert rate.run(True, 114) == 134, "nor what moved in between"


async def test_a_client_that_reads_nothing_has_thirty_seconds(autojump_clock: object) -> None:
    async with front() as gate:
        stream = await gate.connect()
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.sleep(29.9)
        assert gate.connected == 1
        await trio.sleep(0.2)
        assert gate.connected == 0


async def test_what_is_being_sent_when_everything_is_cut_has_two_more_seconds(autojump_clock: object) -> None:
    async with front() as gate:
        stream = await gate.connect()
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.sleep(5)
        gate.connections.cancel_scope.cancel()
    assert trio.current_time() == 7


@pytest.mark.parametrize("size", [len(b"malformed target\n"), len(b"malformed target\n") - 1])
async def test_a_reason_is_told_to_whoever_has_room_for_it(autojump_clock: object, size: int) -> None:
    """And whatever is refused is told of."""
    refused = list[tuple[int, str]]()
    async with front(attrs.evolve(SETTINGS, on_refused=lambda *what: refused.append(what))) as gate:
        client = await speak(gate)
        client.wire.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: size})
        await client.request(1, "/\u00e9".encode())
        head, body = await client.answer(1)
        assert (head[b":status"], body) == (b"400", b"malformed target\n" if size == 17 else b"")
        assert head[b"content-length"] == b"%d" % len(body)
    assert refused == [(400, "malformed target")]


@pytest.mark.parametrize("first", ["refused", "taken back", "answered early"])
async def test_a_body_that_nobody_waits_for_takes_nobodys_time(autojump_clock: object, first: str) -> None:
    """What its client does with it is nothing to the requests beside it, though they take longer than a body may."""

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/long":
            await trio.sleep(100)
        await app(scope, receive, send)

    async with front(application=slow) as gate:
        client = await speak(gate)
        await client.request(1, "/\u00e9".encode() if first == "refused" else "/early", method="POST", end=False)
        if first == "taken back":
            client.wire.reset_stream(1)
        else:
            await client.answer(1)
        await client.request(3, "/long")
        assert (await client.answer(3))[1] == b"0 bytes by http"
        assert trio.current_time() == 100


async def test_who_takes_back_too_much_is_told_so_and_left_at_once(autojump_clock: object) -> None:
    async with front() as gate:
        client = await speak(gate)
        for stream_id in range(1, 1201, 2):
            client.wire.send_headers(
                stream_id, [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/slow")], end_stream=False
            )
            client.wire.reset_stream(stream_id)
        await client.flush()
        while await client.read():
            pass
        (end,) = [event for event in client.events if isinstance(event, h2.events.ConnectionTerminated)]
        assert (end.error_code, trio.current_time()) == (h2.errors.ErrorCodes.ENHANCE_YOUR_CALM, 0)
        await trio.sleep(6)
        assert (gate.connected, gate.begun) == (0, 511), "with those that were at work"


async def test_few_are_held_of_many_connections_that_have_ended(autojump_clock: object) -> None:
    """Their time may be over in a minute only, but they are no business of the timekeeper's any more."""
    async with front() as gate:
        for _ in range(100):
            stream = await gate.connect()
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await rest(stream)).endswith(b"0 bytes by http")
        await trio.testing.wait_all_tasks_blocked()
        assert gate.connected == 0
        gc.collect()
        held = [one for one in gc.get_objects() if isinstance(one, HypercornConnection | MessageSender)]
        assert len(held) <= 65


async def test_a_client_that_goes_on_too_fast_for_its_limit_is_given_it_anew_with_each_body(autojump_clock: object) -> None:
    """The time for a body is that of one body: two that take fifteen seconds each are fine where twenty is the limit."""
    async with front() as gate:
        stream = await gate.connect()
        for _ in range(2):
            await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n")
            for _ in range(15):
                await trio.sleep(1)
                await stream.send_all(b"x")
            said = b""
            while not said.endswith(b"15 bytes by http"):
                part = await stream.receive_some()
                assert part
                said += part
        assert trio.current_time() == 30


async def test_a_body_that_does_not_come_is_cut_off_over_http2_too(autojump_clock: object) -> None:
    async with front() as gate:
        client = await speak(gate)
        await client.request(1, "/", method="POST", end=False)
        while await client.read():
            pass
        assert 20 <= trio.current_time() < 20.1, "what it says beside it buys a little"


async def test_a_connection_that_is_turned_away_is_told_of(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    async with front(attrs.evolve(SETTINGS, max_connections=1)) as gate:
        busy = await gate.connect()
        await busy.send_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        assert await rest(await gate.connect()) == b""
    assert "there is no room for another connection" in caplog.text


async def test_a_bug_costs_its_connection_and_is_told(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    network = MemoryNetwork()
    (below,) = await network.listen("127.0.0.1", 80)
    async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
        await accepting.start(partial(serve, app, [BrokenFirst(below)], connections=connections))
        whole = await network.open_stream("127.0.0.1", 80)
        await whole.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await rest(whole)).endswith(b"0 bytes by http")
        accepting.cancel_scope.cancel()
        connections.cancel_scope.cancel()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["a connection failed"]


async def test_who_ends_just_when_it_is_to_make_room_is_in_nobodys_way(autojump_clock: object) -> None:
    for steps in [step for step in range(12) for _ in range(4)]:  # in which order tasks run is a matter of chance
        async with front(attrs.evolve(SETTINGS, max_connections=1)) as gate:
            first = await gate.connect()
            await trio.testing.wait_all_tasks_blocked()
            await first.aclose()
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            second = await gate.connect()
            await second.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            said = await rest(second)
            assert said.endswith(b"0 bytes by http") or not said, "where the first has not left yet there is no room"


@pytest.mark.parametrize("settled", [False, True])
async def test_a_client_that_has_its_answer_hears_goodbye_when_the_drain_begins(autojump_clock: object, *, settled: bool) -> None:
    """By GOAWAY, and that there was no error."""
    async with front() as gate:
        client = await speak(gate)
        await client.request(1, "/")
        await client.answer(1)
        if settled:
            await trio.testing.wait_all_tasks_blocked()
        gate.accept.cancel()
        while await client.read():
            pass
        (end,) = [event for event in client.events if isinstance(event, h2.events.ConnectionTerminated)]
        assert (end.error_code, trio.current_time()) == (h2.errors.ErrorCodes.NO_ERROR, 0)


async def test_a_request_that_was_taken_back_is_over_though_its_application_is_still_at_work(autojump_clock: object) -> None:
    """Nobody is told of that; it is seen at the next look, and the connection is idle from then on."""
    async with front() as gate:
        client = await speak(gate)
        await client.request(1, "/slow")
        client.wire.reset_stream(1)
        await client.flush()
        while await client.read():
            pass
        assert trio.current_time() == 62


async def test_of_requests_that_came_together_each_has_its_own_path(autojump_clock: object) -> None:
    paths: list[tuple[str, bytes]] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            paths.append((scope["path"], scope["query_string"]))
        await app(scope, receive, send)

    async with front(application=noting) as gate:
        stream = await gate.connect()
        await stream.send_all(
            b"".join(b"GET /%d?q=%d HTTP/1.1\r\nHost: x\r\n%b\r\n" % (n, n, b"Connection: close\r\n" * (n == 4)) for n in range(5))
        )
        assert (await rest(stream)).count(b"HTTP/1.1 200") == 5
    assert paths == [(f"/{number}", b"q=%d" % number) for number in range(5)]


async def test_who_makes_room_makes_it_for_one(autojump_clock: object) -> None:
    async with front(attrs.evolve(SETTINGS, max_connections=2)) as gate:
        busy, _ = await gate.connect(), await gate.connect()
        await busy.send_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        newcomers = [gate.network._connect("", 40000) for _ in range(2)]
        for stream in newcomers:
            stream._put(memoryview(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        answers = [await rest(stream) for stream in newcomers]
        assert sorted(answer.startswith(b"HTTP/1.1 200") for answer in answers) == [False, True]


async def test_an_application_hears_of_the_end_after_the_last_answer(autojump_clock: object) -> None:
    """Also where there was a time without any connection before."""
    heard: list[tuple[str, float]] = []

    async def living(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)
            return
        for _ in range(2):
            kind = (await receive())["type"]
            heard.append((kind, trio.current_time()))
            await send({"type": f"{kind}.complete"})

    async with front(application=living) as gate:
        for path in (b"/", b"/slow"):
            stream = await gate.connect()
            await stream.send_all(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path)
            if path == b"/":
                await rest(stream)
            await trio.testing.wait_all_tasks_blocked()
        gate.accept.cancel()
        assert (await rest(stream)).endswith(b"0 bytes by http")
        await trio.testing.wait_all_tasks_blocked()
    assert heard == [("lifespan.startup", 0), ("lifespan.shutdown", 5)]
