"""The HTTP+SSE backend against a real server on a real socket: the MCP SDK's transport of 2024, served by Hypercorn."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import hypercorn.config
import hypercorn.trio
import pytest
import trio
from tests.kit.heard import Heard
from tests.kit.road_server import greet, road_server, tool

from sluicegate.backends.session import BackendSession
from sluicegate.backends.sse.sse_connector import SseConnector

pytestmark = pytest.mark.slow


@asynccontextmanager
async def connected(cancelled: list[str], heard: Heard) -> AsyncGenerator[BackendSession]:
    config = hypercorn.config.Config()
    config.bind, config.errorlog, config.graceful_timeout = ["127.0.0.1:0"], logging.getLogger("quiet"), 0.1
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            (bound,) = await nursery.start(hypercorn.trio.serve, road_server(cancelled).sse_app(), config)
            async with SseConnector("real", f"{bound}/sse")(heard) as session:
                await greet(session)
                yield session
            nursery.cancel_scope.cancel()


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    heard, replies = Heard(), {}
    async with connected([], heard) as session:

        async def one(number: int) -> None:
            replies[number] = await session.request(tool("echo", heard, text=f"n{number}"))

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(one, number)
    assert {number: reply.text for number, reply in replies.items()} == {number: f"n{number}" for number in range(30)}


async def test_progress_of_a_real_server_comes_back() -> None:
    heard = Heard()
    async with connected([], heard) as session:
        assert (await session.request(tool("count", heard))).text == "counted"
    assert [note["params"]["progress"] for note in heard.messages] == [0, 1, 2]


async def test_a_real_server_hears_of_the_cancellation() -> None:
    heard, cancelled = Heard(), list[str]()
    async with connected(cancelled, heard) as session:
        with trio.move_on_after(0.3):
            await session.request(tool("hang", heard))
        with trio.move_on_after(5):
            while not cancelled:
                assert (await session.request(tool("echo", heard, text="still there"))).text == "still there"
        assert cancelled == ["hang"]
