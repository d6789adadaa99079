"""HTTP+SSE as a front: where messages go, whose they are, and how a stream ends (MCP 2024-11-05)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import msgspec
import pytest
import trio
import trio.testing
from tests.kit.asgi import AsgiTransport
from tests.kit.old_client import OldClient, open_old_client

from sluicegate.config.model import BackendConfig, BearerAuth, Config, ListenConfig, ProxyConfig, SecurityConfig
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.settings.entitlements import ScopedTokenSettings
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import open_outside
from sluicegate.testing.script import Delay, Echo

Clock = trio.testing.MockClock
HELLO = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
PING = b'{"jsonrpc":"2.0","id":9,"method":"ping"}'
TOKEN, OTHER = "0123456789abcdef0123", "fedcba98765432100123"
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
OVERLOADED = -32013
MIB = 1024 * 1024
FIRST_SECONDS = 30.0


@asynccontextmanager
async def gate(*steps: Any, sse: bool = True, **parts: Any) -> AsyncGenerator[tuple[Gateway, trio.Nursery]]:
    """A gateway that speaks HTTP+SSE, with one backend."""
    listen = attrs.evolve(ListenConfig(), sse=sse)
    config = Config(ProxyConfig("near", listen=listen, shutdown_timeout_seconds=5), (BackendConfig("b", "inprocess"),), **parts)
    servers, sources = {"b": ScriptedBackend(*steps, name="b").connector}, Sources.virtual(1)
    async with open_outside() as world, trio.open_nursery() as nursery:
        async with open_gateway(config, strict=True, servers=servers, outside=world.outside, sources=sources) as gateway:
            yield gateway, nursery
        nursery.cancel_scope.cancel()


async def opened(client: OldClient) -> dict[str, Any]:
    """The answer to ``initialize``."""
    await client.say(id=1, method="initialize", params=HELLO)
    return await client.message()


async def test_what_is_posted_is_answered_on_the_stream(autojump_clock: Clock) -> None:
    async with gate() as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        assert client.endpoint.startswith("/messages?sessionId=")
        assert (await opened(client))["result"]["protocolVersion"] == "2024-11-05"
        await client.say(method="notifications/initialized")
        await client.say(id=2, method="tools/call", params={"name": "b_echo", "arguments": {"x": "é"}})
        assert (await client.hear())["result"]["content"][0]["text"] == 'echo {"x":"é"} #1'
        assert (await client.post(b'{\n"jsonrpc": "2.0",\n"id": 3,\n"method": "ping"\n}')).status_code == 202
        assert await client.hear() == {"jsonrpc": "2.0", "id": 3, "result": {}}
        assert (await client.post(b"{nonsense")).status_code == 202
        assert (await client.hear())["error"]["code"] == -32700


async def test_it_is_off_unless_a_setting_says_otherwise(autojump_clock: Clock) -> None:
    async with gate(sse=False) as (gateway, nursery):
        transport = AsgiTransport(gateway.asgi_app, nursery)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8080") as http:
            assert [(await http.get("/sse")).status_code, (await http.post("/messages?sessionId=x")).status_code] == [404, 404]


async def test_messages_are_taken_for_a_session_that_is_there_and_ones_own(autojump_clock: Clock) -> None:
    own, other = f"Bearer {TOKEN}", f"Bearer {OTHER}"
    async with (
        gate(auth=BearerAuth(tokens=(TOKEN, OTHER))) as (gateway, nursery),
        open_old_client(gateway.asgi_app, nursery, authorization=own) as client,
    ):
        statuses = [(await client.post(PING, authorization=one)).status_code for one in (own, other, "Bearer wrong")]
        assert statuses == [202, 404, 401]
        client.endpoint = client.endpoint[:-1]
        assert (await client.post(PING, authorization=own)).status_code == 404
        client.endpoint = "/messages"
        assert (await client.post(PING, authorization=own)).status_code == 404


@pytest.mark.parametrize("meta", [{}, {"_meta": META}], ids=["in its session", "alone"])
async def test_each_message_may_do_what_the_token_may_that_came_with_it(meta: dict[str, Any], autojump_clock: Clock) -> None:
    """Not what the stream's may, nor that of the message before; and what was opened with a narrow one is not narrow for ever."""
    wide = ScopedTokenSettings(token=TOKEN, name="ada", allow_tools=("*",))
    narrow = ScopedTokenSettings(token=OTHER, name="ada", allow_prompts=("*",))
    async with (
        gate(*[Echo()] * 4, auth=BearerAuth(scoped_tokens=(wide, narrow))) as (gateway, nursery),
        open_old_client(gateway.asgi_app, nursery, authorization=f"Bearer {TOKEN}") as client,
    ):
        await gateway.ready()

        async def ask(token: str, number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params | meta}
            assert (await client.post(msgspec.json.encode(message), authorization=f"Bearer {token}")).status_code == 202
            return await client.hear()

        if not meta:
            assert "result" in await ask(OTHER, 1, "initialize", HELLO)
        call = {"name": "b_echo", "arguments": {}}
        for number, (token, may) in enumerate([(TOKEN, True), (OTHER, False), (TOKEN, True)], 10):
            answer = await ask(token, number, "tools/call", call)
            assert ("result" in answer) == may, answer
            listed = await ask(token, number + 10, "tools/list", {})
            assert [tool["name"] for tool in listed.get("result", {}).get("tools", [])] == ["b_echo"] * may


@pytest.mark.parametrize(("more", "status"), [(15, 202), (16, 404)])
async def test_a_query_has_few_members(more: int, status: int, autojump_clock: Clock) -> None:
    async with gate() as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        client.endpoint += "&a=1" * more
        assert (await client.post(PING)).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"), [({"host": "evil.test"}, 400), ({"origin": "https://evil.test"}, 403), ({"content_type": "text/plain"}, 415)]
)
async def test_the_guards_of_http_hold(headers: dict[str, str], status: int, autojump_clock: Clock) -> None:
    async with gate() as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        assert (await client.post(PING, **headers)).status_code == status


async def test_a_body_over_the_limit_is_refused(autojump_clock: Clock) -> None:
    security = SecurityConfig(max_body_size=1000)
    async with gate(security=security) as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        assert (await client.post(b'{"x":"' + b"y" * 2000 + b'"}')).status_code == 413


async def test_each_stream_takes_a_place_of_its_owner_and_gives_it_back(autojump_clock: Clock) -> None:
    async with gate(security=SecurityConfig(max_sessions_per_principal=1)) as (gateway, nursery):
        async with open_old_client(gateway.asgi_app, nursery) as one:
            assert "result" in await opened(one)
            async with open_old_client(gateway.asgi_app, nursery) as other:
                assert "you have 1 sessions" in (await opened(other))["error"]["message"]
        await trio.testing.wait_all_tasks_blocked()
        async with open_old_client(gateway.asgi_app, nursery) as later:
            assert "result" in await opened(later)


async def test_who_does_not_read_is_not_read_from(autojump_clock: Clock) -> None:
    async with gate(*[Echo()] * 40) as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        await opened(client)
        client.send, client.events = trio.open_memory_channel(0)
        params = {"name": "b_echo", "arguments": {"x": "y" * MIB}}
        call = msgspec.json.encode({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params})
        answers: list[httpx2.Response] = []
        while not answers or answers[-1].status_code == 202:
            answers.append(await client.post(call.replace(b'"id":2', b'"id":%d' % len(answers))))
            await trio.sleep(1)
        refused = answers[-1]
        assert (refused.status_code, refused.json()["error"]["code"], refused.headers["retry-after"]) == (503, OVERLOADED, "1")
        assert 8 <= len(answers) < 40


@pytest.mark.parametrize("meta", [{}, {"_meta": META}])
async def test_the_calls_of_who_goes_end_at_once_and_its_address_is_gone(meta: dict[str, Any], autojump_clock: Clock) -> None:
    async with gate(Delay(100, Echo())) as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        await opened(client)
        await client.say(id=2, method="tools/call", params={"name": "b_echo", "arguments": {}} | meta)
        await trio.sleep(1)
        assert gateway.backends["b"].in_flight == 1
        client.reading.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.backends["b"].in_flight == 0
        assert (await client.post(PING)).status_code == 404


async def test_a_drain_lets_calls_end_and_then_the_stream(autojump_clock: Clock) -> None:
    async with gate(Delay(3, Echo())) as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        await opened(client)
        await client.say(id=2, method="tools/call", params={"name": "b_echo", "arguments": {}})
        await trio.testing.wait_all_tasks_blocked()
        gateway.stop_accepting()
        assert (await client.post(PING)).status_code == 503
        assert (await client.message())["id"] == 2
        await client.ended.wait()


async def test_a_stream_on_which_nobody_says_anything_ends(autojump_clock: Clock) -> None:
    async with gate() as (gateway, nursery), open_old_client(gateway.asgi_app, nursery) as client:
        began = trio.current_time()
        await client.ended.wait()
        assert trio.current_time() - began == pytest.approx(FIRST_SECONDS)
