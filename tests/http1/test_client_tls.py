"""The client over TLS: whom it trusts, who it says it is, and what a connection that looks idle may hide. In memory, on the mock clock."""

import datetime as dt
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trustme
from cryptography.hazmat.primitives import serialization
from tests.kit.farside import FarSide, Talk

from sluicegate.http1.client.failures import Broken, Unreachable
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client
from sluicegate.tls.client import TlsFiles, client_context


@attrs.frozen
class Keys:
    """A private authority, and what it has issued."""

    authority: trustme.CA
    server: ssl.SSLContext
    ca: str
    certificate: str
    key: str
    both: str
    folder: Path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder, authority = tmp_path_factory.mktemp("keys"), trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("far.test").configure_cert(server)
    own = authority.issue_cert("client.test")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own.cert_chain_pems[0].write_to_path(folder / "own.pem")
    own.private_key_pem.write_to_path(folder / "own.key")
    own.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    ca, certificate, key, both = (str(folder / name) for name in ("ca.pem", "own.pem", "own.key", "both.pem"))
    return Keys(authority, server, ca, certificate, key, both, folder)


@asynccontextmanager
async def client_of(far: FarSide, tls: TlsFiles | None, *, host: str = "far.test") -> AsyncGenerator[HttpClient]:
    """A client of the far side over TLS; afterwards no connection may be open."""
    async with open_client(parse_address(f"https://{host}").origin, open_stream=far.open_stream, tls=tls) as client:
        yield client
    assert far.open == 0


async def secured(far: FarSide, context: ssl.SSLContext) -> tuple[Talk, trio.SSLStream[trio.abc.Stream]]:
    """The next connection, with TLS on it."""
    plain = await far.accept()
    stream = trio.SSLStream(plain.stream, context, server_side=True)
    return Talk(stream), stream


async def test_a_private_authority_is_trusted_and_the_connection_used_again(keys: Keys, autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    async with client_of(far, TlsFiles(ca=keys.ca)) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk, stream = await secured(far, keys.server)
            for body in (b"1", b"x" * 100_000):
                assert (await talk.hear()).startswith(b"POST / HTTP/1.1\r\nHost: far.test\r\n")
                await talk.answer(body)
            assert stream.selected_alpn_protocol() is None

        nursery.start_soon(play)
        first = await client.request(b"POST", b"/", b"", b"x")
        assert await first.read(10) == b"1"
        second = await client.request(b"POST", b"/", b"", b"y" * 100_000)
        assert len(await second.read(100_000)) == 100_000
        assert (client.idle, far.dialled) == (1, [("far.test", 443)])


@pytest.mark.parametrize(("host", "why"), [("far.test", "certificate is not accepted: unable to get"), ("other.test", "not valid for")])
async def test_a_certificate_that_is_not_trusted_or_not_the_servers_sends_nothing(
    host: str, why: str, keys: Keys, autojump_clock: trio.testing.MockClock
) -> None:
    far = FarSide()
    tls = TlsFiles(ca=keys.ca) if host != "far.test" else None
    async with client_of(far, tls, host=host) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk, _ = await secured(far, keys.server)
            with pytest.raises((trio.BrokenResourceError, AssertionError)):
                await talk.hear()

        nursery.start_soon(play)
        with pytest.raises(Unreachable, match=why):
            await client.request(b"GET", b"/")


async def test_a_certificate_that_has_expired_sends_nothing(keys: Keys, autojump_clock: trio.testing.MockClock) -> None:
    far, late = FarSide(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    last_year = dt.datetime.now(dt.UTC) - dt.timedelta(days=365)
    keys.authority.issue_cert("far.test", not_before=last_year - dt.timedelta(days=1), not_after=last_year).configure_cert(late)
    async with client_of(far, TlsFiles(ca=keys.ca)) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk, _ = await secured(far, late)
            with pytest.raises((trio.BrokenResourceError, AssertionError)):
                await talk.hear()

        nursery.start_soon(play)
        with pytest.raises(Unreachable, match="certificate is not accepted: certificate has expired"):
            await client.request(b"GET", b"/")


async def test_a_large_request_that_is_refused_is_answered_over_tls_too(keys: Keys, autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide(buffer=1000)
    async with client_of(far, TlsFiles(ca=keys.ca)) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk, _ = await secured(far, keys.server)
            await talk.stream.receive_some(500)
            await talk.answer(b"long", b"413 Content Too Large")
            await talk.wait_gone()

        nursery.start_soon(play)
        response = await client.request(b"POST", b"/", b"", b"x" * 1_000_000)
        assert (response.status, await response.read(4)) == (413, b"long")
        assert (client.idle, client.busy) == (0, 0)


async def test_a_peer_that_speaks_no_tls_is_unreachable(keys: Keys, autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    async with client_of(far, TlsFiles(ca=keys.ca)) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            await (await far.accept()).stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await (await far.accept()).close()

        nursery.start_soon(play)
        for why in ("no TLS with far.test:443: wrong version number", "no TLS with far.test:443"):
            with pytest.raises(Unreachable, match=why):
                await client.request(b"GET", b"/")


async def test_a_handshake_that_never_ends_has_thirty_seconds(keys: Keys, autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    async with client_of(far, TlsFiles(ca=keys.ca)) as client:
        with pytest.raises(Unreachable, match="30 s"):
            await client.request(b"GET", b"/")
    assert trio.current_time() == 30.0


@pytest.mark.parametrize("form", ["two files", "one file", "none"])
async def test_a_server_that_asks_who_we_are_is_told(form: str, keys: Keys, autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    tls = {
        "two files": TlsFiles(keys.ca, keys.certificate, keys.key),
        "one file": TlsFiles(keys.ca, keys.both),
        "none": TlsFiles(keys.ca),
    }[form]
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    keys.authority.issue_cert("far.test").configure_cert(asking)
    keys.authority.configure_trust(asking)
    asking.verify_mode = ssl.CERT_REQUIRED
    async with client_of(far, tls) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk, stream = await secured(far, asking)
            if form == "none":
                with pytest.raises(trio.BrokenResourceError):
                    await talk.hear()
                await talk.close()
                return
            await talk.hear()
            assert stream.getpeercert()
            await talk.answer()

        nursery.start_soon(play)
        if form == "none":
            with pytest.raises(Broken):  # in TLS 1.3 the server says so only after the client has sent
                await client.request(b"GET", b"/")
        else:
            assert (await client.request(b"GET", b"/")).is_success


@attrs.define(eq=False)
class Together(trio.abc.Stream):
    """Keeps back what is sent, so that it arrives all at once."""

    stream: trio.abc.Stream
    kept: bytes = b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.kept += data

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


async def record_apart(talk: Talk) -> None:
    """Another response in a TLS record of its own, which the client has received with the first and not decrypted."""
    assert isinstance(talk.stream, trio.SSLStream)
    below = talk.stream.transport_stream
    together = talk.stream.transport_stream = Together(below)
    await talk.answer(b"1")
    await talk.answer(b"2")
    talk.stream.transport_stream = below
    await below.send_all(together.kept)


async def one_record(talk: Talk) -> None:
    await talk.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")


async def later(talk: Talk) -> None:
    await talk.answer(b"1")
    await trio.sleep(1)
    await talk.answer(b"2")


async def farewell(talk: Talk) -> None:
    await talk.answer(b"1")
    await talk.stream.aclose()


@pytest.mark.parametrize("play", [record_apart, one_record, later, farewell])
async def test_a_connection_that_has_more_to_say_is_not_used_again(
    play: Callable[[Talk], Awaitable[None]], keys: Keys, autojump_clock: trio.testing.MockClock
) -> None:
    far = FarSide()
    async with client_of(far, TlsFiles(ca=keys.ca)) as client, trio.open_nursery() as nursery:

        async def serve() -> None:
            talk, _ = await secured(far, keys.server)
            await talk.hear()
            await play(talk)
            talk, _ = await secured(far, keys.server)
            await talk.hear()
            await talk.answer(b"again")

        nursery.start_soon(serve)
        assert await (await client.request(b"GET", b"/")).read(9) == b"1"
        await trio.sleep(2)
        assert await (await client.request(b"GET", b"/")).read(9) == b"again"


async def test_a_cut_reaches_a_request_over_tls(keys: Keys, autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    async with client_of(far, TlsFiles(ca=keys.ca)) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk, _ = await secured(far, keys.server)
            await talk.hear()
            await trio.sleep(1)
            client.cut(1, "enough")

        nursery.start_soon(play)
        with pytest.raises(Broken, match="enough"):
            await client.request(b"GET", b"/", purpose=1)


async def test_a_body_that_ends_with_the_connection_needs_no_farewell(keys: Keys, autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide()
    async with client_of(far, TlsFiles(ca=keys.ca)) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk, stream = await secured(far, keys.server)
            await talk.hear()
            await talk.stream.send_all(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            await trio.aclose_forcefully(stream.transport_stream)

        nursery.start_soon(play)
        assert await (await client.request(b"GET", b"/")).read(100) == b"all of it"


def test_files_that_cannot_be_used_are_named(keys: Keys) -> None:
    folder = keys.folder
    (folder / "empty.pem").write_text("nothing in here")
    lock = serialization.BestAvailableEncryption(b"secret")
    own = serialization.load_pem_private_key(Path(keys.key).read_bytes(), None)
    (folder / "locked.key").write_bytes(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    other = keys.authority.issue_cert("other.test")
    other.private_key_pem.write_to_path(folder / "other.key")
    missing, empty, locked, wrong = (str(folder / name) for name in ("missing.pem", "empty.pem", "locked.key", "other.key"))
    said = {}
    for files in (
        TlsFiles(ca=missing),
        TlsFiles(ca=empty),
        TlsFiles(keys.ca, missing, keys.key),
        TlsFiles(keys.ca, keys.certificate, missing),
        TlsFiles(keys.ca, keys.certificate, wrong),
        TlsFiles(keys.ca, keys.certificate),
        TlsFiles(keys.ca, keys.certificate, locked),
        TlsFiles(keys.ca, empty, keys.key),
        TlsFiles(keys.ca, keys.certificate, empty),
        TlsFiles(ca=keys.ca, key=keys.key),
    ):
        with pytest.raises(ValueError, match=r".") as caught:
            client_context(files)
        said[files] = str(caught.value)
    assert list(said.values()) == [
        f"ca '{missing}' cannot be read: No such file or directory",
        f"ca '{empty}' holds no certificate in PEM form",
        f"certificate '{missing}' cannot be read: No such file or directory",
        f"key '{missing}' cannot be read: No such file or directory",
        f"certificate '{keys.certificate}' and key '{wrong}' do not belong together",
        f"certificate '{keys.certificate}' holds no private key, so name its key",
        f"key '{locked}' is encrypted; write it without a password, readable by this user alone",
        f"certificate '{empty}' holds no certificate in PEM form",
        f"key '{empty}' holds no key in PEM form",
        f"key '{keys.key}' needs a certificate beside it",
    ]


def test_what_the_system_trusts_is_read_once() -> None:
    assert client_context(TlsFiles()) is client_context(TlsFiles())
