"""The client's way through a proxy: whole URLs in clear text, tunnels for TLS, and a proxy that says no. In memory, on the mock clock."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme
from tests.kit.farside import FarSide, Talk

from sluicegate.http1.client.failures import Unreachable
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client
from sluicegate.tls.client import TlsFiles

PROXY = "http://me:s%20cret@proxy.test:3128"
BASIC = b"Proxy-Authorization: Basic bWU6cyBjcmV0\r\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[TlsFiles, ssl.SSLContext]:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("far.test", "proxy.test").configure_cert(server)
    path: Path = tmp_path_factory.mktemp("keys") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return TlsFiles(ca=str(path)), server


@asynccontextmanager
async def client_of(far: FarSide, url: str, proxy: str = PROXY, tls: TlsFiles | None = None) -> AsyncGenerator[HttpClient]:
    """A client behind a proxy; afterwards no connection may be open."""
    async with open_client(parse_address(url).origin, open_stream=far.open_stream, tls=tls, proxy=proxy) as client:
        yield client
    assert far.open == 0


async def test_a_request_in_clear_text_names_the_whole_url(autojump_clock: trio.testing.MockClock) -> None:
    far, heard = FarSide(), list[bytes]()
    async with client_of(far, "http://far.test:8080") as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            for _ in range(2):
                heard.append(await talk.hear())
                await talk.answer()

        nursery.start_soon(play)
        for _ in range(2):
            assert (await client.request(b"GET", b"/mcp?x=1", b"X: 1\r\n")).is_success
    assert heard == [b"GET http://far.test:8080/mcp?x=1 HTTP/1.1\r\nHost: far.test:8080\r\n" + BASIC + b"X: 1\r\n\r\n"] * 2
    assert far.dialled == [("proxy.test", 3128)]


async def test_tls_goes_through_a_tunnel_and_the_proxy_sees_nothing_of_it(
    keys: tuple[TlsFiles, ssl.SSLContext], autojump_clock: trio.testing.MockClock
) -> None:
    far, heard = FarSide(), list[bytes]()
    async with client_of(far, "https://far.test", tls=keys[0]) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            heard.append(await talk.hear())
            await talk.say(b"HTTP/1.1 200 Connection", b" established\r\nVia: x\r\n\r\n")
            talk = Talk(trio.SSLStream(talk.stream, keys[1], server_side=True))
            for _ in range(2):
                heard.append(await talk.hear())
                await talk.answer()

        nursery.start_soon(play)
        for _ in range(2):
            assert (await client.request(b"GET", b"/", b"X: 1\r\n")).is_success
    assert heard[0] == b"CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n" + BASIC + b"\r\n"
    assert heard[1:] == [b"GET / HTTP/1.1\r\nHost: far.test\r\nX: 1\r\n\r\n"] * 2


async def test_a_proxy_may_speak_tls_itself(keys: tuple[TlsFiles, ssl.SSLContext], autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    async with client_of(far, "https://far.test", "https://proxy.test", keys[0]) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            outer = Talk(trio.SSLStream((await far.accept()).stream, keys[1], server_side=True))
            assert await outer.hear() == b"CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n\r\n"
            await outer.say(b"HTTP/1.1 200 OK\r\n\r\n")
            inner = Talk(trio.SSLStream(outer.stream, keys[1], server_side=True))
            for _ in range(2):
                await inner.hear()
                await inner.answer()

        nursery.start_soon(play)
        for _ in range(2):
            assert (await client.request(b"GET", b"/")).is_success
        assert far.dialled == [("proxy.test", 443)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "opened no tunnel to far.test:443: HTTP 403"),
        (b"HTTP/1.1 300 Where\r\nContent-Length: 0\r\n\r\n", "opened no tunnel to far.test:443: HTTP 300"),
        (b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", "does not accept the user and password in its URL"),
        (b"hello\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_means_that_nothing_was_sent(
    said: bytes, why: str, autojump_clock: trio.testing.MockClock
) -> None:
    far = FarSide()
    async with client_of(far, "https://far.test") as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(said)
            await talk.close()

        nursery.start_soon(play)
        with pytest.raises(Unreachable, match=why):
            await client.request(b"GET", b"/")


async def test_a_proxy_that_wants_to_know_who_we_are_says_so_in_clear_text_too(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    async with client_of(far, "http://far.test", "proxy.test:3128") as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.answer(b"who are you?", b"407 Proxy Authentication Required")

        nursery.start_soon(play)
        with pytest.raises(Unreachable, match="wants a user and a password"):
            await client.request(b"GET", b"/")


async def test_a_refusal_of_a_proxy_that_does_not_end_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    async with client_of(far, "http://far.test", "proxy.test:3128") as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 100\r\n\r\nwho")
            await talk.wait_gone()
            assert trio.current_time() == 0

        nursery.start_soon(play)
        with pytest.raises(Unreachable, match="wants a user and a password"):
            await client.request(b"GET", b"/")
        assert (client.busy, client.idle) == (0, 0)


@pytest.mark.parametrize("down", [False, True])
async def test_a_proxy_that_is_not_there_or_silent_is_named_or_bounded(down: bool, autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide(down=down)
    async with client_of(far, "https://far.test") as client:
        with pytest.raises(Unreachable, match=r"proxy http://proxy.test:3128: Connection refused" if down else "30 s"):
            await client.request(b"GET", b"/")
    assert trio.current_time() == (0.0 if down else 30.0)


@pytest.mark.parametrize("proxy", ["socks5://x:1", "http://x/path", "http://", "http://x:99999", "http:// x"])
def test_a_proxy_that_cannot_be_used_is_refused_at_once(proxy: str) -> None:
    with pytest.raises(ValueError, match="proxy"):
        open_client(parse_address("http://far.test").origin, open_stream=FarSide().open_stream, proxy=proxy)


async def test_a_proxy_that_breaks_the_connection_is_told_from_one_that_says_no(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()

    async def open_and_break(host: str, port: int) -> trio.abc.Stream:
        stream = await far.open_stream(host, port)
        await (await far.accept()).close()
        return stream

    url = parse_address("https://far.test").origin
    async with open_client(url, open_stream=open_and_break, proxy=PROXY) as client:
        with pytest.raises(Unreachable, match="broke the connection instead of opening a tunnel"):
            await client.request(b"GET", b"/")
