"""Server objects of the MCP SDK as backends, through the same session code as any other."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing
from mcp.server.mcpserver import Context, MCPServer
from tests.kit.heard import Heard

from sluicegate.backends.backend import Backend
from sluicegate.backends.inprocess import InProcessConnector
from sluicegate.backends.link import Link, State
from sluicegate.backends.supervisor import Supervisor
from sluicegate.policies.settings import RestartSettings
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS


def a_server() -> MCPServer[None]:
    server: MCPServer[None] = MCPServer("math", instructions="count on me")

    @server.tool()
    async def add(a: int, b: int) -> str:
        """Add two numbers."""
        return str(a + b)

    @server.tool()
    async def slow(ctx: Context) -> str:
        """Say so, then sleep."""
        await ctx.report_progress(1, 2)
        await trio.sleep(1000)
        return "late"

    @server.resource("note://one")
    def one() -> str:
        return "1"

    @server.resource("note://of/{name}")
    def named(name: str) -> str:
        return name

    @server.prompt()
    def greet(who: str) -> str:
        return f"hello {who}"

    return server


async def started(nursery: trio.Nursery, server: object) -> Backend:
    backend = Backend(Link("math", InProcessConnector("math", server)))  # type: ignore[arg-type]
    nursery.start_soon(Supervisor(backend.link, RestartSettings(0.5, 8.0, 3, 60.0), 5, random.Random(1)).run)
    with trio.fail_after(10):
        await backend.wait_for(lambda backend: backend.state is not State.STARTING)
    assert backend.error == ""
    return backend


async def test_a_server_object_offers_all_that_it_has(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        backend = await started(nursery, a_server())
        assert backend.offer is not None
        found = {kind.member: [item.key for item in backend.offer.lists[kind]] for kind in (TOOLS, RESOURCES, TEMPLATES, PROMPTS)}
        assert found == {
            "tools": ["add", "slow"],
            "resources": ["note://one"],
            "resourceTemplates": ["note://of/{name}"],
            "prompts": ["greet"],
        }
        assert backend.offer.hello.instructions == "count on me"
        nursery.cancel_scope.cancel()


async def test_calls_are_answered_and_errors_keep_their_code(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        backend = await started(nursery, a_server())
        reply = await backend(Call("tools/call", "add", {"name": Raw(b'"add"'), "arguments": Raw(b'{"a":100,"b":200}')}))
        assert reply.text == "300"
        unknown = await backend(Call("resources/read", "x", {"uri": Raw(b'"note://none/of/these"')}))
        assert unknown.fault is not None
        assert unknown.fault.code in (-32002, -32602)
        nursery.cancel_scope.cancel()


async def test_cancelling_a_call_stops_it_inside_the_server(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        backend = await started(nursery, a_server())
        with trio.move_on_after(1) as scope:
            await backend(Call("tools/call", "slow", {"name": Raw(b'"slow"')}))
        assert scope.cancelled_caught
        reply = await backend(Call("tools/call", "add", {"name": Raw(b'"add"'), "arguments": Raw(b'{"a":1,"b":2}')}))
        assert reply.text == "3"
        nursery.cancel_scope.cancel()
    assert trio.current_time() < 10


async def test_leaving_ends_the_server_and_its_lifespan(autojump_clock: trio.testing.MockClock) -> None:
    from collections.abc import AsyncIterator
    from contextlib import asynccontextmanager

    said: list[str] = []

    @asynccontextmanager
    async def lifespan(server: MCPServer[None]) -> AsyncIterator[None]:
        said.append("up")
        try:
            yield None
        finally:
            said.append("down")

    server: MCPServer[None] = MCPServer("x", lifespan=lifespan)
    async with trio.open_nursery() as nursery:
        await started(nursery, server)
        nursery.cancel_scope.cancel()
    assert said == ["up", "down"]


@pytest.mark.parametrize(("seconds", "said_last"), [(1.0, "goodbye"), (60.0, "cut")])
async def test_a_server_may_take_a_moment_to_end_and_no_more(
    seconds: float, said_last: str, autojump_clock: trio.testing.MockClock
) -> None:
    from collections.abc import AsyncIterator
    from contextlib import asynccontextmanager

    said: list[str] = []

    @asynccontextmanager
    async def lifespan(server: MCPServer[None]) -> AsyncIterator[None]:
        yield None
        try:
            await trio.sleep(seconds)
            said.append("goodbye")
        except trio.Cancelled:
            said.append("cut")
            raise

    server: MCPServer[None] = MCPServer("x", lifespan=lifespan)
    async with InProcessConnector("x", server)(Heard()):
        await trio.testing.wait_all_tasks_blocked()
    assert said == [said_last]
    assert trio.current_time() <= 5, "whoever leaves it waits for seconds, not for the server"


@pytest.mark.parametrize(
    "arguments",
    [b'{"a":%b,"b":1}' % (b"[" * 400 + b"]" * 400), b'{"a":%b,"b":1}' % (b"7" * 6000), b'{"a":1e999,"b":1}', b'"x"'],
    ids=["deep", "huge", "infinite", "text"],
)
async def test_arguments_that_the_sdk_cannot_read_cost_one_call(arguments: bytes, autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        backend = await started(nursery, a_server())
        session = backend.link.session
        with trio.fail_after(100):
            await backend(Call("tools/call", "add", {"name": Raw(b'"add"'), "arguments": Raw(arguments)}))
            reply = await backend(Call("tools/call", "add", {"name": Raw(b'"add"'), "arguments": Raw(b'{"a":1,"b":2}')}))
        assert reply.text == "3"
        assert backend.link.session is session
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("meta", [b"3", b'{"progressToken":{"a":1}}', b'{"progressToken":1.5}', b"null", b"[]"])
async def test_odd_metadata_costs_one_call(meta: bytes, autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        backend = await started(nursery, a_server())
        session = backend.link.session
        with trio.fail_after(100):
            await backend(Call("tools/call", "add", {"name": Raw(b'"add"'), "arguments": Raw(b"{}"), "_meta": Raw(meta)}))
        assert backend.link.session is session
        nursery.cancel_scope.cancel()


async def test_an_answer_that_is_no_text_costs_one_call(autojump_clock: trio.testing.MockClock) -> None:
    server: MCPServer[None] = MCPServer("odd")

    @server.tool()
    async def half() -> str:
        return "\ud800"

    @server.tool()
    async def whole() -> str:
        return "fine"

    async with trio.open_nursery() as nursery:
        backend = await started(nursery, server)
        session = backend.link.session
        with trio.fail_after(100):
            reply = await backend(Call("tools/call", "half", {"name": Raw(b'"half"')}))
            assert reply.fault is not None or b"\xed" not in bytes(reply.result)
            assert (await backend(Call("tools/call", "whole", {"name": Raw(b'"whole"')}))).text == "fine"
        assert backend.link.session is session
        nursery.cancel_scope.cancel()
