"""A whole gateway ends and another takes its place: a client that can be asked goes on as if nothing had been, with a link of its own anew."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, HttpClient
from tests.kit.asgi import AsgiTransport
from tests.kit.offices import WallClock
from tests.kit.personal import PersonalBackend

from sluicegate import Outside, open_gateway
from sluicegate.backends.channel import ChannelSession
from sluicegate.config.model import BackendConfig, Config, ListenConfig, ProxyConfig
from sluicegate.frontends.session_statistics import SessionStatistics
from sluicegate.gateway.opening import Gateway
from sluicegate.sources import Sources
from sluicegate.testing import run_inline
from sluicegate.testing.script import Ask

LATE = 3.0
Clock = trio.testing.MockClock
Connect = Callable[[tuple[str, int]], HttpClient]


class Late(PersonalBackend):
    """Takes some time to start."""

    async def converse(self, session: ChannelSession) -> None:
        await trio.sleep(LATE)
        await super().converse(session)


@asynccontextmanager
async def life(folder: Path | None, backend: PersonalBackend) -> AsyncGenerator[tuple[Gateway, Connect]]:
    """One gateway from its start to its end, and clients of it by their addresses."""
    listen = ListenConfig(session_keys=None if folder is None else str(folder))
    config = Config(ProxyConfig("x", listen=listen), (BackendConfig("b", "inprocess", sessions="per_client"),))
    outside, sources = Outside(run_blocking=run_inline), Sources(WallClock(), secret=os.urandom)
    async with (
        open_gateway(config, servers={"b": backend.connector}, outside=outside, sources=sources) as gateway,
        trio.open_nursery() as nursery,
    ):

        def connect(address: tuple[str, int]) -> HttpClient:
            transport = AsgiTransport(gateway.asgi_app, nursery, client=address)
            return HttpClient(httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None), nursery)

        yield gateway, connect
        nursery.cancel_scope.cancel()


HERE, ELSEWHERE = ("192.0.2.1", 5000), ("198.51.100.7", 5000)


async def introduce(client: HttpClient) -> str:
    """Shake hands; the session's id."""
    params = {"protocolVersion": "2025-11-25", "capabilities": EVERYTHING, "clientInfo": {"name": "t", "version": "1"}}
    await client.say(id=0, method="initialize", params=params)
    await client.hear()
    await client.say(method="notifications/initialized")
    return client.session


@pytest.mark.parametrize("address", [HERE, ELSEWHERE])
async def test_a_client_is_asked_in_a_session_that_goes_on(tmp_path: Path, autojump_clock: Clock, address: tuple[str, int]) -> None:
    before, after = PersonalBackend(Ask(), name="b"), PersonalBackend(Ask(), name="b")
    async with life(tmp_path, before) as (_, connect):
        session = await introduce(connect(HERE))
    async with life(tmp_path, after) as (gateway, connect):
        client = connect(address)
        client.session = session
        await client.say(id=7, method="tools/call", params={"name": "b_echo", "arguments": {}})
        question = await client.hear()
        assert question["method"] == "elicitation/create"
        await client.say(id=question["id"], result={"action": "accept", "content": {"number": 1}})
        assert (await client.hear())["id"] == 7
        assert [can for can, _ in after.people] == [{}, EVERYTHING | {"roots": {}}]
        assert gateway.statistics()["sessions"][""] == SessionStatistics(sessions=1, streams=0, orphans=0)


async def test_changed_lists_are_told_once(tmp_path: Path, autojump_clock: Clock) -> None:
    async with life(tmp_path, PersonalBackend(name="b")) as (_, connect):
        session = await introduce(connect(HERE))
    async with life(tmp_path, PersonalBackend(name="b")) as (_, connect):
        client = connect(HERE)
        client.session = session
        for _ in range(2):
            with trio.move_on_after(60):
                await client.listen()
        assert [heard["method"] for heard in client.heard] == ["notifications/tools/list_changed"]
        await client.hear()
        await client.say(id=1, method="tools/list")
        assert [tool["name"] for tool in (await client.hear())["result"]["tools"]] == ["b_echo"]


async def test_the_call_that_comes_first_waits_until_its_backend_has_started(tmp_path: Path, autojump_clock: Clock) -> None:
    async with life(tmp_path, PersonalBackend(name="b")) as (_, connect):
        session = await introduce(connect(HERE))
    async with life(tmp_path, Late(name="b")) as (_, connect):
        client = connect(HERE)
        client.session = session
        began = trio.current_time()
        await client.say(id=7, method="tools/call", params={"name": "b_echo", "arguments": {}})
        assert "result" in await client.hear()
        assert trio.current_time() - began >= LATE


async def test_without_a_folder_a_session_lasts_as_long_as_its_gateway(autojump_clock: Clock) -> None:
    async with life(None, PersonalBackend(name="b")) as (_, connect):
        session = await introduce(connect(HERE))
    async with life(None, PersonalBackend(name="b")) as (_, connect):
        answer = await connect(HERE).http.get("/mcp", headers={"accept": "text/event-stream", "mcp-session-id": session})
        assert answer.status_code == 404
