"""Servers in the process whose tools are plain functions: the SDK runs those in threads, for which no virtual clock waits."""

from __future__ import annotations

import threading
import time

import anyio.to_thread
import pytest
import trio
from mcp.server.mcpserver import MCPServer

from sluicegate import Builder
from sluicegate.testing import open_outside
from sluicegate.testing.threads import threads_inline


def server() -> MCPServer:
    made = MCPServer("plain")

    @made.tool()
    def whose() -> str:
        time.sleep(0.01)  # long enough for a clock that does not wait to jump
        return threading.current_thread().name

    @made.tool()
    def broken() -> str:
        raise ValueError("it broke")

    return made


async def test_under_a_virtual_clock_they_run_in_their_place(autojump_clock: trio.testing.MockClock) -> None:
    async with open_outside() as world, Builder("x").backend("a", server()).open(outside=world.outside) as gateway:
        await gateway.settled()
        before = trio.current_time()
        assert (await gateway.call_tool("a_whose")).text == threading.current_thread().name
        assert "broken" in ((await gateway.call_tool("a_broken")).text or "")
        assert trio.current_time() == before


async def test_on_the_real_clock_they_have_threads() -> None:
    async with open_outside() as world, Builder("x").backend("a", server()).open(outside=world.outside) as gateway:
        await gateway.settled()
        assert (await gateway.call_tool("a_whose")).text != threading.current_thread().name


async def test_arguments_and_cancellation_are_as_with_a_thread(autojump_clock: trio.testing.MockClock) -> None:
    async with open_outside():
        assert await anyio.to_thread.run_sync(max, 1, 2, abandon_on_cancel=True) == 2
        with trio.CancelScope() as scope:
            scope.cancel()
            await anyio.to_thread.run_sync(pytest.fail, "it was to be cancelled before")
        assert scope.cancelled_caught


async def test_afterwards_all_is_as_it_was(autojump_clock: trio.testing.MockClock) -> None:
    before = anyio.to_thread.run_sync
    async with open_outside():
        async with open_outside():
            pass
        assert anyio.to_thread.run_sync is not before
    assert anyio.to_thread.run_sync is before


async def test_worlds_may_end_in_any_order(autojump_clock: trio.testing.MockClock) -> None:
    before = anyio.to_thread.run_sync
    first, second = threads_inline(), threads_inline()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert await anyio.to_thread.run_sync(threading.current_thread) is threading.current_thread()
    second.__exit__(None, None, None)
    assert anyio.to_thread.run_sync is before
