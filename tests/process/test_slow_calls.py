"""A client on the MCP SDK whose call takes long: it loses its connection in the middle, and gets the answer all the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import pytest
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from sluicegate import Builder
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay

pytestmark = [
    pytest.mark.slow,
    # the SDK's client leaves streams half-read; our own does not, and tests without the SDK's client would say so
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),
]

PATIENCE = 60
TAKES = 5.0
"""Seconds; the answer begins after two."""
LOST_AT = 3.0


@attrs.define
class Relay:
    """Passes bytes on to a port of loopback, and can break all connections."""

    port: int
    url: str = ""
    open: list[trio.SocketStream] = attrs.field(factory=list)

    async def carry(self, ours: trio.SocketStream) -> None:
        theirs = await trio.open_tcp_stream("127.0.0.1", self.port)
        self.open += [ours, theirs]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.pass_on, ours, theirs)
            nursery.start_soon(self.pass_on, theirs, ours)

    async def pass_on(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await source.receive_some():
                await sink.send_all(data)
        await trio.aclose_forcefully(sink)

    def cut(self) -> int:
        """Break whatever is open; how many connections that were."""
        cut = [stream for stream in self.open if stream.socket.fileno() >= 0]
        self.open.clear()
        for stream in cut:
            stream.socket.close()
        return len(cut) // 2


@asynccontextmanager
async def relayed(port: int) -> AsyncGenerator[Relay, None]:
    async with trio.open_nursery() as nursery:
        relay = Relay(port)
        (listener,) = await nursery.start(partial(trio.serve_tcp, relay.carry, 0, host="127.0.0.1"))
        relay.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/mcp"
        yield relay
        nursery.cancel_scope.cancel()


async def test_a_call_whose_connection_breaks_before_anything_was_said_is_answered_and_made_once() -> None:
    backend = ScriptedBackend(Delay(TAKES), name="b")
    with trio.fail_after(PATIENCE):
        async with Builder("gate").backend("b", backend.connector).open() as gateway, trio.open_nursery() as nursery:
            (url,) = await nursery.start(gateway.serve)
            async with relayed(int(url.rpartition(":")[2])) as relay, Client(streamable_http_client(relay.url), mode="legacy") as client:
                began, cut = trio.current_time(), 0

                async def lose() -> None:
                    nonlocal cut
                    await trio.sleep(LOST_AT)
                    cut = relay.cut()

                nursery.start_soon(lose)
                result = await client.call_tool("b_echo", {"n": 1})
                assert "#1" in getattr(result.content[0], "text", "")
                assert trio.current_time() - began >= TAKES
                assert cut >= 1
                assert backend.calls == 1
                assert backend.cancelled == []
            nursery.cancel_scope.cancel()
