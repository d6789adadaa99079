"""The HTTP/1.1 client on real sockets: what a kernel does that a network in memory does not."""

import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from tests.kit.farside import Talk

from sluicegate.http1.client.failures import Broken, Unreachable
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client
from sluicegate.outside import open_stream
from sluicegate.tls.client import TlsFiles

pytestmark = pytest.mark.slow

MEGABYTES = 5_000_000
RESET = struct.pack("ii", 1, 0)
"""The option of a socket that resets the connection when it is closed."""

Play = Callable[[Talk, trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def served(play: Play, *, tls: ssl.SSLContext | None = None, ca: str | None = None) -> AsyncGenerator[HttpClient]:
    """A client of a server on loopback that plays this on every connection."""

    async def carry(stream: trio.SocketStream) -> None:
        with suppress(AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
            secured: trio.abc.Stream = stream if tls is None else trio.SSLStream(stream, tls, server_side=True)
            await play(Talk(secured), stream)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, carry, 0, host="127.0.0.1"))
            port = listener.socket.getsockname()[1]
            origin = parse_address(f"{'http' if tls is None else 'https'}://127.0.0.1:{port}").origin
            async with open_client(origin, open_stream=open_stream, tls=None if ca is None else TlsFiles(ca=ca)) as client:
                yield client
            nursery.cancel_scope.cancel()


async def answer_each(talk: Talk, stream: trio.SocketStream) -> None:
    del stream
    while True:
        body = (await talk.hear()).partition(b"\r\n\r\n")[2]
        await talk.answer(body)


async def post(client: HttpClient, body: bytes) -> bytes:
    response = await client.request(b"POST", b"/", b"", body)
    return await response.read(2 * MEGABYTES)


async def test_many_requests_at_once_share_what_is_idle() -> None:
    async with served(answer_each) as client:

        async def one(number: int) -> None:
            for turn in range(20):
                assert await post(client, b"%d %d" % (number, turn)) == b"%d %d" % (number, turn)

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(one, number)
        assert 0 < client.idle <= 30
        assert client.busy == 0


async def test_megabytes_go_both_ways() -> None:
    body = bytes(range(256)) * (MEGABYTES // 256)
    async with served(answer_each) as client:
        assert await post(client, body) == body
        assert await post(client, b"small") == b"small"
        assert client.idle == 1


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_that_was_closed_while_idle_is_not_used_again(reset: bool) -> None:
    closed = trio.Event()

    async def once(talk: Talk, stream: trio.SocketStream) -> None:
        await talk.hear()
        await talk.answer(b"1")
        await trio.sleep(0.05)
        if reset:
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, RESET)
        await stream.aclose()
        closed.set()

    async with served(once) as client:
        for _ in range(3):
            closed = trio.Event()
            assert await post(client, b"x") == b"1"
            await closed.wait()


async def test_a_reset_in_the_middle_is_told_from_an_answer() -> None:
    async def cut(talk: Talk, stream: trio.SocketStream) -> None:
        await talk.hear()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        await trio.sleep(0.05)
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, RESET)
        await stream.aclose()

    async with served(cut) as client:
        response = await client.request(b"GET", b"/")
        assert await response.receive() == b"12345"
        with pytest.raises(Broken, match="the connection was reset in the middle of the answer"):
            await response.receive()


async def test_a_refusal_of_a_body_that_nobody_reads_is_not_lost() -> None:
    async def refuse(talk: Talk, stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        await talk.answer(b"too long", b"413 Content Too Large")
        await stream.send_eof()
        await trio.sleep(0.2)

    async with served(refuse) as client:
        response = await client.request(b"POST", b"/", b"", b"x" * 4 * MEGABYTES)
        assert (response.status, await response.read(100), client.idle) == (413, b"too long", 0)


async def test_a_cancelled_request_closes_its_connection_and_no_other() -> None:
    gone = trio.Event()

    async def slow(talk: Talk, stream: trio.SocketStream) -> None:
        del stream
        while b"slow" not in await talk.hear():
            await talk.answer(b"1")
        await talk.wait_gone()
        gone.set()

    async with served(slow) as client:
        assert await post(client, b"quick") == b"1"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(post, client, b"quick")
            with trio.move_on_after(0.2):
                await post(client, b"slow")
        await gone.wait()
        assert (client.idle, client.busy) == (1, 0)


async def test_tls_on_a_real_socket(tmp_path: Path) -> None:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    body = b"x" * MEGABYTES
    async with served(answer_each, tls=server, ca=str(tmp_path / "ca.pem")) as client:
        for _ in range(3):
            assert await post(client, body) == body
            assert await post(client, b"small") == b"small"
        assert client.idle == 1
    async with served(answer_each, tls=server) as client:
        with pytest.raises(Unreachable, match="certificate is not accepted"):
            await post(client, b"x")


async def test_a_name_that_nobody_has_and_a_port_where_nobody_listens() -> None:
    for url, why in (("http://127.0.0.1:1/", "Connection refused"), ("http://nobody.invalid/", r".")):
        async with open_client(parse_address(url).origin, open_stream=open_stream) as client:
            with pytest.raises(Unreachable, match=why) as caught:
                await client.request(b"GET", b"/")
            assert "attempts" not in str(caught.value)
