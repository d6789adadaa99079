"""TLS in front, in memory: who gets in, what is chosen, and what is said about files that do not do."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trustme

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.hypercorn.server import serve
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.tls.server import BadCertificate, server_context


@attrs.frozen
class Files:
    """An authority, what it signed, and where that lies."""

    authority: trustme.CA
    certificate: str
    key: str
    both: str
    ca: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    own = authority.issue_cert("localhost")
    own.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    own.private_key_pem.write_to_path(str(folder / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return Files(authority, *(str(folder / name) for name in ("certificate.pem", "key.pem", "both.pem", "ca.pem")))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return
    await receive()
    body = f"{scope['scheme']} {scope['http_version']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def front(context: ssl.SSLContext) -> AsyncGenerator[MemoryNetwork, None]:
    network = MemoryNetwork()
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accept:
            listeners = await network.listen("127.0.0.1", 0)

            async def accepting(*, task_status: trio.TaskStatus[list[str]]) -> None:
                await serve(
                    app, listeners, connections=connections, settings=ServerSettings(head_seconds=10), tls=context, task_status=task_status
                )

            assert await accept.start(accepting) == ["https://memory"]
            yield network
            accept.cancel_scope.cancel()
        connections.cancel_scope.cancel()


def client(files: Files, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.ca)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


async def ask(network: MemoryNetwork, context: ssl.SSLContext) -> bytes:
    stream = trio.SSLStream(await network.open_stream("127.0.0.1", 40000), context, server_hostname="localhost", https_compatible=True)
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = b""
    while part := await stream.receive_some():
        answer += part
    return answer


async def test_a_client_that_knows_the_authority_gets_an_answer(files: Files, autojump_clock: object) -> None:
    async with front(server_context(files.certificate, files.key, None)) as network:
        assert (await ask(network, client(files))).endswith(b"https 1.1")
        assert (await ask(network, client(files, "http/1.1"))).endswith(b"https 1.1")
        assert trio.current_time() == 0


async def test_http2_is_chosen_where_the_client_can(files: Files, autojump_clock: object) -> None:
    async with front(server_context(files.both, None, None)) as network:
        stream = trio.SSLStream(
            await network.open_stream("127.0.0.1", 40000),
            client(files, "h2", "http/1.1"),
            server_hostname="localhost",
            https_compatible=True,
        )
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() == "h2"


async def test_a_client_without_a_certificate_stays_out_where_one_is_asked_for(files: Files, autojump_clock: object) -> None:
    async with front(server_context(files.certificate, files.key, files.ca)) as network:
        with pytest.raises((trio.BrokenResourceError, ssl.SSLError)):
            assert await ask(network, client(files)) != b""
        known = client(files)
        files.authority.issue_cert("someone@example.org").configure_cert(known)
        assert (await ask(network, known)).startswith(b"HTTP/1.1 200")
        stranger = client(files)
        trustme.CA().issue_cert("someone@example.org").configure_cert(stranger)
        with pytest.raises((trio.BrokenResourceError, ssl.SSLError)):
            assert await ask(network, stranger) != b""


@pytest.mark.parametrize("hello", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"])
async def test_a_handshake_that_does_not_end_is_cut_off_in_time(
    hello: bytes, files: Files, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with front(server_context(files.certificate, files.key, None)) as network:
        stream = await network.open_stream("127.0.0.1", 40000)
        await stream.send_all(hello)
        try:
            while await stream.receive_some():
                pass
        except trio.BrokenResourceError:
            pass
        assert trio.current_time() == (0 if hello.startswith(b"GET") else 10)
    assert "a connection failed" not in caplog.text


def test_what_is_wrong_with_the_files_is_said(files: Files, tmp_path: Path) -> None:
    other, nothing = tmp_path / "other.pem", tmp_path / "nothing.pem"
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(str(other))
    nothing.write_text("no certificate at all")
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(ENCRYPTED)
    for certificate, key, ca, phrase in (
        (files.certificate, str(other), None, f"the key in '{other}' does not belong to the certificate in '{files.certificate}'"),
        (files.certificate, None, None, f"'{files.certificate}' do not hold a certificate and its key"),
        (str(nothing), files.key, None, f"'{nothing}' and '{files.key}' do not hold"),
        (files.certificate, str(encrypted), None, "the key is encrypted"),
        (files.certificate, files.key, str(nothing), f"'{nothing}' holds no certificate of an authority"),
        ("/no/such/file", None, None, "No such file"),
    ):
        with pytest.raises(BadCertificate) as caught:
            server_context(certificate, key, ca)
        assert phrase in str(caught.value)


ENCRYPTED = b"""-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,00000000000000000000000000000000

AAAAAAAAAAAAAAAAAAAAAA==
-----END RSA PRIVATE KEY-----
"""
