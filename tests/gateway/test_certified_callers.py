"""Callers who show certificates, over TLS in memory: who they are, and whose their sessions are."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trustme
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

    async def say(self, who: str, message: object, session: str = "") -> tuple[int, dict[str, str], Any]:
        """Send it with a certificate that is made out to him."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if who:
            self.authority.issue_cert(who).configure_cert(context)
        stream = trio.SSLStream(
            await self.world.outside.open_stream("127.0.0.1", 8080), context, server_hostname="localhost", https_compatible=True
        )
        body = json.dumps(message).encode()
        head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head += "Accept: application/json, text/event-stream\r\n" + (f"Mcp-Session-Id: {session}\r\n" if session else "")
        await stream.send_all(f"{head}\r\n".encode() + body)
        answer = b""
        while part := await stream.receive_some():
            answer += part
        top, _, rest = answer.partition(b"\r\n\r\n")
        status, *lines = top.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(status.split()[1]), headers, rest


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
