"""Each bound of the server, and what follows one byte, or one of whatever it counts, beyond it. In memory, on the mock clock."""

from __future__ import annotations

import gc
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing
from tests.kit.broken import BrokenFirst
from tests.kit.front import GET, HandClient, open_front

from sluicegate.http1.asgi import ASGIApp, Receive, Scope, Send
from sluicegate.http1.server.accepting import accept_waiting
from sluicegate.http1.server.connection import ServerConnection
from sluicegate.http1.server.lifespan import Lifespan
from sluicegate.http1.server.outgoing import MessageSender
from sluicegate.http1.server.response_writer import DateLine
from sluicegate.http1.server.server import ServerSettings, serve
from sluicegate.http1.server.shared import Serving
from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream, memory_pair


def only_http(handler: Callable[[Scope, Receive, Send], Awaitable[None]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await handler(scope, receive, send)

    return app


async def refuse(send: Send) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


@only_http
async def busy(scope: Scope, receive: Receive, send: Send) -> None:
    await trio.sleep(100)
    await refuse(send)


async def is_listened_to(client: HandClient) -> bool:
    """Whether the server has not closed the connection."""
    await trio.testing.wait_all_tasks_blocked()
    try:
        await client.stream.send_all(b"")
    except trio.BrokenResourceError:
        return False
    return True


async def test_half_a_mebibyte_is_dropped_behind_the_last_answer_and_no_byte_more(autojump_clock: object) -> None:
    async with open_front(busy) as front:
        client = await front.dial()
        await client.say(b"nonsense\r\n\r\n", *[b"a" * 32_768] * 16)
        assert await is_listened_to(client)
        await client.say(b"a")
        assert not await is_listened_to(client)
        assert trio.current_time() == 0


async def test_64_kibibytes_are_dropped_of_who_is_turned_away_and_no_byte_more(autojump_clock: object) -> None:
    async with open_front(busy, ServerSettings(max_connections=1)) as front:
        await (await front.dial()).say(GET)
        await trio.testing.wait_all_tasks_blocked()
        client = await front.dial()
        await client.say(b"a" * 30_000, b"a" * 35_535)
        assert await is_listened_to(client)
        await client.say(b"a")
        assert not await is_listened_to(client)
        assert trio.current_time() == 0


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize(("length", "sent", "stays"), [(65_536, 0, True), (65_537, 0, False), (65_546, 10, True), (65_547, 10, False)])
async def test_a_connection_stays_where_64_kibibytes_of_an_unwanted_body_are_missing(
    autojump_clock: object, length: int, sent: int, *, stays: bool, reads: bool
) -> None:
    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(1)
        if reads and sent:
            await receive()
        await refuse(send)

    async with open_front(app) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length + b"x" * sent)
        assert ("connection" not in (await client.answer()).headers) is stays
        if stays:
            await client.say(b"x" * (length - sent) + GET)
            assert (await client.answer()).status == 401


@pytest.mark.parametrize("took", [False, True])
@pytest.mark.parametrize("parts", [[65_536, 1, 1], [65_537, 1, 0]])
async def test_64_kibibytes_of_a_body_are_read_ahead_and_what_comes_on_top_stays_where_it_is(
    autojump_clock: object, parts: list[int], *, took: bool
) -> None:
    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if took:
            assert (await receive())["body"] == b"first"
        await busy(scope, receive, send)

    async with open_front(app) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        if took:
            await client.say(b"first")
            await trio.testing.wait_all_tasks_blocked()
        await client.say(*(b"x" * part for part in parts))
        await trio.testing.wait_all_tasks_blocked()
        assert len(client.stream._out.data) == 1


@pytest.mark.parametrize(("size", "until"), [(14_999, 30), (15_000, 31)])
async def test_500_bytes_a_second_of_a_body_are_enough(autojump_clock: object, size: int, until: int) -> None:
    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass

    async with open_front(app) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        await trio.sleep(1)
        await client.say(b"x" * size)
        assert (await client.answer()).status == 408
        assert trio.current_time() == until


async def test_sixteen_applications_of_a_connection_may_go_on_after_their_answers(autojump_clock: object) -> None:
    """The answer of one more leaves, too, but then nobody is asked before one of them has ended."""

    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(send)
        await trio.sleep(100)

    async with open_front(app) as front:
        client = await front.dial()
        await client.say(GET * 30)
        for count in range(30):
            await client.answer()
            assert trio.current_time() == (0 if count < 17 else 100)


def test_bodies_that_are_not_complete_may_take_256_mebibytes() -> None:
    serving = Serving(cast("Any", None), ServerSettings(), DateLine(lambda: 0.0), cast("Any", None))
    serving.hold("one", 134_217_728)
    assert not serving.is_full("one")
    serving.hold("another", 1)
    assert (serving.is_full("one"), serving.is_full("another")) == (True, False)


@attrs.define(eq=False)
class Crowd(trio.abc.Listener[trio.abc.Stream]):
    """As many as anybody asks for are at this door."""

    stream: MemoryStream = attrs.field(factory=lambda: memory_pair()[0])

    def accept_now(self) -> MemoryStream:
        return self.stream

    async def accept(self) -> MemoryStream:
        await trio.lowlevel.checkpoint()
        return self.stream

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def test_those_who_are_let_in_at_the_end_are_4096_at_most() -> None:
    """The system has no longer a queue; so this ends also where they come as fast as they are let in."""
    welcomed: list[trio.abc.Stream] = []
    accept_waiting(Crowd(), welcomed.append)
    assert len(welcomed) == 4096


@pytest.mark.parametrize("ends", ["gone", "whole", "whole, and still at work"])
async def test_nothing_is_held_of_a_body_that_has_ended(autojump_clock: object, ends: str) -> None:
    """Not a byte: here a hundred are all that may be held."""

    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        if ends == "whole, and still at work" and scope["path"] == "/first":
            await trio.sleep(100)
        if message["type"] == "http.request":
            await refuse(send)

    async with open_front(app, ServerSettings(read_ahead=10, most_held=100)) as front:
        first, second = await front.dial(), await front.dial()
        await first.say(b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n", b"x" * 50)
        await trio.testing.wait_all_tasks_blocked()
        await (first.close() if ends == "gone" else first.say(b"x" * 40))
        await trio.testing.wait_all_tasks_blocked()
        await second.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n", b"x" * 100, b"x" * 100)
        assert (await second.answer()).status == 401
        third = await front.dial()
        await third.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n", b"x" * 101)
        assert (await third.answer()).status == 503


async def test_an_application_that_asks_again_after_its_end_hears_nothing(autojump_clock: object) -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        while True:
            heard.append((await receive())["type"])
            await send({"type": heard[-1] + ".complete"})

    async with trio.open_nursery() as nursery:
        lifespan = Lifespan(app)
        assert await nursery.start(lifespan.run) == ""
        lifespan.end()
        await trio.sleep(100)
        assert heard == ["lifespan.startup", "lifespan.shutdown"]
        nursery.cancel_scope.cancel()


async def test_a_small_body_that_is_not_wanted_has_two_seconds_to_come(autojump_clock: object) -> None:
    async with open_front(only_http(lambda _scope, _receive, send: refuse(send))) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert (await client.answer()).status == 401
        assert await client.rest() == b""
        assert trio.current_time() == 2


async def test_a_body_that_is_not_wanted_is_dropped_also_where_much_of_it_waits(autojump_clock: object) -> None:
    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(1)
        await refuse(send)

    async with open_front(app, ServerSettings(read_ahead=1000), network=MemoryNetwork(buffer=1000)) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000 + GET)
        assert [(await client.answer()).status for _ in range(2)] == [401, 401]
        assert trio.current_time() == 2


async def test_a_place_is_free_again_when_its_connection_has_ended(autojump_clock: object) -> None:
    async with open_front(only_http(lambda _scope, _receive, send: refuse(send)), ServerSettings(max_connections=1)) as front:
        for _ in range(3):
            client = await front.dial()
            await client.say(GET)
            assert (await client.answer()).status == 401
            await client.close()
            await trio.testing.wait_all_tasks_blocked()


async def test_few_are_held_of_many_connections_that_have_ended(autojump_clock: object) -> None:
    """Their time may be over in a minute only, but they are no business of the timekeeper's any more."""
    async with open_front(only_http(lambda _scope, _receive, send: refuse(send))) as front:
        for _ in range(200):
            client = await front.dial()
            await client.say(GET)
            await client.answer()
            await client.close()
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        held = [one for one in gc.get_objects() if isinstance(one, ServerConnection | MessageSender)]
        assert len(held) <= 65


async def test_a_bug_costs_its_connection_and_is_told(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    network = MemoryNetwork()
    (below,) = await network.listen("127.0.0.1", 80)
    async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
        app = only_http(lambda _scope, _receive, send: refuse(send))
        await accepting.start(partial(serve, app, [BrokenFirst(below)], connections=connections))
        client = HandClient(await network.open_stream("127.0.0.1", 80))
        await client.say(GET)
        assert (await client.answer()).status == 401
        accepting.cancel_scope.cancel()
        connections.cancel_scope.cancel()
    assert [record.message for record in caplog.records] == ["a connection failed"]


async def test_an_application_that_could_not_end_well_is_told_of(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "the disk is full"})

    async with open_front(app) as front:
        front.accepting.cancel()
        await trio.testing.wait_all_tasks_blocked()
    assert "an application could not end well" in caplog.text
    assert "the disk is full" in caplog.text


async def test_who_is_turned_away_is_told_of(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    async with open_front(busy, ServerSettings(max_connections=1)) as front:
        await (await front.dial()).say(GET)
        await trio.testing.wait_all_tasks_blocked()
        assert (await (await front.dial()).answer()).status == 503
    assert "there is no room for another connection" in caplog.text


async def test_the_kernel_of_a_connection_is_told_to_hold_little_back() -> None:
    streams = list[trio.SocketStream]()
    (below,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    @attrs.define(eq=False)
    class Door(trio.abc.Listener[trio.abc.Stream]):
        async def accept(self) -> trio.abc.Stream:
            streams.append(await below.accept())
            return streams[-1]

        async def aclose(self) -> None:
            await below.aclose()

    async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
        app = only_http(lambda _scope, _receive, send: refuse(send))
        await accepting.start(partial(serve, app, [Door()], connections=connections))
        client = await trio.open_tcp_stream(*below.socket.getsockname())
        await client.send_all(GET)
        assert b"401" in await client.receive_some()
        assert int(streams[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)) <= 262_144
        await client.aclose()
        accepting.cancel_scope.cancel()
