"""Who is let in, and who is told that there is no room. In memory, on the mock clock."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Iterator

import attrs
import pytest
import trio
import trio.testing
from tests.kit.front import GET, open_front

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.accepting import accept_all, accept_waiting, newcomers
from sluicegate.http1.server.connection_limit import ConnectionLimit
from sluicegate.http1.server.forwarded import PeerAddress
from sluicegate.http1.server.server import ServerSettings
from sluicegate.testing.memory_wire import MemoryNetwork


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await trio.sleep(5)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@attrs.define(eq=False)
class Scarce(trio.abc.Listener[trio.abc.Stream]):
    """A listener on a machine that has few descriptors left."""

    listener: trio.abc.Listener[trio.abc.Stream]
    left: int
    number: int = errno.EMFILE

    async def accept(self) -> trio.abc.Stream:
        if self.left == 0:
            await trio.lowlevel.checkpoint()
            raise OSError(self.number, os.strerror(self.number))
        stream = await self.listener.accept()
        self.left -= 1
        return stream

    async def aclose(self) -> None:
        await self.listener.aclose()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_a_listener_waits_while_descriptors_are_short(
    autojump_clock: object, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    network, welcomed, asked = MemoryNetwork(), list[float](), list[float]()
    listener = Scarce((await network.listen("127.0.0.1", 1))[0], left=1, number=number)

    def make_room() -> bool:
        asked.append(trio.current_time())
        return False

    nursery.start_soon(accept_all, listener, lambda _: welcomed.append(trio.current_time()), make_room, newcomers())
    for _ in range(3):
        await network.open_stream("127.0.0.1", 1)
    await trio.sleep(0.05)
    assert len(caplog.records) == 1, "it is said at once"
    await trio.sleep(10)
    assert (welcomed, len(asked), len(caplog.records)) == ([0.0], 101, 1), "it tells of it once"
    listener.left = 1
    await trio.sleep(49.9)
    assert (len(welcomed), len(caplog.records)) == (2, 1)
    await trio.sleep(0.2)
    assert (len(welcomed), len(caplog.records)) == (2, 2), "and once a minute"


async def test_where_descriptors_are_short_idle_connections_make_room_at_once(autojump_clock: object, nursery: trio.Nursery) -> None:
    network, welcomed = MemoryNetwork(), list[float]()
    listener = Scarce((await network.listen("127.0.0.1", 1))[0], left=0)

    def make_room() -> bool:
        listener.left += 1
        return True

    nursery.start_soon(accept_all, listener, lambda _: welcomed.append(trio.current_time()), make_room, newcomers())
    for _ in range(20):
        await network.open_stream("127.0.0.1", 1)
    await trio.sleep(0.5)
    assert len(welcomed) == 20
    assert welcomed[-1] < 0.1


async def test_who_waits_for_its_turn_as_the_accepting_ends_is_taken_at_once(autojump_clock: object, nursery: trio.Nursery) -> None:
    network, welcomed, turns = MemoryNetwork(), list[trio.abc.Stream](), newcomers()
    (listener,) = await network.listen("127.0.0.1", 1)
    nursery.start_soon(turns.run)
    for _ in range(2):
        await network.open_stream("127.0.0.1", 1)
    async with trio.open_nursery() as accepting:
        accepting.start_soon(accept_all, listener, welcomed.append, lambda: False, turns)
        while not welcomed:
            await trio.lowlevel.checkpoint()
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        assert len(welcomed) == 1, "the other has been accepted, and waits"
        accepting.cancel_scope.cancel()
    assert len(welcomed) == 2


async def test_a_listener_that_is_of_no_use_is_a_failure(autojump_clock: object) -> None:
    listener = Scarce((await MemoryNetwork().listen("127.0.0.1", 1))[0], left=0, number=errno.EINVAL)
    with pytest.raises(OSError, match="Invalid argument"):
        await accept_all(listener, lambda _: None, lambda: False, newcomers())


async def test_who_is_turned_away_can_read_why_though_its_request_was_not_read(autojump_clock: object) -> None:
    async with open_front(slow, ServerSettings(max_connections=1), network=MemoryNetwork(resets=True)) as front:
        busy = await front.dial()
        await busy.say(GET)
        await trio.testing.wait_all_tasks_blocked()
        other = await front.dial()
        await other.stream.send_all(GET)
        assert (await other.answer()).status == 503
        assert await other.rest() == b""
        assert (await busy.answer()).status == 200


async def test_who_is_turned_away_is_kept_neither_waiting_nor_for_long(autojump_clock: object) -> None:
    """It reads at once that there is no more to come, and whoever does not go is left after a second."""
    async with open_front(slow, ServerSettings(max_connections=1)) as front:
        busy = await front.dial()
        await busy.say(GET)
        await trio.testing.wait_all_tasks_blocked()
        other, talker = await front.dial(), await front.dial()
        assert (await other.answer()).status == 503
        assert await other.rest() == b""
        assert trio.current_time() == 0
        await trio.testing.wait_all_tasks_blocked()
        before = len(front.connections.child_tasks)
        await other.close()
        await trio.testing.wait_all_tasks_blocked()
        assert len(front.connections.child_tasks) == before - 1
        for _ in range(131):
            try:
                await talker.stream.send_all(b"x" * 1000)
            except trio.BrokenResourceError:
                break
        await trio.testing.wait_all_tasks_blocked()
        assert (len(front.connections.child_tasks), trio.current_time()) == (before - 2, 0)
        assert (await busy.answer()).status == 200


async def test_those_who_are_turned_away_do_not_pile_up(autojump_clock: object) -> None:
    async with open_front(slow, ServerSettings(max_connections=1)) as front:
        busy = await front.dial()
        await busy.say(GET)
        await trio.testing.wait_all_tasks_blocked()
        others = [await front.dial() for _ in range(100)]
        await trio.testing.wait_all_tasks_blocked()
        answered = [other for other in others if other.stream._in.data]
        assert len(answered) == 64
        assert len(front.connections.child_tasks) == 66, "these, the busy one, and the server's own"
        await trio.sleep(1)
        await trio.testing.wait_all_tasks_blocked()
        assert len(front.connections.child_tasks) == 2
        others = [await front.dial() for _ in range(100)]
        await trio.testing.wait_all_tasks_blocked()
        assert len([other for other in others if other.stream._in.data]) == 64, "as many as before"


def test_a_peer_that_may_not_come_in_makes_nobody_leave() -> None:
    connection_limit, asked = ConnectionLimit(2, 1), list[bool]()

    def make_room() -> bool:
        asked.append(True)
        return True

    one, other, third = (PeerAddress((f"10.0.0.{number}", 1)) for number in range(3))
    assert [connection_limit.enter(peer, make_room) for peer in (one, other, one, other)] == [True, True, False, False]
    assert asked == []
    assert connection_limit.enter(third, make_room)
    assert asked == [True]


class Blocked(BaseException):
    """Something waits in the kernel."""


@pytest.fixture
def bounded() -> Iterator[None]:
    """What blocks the whole thread fails, where Trio's own clocks stand still."""

    def end(_number: int, _frame: object) -> None:
        raise Blocked

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 10.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


async def test_those_at_a_door_of_the_system_are_let_in_and_nobody_is_waited_for(bounded: None) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    welcomed: list[trio.abc.Stream] = []
    with socket.socket() as client:
        client.connect(listener.socket.getsockname())
        accept_waiting(listener, welcomed.append)
        assert len(welcomed) == 1
        client.sendall(b"x")
        assert await welcomed[0].receive_some() == b"x"
        accept_waiting(listener, welcomed.append)
        assert len(welcomed) == 1
        await welcomed[0].aclose()
        with trio.move_on_after(0) as scope:  # Trio still waits for it as it did
            await listener.accept()
        assert scope.cancelled_caught
    await listener.aclose()
