"""A gateway whose callers come with tokens of an authorization server: how they learn of it, who comes in, and what happens while it is away."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from joserfc.jwk import ECKey
from tests.kit.asgi import AsgiTransport
from tests.kit.authorization_server import ISSUER, Issuer
from tests.kit.issuer import signed
from tests.kit.messages import HELLO, INITIALIZED, PING

from sluicegate import open_gateway
from sluicegate.config.model import BackendConfig, Config, OAuthAuth, ProxyConfig, ToolScopes
from sluicegate.policies.settings import CacheSettings
from sluicegate.settings.composite_tools import CompositeConfig
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_web import MemoryWeb
from sluicegate.testing.network import open_outside

Clock = trio.testing.MockClock
OURS = "https://gate.example/mcp"
BOTH = "application/json, text/event-stream"
SCHEMA = {"inputSchema": {"type": "object"}}
SAFE = {"annotations": {"readOnlyHint": True}}
TOOLS: list[Mapping[str, object]] = [{"name": "read", **SCHEMA, **SAFE}, {"name": "write", **SCHEMA}, {"name": "write_all", **SCHEMA}]
AUTH = OAuthAuth(
    issuer=ISSUER,
    audience=OURS,
    token_validation="introspection",
    client_id="gate",
    client_secret="of-the-gate",
    required_scopes=("mcp",),
    tool_scopes=(ToolScopes(tools=("b_write*",), scopes=("mcp:write",)), ToolScopes(tools=("b_write_all",), scopes=("mcp:all",))),
)


def says(subject: str = "ann", scope: str = "mcp", **more: object) -> dict[str, object]:
    return {"sub": subject, "scope": scope, "aud": OURS} | more


@attrs.define
class Front:
    http: httpx2.AsyncClient
    issuer: Issuer
    web: MemoryWeb
    backend: ScriptedBackend

    async def post(self, message: object, token: str | None = None, session: str = "") -> httpx2.Response:
        headers = {"accept": BOTH, "content-type": "application/json"}
        headers |= {"mcp-session-id": session} if session else {}
        headers |= {"authorization": f"Bearer {token}"} if token is not None else {}
        return await self.http.post("/mcp", content=json.dumps(message).encode(), headers=headers)

    async def open(self, token: str) -> str:
        opened = await self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}, token)
        session = str(opened.headers["mcp-session-id"])
        await self.post(INITIALIZED, token, session)
        return session

    async def call(self, tool: str, token: str, session: str, **arguments: object) -> httpx2.Response:
        params = {"name": tool, "arguments": arguments}
        return await self.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, token, session)


@asynccontextmanager
async def fronted(auth: OAuthAuth = AUTH, *, away: bool = False, **proxy: Any) -> AsyncGenerator[Front, None]:
    backend = ScriptedBackend(name="b", tools=TOOLS)
    backends = (BackendConfig("b", "inprocess", cache=CacheSettings(tool_ttl_seconds=1000)),)
    composites = (CompositeConfig("both", "", ("b_read", "b_write")),)
    config = Config(ProxyConfig("x", public_url="https://gate.example", **proxy), backends, auth=auth, composite_tools=composites)
    async with open_outside() as world:
        issuer = Issuer()
        if not away:
            world.web.sites["id.example"] = issuer
        async with (
            open_gateway(config, servers={"b": backend.connector}, outside=world.outside, sources=Sources.virtual(1)) as gateway,
            trio.open_nursery() as nursery,
        ):
            await gateway.ready()
            transport = AsgiTransport(gateway.asgi_app, nursery)
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None) as http:
                yield Front(http, issuer, world.web, backend)
            nursery.cancel_scope.cancel()


async def test_a_stranger_finds_the_way_to_a_token_and_comes_in_with_it(autojump_clock: Clock) -> None:
    """AUTH-11, AUTH-12, P-142: from the challenge to the document, from there to the issuer, and back with a token."""
    async with fronted() as front:
        refused = await front.post(PING)
        assert refused.status_code == 401
        where = "https://gate.example/.well-known/oauth-protected-resource/mcp"
        assert refused.headers["www-authenticate"] == f'Bearer realm="sluicegate", scope="mcp", resource_metadata="{where}"'
        document = (await front.http.get("/.well-known/oauth-protected-resource/mcp", headers={"host": "gate.example"})).json()
        assert (document["resource"], document["authorization_servers"]) == (OURS, [ISSUER])
        assert document["scopes_supported"] == ["mcp", "mcp:write", "mcp:all"]
        front.issuer.tokens["t"] = says()
        session = await front.open("t")
        assert (await front.call("b_read", "t", session)).json()["result"]["content"]
        assert front.issuer.asked == ["t"]


async def test_a_token_counts_in_the_header_alone(autojump_clock: Clock) -> None:
    """P-140: what stands in an address is in logs and histories."""
    async with fronted() as front:
        front.issuer.tokens["t"] = says()
        answers = [await front.http.post(f"/mcp?{query}=t", json=PING) for query in ("access_token", "token")]
        form = await front.http.post("/mcp", data={"access_token": "t"})
        assert {answer.status_code for answer in (*answers, form)} == {401}
        assert front.issuer.asked == []


@pytest.mark.parametrize(
    ("claims", "status", "error"),
    [
        (None, 401, "invalid_token"),
        (says(aud="https://other.example/mcp"), 401, "invalid_token"),
        (says(iss="https://evil.example"), 401, "invalid_token"),
        (says(exp=0), 401, "invalid_token"),
        (says(scope="other"), 403, "insufficient_scope"),
        (says(scope="mcp:write"), 403, "insufficient_scope"),
    ],
)
async def test_a_token_for_something_else_lets_nobody_in(
    claims: dict[str, object] | None, status: int, error: str, autojump_clock: Clock
) -> None:
    async with fronted() as front:
        if claims is not None:
            front.issuer.tokens["t"] = claims
        refused = await front.post(PING, "t")
        assert refused.status_code == status
        assert f'error="{error}"' in refused.headers["www-authenticate"]
        assert ('scope="mcp"' in refused.headers["www-authenticate"]) is True
        assert front.backend.calls == 0


async def test_a_token_that_was_refreshed_goes_on_with_the_session_and_nobody_elses_does(autojump_clock: Clock) -> None:
    """Of the same subject at the same issuer."""
    async with fronted() as front:
        front.issuer.tokens |= {"one": says(), "two": says(), "bobs": says("bob")}
        session = await front.open("one")
        assert (await front.call("b_read", "two", session)).status_code == 200
        assert (await front.call("b_read", "bobs", session)).status_code == 404


async def test_a_tool_that_needs_more_is_refused_with_all_that_it_needs(autojump_clock: Clock) -> None:
    """P-141: by status and challenge, before the call begins; whoever has it comes through."""
    async with fronted() as front:
        front.issuer.tokens |= {"little": says(), "much": says(scope="mcp mcp:write"), "all": says(scope="mcp mcp:write mcp:all")}
        session = await front.open("little")
        refused = await front.call("b_write", "little", session)
        assert (refused.status_code, refused.json()["id"], refused.json()["error"]["code"]) == (403, 1, -32007)
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
        assert 'scope="mcp mcp:write"' in refused.headers["www-authenticate"]
        assert "resource_metadata=" in refused.headers["www-authenticate"]
        assert front.backend.calls == 0
        assert (await front.call("b_write", "much", session)).status_code == 200
        refused = await front.call("b_write_all", "much", session)
        assert 'scope="mcp mcp:write mcp:all"' in refused.headers["www-authenticate"]
        assert (await front.call("b_write_all", "all", session)).status_code == 200


async def test_no_detour_leads_to_a_tool_that_needs_more(autojump_clock: Clock) -> None:
    """Not by a composite tool, nor by the tool that calls others, nor by an answer that was kept."""
    auth = attrs.evolve(AUTH, tool_scopes=(ToolScopes(tools=("b_write", "b_read"), scopes=("mcp:write",)),))
    async with fronted(auth, tool_exposure="search") as front:
        front.issuer.tokens |= {"little": says(), "much": says(scope="mcp mcp:write")}
        session = await front.open("much")
        assert (await front.call("b_read", "much", session)).status_code == 200
        assert (await front.call("b_read", "much", session)).status_code == 200
        assert front.backend.calls == 1
        told = (await front.call("proxy_call_tool", "little", session, name="b_write", arguments={})).json()
        assert told["error"]["data"]["reason"] == "insufficient_scope"
        assert told["error"]["data"]["scopes"] == ["mcp", "mcp:write"]
        parts = (await front.call("both", "little", session)).json()
        assert "insufficient scope" in json.dumps(parts)
        assert (await front.call("b_read", "little", session)).status_code == 403
        assert front.backend.calls == 1


async def test_before_the_issuer_was_there_once_requests_are_told_to_come_back(autojump_clock: Clock) -> None:
    """The start does not wait for it."""
    async with fronted(away=True) as front:
        refused = await front.post(PING, "t")
        assert (refused.status_code, "www-authenticate" in refused.headers) == (503, False)
        assert int(refused.headers["retry-after"]) == 1
        await trio.sleep(40)
        again_after = int((await front.post(PING, "t")).headers["retry-after"])
        assert 1 < again_after <= 60
        front.web.sites["id.example"] = front.issuer
        front.issuer.tokens["t"] = says()
        await trio.sleep(again_after)
        assert await front.open("t")


async def test_while_the_issuer_is_away_who_is_known_goes_on_and_others_come_back(autojump_clock: Clock) -> None:
    async with fronted() as front:
        front.issuer.tokens |= {"t": says(), "u": says("bob")}
        session = await front.open("t")
        site = front.web.sites.pop("id.example")
        assert (await front.call("b_read", "t", session)).status_code == 200
        assert (await front.post(PING, "u")).status_code == 503
        await trio.sleep(31)
        assert (await front.call("b_read", "t", session)).status_code == 503
        front.web.sites["id.example"] = site
        await trio.sleep(31)
        assert (await front.call("b_read", "t", session)).status_code == 200


async def test_where_the_endpoint_is_given_the_issuer_is_not_asked_about_itself(autojump_clock: Clock) -> None:
    """AUTH-8."""
    async with fronted(attrs.evolve(AUTH, introspection_endpoint=f"{ISSUER}/introspect")) as front:
        front.issuer.tokens["t"] = says()
        await front.open("t")
        assert front.web.asked == [f"POST {ISSUER}/introspect"]


async def test_an_issuer_that_cannot_be_asked_is_told_of(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async with fronted(away=True) as front:
        del front.issuer.document["introspection_endpoint"]
        front.web.sites["id.example"] = front.issuer
        await trio.sleep(60)
        assert (await front.post(PING, "t")).status_code == 503
    reasons = [str(vars(record).get("reason")) for record in caplog.records]
    assert any("names no introspection_endpoint" in reason for reason in reasons)


KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
START = 1_767_225_600
"""When virtual time begins."""


def jwt(**claims: object) -> str:
    given = {"iss": ISSUER, "sub": "ann", "aud": OURS, "scope": "mcp", "exp": START + 1000} | claims
    return signed({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}, given, KEY)


@asynccontextmanager
async def signing(validation: Any) -> AsyncGenerator[Front, None]:
    """A server that signs, too; the gateway has found its keys."""
    async with fronted(attrs.evolve(AUTH, token_validation=validation)) as front:
        front.issuer.keys.append(KEY.as_dict(private=False))
        await trio.sleep(61)
        yield front


async def test_of_both_kinds_each_token_is_judged_by_what_it_is(autojump_clock: Clock) -> None:
    """AUTH-10: a JWT that is no good is not asked about, whatever the server would say."""
    async with signing("both") as front:
        late, others = jwt(exp=START - 1000), jwt(aud="https://other.example")
        front.issuer.tokens |= {"opaque": says(), late: says(), others: says()}
        assert [(await front.post(PING, token)).status_code for token in (late, others)] == [401, 401]
        assert front.issuer.asked == []
        session = await front.open(jwt())
        assert (await front.call("b_read", "opaque", session)).status_code == 200
        assert front.issuer.asked == ["opaque"]


async def test_a_signed_token_needs_no_question_and_the_server_is_asked_where_its_keys_are(autojump_clock: Clock) -> None:
    async with signing("jwt") as front:
        session = await front.open(jwt())
        assert (await front.call("b_write", jwt(), session)).status_code == 403
        assert (await front.call("b_write", jwt(scope="mcp mcp:write"), session)).status_code == 200
        assert (await front.post(PING, "opaque")).status_code == 401
        assert front.issuer.asked == []
        assert front.web.asked[0] == f"GET {ISSUER}/.well-known/oauth-authorization-server"


def test_nothing_of_it_is_loaded_where_it_is_not_configured() -> None:
    code = """
import sys, trio
from sluicegate import open_gateway
from sluicegate.config.model import BearerAuth, Config, ProxyConfig
async def main():
    async with open_gateway(Config(ProxyConfig("x"), auth=BearerAuth(("a-long-random-token",)))):
        pass
trio.run(main)
print([name for name in sys.modules if name.startswith("sluicegate.identity.")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.rpartition(".")[2] for name in ast.literal_eval(done.stdout)}
    assert loaded & {"active_claims", "introspection", "issued_tokens", "issuer_discovery", "kept_verdicts", "signed_tokens"} == set()
