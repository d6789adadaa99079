"""A backend that is told who calls: with each call its own caller, whatever he has shown the gateway (CFG-70, TOK-1, P-143)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import jwt
import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.front import HandClient
from tests.kit.site import open_site
from tests.kit.token_issuer import Guarded, TokenIssuer

from sluicegate.config.load import parse
from sluicegate.gateway.opening import open_gateway
from sluicegate.outside import Outside
from sluicegate.sources import Sources
from sluicegate.testing.memory_web import MemoryWeb
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.network import run_inline

Clock = trio.testing.MockClock
TOKENS = ("anna-anna-anna-anna", "bert-bert-bert-bert")
RIGHTS = ('allow_tools = ["*"]', 'allow_tools = ["web_t"]')
FILE = f"""
[proxy]
name = "gate"
listen = {{ port = 8080 }}
[auth]
type = "bearer"
tokens = {json.dumps(TOKENS)}
[[backends]]
name = "web"
transport = "http"
url = "http://backend.test/mcp"
"""
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}


def post(token: str, method: str, params: object, session: str = "") -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    more = f"Mcp-Session-Id: {session}\r\n" if session else ""
    head = f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{more}"
    return f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@attrs.define(eq=False)
class Stage:
    network: MemoryNetwork
    endpoint: ScriptedEndpoint

    async def get(self, path: str) -> tuple[int, bytes]:
        client = HandClient(await self.network.open_stream("127.0.0.1", 8080))
        await client.say(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = await client.answer()
        return answer.status, answer.body

    async def call(self, *tokens: str, times: int = 1) -> None:
        """So many calls with each, in the session of the first."""
        client = HandClient(await self.network.open_stream("127.0.0.1", 8080))
        await client.say(post(tokens[0], "initialize", HELLO))
        answer = await client.answer()
        session = answer.headers["mcp-session-id"]
        for token in [token for token in tokens for _ in range(times)]:
            await client.say(post(token, "tools/call", {"name": "web_t", "arguments": {}}, session))
            answer = await client.answer()
            assert answer.status == 200
            assert b'"error"' not in answer.body

    async def told(self, method: str) -> list[dict[str, Any]]:
        """What the backend was told with each request of a method, by the published keys."""
        known = jwt.PyJWKSet.from_dict(json.loads((await self.get("/.well-known/jwks.json"))[1]))
        found = []
        for seen in self.endpoint.seen:
            if seen.method == method:
                token = seen.headers["authorization"].removeprefix("Bearer ")
                options: Any = {"verify_exp": False, "verify_iat": False}
                key = known[jwt.get_unverified_header(token)["kid"]]
                found.append(jwt.decode(token, key, audience="http://backend.test/mcp", issuer="gate", options=options))
        return found


async def tools(answer: Answer) -> None:
    await answer.result({"tools": [{"name": "t", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}]})


@asynccontextmanager
async def stage(
    more: str, tmp_path: Path | None = None, *, text: str = FILE, server: TokenIssuer | None = None
) -> AsyncGenerator[Stage, None]:
    endpoint, network = ScriptedEndpoint({"tools/list": tools}), MemoryNetwork()
    config = parse(text + more).config
    web = MemoryWeb({} if server is None else {"id.test": server})
    if tmp_path is not None:
        (tmp_path / "gate.toml").write_text("")
        config = attrs.evolve(config, source=tmp_path / "gate.toml")
    async with open_site(endpoint if server is None else Guarded(endpoint, server)) as site, trio.open_nursery() as nursery:
        outside = Outside(listen=network.listen, open_stream=site.open_stream, open_http=web.open_http, run_blocking=run_inline)
        async with open_gateway(config, outside=outside, sources=Sources.virtual(1), strict=True) as gateway:
            await nursery.start(gateway.serve)
            yield Stage(network, endpoint)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("more", ["forward_auth = true\n", 'auth = { type = "identity" }\n'])
async def test_each_call_tells_its_caller_and_nothing_that_he_has_shown(autojump_clock: Clock, more: str) -> None:
    async with stage(more) as now:
        for token in TOKENS:
            await now.call(token, times=2)
        told = await now.told("tools/call")
        assert [one["caller"]["subject"] for one in told][::2] == [one["caller"]["subject"] for one in told][1::2]
        assert len({one["sub"] for one in told}) == 2
        assert [one["sub"] for one in await now.told("initialize")] == ["gate"]
        assert not any(token in str(seen.headers) for seen in now.endpoint.seen for token in TOKENS)


async def test_a_session_of_ones_own_is_opened_in_ones_name(autojump_clock: Clock) -> None:
    async with stage('forward_auth = true\nsessions = "per_client"\n') as now:
        await now.call(TOKENS[0])
        (call,) = await now.told("tools/call")
        assert {one["sub"] for one in await now.told("initialize")} == {"gate", call["sub"]}


async def test_what_one_was_answered_is_not_kept_for_another(autojump_clock: Clock) -> None:
    """Its answers may differ by the caller, whether it says so or not."""
    async with stage("forward_auth = true\n[backends.cache]\ntool_ttl_seconds = 60\n") as now:
        for token in TOKENS:
            await now.call(token, times=3)
        assert len({one["sub"] for one in await now.told("tools/call")}) == len(await now.told("tools/call")) == 2


@pytest.mark.parametrize("sessions", ["shared", "per_client"])
async def test_what_one_was_answered_is_not_kept_for_him_with_other_rights(autojump_clock: Clock, sessions: str) -> None:
    """It may answer more to whoever may do more, and is told of that with each call, also of one session."""
    tokens = [f'[[auth.scoped_tokens]]\ntoken = "{token}"\nname = "ada"\n{rights}\n' for token, rights in zip(TOKENS, RIGHTS, strict=True)]
    text = FILE.replace(f"tokens = {json.dumps(TOKENS)}\n", "".join(tokens))
    async with stage(f'forward_auth = true\nsessions = "{sessions}"\n[backends.cache]\ntool_ttl_seconds = 60\n', text=text) as now:
        await now.call(*TOKENS, times=3)
        told = await now.told("tools/call")
        assert {one["sub"] for one in told} == {"ada"}
        assert len({tuple(one["roles"]) for one in told}) == 2
        assert len(told) == 2 + (sessions == "per_client")  # where the first call opens his session nothing can be kept yet


async def test_the_key_outlives_the_process(autojump_clock: Clock, tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        async with stage("forward_auth = true\n", tmp_path) as now:
            keys.append((await now.get("/.well-known/jwks.json"))[1])
    assert keys[0] == keys[1]
    assert (tmp_path / "gate.toml.identity" / "signing.pem").stat().st_mode & 0o777 == 0o600


async def test_who_tells_nobody_of_callers_publishes_nothing(autojump_clock: Clock) -> None:
    async with stage("") as now:
        assert (await now.get("/.well-known/jwks.json"))[0] == 404
        await now.call(TOKENS[0])
        assert not any("authorization" in seen.headers for seen in now.endpoint.seen)


async def test_a_callers_token_is_exchanged_for_one_that_is_for_the_backend(autojump_clock: Clock, tmp_path: Path) -> None:
    """RFC 8693, LIM-1: the backend gets what the server has made for it, and the call of each is run with his own."""
    key, now = ec.generate_private_key(ec.SECP256R1()), int(Sources.virtual(1).wall())
    (tmp_path / "issuer.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    signed = [
        jwt.encode({"iss": "https://id.test", "aud": "gate", "sub": who, "exp": now + 900, "iat": now}, key, "ES256")
        for who in ("anna", "bert")
    ]
    auth = f'type = "jwt"\nissuer = "https://id.test"\naudience = "gate"\nkey_files = [{json.dumps(str(tmp_path / "issuer.pem"))}]\n'
    text = FILE.replace(f'type = "bearer"\ntokens = {json.dumps(TOKENS)}\n', auth)
    more = 'auth = { type = "token_exchange", client_id = "gate", client_secret = "s3cret", issuer = "https://id.test" }\n'
    server = TokenIssuer()
    async with stage(more, text=text, server=server) as now_:
        for token in signed:
            await now_.call(token, times=2)
        shown = [seen.headers["authorization"] for seen in now_.endpoint.seen if seen.method == "tools/call"]
        assert [form.get("subject_token") for form in server.asked] == [None, *signed]
        assert shown == ["Bearer token-2", "Bearer token-2", "Bearer token-3", "Bearer token-3"]
        assert not any(token in str(seen.headers) for seen in now_.endpoint.seen for token in signed)
