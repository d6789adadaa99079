"""A gateway in front of backends that want to know who asks: it has tokens of its own, whatever clients show (CFG-70, P-143, P-146)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.site import Site, open_site
from tests.kit.token_issuer import PAGE, Guarded, TokenIssuer

from sluicegate import Builder, Gateway
from sluicegate.outside import Outside
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.settings.outward import OutwardSettings
from sluicegate.testing.checkpoints import cancel_at_every_checkpoint
from sluicegate.testing.memory_web import MemoryWeb
from sluicegate.testing.network import run_inline

Clock = trio.testing.MockClock
AUTH = OutwardSettings("client_credentials", client_id="gate", client_secret="s3cret", issuer="https://id.test")
URL = "http://backend.test/mcp"


def state_of(gateway: Gateway) -> str:
    return gateway.backends["web"].state.value


@attrs.define(eq=False)
class World:
    gateway: Gateway
    door: Guarded
    server: TokenIssuer
    site: Site
    endpoint: ScriptedEndpoint

    async def call(self) -> Reply:
        return await self.gateway.backends["web"](Call("tools/call", "t", {"name": Raw(b'"t"')}))


@asynccontextmanager
async def world(server: TokenIssuer | None = None, auth: OutwardSettings = AUTH, **door: Any) -> AsyncGenerator[World, None]:
    server = server or TokenIssuer()
    endpoint = ScriptedEndpoint()
    guarded = Guarded(endpoint, server, **door)
    web = MemoryWeb({"id.test": server})
    async with open_site(guarded) as site:
        outside = Outside(open_stream=site.open_stream, open_http=web.open_http)
        async with Builder("x").backend("web", URL, auth=auth).open(outside=outside) as gateway:
            yield World(gateway, guarded, server, site, endpoint)


async def test_a_backend_is_reached_with_a_token_that_was_had_before(autojump_clock: Clock) -> None:
    async with world() as now:
        await now.gateway.settled()
        for _ in range(5):
            assert (await now.call()).fault is None
        assert set(now.door.shown) == {"Bearer token-1"}
        assert len(now.server.asked) == 1


async def test_a_token_that_was_taken_back_costs_no_call(autojump_clock: Clock) -> None:
    async with world(TokenIssuer(pause=0.5)) as now:
        await now.gateway.settled()
        await trio.sleep(20)
        now.server.live.clear()
        replies: list[Reply] = []

        async def one() -> None:
            replies.append(await now.call())

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
        assert [reply.fault for reply in replies] == [None] * 20
        assert len(now.server.asked) == 2
        assert now.endpoint.methods().count("tools/call") == 20  # each was run once
        assert now.server.most_under_way == 1


async def test_calls_go_on_for_hours_on_tokens_of_a_minute(autojump_clock: Clock) -> None:
    async with world(TokenIssuer(seconds=60, pause=1)) as now:
        await now.gateway.settled()
        for _ in range(200):
            assert (await now.call()).fault is None
            await trio.sleep(18)
            for token in list(now.server.live)[:-2]:
                del now.server.live[token]
        assert 60 <= len(now.server.asked) <= 90
        assert len(now.endpoint.seen) == len(now.door.shown)  # none was ever refused


async def test_more_is_asked_for_where_a_call_needs_it(autojump_clock: Clock) -> None:
    """P-141, from the other side."""
    async with world() as now:
        await now.gateway.settled()
        now.door.scope = "tools:call"
        assert (await now.call()).fault is None
        assert [form.get("scope") for form in now.server.asked] == [None, "tools:call"]


async def test_the_server_is_found_by_what_the_backend_says(autojump_clock: Clock, tmp_path: Path) -> None:
    """A key is shown to nobody, so it may be used at whichever server the backend names (RFC 9728)."""
    (tmp_path / "gate.key").write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    auth = OutwardSettings("private_key_jwt", client_id="gate", key=str(tmp_path / "gate.key"))
    url, server = "http://127.0.0.1:1/mcp", TokenIssuer("http://127.0.0.1:2")
    page = TokenIssuer(documents={"/page": {"resource": url, "authorization_servers": [server.issuer]}})
    guarded = Guarded(ScriptedEndpoint(), server, metadata="http://127.0.0.1:1/page")
    web = MemoryWeb({"127.0.0.1:1": page, "127.0.0.1:2": server})
    async with open_site(guarded) as site:
        outside = Outside(open_stream=site.open_stream, open_http=web.open_http, run_blocking=run_inline)
        async with Builder("x").backend("web", url, auth=auth).open(outside=outside) as gateway:
            await gateway.settled()
            assert state_of(gateway) != "ready"  # nothing has told where to ask
            page.documents[PAGE] = page.documents["/page"]
            await trio.sleep(30)
            assert state_of(gateway) == "ready"
    assert server.asked[0]["resource"] == url
    assert "client_assertion" in server.asked[0]


async def test_why_there_is_no_token_is_told_with_what_to_do_and_without_the_secret(autojump_clock: Clock) -> None:
    async with world(TokenIssuer(refusal=(401, {"error": "invalid_client"}))) as now:
        await now.gateway.settled()
        backend = now.gateway.backends["web"]
        assert state_of(now.gateway) == "restarting"
        assert backend.error is not None
        assert "https://id.test/token: HTTP 401, invalid_client" in backend.error
        assert "s3cret" not in backend.error
        reply = await now.call()
        assert reply.fault is not None
        assert "id.test" not in reply.fault.message
        assert now.door.shown == []
        now.server.refusal = None
        await trio.sleep(60)
        assert state_of(now.gateway) == "ready"


async def test_an_authorization_server_that_is_away_costs_nothing_while_the_token_lasts(autojump_clock: Clock) -> None:
    async with world(TokenIssuer(seconds=100)) as now:
        await now.gateway.settled()
        now.server.refusal = (503, {})
        await trio.sleep(99)
        assert (await now.call()).fault is None
        await trio.sleep(10)
        now.server.live.clear()
        assert (await now.call()).fault is not None
        now.server.refusal = None
        await trio.sleep(60)
        assert (await now.call()).fault is None


async def test_a_page_that_shows_what_was_sent_shows_no_token(autojump_clock: Clock) -> None:
    async with world() as now:
        await now.gateway.settled()

        async def debugger(answer: Answer) -> None:
            await answer.send(500, b"Traceback: {'authorization': '" + answer.headers["authorization"].encode() + b"'}")

        now.endpoint.on["tools/call"] = debugger
        reply = await now.call()
        assert reply.fault is not None
        assert "Bearer ***" in reply.fault.told
        assert "token-1" not in reply.fault.told


async def test_a_header_of_its_own_is_sent(autojump_clock: Clock) -> None:
    async with world(auth=OutwardSettings("header", header="X-Key", value="k")) as now:
        await now.gateway.settled()
        assert now.door.shown != []
        assert now.server.asked == []


async def test_a_gateway_is_cut_at_any_moment_of_a_refresh(autojump_clock: Clock) -> None:
    async def scenario() -> None:
        async with world(TokenIssuer(pause=0.5)) as now:
            await now.gateway.settled()
            await trio.sleep(20)
            now.server.live.clear()
            await now.call()

    await cancel_at_every_checkpoint(scenario)


@pytest.mark.parametrize("kind", ["sse", "websocket"])
async def test_other_transports_show_the_same(autojump_clock: Clock, kind: str) -> None:
    """What stands behind is no server of theirs; what it is shown is all that matters here."""
    server = TokenIssuer()
    endpoint = ScriptedEndpoint()
    guarded = Guarded(endpoint, server)
    web = MemoryWeb({"id.test": server})
    url = "ws://backend.test/mcp" if kind == "websocket" else "http://backend.test/sse"
    async with open_site(guarded) as site:
        outside = Outside(open_stream=site.open_stream, open_http=web.open_http)
        told = {} if kind == "websocket" else {"transport": kind}
        async with Builder("x").backend("web", url, auth=AUTH, **told).open(outside=outside) as gateway:
            await gateway.settled()
            assert guarded.shown[0] == "Bearer token-1"
            server.live.clear()
            await trio.sleep(60)
            assert guarded.shown[-1] == f"Bearer token-{len(server.asked)}"
            assert len(server.asked) >= 2
