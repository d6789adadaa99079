"""What holds for the network, in memory or of the system: who listens, who connects, and the streams between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.http1.sockets import is_readable, quicken
from sluicegate.outside import Listen, OpenStream, listen, open_stream
from sluicegate.testing.memory_wire import MemoryListener, MemoryNetwork

Stream = trio.abc.HalfCloseableStream
Listener = trio.abc.Listener[trio.abc.Stream]
HOST = "127.0.0.1"
PATIENCE = 20
MORE_THAN_IS_KEPT = 32 << 20
"""Bytes; no system keeps so many for somebody who does not read."""


@attrs.frozen
class Network:
    """The two factories of an `sluicegate.outside.Outside`, and what the gateway does to a stream of theirs."""

    listen: Listen
    open_stream: OpenStream
    prepare: Callable[[trio.abc.Stream], trio.abc.Stream] = lambda stream: stream

    async def listener(self) -> Listener:
        (one,) = await self.listen(HOST, 0)
        return one

    async def connect(self, listener: Listener) -> Stream:
        return self._prepared(await self.open_stream(HOST, port_of(listener)))

    async def accept(self, listener: Listener) -> Stream:
        return self._prepared(await listener.accept())

    def _prepared(self, stream: trio.abc.Stream) -> Stream:
        ready = self.prepare(stream)
        assert isinstance(ready, trio.abc.HalfCloseableStream)
        return ready


def port_of(listener: Listener) -> int:
    """Where it listens."""
    if isinstance(listener, MemoryListener):
        return listener.port
    assert isinstance(listener, trio.SocketListener)
    return int(listener.socket.getsockname()[1])


def in_memory() -> Network:
    network = MemoryNetwork(resets=True)
    return Network(network.listen, network.open_stream)


def of_the_system() -> Network:
    return Network(listen, open_stream)


def of_the_system_without_detours() -> Network:
    return Network(listen, open_stream, quicken)


@pytest.fixture(
    params=[in_memory, *(pytest.param(real, marks=pytest.mark.slow) for real in (of_the_system, of_the_system_without_detours))],
    ids=["memory", "TCP", "TCP without detours"],
)
def network(request: pytest.FixtureRequest) -> Network:
    """In memory, or TCP on loopback, with Trio's streams and with ours."""
    made: Network = request.param()
    return made


@asynccontextmanager
async def connected(network: Network) -> AsyncGenerator[tuple[Stream, Stream], None]:
    """Both ends of a connection."""
    with trio.fail_after(PATIENCE):
        async with (
            await network.listener() as listener,
            await network.connect(listener) as ours,
            await network.accept(listener) as theirs,
        ):
            yield ours, theirs


async def rest_of(stream: Stream) -> bytes:
    """All that comes until the other side has said its last."""
    said = bytearray()
    while chunk := await stream.receive_some():
        said += chunk
    return bytes(said)


async def raised_by(waiting: Callable[[], Awaitable[Any]]) -> type[Exception] | None:
    """What somebody gets in the place of an answer."""
    try:
        await waiting()
    except Exception as error:  # noqa: BLE001  which one it is, is what is asked
        return type(error)
    return None


# -- listening and connecting


async def test_a_port_that_nobody_chose_is_free_and_there_are_many(network: Network) -> None:
    listeners = [await network.listener() for _ in range(3)]
    assert len({port_of(listener) for listener in listeners}) == 3
    assert all(0 < port_of(listener) < 65536 for listener in listeners)
    for listener in listeners:
        await listener.aclose()


async def test_where_nobody_listens_any_more_a_connection_is_refused(network: Network) -> None:
    with trio.fail_after(PATIENCE):
        listener = await network.listener()
        port = port_of(listener)
        await (await network.open_stream(HOST, port)).aclose()
        await listener.aclose()
        refused = await raised_by(lambda: network.open_stream(HOST, port))
    assert refused is not None
    assert issubclass(refused, OSError)


async def test_a_listener_that_is_closed_lets_go_of_who_waits_for_the_next_client(network: Network) -> None:
    with trio.fail_after(PATIENCE):
        listener = await network.listener()
        raised: list[type[Exception] | None] = []

        async def wait() -> None:
            raised.append(await raised_by(listener.accept))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await listener.aclose()
        assert raised == [trio.ClosedResourceError]
        assert await raised_by(listener.accept) is trio.ClosedResourceError


async def test_clients_that_wait_to_be_accepted_are_taken_in_their_order_with_what_they_have_said(network: Network) -> None:
    with trio.fail_after(PATIENCE):
        async with await network.listener() as listener:
            clients = [await network.connect(listener) for _ in range(5)]
            for number, client in enumerate(clients):
                await client.send_all(b"%d" % number)
                await client.send_eof()
            heard = []
            for _ in clients:
                async with await network.accept(listener) as server:
                    heard.append(await rest_of(server))
            for client in clients:
                await client.aclose()
    assert heard == [b"0", b"1", b"2", b"3", b"4"]


# -- what passes


async def test_it_is_a_stream(network: Network) -> None:
    """Trio's own suite for streams that can be ended on one side."""
    async with await network.listener() as listener:

        async def pair() -> tuple[Stream, Stream]:
            return await network.connect(listener), await network.accept(listener)

        with trio.fail_after(2 * PATIENCE):
            await trio.testing.check_half_closeable_stream(pair, None)


async def test_what_is_sent_comes_whole_and_in_its_order_both_ways_at_once(network: Network) -> None:
    there, back = (bytes(range(factor, 256)) * 4000 for factor in (0, 1))
    heard: dict[str, bytes] = {}

    async def say(stream: Stream, data: bytes) -> None:
        await stream.send_all(data)
        await stream.send_eof()

    async def hear(stream: Stream, name: str) -> None:
        heard[name] = await rest_of(stream)

    async with connected(network) as (ours, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(say, ours, there)
        nursery.start_soon(say, theirs, back)
        nursery.start_soon(hear, ours, "back")
        nursery.start_soon(hear, theirs, "there")
    assert heard == {"there": there, "back": back}


async def test_no_more_comes_at_once_than_was_asked_for_and_the_rest_comes_next(network: Network) -> None:
    async with connected(network) as (ours, theirs):
        await ours.send_all(b"abcdef")
        await ours.send_eof()
        said = b""
        while chunk := await theirs.receive_some(2):
            assert len(chunk) <= 2
            said += chunk
        assert said == b"abcdef"


async def test_who_is_cut_while_it_waits_has_lost_nothing(network: Network) -> None:
    async with connected(network) as (ours, theirs):
        with trio.move_on_after(0.01) as scope:
            await theirs.receive_some()
        assert scope.cancelled_caught
        await ours.send_all(b"late")
        assert await theirs.receive_some() == b"late"


async def test_who_does_not_read_holds_up_who_sends_and_nobody_else(network: Network) -> None:
    sent: list[str] = []

    async def send(stream: Stream) -> None:
        await stream.send_all(bytes(MORE_THAN_IS_KEPT))
        sent.append("all")

    async with connected(network) as (ours, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(send, ours)
        await theirs.send_all(b"meanwhile")
        assert await ours.receive_some() == b"meanwhile"
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert sent == []
        left = MORE_THAN_IS_KEPT
        while left:
            left -= len(await theirs.receive_some())
    assert sent == ["all"]


async def test_whether_something_is_there_can_be_asked_without_waiting(network: Network) -> None:
    async with connected(network) as (ours, theirs):
        answers = [is_readable(theirs)]
        await ours.send_all(b"a")
        while not is_readable(theirs):  # the system may take a moment
            await trio.lowlevel.checkpoint()
        await theirs.receive_some()
        answers.append(is_readable(theirs))
        await ours.aclose()
        while not is_readable(theirs):
            await trio.lowlevel.checkpoint()
        assert await theirs.receive_some() == b""
        assert answers == [False, False]


# -- how it ends


async def test_each_side_may_end_first_and_still_hear_the_other(network: Network) -> None:
    async with connected(network) as (ours, theirs):
        await ours.send_all(b"my last")
        await ours.send_eof()
        assert await rest_of(theirs) == b"my last"
        await theirs.send_all(b"and mine")
        await theirs.send_eof()
        assert await rest_of(ours) == b"and mine"
        assert await ours.receive_some() == b""
        assert await raised_by(lambda: ours.send_all(b"more")) is trio.ClosedResourceError


async def test_what_was_read_by_then_is_lost_to_nobody_when_the_other_side_closes(network: Network) -> None:
    async with connected(network) as (ours, theirs):
        await theirs.send_all(b"the last word")
        await theirs.aclose()
        assert await rest_of(ours) == b"the last word"


async def test_closing_with_unread_bytes_resets_the_connection(network: Network) -> None:
    async with connected(network) as (ours, theirs):
        await ours.send_all(b"never read")
        while not is_readable(theirs):
            await trio.lowlevel.checkpoint()
        await theirs.aclose()
        assert await raised_by(ours.receive_some) is trio.BrokenResourceError


async def test_who_goes_on_sending_to_somebody_who_has_gone_is_told(network: Network) -> None:
    """Not with the first word, where the system has still to find out."""
    async with connected(network) as (ours, theirs):
        await theirs.aclose()
        raised = None
        while raised is None:
            raised = await raised_by(lambda: ours.send_all(b"hello?"))
        assert raised is trio.BrokenResourceError


@pytest.mark.parametrize("end", ["ours", "theirs"])
async def test_a_stream_that_is_closed_is_of_no_more_use_on_this_side(network: Network, end: str) -> None:
    async with connected(network) as both:
        stream = both[("ours", "theirs").index(end)]
        await stream.aclose()
        await stream.aclose()
        assert await raised_by(lambda: stream.send_all(b"x")) is trio.ClosedResourceError
        assert await raised_by(stream.receive_some) is trio.ClosedResourceError


async def test_closing_lets_go_of_who_waits_on_this_side(network: Network) -> None:
    raised: list[type[Exception] | None] = []

    async def wait(stream: Stream) -> None:
        raised.append(await raised_by(stream.receive_some))

    async with connected(network) as (ours, _theirs), trio.open_nursery() as nursery:
        nursery.start_soon(wait, ours)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await ours.aclose()
    assert raised == [trio.ClosedResourceError]


async def test_two_who_read_at_once_are_a_mistake_and_the_first_one_is_served(network: Network) -> None:
    heard: list[bytes] = []

    async def wait(stream: Stream) -> None:
        heard.append(bytes(await stream.receive_some()))

    async with connected(network) as (ours, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(wait, ours)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert await raised_by(ours.receive_some) is trio.BusyResourceError
        await theirs.send_all(b"for the first")
    assert heard == [b"for the first"]
