"""A gateway with one client for its life: its backends are started at once, and hear what the client can do when that is known."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from sluicegate import Builder, Gateway, State
from sluicegate.config.model import BackendConfig
from sluicegate.protocol.clientele import Clientele
from sluicegate.protocol.messages import Request
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.line_client import LineClient, open_line_client
from sluicegate.testing.script import Ask

Clock = trio.testing.MockClock
CAN: dict[str, object] = {"sampling": {"tools": {}}}


def handshakes(backend: ScriptedBackend) -> list[Any]:
    """What the backend was told that its client can do, each time."""
    hellos = [message for message in backend.received if isinstance(message, Request) and message.method == "initialize"]
    return [msgspec.json.decode(hello.params["capabilities"]) for hello in hellos]


@asynccontextmanager
async def serving(builder: Builder, *, strict: bool = False) -> AsyncGenerator[tuple[Gateway, LineClient], None]:
    """A gateway on stdio whose client has not said anything yet."""
    async with (
        trio.open_nursery() as nursery,
        builder.open(strict=strict, one_client=Clientele()) as gateway,
        open_line_client(gateway.serve_stdio, nursery) as lines,
    ):
        yield gateway, lines


async def say_hello(lines: LineClient, can: object = CAN) -> Any:
    hello = {"protocolVersion": "2025-11-25", "capabilities": can, "clientInfo": {"name": "t", "version": "1"}}
    await lines.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
    return await lines.next()


async def tools(lines: LineClient) -> list[str]:
    """The names that are listed; nothing else may have been said before."""
    await lines.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    return [tool["name"] for tool in (await lines.next())["result"]["tools"]]


async def test_the_handshake_waits_for_the_client_however_long_and_the_client_for_the_backend(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b")
    async with serving(Builder("x").backend("b", backend.connector)) as (gateway, lines):
        await trio.sleep(1000)
        assert (len(backend.sessions), backend.received, gateway.backends["b"].state) == (1, [], State.STARTING)
        assert (await say_hello(lines))["result"]["capabilities"] == {"tools": {"listChanged": True}}
        assert await tools(lines) == ["b_echo"]
        assert handshakes(backend) == [CAN]


async def test_a_backend_that_dies_while_it_waits_is_begun_anew(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b")
    async with serving(Builder("x").backend("b", backend.connector)) as (gateway, lines):
        await trio.sleep(100)
        backend.crash()
        await trio.sleep(5)
        assert (len(backend.sessions), gateway.backends["b"].state) == (1, State.RESTARTING)
        assert "it crashed" in gateway.backends["b"].error
        await say_hello(lines)
        await gateway.ready("b")
        assert handshakes(backend) == [CAN]


async def test_the_time_for_a_handshake_begins_when_the_client_is_known(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b")
    backend.mute = True
    builder = Builder("x").backend("b", backend.connector, connect_timeout_seconds=5.0)
    async with serving(builder) as (gateway, lines):
        await trio.sleep(100)
        began = trio.current_time()
        await say_hello(lines)
        assert trio.current_time() - began == pytest.approx(5)
        assert "no answer within 5 s" in gateway.backends["b"].error


async def test_after_a_restart_the_backend_is_told_at_once(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b")
    async with serving(Builder("x").backend("b", backend.connector)) as (_gateway, lines):
        await say_hello(lines)
        backend.crash()
        await trio.sleep(5)
        assert handshakes(backend) == [CAN, CAN]
        await say_hello(lines, {"roots": {"listChanged": True}})
        backend.crash()
        await trio.sleep(5)
        assert handshakes(backend) == [CAN, CAN, {"roots": {}}]


@pytest.mark.parametrize("why", ["strict", "required"])
async def test_who_must_be_up_before_the_client_comes_is_told_that_nobody_can_be_asked(why: str, autojump_clock: Clock) -> None:
    must, other = ScriptedBackend(name="must"), ScriptedBackend(name="other")
    builder = Builder("x").backend("must", must.connector, required=why == "required").backend("other", other.connector)
    async with serving(builder, strict=why == "strict") as (_, lines):
        assert trio.current_time() < 1
        await say_hello(lines)
        assert (handshakes(must), handshakes(other)) == ([{}], [{} if why == "strict" else CAN])


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_backend_that_is_added_does_not_wait_for_a_client(is_known: bool, autojump_clock: Clock) -> None:
    clientele, added = Clientele(), ScriptedBackend(name="added")
    async with Builder("x").open(one_client=clientele) as gateway:
        if is_known:
            clientele.declare(CAN)
        await gateway.add_backend(BackendConfig("added", "inprocess"), added.connector)
        assert handshakes(added) == [CAN if is_known else {}]


@pytest.mark.parametrize("required", [False, True])
async def test_the_one_client_needs_a_session_of_its_own_only_where_the_shared_one_could_not_wait_for_it(
    required: bool, autojump_clock: Clock
) -> None:
    backend = ScriptedBackend(Ask("sampling/createMessage", {}), name="b")
    async with serving(Builder("x").backend("b", backend.connector, sessions="per_client", required=required)) as (_gateway, lines):
        await say_hello(lines)
        await lines.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "b_echo", "arguments": {}}})
        question = await lines.next()
        await lines.send({"jsonrpc": "2.0", "id": question["id"], "result": {"model": "m"}})
        assert (await lines.next())["result"]["content"][0]["text"] == '{"model":"m"}'
        assert handshakes(backend) == ([{}, CAN] if required else [CAN])


async def test_the_one_client_over_http_makes_room_for_itself(autojump_clock: Clock) -> None:
    """Who comes back without having said goodbye is the same client, and not kept out by his own last session."""
    async with Builder("x").open(one_client=Clientele()) as gateway:
        assert gateway._endpoint.limits.max_sessions == 1


async def test_what_came_up_during_the_handshake_is_no_news_afterwards(autojump_clock: Clock) -> None:
    backend, late = ScriptedBackend(name="b"), ScriptedBackend(name="late")
    late.refuse = "not yet"
    builder = Builder("x").backend("b", backend.connector).backend("late", late.connector)
    async with serving(builder) as (gateway, lines):
        await say_hello(lines)
        assert await tools(lines) == ["b_echo"]
        late.refuse = ""
        await gateway.ready("late")
        assert (await lines.next())["method"] == "notifications/tools/list_changed"
        assert await tools(lines) == ["b_echo", "late_echo"]


async def test_a_gateway_may_end_while_it_waits_for_its_client(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b")
    async with Builder("x").backend("b", backend.connector).open(one_client=Clientele()) as gateway:
        await trio.sleep(10)
        assert isinstance(gateway, Gateway)
    assert backend.sessions == []
