"""What a client has to take of an answer in which time, where the kernel takes part of it at once: on real sockets, under a clock of ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing
from tests.kit.slow_reader import read_slowly

from sluicegate.http1.server.outgoing import MessageSender
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.http1.sockets import QuickSocket, quicken
from sluicegate.http1.timekeeper import Timekeeper

SETTINGS = ServerSettings(write_seconds=30, min_rate=500)


@pytest.fixture
def ends() -> Iterator[tuple[MessageSender, socket.socket]]:
    """What a server sends with, and its client; the kernel holds little between them."""
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # it takes some KiB all the same
    there.setblocking(False)
    quick = quicken(trio.SocketStream(trio.socket.from_stdlib_socket(here)))
    assert isinstance(quick, QuickSocket)
    with here, there:
        yield MessageSender(quick, SETTINGS, Timekeeper()), there


async def sent(outgoing: MessageSender, data: bytes, results: list[object]) -> None:
    try:
        await outgoing.send(data)
    except OSError as error:
        results.append(error)
    else:
        results.append("all")
        await outgoing.end()


@pytest.mark.parametrize("rate", [600, 5000])
async def test_who_reads_slowly_but_steadily_gets_all_of_it_however_long_that_takes(
    rate: int, ends: tuple[MessageSender, socket.socket], nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    outgoing, client = ends
    results: list[object] = []
    nursery.start_soon(outgoing.timekeeper.run)
    nursery.start_soon(sent, outgoing, b"a" * 300_000, results)
    assert len(await read_slowly(client, rate, 10_000)) == 300_000
    assert results == ["all"]
    assert trio.current_time() >= 2 * SETTINGS.write_seconds - 2
    await trio.sleep(1000)
    assert not outgoing.given_up, "nobody is in the way after the last byte"
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("rate", [0, 100])
async def test_who_takes_too_little_of_it_is_cut_when_the_time_for_it_is_over(
    rate: int, ends: tuple[MessageSender, socket.socket], nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    outgoing, client = ends
    results: list[object] = []
    nursery.start_soon(outgoing.timekeeper.run)
    nursery.start_soon(sent, outgoing, b"a" * 300_000, results)
    await read_slowly(client, rate, SETTINGS.write_seconds - 1)
    assert (outgoing.given_up, results) == (False, [])
    got = len(await read_slowly(client, rate, (3 if rate else 1) * SETTINGS.write_seconds + 1))
    assert [str(error) for error in results] == ["[Errno 32] the client has gone"]
    assert outgoing.given_up
    assert got < 90 * rate + 1
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("moment", "buys"), [(1.0, False), (7.4, False), (7.6, True), (29.0, True)])
async def test_what_the_other_kernel_takes_at_first_is_not_read_by_anybody(
    moment: float, buys: bool, ends: tuple[MessageSender, socket.socket], nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A client's kernel takes megabytes that the client never reads: that must not buy it a second term."""
    outgoing, client = ends
    results: list[object] = []
    nursery.start_soon(outgoing.timekeeper.run)
    nursery.start_soon(sent, outgoing, b"a" * 300_000, results)
    await trio.sleep(moment)
    assert len(client.recv(4000)) == 4000
    await trio.sleep(31 - moment)
    assert outgoing.given_up is not buys
    await trio.sleep(SETTINGS.write_seconds)
    assert [str(error) for error in results] == ["[Errno 32] the client has gone"]
    nursery.cancel_scope.cancel()
