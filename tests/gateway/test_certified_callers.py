"""Callers who show certificates, over TLS in memory: who they are, and whose their sessions are."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trustme
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from tests.kit.messages import HELLO

from sluicegate import open_gateway
from sluicegate.config.model import Config, ListenConfig, ListenTlsConfig, MtlsAuth, ProxyConfig
from sluicegate.identity.certificates import CertifiedCallers
from sluicegate.identity.identify import Refused
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.protocol.request_headers import RequestHeaders, read_headers
from sluicegate.settings.identity import AuthConfig
from sluicegate.sources import Sources
from sluicegate.testing.network import MemoryOutside, open_outside

OPENING = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@attrs.define(eq=False)
class Door:
    """A gateway that asks for certificates of one authority."""

    world: MemoryOutside
    authority: trustme.CA

    async def say(self, who: str, message: object, session: str = "", protocol: str = "http/1.1") -> tuple[int, dict[str, str], bytes]:
        """Send it with a certificate that is made out to him."""
        context = ssl.create_default_context()
        context.set_alpn_protocols([protocol])
        self.authority.configure_trust(context)
        self.authority.issue_cert(who).configure_cert(context)
        raw = await self.world.outside.open_stream("127.0.0.1", 8080)
        stream = trio.SSLStream(raw, context, server_hostname="localhost", https_compatible=True)
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        headers |= {"mcp-session-id": session} if session else {}
        told = over_http2 if protocol == "h2" else over_http1
        return await told(stream, headers, json.dumps(message).encode())


async def over_http1(stream: trio.SSLStream[Any], headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    lines = [f"{name}: {value}" for name, value in {"host": "localhost", "connection": "close", **headers}.items()]
    head = "\r\n".join(["POST /mcp HTTP/1.1", *lines, f"content-length: {len(body)}"])
    await stream.send_all(f"{head}\r\n\r\n".encode() + body)
    answer = b""
    while part := await stream.receive_some():
        answer += part
    top, _, rest = answer.partition(b"\r\n\r\n")
    status, *lines = top.decode().split("\r\n")
    said = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), said, rest


async def over_http2(stream: trio.SSLStream[Any], headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    talk = H2Connection()
    talk.initiate_connection()
    own = {":method": "POST", ":path": "/mcp", ":scheme": "https", ":authority": "localhost"}
    talk.send_headers(1, list((own | headers).items()))
    talk.send_data(1, body, end_stream=True)
    said: dict[str, str] = {}
    rest = b""
    while True:
        await stream.send_all(talk.data_to_send())
        for event in talk.receive_data(bytes(await stream.receive_some())):
            if isinstance(event, ResponseReceived):
                said = {str(name, "ascii"): str(value, "ascii") for name, value in event.headers}
            elif isinstance(event, DataReceived):
                rest += event.data
            elif isinstance(event, StreamEnded):
                await trio.aclose_forcefully(stream)
                return int(said[":status"]), said, rest


@asynccontextmanager
async def opened(auth: AuthConfig | None, folder: Path) -> AsyncGenerator[Door, None]:
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "gate.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    tls = ListenTlsConfig(str(folder / "gate.pem"), client_ca=str(folder / "ca.pem"))
    config = Config(ProxyConfig("x", listen=ListenConfig(port=8080, tls=tls)), auth=auth)
    async with (
        open_outside() as world,
        trio.open_nursery() as nursery,
        open_gateway(config, outside=world.outside, sources=Sources.virtual(1)) as gateway,
    ):
        await nursery.start(gateway.serve)
        yield Door(world, authority)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("auth", [None, MtlsAuth()], ids=["no table", "mtls"])
async def test_a_session_belongs_to_whom_the_certificate_is_made_out(
    auth: AuthConfig | None, autojump_clock: object, tmp_path: Path
) -> None:
    async with opened(auth, tmp_path) as door:
        status, headers, _ = await door.say("ann.example", OPENING)
        assert status == 200
        session = headers["mcp-session-id"]
        assert (await door.say("ann.example", PING, session))[0] == 200
        for stranger in ("bob.example", "ann@example.org"):
            assert (await door.say(stranger, PING, session))[0] == 404


async def test_a_name_of_a_kind_that_does_not_count_is_nobodys(autojump_clock: object, tmp_path: Path) -> None:
    async with opened(MtlsAuth(names=("URI", "email")), tmp_path) as door:
        status, _, body = await door.say("ann.example", OPENING)
        assert (status, b"names nobody that is known here" in body) == (403, True)
        assert (await door.say("ann@example.org", OPENING))[0] == 200


NO_HEADERS = read_headers([])


@attrs.frozen
class Sending:
    certificate: dict[str, object] | None
    headers: RequestHeaders = NO_HEADERS
    method: str = "POST"
    path: str = "/mcp"


@pytest.mark.parametrize(
    ("certificate", "subject"),
    [
        ({"subjectAltName": (("DNS", "a"), ("URI", "spiffe://x/a"))}, "URI:spiffe://x/a"),
        ({"subjectAltName": (("DNS", "a"), ("DNS", "b"))}, "DNS:a"),
        ({"subjectAltName": (("IP Address", "::1"), ("DirName", ((("commonName", "a"),),)))}, None),
        ({"subject": ((("commonName", "a"),),)}, None),
        ({"subjectAltName": (("DNS", ""),)}, None),
        ({"subjectAltName": (("DNS", "a\nb"),)}, None),
        ({"subjectAltName": (("URI", "u" * 1025), ("email", "a@b"))}, "email:a@b"),
        (None, None),
    ],
)
async def test_the_first_choice_among_the_names_is_who_it_is(certificate: dict[str, object] | None, subject: str | None) -> None:
    found = await CertifiedCallers(("URI", "DNS", "email")).identify(Sending(certificate))
    if subject is None:
        assert isinstance(found, Refused)
        assert await CertifiedCallers(("URI",), otherwise=NOBODY).identify(Sending(certificate)) is NOBODY
    else:
        assert isinstance(found, Principal)
        assert (found.key, found.name, found.how) == (f"mtls {subject}", subject.partition(":")[2], "mtls")


async def test_who_comes_with_the_same_names_is_the_same_over_each_connection() -> None:
    """Whatever is asked only of somebody new is asked once."""
    asked = list[object]()

    def roles_of(claims: Mapping[str, object]) -> frozenset[str]:
        asked.append(claims["name"])
        return frozenset({"r"})

    callers = CertifiedCallers(("DNS",), roles_of=roles_of)
    found = [await callers.identify(Sending({"subjectAltName": (("DNS", name), ("URI", "u:x"))})) for name in ("a", "b", "a")]
    assert found[0] is found[2]
    assert [one.name for one in found if isinstance(one, Principal)] == ["a", "b", "a"]
    assert asked == ["a", "b"]
