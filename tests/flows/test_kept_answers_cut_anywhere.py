"""Any await may be the last: calls that share a flight and fill a cache are cut after each of their steps, and leave nothing behind (TST-G11)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate import Builder, Gateway
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import read_text
from sluicegate.testing import MemoryOutside, open_outside
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint
from sluicegate.testing.script import Answer, Delay, Step

Clock = trio.testing.MockClock
_SCHEMA: dict[str, object] = {"inputSchema": {"type": "object"}}
LOOK = _SCHEMA | {"name": "look", "annotations": {"readOnlyHint": True}}
PUT = _SCHEMA | {"name": "put", "annotations": {"idempotentHint": True}}
SETTINGS: dict[str, Any] = {
    "cache": {"tool_ttl_seconds": 5, "stale_while_revalidate_seconds": 5, "stale_if_error_seconds": 5},
    "coalesce_requests": True,
    "retry": {"max_retries": 1},
}


def scripted(*steps: Step) -> ScriptedBackend:
    return ScriptedBackend(*steps, tools=[LOOK, PUT, "act"])


async def is_as_new(gateway: Gateway) -> None:
    """Nothing flies, nobody waits, and the next call is answered."""
    await trio.testing.wait_all_tasks_blocked()
    policies = gateway.policies["b"]
    assert policies.coalesce is not None
    assert policies.cache is not None
    assert policies.coalesce.flying == 0
    assert not policies.holds_calls
    gateway.clear_caches()
    assert (await gateway.call_tool("b_look")).fault is None


async def test_a_call_that_fills_the_cache_is_given_again_and_is_stale_can_be_cut_anywhere(autojump_clock: Clock) -> None:
    """TST-G11."""
    async with Builder("x").backend("b", scripted().connector, **SETTINGS).open(strict=True) as gateway:

        async def lives() -> None:
            for pause in (0, 0, 6, 6):
                await trio.sleep(pause)
                await gateway.call_tool("b_look")
            for tool in ("b_put", "b_act", "b_look"):
                await gateway.call_tool(tool)

        async def check(trial: Trial[None]) -> None:
            del trial
            await is_as_new(gateway)

        assert await cancel_at_every_checkpoint(lives, check) > 10


@pytest.mark.parametrize("who", ["first", "second"])
async def test_of_two_who_share_a_call_either_can_be_cut_anywhere_and_the_other_gets_the_answer(who: str, autojump_clock: Clock) -> None:
    """COA-5, LIM-31, TST-G11."""
    backend = scripted(Delay(1, Answer("well")))
    async with Builder("x").backend("b", backend.connector, **SETTINGS).open(strict=True) as gateway:
        texts: list[str] = []

        async def other() -> None:
            texts.append((await gateway.call_tool("b_look")).text)

        async def share() -> None:
            gateway.clear_caches()
            texts.clear()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep, nursery)
                if who == "second":
                    await trio.sleep(0.3)
                await gateway.handler(Call.tool("b_look"))

        async def keep(nursery: trio.Nursery) -> None:
            with trio.CancelScope(shield=True):
                if who == "first":
                    await trio.sleep(0.3)
                await other()

        async def check(trial: Trial[None]) -> None:
            del trial
            assert texts == ["well"]
            await is_as_new(gateway)

        assert await cancel_at_every_checkpoint(share, check) > 1


async def test_who_leaves_the_gateway_while_others_wait_cuts_their_call(autojump_clock: Clock) -> None:
    backend = scripted(Delay(1000))
    with trio.move_on_after(5):
        async with (
            Builder("x").backend("b", backend.connector, **SETTINGS).open(strict=True) as gateway,
            trio.open_nursery() as nursery,
        ):
            for _ in range(3):
                nursery.start_soon(gateway.call_tool, "b_look")
    assert backend.calls == 1


async def test_a_write_cut_at_any_time_leaves_nothing_of_before_in_a_store_that_others_share(autojump_clock: Clock) -> None:
    """TST-G11, LIM-96: the answers are numbered, and after a write nobody gets one with a lower number than it has."""
    backend = scripted(Delay(0.1))

    def around(world: MemoryOutside) -> AbstractAsyncContextManager[Gateway]:
        builder = Builder("x").cache(backend="redis", url="redis://store.example")
        return builder.backend("b", backend.connector, cache={"tool_ttl_seconds": 1000}).open(strict=True, outside=world.outside)

    async with open_outside() as world, around(world) as one, around(world) as two:
        world.values.latency = partial(float, 0.02)

        for instant in range(40):  # a cut after a step rarely finds the write on its way: it is refused before it is sent
            await two.call_tool("b_look")
            with trio.move_on_after(instant / 100 + 0.001):
                await one.call_tool("b_act")
                await one.call_tool("b_look")
            await trio.sleep(3)
            calls = [read_text(message.params, "name") for message in backend.received if message.method == "tools/call"]
            last_write = max((number for number, name in enumerate(calls, 1) if name == "act"), default=0)
            assert int((await two.call_tool("b_look")).text.rpartition("#")[2]) > last_write
    assert len(backend.cancelled) > 8
    assert backend.calls > 80
