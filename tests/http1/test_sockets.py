"""Real sockets whose sending is not left to Trio."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import socket
from collections.abc import Iterator
from timeit import repeat

import pytest
import trio

from sluicegate.http1.sockets import QuickSocket, hold_little_back, is_readable, probe_of_descriptor, quicken, unsent
from sluicegate.testing.memory_wire import memory_pair


@pytest.fixture
def ends() -> Iterator[tuple[QuickSocket, socket.socket]]:
    """One end as we use it, and the other as the kernel has it."""
    here, there = socket.socketpair()
    quick = quicken(trio.SocketStream(trio.socket.from_stdlib_socket(here)))
    assert isinstance(quick, QuickSocket)
    with here, there:
        yield quick, there


async def filled(quick: QuickSocket) -> None:
    while quick.send_now(b"x" * 65_536):
        await trio.lowlevel.checkpoint()


async def test_while_one_waits_for_room_nobody_else_may_send_or_wait(
    ends: tuple[QuickSocket, socket.socket], nursery: trio.Nursery
) -> None:
    """Else a piece of one message would stand in the middle of another."""
    quick, _ = ends
    await filled(quick)
    nursery.start_soon(quick.wait_send_all_might_not_block)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(trio.BusyResourceError):
        quick.send_now(b"y")
    with pytest.raises(trio.BusyResourceError):
        await quick.wait_send_all_might_not_block()
    nursery.cancel_scope.cancel()


async def test_who_was_cut_while_it_waited_is_not_in_the_way_of_the_next(ends: tuple[QuickSocket, socket.socket]) -> None:
    quick, there = ends
    await filled(quick)
    with trio.move_on_after(0.01):
        await quick.wait_send_all_might_not_block()
    while len(there.recv(1 << 20)) == 1 << 20:
        pass
    assert quick.send_now(b"y") == 1


async def test_what_was_said_to_be_all_is_all(ends: tuple[QuickSocket, socket.socket]) -> None:
    quick, there = ends
    await quick.send_all(b"x")
    await quick.send_eof()
    with pytest.raises(trio.ClosedResourceError):
        quick.send_now(b"y")
    assert [there.recv(10), there.recv(10)] == [b"x", b""]


def test_a_descriptor_over_a_thousand_is_looked_at_as_well() -> None:
    """select(2) takes none from 1024 on, and a gateway has many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    here, there = socket.socketpair()
    with here, there:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (max(soft, min(hard, 2048)) if hard != resource.RLIM_INFINITY else max(soft, 2048), hard)
        )
        try:
            high = socket.socket(fileno=fcntl.fcntl(here.fileno(), fcntl.F_DUPFD, 1030))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with high:
            assert not is_readable(_Stream(high))
            os.write(there.fileno(), b"x")
            assert is_readable(_Stream(high))


class _Stream:
    """As much of a stream as is looked at."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end


async def test_of_every_end_it_is_known_whether_waiting_for_it_is_over(ends: tuple[QuickSocket, socket.socket]) -> None:
    """One that is closed has nothing to wait for; one that cannot tell may still bring something."""
    quick, there = ends
    assert not is_readable(quick)
    there.send(b"x")
    assert is_readable(quick)
    assert quick.receive_now(10) == b"x"
    assert not is_readable(quick)
    there.shutdown(socket.SHUT_WR)
    assert is_readable(quick), "its end has come"
    ours, theirs = memory_pair(100)
    assert not is_readable(ours)
    await theirs.send_all(b"x")
    assert is_readable(ours)
    assert not is_readable(object())
    await quick.aclose()
    assert is_readable(quick)


async def test_what_the_other_side_has_not_taken_is_known_about(ends: tuple[QuickSocket, socket.socket]) -> None:
    quick, there = ends
    assert unsent(quick) == 0
    await filled(quick)
    held = unsent(quick)
    assert held > 65_536
    there.recv(65_536)
    assert 0 < unsent(quick) < held
    assert unsent(object()) == unsent(memory_pair(100)[0]) == 0
    await quick.aclose()
    assert unsent(quick) == 0


@pytest.mark.parametrize("has_poll", [True, False])
def test_whether_something_has_come_is_told_at_once(has_poll: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may wait for it: it is asked of each connection. Windows knows no poll(2)."""
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    here, there = socket.socketpair()
    with here, there:
        has_come = probe_of_descriptor(here.fileno())
        assert has_come() is False
        assert min(repeat(has_come, number=1, repeat=50)) < 0.0005
        there.send(b"x")
        assert has_come() is True


async def test_64_kibibytes_are_read_at_a_time_or_as_many_as_were_asked_for(ends: tuple[QuickSocket, socket.socket]) -> None:
    quick, there = ends
    there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    there.setblocking(False)
    assert there.send(b"x" * 70_000) == 70_000
    assert len(await quick.receive_some(1)) == 1
    assert len(await quick.receive_some()) == 65_536
    with pytest.raises(ValueError, match="at least 1"):
        await quick.receive_some(0)


async def test_the_kernel_is_told_to_hold_little_of_what_a_client_does_not_read() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with socket.socket() as client:
        client.connect(listener.socket.getsockname())
        stream = await listener.accept()
        hold_little_back(stream)
        assert 0 < int(stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)) <= 262_144
        await stream.aclose()
    await listener.aclose()


async def test_what_is_gone_or_no_socket_holds_nothing_back(ends: tuple[QuickSocket, socket.socket]) -> None:
    quick, _ = ends
    hold_little_back(memory_pair()[0])
    hold_little_back(quick.stream)
    await quick.aclose()
    hold_little_back(quick.stream)
