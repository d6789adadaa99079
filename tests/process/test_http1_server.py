"""The server on real sockets, with an application that knows nothing of us."""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from tests.kit.front import GET

from sluicegate.http1.asgi import ASGIApp, Receive, Scope, Send
from sluicegate.http1.server.server import ServerSettings, serve
from sluicegate.http1.sockets import QuickSocket
from sluicegate.hypercorn.server import serve as serve_with_hypercorn

pytestmark = pytest.mark.slow

SECONDS = 20
"""What a test may take before it counts as hung."""


@attrs.define(eq=False)
class Site:
    """An ordinary application, and what happened to it."""

    events: list[str] = attrs.field(factory=list)
    gone: trio.Event = attrs.field(factory=trio.Event)
    app: Starlette = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        routes = [
            Route("/", self.home),
            Route("/echo", self.echo, methods=["POST"]),
            Route("/stream", self.stream),
            Mount("/endless", self.endless),
            Route("/later", self.later),
            Route("/bug", self.bug),
        ]
        self.app = Starlette(routes=routes, lifespan=self.lifespan)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[dict[str, Any]]:
        self.events.append("up")
        yield {"greeting": "hello"}
        self.events.append("down")

    async def home(self, request: Request) -> Response:
        client = request.client
        return JSONResponse([request.state.greeting, request.url.scheme, client.host if client else None, request.url.path])

    async def echo(self, request: Request) -> Response:
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in request.stream():
                digest.update(piece)
                size += len(piece)
        except ClientDisconnect:
            self.gone.set()
            raise
        return PlainTextResponse(f"{size} {digest.hexdigest()}")

    async def stream(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(1000):
                yield b"%d\n" % number * 100

        return StreamingResponse(pieces())

    async def endless(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"a" * 10_000, "more_body": True})
        finally:
            self.gone.set()

    async def later(self, request: Request) -> Response:
        async def run() -> None:
            await self.gone.wait()
            self.events.append("later")

        return PlainTextResponse("now", background=BackgroundTask(run))

    async def bug(self, request: Request) -> Response:
        raise ZeroDivisionError


@asynccontextmanager
async def serving(app: ASGIApp, *listeners: trio.SocketListener, settings: ServerSettings | None = None) -> AsyncGenerator[list[str]]:
    """Serve until the block is left; then everything must end by itself."""
    chosen = [*listeners] or await trio.open_tcp_listeners(0, host="127.0.0.1")
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
            yield await accepting.start(
                lambda task_status: serve(app, chosen, connections=connections, settings=settings, task_status=task_status)
            )
            accepting.cancel_scope.cancel()


async def dial(url: str) -> trio.SocketStream:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


async def read_all(stream: trio.SocketStream) -> bytes:
    data = b""
    try:
        while piece := await stream.receive_some():
            data += piece
    except trio.BrokenResourceError:
        data += b"<reset>"
    return data


async def test_a_starlette_application_is_served(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    async with serving(site.app) as (url,):
        async with httpx2.AsyncClient(base_url=url) as client:
            assert (await client.get("/")).json() == ["hello", "http", "127.0.0.1", "/"]
            data = bytes(range(256)) * 20_000
            expected = f"{len(data)} {hashlib.sha256(data).hexdigest()}"
            assert (await client.post("/echo", content=data)).text == expected

            async def in_chunks() -> AsyncIterator[bytes]:
                for start in range(0, len(data), 100_000):
                    yield data[start : start + 100_000]

            assert (await client.post("/echo", content=in_chunks())).text == expected
            assert len((await client.get("/stream")).content) == sum(len(str(number)) + 1 for number in range(1000)) * 100
            assert (await client.head("/")).status_code == 200
            assert (await client.get("/nowhere")).status_code == 404
            assert (await client.get("/bug")).status_code == 500
            assert (await client.get("/")).status_code == 200
        assert site.events == ["up"]
    assert site.events == ["up", "down"]
    assert [record.msg for record in caplog.records if record.levelname == "ERROR"] == ["an application failed"]


async def test_many_connections_carry_many_requests() -> None:
    async with serving(Site().app) as (url,), httpx2.AsyncClient(base_url=url) as client, trio.open_nursery() as nursery:

        async def ask(number: int) -> None:
            for turn in range(20):
                data = b"%d" % number * (1 + 3000 * turn)
                assert (await client.post("/echo", content=data)).text == f"{len(data)} {hashlib.sha256(data).hexdigest()}"

        for number in range(16):
            nursery.start_soon(ask, number)


async def test_a_stream_ends_when_its_client_goes(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    async with serving(site.app) as (url,):
        stream = await dial(url)
        await stream.send_all(GET.replace(b"/ ", b"/endless/ ", 1))
        await stream.receive_some()
        await stream.aclose()
        await site.gone.wait()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_reset_in_mid_body_is_a_disconnect(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    async with serving(site.app) as (url,):
        stream = await dial(url)
        await stream.send_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
        assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()
        await site.gone.wait()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_client_that_stops_reading_is_cut() -> None:
    site = Site()
    async with serving(site.app, settings=ServerSettings(write_seconds=0.1)) as (url,):
        stream = await dial(url)
        await stream.send_all(GET.replace(b"/ ", b"/endless/ ", 1))
        await site.gone.wait()
        await stream.aclose()


async def test_work_after_an_answer_does_not_hold_up_the_next() -> None:
    site = Site()
    async with serving(site.app) as (url,):
        stream = await dial(url)
        await stream.send_all(GET.replace(b"/ ", b"/later ", 1) + GET + GET.replace(b"a\r\n", b"a\r\nConnection: close\r\n"))
        assert (await read_all(stream)).count(b"HTTP/1.1 200 OK") == 3
        assert site.events == ["up"]
        await stream.aclose()
        site.gone.set()
    assert site.events == ["up", "later", "down"]


async def test_a_unix_socket_is_served(tmp_path: Path) -> None:
    own = trio.socket.socket(socket.AF_UNIX)
    await own.bind(str(tmp_path / "gate.sock"))
    own.listen()
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.extend((scope["client"], scope["server"], scope["scheme"]))
        await site.app(scope, receive, send)

    site = Site()
    settings = ServerSettings(trusted=(ip_network("127.0.0.1"),), max_connections_per_peer=1)
    async with serving(app, trio.SocketListener(own), settings=settings) as urls:
        assert urls == [f"unix:{tmp_path}/gate.sock"]
        others = [await trio.open_unix_socket(str(tmp_path / "gate.sock")) for _ in range(3)]
        stream = others[0]
        await stream.send_all(
            GET.replace(b"a\r\n", b"a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n")
        )
        assert b'["hello","https","192.0.2.1","/"]' in await read_all(stream)
        for other in others:
            await other.aclose()
    assert seen == [("192.0.2.1", 0), (f"{tmp_path}/gate.sock", None), "https"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("serve", [serve, serve_with_hypercorn], ids=["native", "hypercorn"])
async def test_an_application_knows_both_ends_of_its_connection(serve: Any, host: str) -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append((tuple(scope["client"]), tuple(scope["server"])))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    listeners = await trio.open_tcp_listeners(0, host=host)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
            (url,) = await accepting.start(lambda task_status: serve(app, listeners, connections=connections, task_status=task_status))
            port = int(url.rpartition(":")[2])
            assert url == (f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
            stream = await trio.open_tcp_stream(host, port)
            await stream.send_all(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert b" 204 " in await read_all(stream)
            assert seen == [(stream.socket.getsockname()[:2], (host, port))]
            await stream.aclose()
            accepting.cancel_scope.cancel()


async def test_a_peer_that_takes_too_many_places_is_turned_away() -> None:
    async with serving(Site().app, settings=ServerSettings(max_connections_per_peer=2)) as (url,):
        streams = [await dial(url) for _ in range(3)]
        for stream in streams[:2]:
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        assert (await read_all(streams[2])).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        for stream in streams:
            await stream.aclose()


async def test_the_end_of_the_server_ends_idle_connections() -> None:
    async with serving(Site().app) as (url,):
        stream = await dial(url)
        await stream.send_all(GET)
        await stream.receive_some()
    assert await read_all(stream) == b""
    await stream.aclose()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_who_is_at_the_door_when_the_server_ends_is_answered(kind: str, tmp_path: Path) -> None:
    if kind == "unix":
        own = trio.socket.socket(socket.AF_UNIX)
        await own.bind(str(tmp_path / "gate.sock"))
        own.listen(100)
        listener = trio.SocketListener(own)
    else:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=100)
    clients = [socket.socket(listener.socket.family) for _ in range(50)]
    async with serving(Site().app, listener):
        for client in clients:  # all of them at once: the server does not run meanwhile
            client.connect(listener.socket.getsockname())
            client.sendall(GET)
    for client in clients:
        with client:
            answer = client.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"connection: close\r\n" in answer


async def make_pair() -> tuple[QuickSocket, QuickSocket]:
    one, other = trio.socket.socketpair()
    return QuickSocket(trio.SocketStream(one)), QuickSocket(trio.SocketStream(other))


async def make_clogged_pair() -> tuple[QuickSocket, QuickSocket]:
    pair = await make_pair()
    for end in pair:
        while end.send_now(b"a" * 10_000):
            pass
    return pair


async def test_a_quick_socket_is_a_stream() -> None:
    await trio.testing.check_half_closeable_stream(make_pair, make_clogged_pair)


async def test_a_quick_socket_sends_what_it_can_at_once() -> None:
    ours, theirs = await make_pair()
    assert ours.send_now(b"hello") == 5
    assert await theirs.receive_some() == b"hello"
    await theirs.aclose()
    with pytest.raises(trio.BrokenResourceError):
        ours.send_now(b"hello")
    await ours.aclose()
    with pytest.raises(trio.ClosedResourceError):
        ours.send_now(b"hello")
