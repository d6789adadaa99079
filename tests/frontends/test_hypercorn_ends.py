"""How connections on Hypercorn's parts end, and how large a head may be there. In memory, on the mock clock."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
import trustme

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.request_head import HeadLimits
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.hypercorn.server import serve
from sluicegate.testing.memory_wire import MemoryNetwork

SETTINGS = ServerSettings(idle_seconds=60)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Begins its answer at once, and ends it after five seconds."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"o", "more_body": True})
    await trio.sleep(5 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.body", "body": b"k"})


@asynccontextmanager
async def front(
    settings: ServerSettings = SETTINGS, context: ssl.SSLContext | None = None
) -> AsyncGenerator[tuple[MemoryNetwork, trio.CancelScope], None]:
    network = MemoryNetwork()
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accept:
            listeners = await network.listen("127.0.0.1", 0)

            scope = trio.CancelScope()

            async def accepting(*, task_status: trio.TaskStatus[list[str]]) -> None:
                with scope:
                    await serve(app, listeners, connections=connections, settings=settings, tls=context, task_status=task_status)

            await accept.start(accepting)
            yield network, scope
            scope.cancel()
        connections.cancel_scope.cancel()


async def rest(stream: trio.abc.ReceiveStream) -> bytes:
    data = b""
    while part := await stream.receive_some():
        data += part
    return data


def asking(path: str, size: int = 0, *, last: bool = False) -> bytes:
    """A request whose head is of this size, if that is more than it needs."""
    head = b"GET %b HTTP/1.1\r\nHost: a.test\r\n%bX: " % (path.encode(), b"Connection: close\r\n" * last)
    return head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"


async def test_who_has_the_head_of_its_answer_when_the_drain_begins_is_let_go_after_the_answer(autojump_clock: object) -> None:
    """It was not told that this is the last one, so it would keep the connection."""
    async with front() as (network, accepting):
        stream = await network.open_stream("127.0.0.1", 40000)
        await stream.send_all(asking("/slow"))
        await trio.testing.wait_all_tasks_blocked()
        accepting.cancel()
        assert (await rest(stream)).endswith(b"ok")
        assert trio.current_time() == 5


async def test_a_connection_that_is_not_the_last_word_goes_on_to_be_used(autojump_clock: object) -> None:
    async with front() as (network, _):
        stream = await network.open_stream("127.0.0.1", 40000)
        for _ in range(2):
            await stream.send_all(asking("/slow"))
            data = b""
            while not data.endswith(b"ok"):
                data += await stream.receive_some()
        assert await rest(stream) == b""
        assert trio.current_time() == 70


@pytest.mark.parametrize(("size", "status"), [(20_000, b"200"), (40_000, b"200"), (40_001, b"431")])
async def test_a_head_of_just_the_limit_is_taken(size: int, status: bytes, autojump_clock: object) -> None:
    """Also one that is larger than Hypercorn takes by itself, in pieces as the network brings it."""
    async with front(ServerSettings(head=HeadLimits(head=40_000))) as (network, _):
        stream = await network.open_stream("127.0.0.1", 40000)
        data = asking("/", size, last=True)
        for start in range(0, len(data), 4096):
            await stream.send_all(data[start : start + 4096])
            await trio.testing.wait_all_tasks_blocked()
        assert (await rest(stream))[9:12] == status


async def test_over_tls_the_end_comes_right_after_the_answer(autojump_clock: object) -> None:
    authority, ours = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(ours)
    theirs = ssl.create_default_context()
    authority.configure_trust(theirs)
    async with front(context=ours) as (network, _):
        below = await network.open_stream("127.0.0.1", 40000)
        stream = trio.SSLStream(below, theirs, server_hostname="localhost", https_compatible=True)
        await stream.send_all(asking("/", last=True))
        assert (await rest(stream)).endswith(b"ok")
        assert trio.current_time() == 0


async def test_who_is_still_shaking_hands_when_the_drain_begins_is_let_go_after_that(autojump_clock: object) -> None:
    authority, ours = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(ours)
    theirs = ssl.create_default_context()
    authority.configure_trust(theirs)
    async with front(context=ours) as (network, accepting):
        below = await network.open_stream("127.0.0.1", 40000)
        await trio.testing.wait_all_tasks_blocked()
        accepting.cancel()
        await trio.testing.wait_all_tasks_blocked()
        stream = trio.SSLStream(below, theirs, server_hostname="localhost", https_compatible=True)
        await stream.do_handshake()
        assert await rest(stream) == b""
        assert trio.current_time() == 0
