"""What a client has to take of an answer that Hypercorn's parts send, in which time: on real sockets, under a clock of ours."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
import trio.testing
from tests.kit.slow_reader import read_slowly

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.hypercorn.server import serve

Clock = trio.testing.MockClock
SETTINGS = ServerSettings(write_seconds=30, min_rate=500)


@attrs.define(eq=False)
class Door(trio.abc.Listener[trio.SocketStream]):
    """Lets in one connection, which is there already."""

    streams: list[trio.SocketStream]

    async def accept(self) -> trio.SocketStream:
        if not self.streams:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return self.streams.pop()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An answer of 300 000 bytes in parts of the size that the path says."""
    size = int(scope["path"][1:])
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"300000")]})
    for start in range(0, 300_000, size):
        await send({"type": "http.response.body", "body": b"x" * min(size, 300_000 - start), "more_body": start + size < 300_000})


@asynccontextmanager
async def served(size: int, holds: int) -> AsyncGenerator[socket.socket]:
    """A client that has asked for an answer in parts of that size; the kernel holds about so much between it and the server."""
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, holds)
    there.setblocking(False)
    door = Door([trio.SocketStream(trio.socket.from_stdlib_socket(here))])
    with here, there:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, app, [door], connections=nursery, settings=SETTINGS))
            there.send(b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % size)
            yield there
            nursery.cancel_scope.cancel()


async def read(client: socket.socket, rate: int, most: float) -> int:
    """How many bytes came, without the head."""
    return len((await read_slowly(client, rate, most)).partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(("size", "holds"), [(4000, 65_536), (16_384, 65_536), (300_000, 4096)])
async def test_who_reads_slowly_but_steadily_gets_all_of_it(size: int, holds: int, autojump_clock: Clock) -> None:
    """However large a part is, and however much of others the kernel holds before it wants the next."""
    async with served(size, holds) as client:
        assert await read(client, 600, 1000) == 300_000


@pytest.mark.parametrize("size", [4000, 300_000])
async def test_who_reads_nothing_is_cut_when_a_term_is_over_however_large_the_rest_is(size: int, autojump_clock: Clock) -> None:
    async with served(size, 65_536) as client:
        await trio.sleep(2 * SETTINGS.write_seconds + 1)
        assert 0 < await read(client, 10**9, trio.current_time() + 5) < 300_000
