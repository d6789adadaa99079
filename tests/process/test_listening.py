"""Where clients connect, on real sockets: Unix sockets with their names and permissions, sockets of systemd, and TLS from files."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, get_args

import attrs
import h2.connection
import h2.events
import httpx2
import pytest
import trio
import trustme

from sluicegate import Builder, Gateway
from sluicegate.config.model import ListenConfig, ListenTlsConfig
from sluicegate.outside import inherited_hosts, listen_inherited, listen_unix
from sluicegate.testing.backend import ScriptedBackend

pytestmark = pytest.mark.slow
Engine = Literal["native", "hypercorn"]
ENGINES = get_args(Engine)
PROBE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@attrs.define(eq=False)
class Front:
    gateway: Gateway
    url: str


@asynccontextmanager
async def listening(listen: ListenConfig) -> AsyncGenerator[Front, None]:
    """A gateway that listens like this."""
    builder = Builder("desk").proxy(listen=listen, shutdown_timeout_seconds=1.0).backend("one", ScriptedBackend().connector)
    with trio.fail_after(20):
        async with builder.open() as gateway, trio.open_nursery() as nursery:
            (url,) = await nursery.start(gateway.serve)
            yield Front(gateway, url)
            nursery.cancel_scope.cancel()


async def exchange(stream: trio.abc.Stream, request: bytes = PROBE) -> bytes:
    """Send, and read to the end."""
    answer = b""
    async with stream:
        await stream.send_all(request)
        while part := await stream.receive_some():
            answer += part
    return answer


# -- Unix sockets


@pytest.mark.parametrize("server", ENGINES)
async def test_a_unix_socket_takes_the_place_of_host_and_port(server: Engine, tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    async with listening(ListenConfig(unix=str(path), server=server)) as front:
        assert f"unix:{path}" == front.url
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await exchange(await trio.open_unix_socket(str(path)))).startswith(b"HTTP/1.1 200")
    assert not path.exists()


async def test_its_permissions_are_those_that_were_configured(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    async with listening(ListenConfig(unix=str(path), unix_mode="660")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_nobody_can_connect_before_the_permissions_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is there for a moment with those of the umask."""
    path, refused, chmod = tmp_path / "gate.sock", list[int](), os.chmod

    def trying(name: str, mode: int) -> None:
        with socket.socket(socket.AF_UNIX) as stranger:
            refused.append(stranger.connect_ex(name))
        chmod(name, mode)

    monkeypatch.setattr(os, "chmod", trying)
    (listener,) = await listen_unix(str(path), 0o600)
    await listener.aclose()
    assert refused == [errno.ECONNREFUSED]


async def test_a_socket_that_a_killed_process_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with listening(ListenConfig(unix=str(path))):
        assert (await exchange(await trio.open_unix_socket(str(path)))).startswith(b"HTTP/1.1 200")


async def test_a_socket_on_which_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(OSError, match="another program listens"):
            await listen_unix(str(path), 0o600)
        assert path.is_socket()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        await listen_unix(str(path), 0o600)
    assert path.read_text() == "precious"


async def test_a_name_that_somebody_else_took_meanwhile_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    (listener,) = await listen_unix(str(path), 0o600)
    path.rename(tmp_path / "ours.sock")
    path.write_text("theirs")
    await listener.aclose()
    assert path.read_text() == "theirs"


# -- systemd


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Two sockets, as systemd would pass them; only their numbers are others than in life."""
    opened = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
    first = max(own.fileno() for own in opened) + 10
    for offset, own in enumerate(opened):
        os.dup2(own.fileno(), first + offset)
    monkeypatch.setattr("sluicegate.outside.listening.FIRST_INHERITED", first)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    return [*opened, socket.socket(fileno=first), socket.socket(fileno=first + 1)]


@pytest.mark.parametrize("server", ENGINES)
async def test_sockets_of_systemd_take_the_place_of_host_and_port(server: Engine, passed: list[socket.socket]) -> None:
    host, port = passed[0].getsockname()
    async with listening(ListenConfig(systemd=True, server=server)) as front:
        assert f"http://{host}:{port}" == front.url
        assert (await exchange(await trio.open_tcp_stream(host, port))).startswith(b"HTTP/1.1 200")
        assert front.gateway._app.admission.on_loopback
    assert inherited_hosts() == ["127.0.0.1"]
    for own in passed:
        own.close()


async def test_a_socket_of_systemd_that_does_not_listen_is_an_error(passed: list[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "2")
    with pytest.raises(OSError, match="cannot be listened on"):
        await listen_inherited()
    for own in passed:
        own.close()


async def test_without_systemd_its_sockets_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    with pytest.raises(OSError, match=r"start the gateway through a \.socket unit"):
        await listen_inherited()
    assert inherited_hosts() == []


# -- TLS


@attrs.frozen
class Signed:
    authority: trustme.CA
    tls: ListenTlsConfig
    ca: str


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    authority = trustme.CA()
    own, ca = tmp_path / "gate.pem", tmp_path / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(own))
    authority.cert_pem.write_to_path(str(ca))
    return Signed(authority, ListenTlsConfig(str(own)), str(ca))


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_with_a_certificate_clients_speak_tls_in_the_version_they_like(version: str, signed: Signed) -> None:
    async with listening(ListenConfig(port=0, tls=signed.tls)) as front:
        assert front.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=signed.ca)
        async with httpx2.AsyncClient(verify=context, http2=version == "HTTP/2") as client:
            opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            answer = await client.post(
                f"{front.url}/mcp",
                json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening},
                headers={"Accept": "application/json, text/event-stream"},
            )
        assert (200, version) == (answer.status_code, answer.http_version)
        assert answer.json()["result"]["serverInfo"]["name"] == "desk"


async def test_who_speaks_no_tls_is_not_answered_in_clear_text(signed: Signed) -> None:
    async with listening(ListenConfig(port=0, tls=signed.tls)) as front:
        stream = await trio.open_tcp_stream("127.0.0.1", int(front.url.rpartition(":")[2]))
        with pytest.raises((trio.BrokenResourceError, AssertionError)):
            assert (await exchange(stream)).startswith(b"HTTP")


# -- clients that hold connections


@pytest.mark.parametrize("server", ENGINES)
async def test_one_address_has_no_more_connections_than_allowed(server: Engine) -> None:
    async with listening(ListenConfig(port=0, server=server, max_connections_per_peer=2)) as front:
        port = int(front.url.rpartition(":")[2])
        held = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(2)]
        for stream in held:
            await stream.send_all(PROBE.replace(b"close", b"keep-alive"))
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        try:
            answer = await exchange(await trio.open_tcp_stream("127.0.0.1", port))
        except trio.BrokenResourceError:
            answer = b""
        assert not answer.startswith(b"HTTP/1.1 200")
        for stream in held:
            await stream.aclose()


async def test_http2_without_tls_is_spoken_by_the_server_that_can() -> None:
    async with listening(ListenConfig(port=0, server="hypercorn")) as front:
        client = h2.connection.H2Connection()
        client.initiate_connection()
        client.send_headers(1, [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/livez")], end_stream=True)
        heads: list[h2.events.ResponseReceived] = []
        async with await trio.open_tcp_stream("127.0.0.1", int(front.url.rpartition(":")[2])) as stream:
            while not heads:
                await stream.send_all(client.data_to_send())
                events = client.receive_data(await stream.receive_some())
                heads += [event for event in events if isinstance(event, h2.events.ResponseReceived)]
        assert (b":status", b"200") in (heads[0].headers or ())
