"""Answers that several gateways keep together, and that outlive them: who finds whose, what is forgotten by all, and when the store is away."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.changing import evolved

from sluicegate import Builder, Gateway
from sluicegate.protocol.calls import Call, Caller
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.principal import Principal
from sluicegate.testing import MemoryOutside, MemoryValues, open_outside
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Result

Clock = trio.testing.MockClock
_SCHEMA: dict[str, object] = {"inputSchema": {"type": "object"}}
LOOK = _SCHEMA | {"name": "look", "annotations": {"readOnlyHint": True}}
KEEP: dict[str, Any] = {"tool_ttl_seconds": 60, "resource_ttl_seconds": 60}


def scripted(**settings: Any) -> ScriptedBackend:
    return ScriptedBackend(tools=[LOOK, "act"], resources=["file:///a", "file:///b"], **settings)


@asynccontextmanager
async def opened(world: MemoryOutside, backend: ScriptedBackend, **settings: Any) -> AsyncGenerator[Gateway, None]:
    builder = Builder("x").cache(backend="redis", url="redis://store.example")
    builder.backend("b", backend.connector, **({"cache": KEEP} | settings))
    async with builder.open(strict=True, outside=world.outside) as gateway:
        yield gateway


async def said(gateway: Gateway, tool: str = "look", who: str = "") -> str:
    call = Call.tool(f"b_{tool}")
    call.caller = Caller("2025-11-25", principal=Principal(who))
    reply = await gateway.handler(call)
    assert reply.fault is None, reply.fault
    return reply.text.rpartition(" ")[2]


async def read(gateway: Gateway, name: str) -> bool:
    """Whether it was kept."""
    hits = counted(gateway).hits
    (uri,) = (str(entry["uri"]) for entry in gateway.list_resources() if str(entry["uri"]).endswith(name))
    assert (await gateway.read_resource(uri)).fault is None
    return bool(counted(gateway).hits > hits)


def counted(gateway: Gateway) -> Any:
    cache = gateway.policies["b"].cache
    assert cache is not None
    return cache.statistics()


async def test_what_one_gateway_was_answered_another_gives_again_and_so_does_the_next_one(autojump_clock: Clock) -> None:
    """CACHE-5, CACHE-6: it outlives a restart, and says how old it is."""
    async with open_outside() as world:
        async with opened(world, first := scripted()) as one, opened(world, second := scripted()) as two:
            assert (await said(one), await said(two)) == ("#1", "#1")
            assert (counted(one).entries, counted(two).entries) == (1, 1)
        await trio.sleep(30)
        async with opened(world, third := scripted()) as next_one:
            assert await said(next_one) == "#1"
            await trio.sleep(30)
            assert await said(next_one) == "#1"
    assert (first.calls, second.calls, third.calls) == (1, 0, 1)


@pytest.mark.parametrize(
    ("backend", "settings"),
    [({"name": "newer"}, {}), ({}, {"sessions": "per_client"})],
    ids=["another version", "a session of its own"],
)
async def test_nobody_finds_the_answers_of_another_version_or_of_a_session_that_is_somebody_elses(
    backend: dict[str, Any], settings: dict[str, Any], autojump_clock: Clock
) -> None:
    async with open_outside() as world:
        async with opened(world, scripted(), **settings) as one:
            await said(one)
        async with opened(world, other := scripted(**backend), **settings) as two:
            await said(two)
        assert other.calls == 1


async def test_a_private_answer_is_its_principals_in_every_gateway(autojump_clock: Clock) -> None:
    """LIM-30, P-84."""
    private = Result(b'{"content":[{"type":"text","text":"for one #1"}],"ttlMs":50000,"cacheScope":"private"}')
    async with open_outside() as world:
        first, second = ScriptedBackend(private, tools=[LOOK]), ScriptedBackend(private, tools=[LOOK])
        async with opened(world, first) as one, opened(world, second) as two:
            await said(one, who="ann")
            await said(one, who="ann")
            assert first.calls == 1
            await said(two, who="bob")
            await said(two, who="ann")
            assert second.calls == 1


async def test_what_a_write_through_one_has_changed_no_other_gives_again(autojump_clock: Clock) -> None:
    """LIM-96: as soon as the writer has its answer."""
    async with open_outside() as world, opened(world, scripted()) as one, opened(world, scripted()) as two:
        await said(one)
        assert await said(two) == "#1"
        await said(one, "act")
        assert await said(two) == "#1"
        assert counted(two).misses == 1


async def test_a_write_that_was_cut_is_told_to_the_others_behind(autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, scripted()) as one, opened(world, scripted()) as two:
        await said(one)
        one.policies["b"].cache.inner = _late  # type: ignore[union-attr]  # it is there
        with trio.move_on_after(1):
            await said(one, "act")
        await trio.testing.wait_all_tasks_blocked()
        await said(two)
        assert counted(two).hits == 0


async def _late(call: Call) -> Any:
    call.trail.sent, call.sent_at = True, trio.current_time()
    await trio.sleep(5)


async def test_what_a_backend_says_while_nobody_calls_is_not_there_after_a_restart(autojump_clock: Clock) -> None:
    async with open_outside() as world:
        async with opened(world, backend := scripted()) as one:
            await said(one)
            backend.notify("notifications/tools/list_changed")
            await trio.sleep(2)
        async with opened(world, scripted()) as two:
            await said(two)
            assert counted(two).hits == 0


async def test_one_resource_that_changes_leaves_the_others_where_they_are(autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, backend := scripted()) as one, opened(world, scripted()) as two:
        assert [await read(one, "a"), await read(one, "b"), await read(two, "a"), await read(two, "b")] == [False, False, True, True]
        backend.notify("notifications/resources/updated", {"uri": Raw(b'"file:///a"')})
        await trio.sleep(2)
        assert [await read(two, "a"), await read(two, "b")] == [False, True]


async def test_while_the_store_is_away_answers_are_kept_in_memory_and_forgotten_when_it_is_back(autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, backend := scripted()) as one, opened(world, scripted()) as two:
        await said(one)
        world.values.is_there = False
        assert [await said(one), await said(one)] == ["#2", "#2"]
        backend.notify("notifications/tools/list_changed")
        assert [await said(one), await said(one)] == ["#3", "#3"]
        world.values.is_there = True
        assert await said(one) == "#4"  # what was told to the store late makes everything be asked for anew
        assert await said(two) == "#4"


async def test_without_news_what_was_in_the_store_is_there_again_when_it_is_back(autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, scripted()) as one:
        await said(one)
        world.values.is_there = False
        assert await said(one) == "#2"
        world.values.is_there = True
        assert await said(one) == "#1"
        world.values.is_there = False
        assert await said(one) == "#3"


async def test_a_store_that_lets_go_of_anything_or_takes_nothing_costs_no_call(autojump_clock: Clock) -> None:
    """A restart with empty data, an eviction, and no room for more."""
    async with open_outside() as world, opened(world, scripted()) as one, opened(world, scripted()) as two:
        await said(one)
        values: MemoryValues = world.values
        old = dict(values.kept)
        values.kept.clear()
        assert await said(two) == "#1"
        values.kept = old | values.kept  # an answer of before comes back, but not what it has to be measured by
        assert await said(one) == "#1"
        values.refuses_writes = True
        await said(one, "act")
        assert [await said(one), await said(one)] == ["#3", "#4"]
        values.refuses_writes = False
        assert [await said(one), await said(one)] == ["#5", "#5"]


@pytest.mark.parametrize("damage", [b"", b"\xff", b"\x90", b"\x01", b"{}", bytes(300)])
async def test_what_is_damaged_in_the_store_is_asked_for_anew(damage: bytes, autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, scripted()) as one:
        for only_values in (True, False):
            await said(one)
            kept = world.values.kept
            world.values.kept = {
                key: (damage, until) if key[1] or not only_values else (value, until) for key, (value, until) in kept.items()
            }
            before = counted(one).hits
            await said(one)
            assert counted(one).hits == before
            await said(one)
            await said(one)
            assert counted(one).hits > before


async def test_clearing_by_hand_is_for_all_gateways(autojump_clock: Clock) -> None:
    """CACHE-7: and for this backend alone."""
    async with open_outside() as world, opened(world, scripted()) as one, opened(world, scripted()) as two:
        await said(one)
        one.clear_caches()
        await trio.sleep(2)
        await said(two)
        assert (counted(one).hits, counted(two).hits) == (0, 0)


async def test_times_differ_by_tool(autojump_clock: Clock) -> None:
    """LIM-30."""
    cache = {"tool_ttl_seconds": 60, "tools": ["*"], "clear_on_writes": False, "ttl_seconds_by_tool": {"a*": 5, "look": 0}}
    async with open_outside() as world, opened(world, backend := scripted(), cache=cache) as gateway:
        ask = partial(said, gateway)
        assert [await ask("act"), await ask("act"), await ask("look"), await ask("look")] == ["#1", "#1", "#2", "#3"]
        await trio.sleep(5)
        assert await ask("act") == "#4"
    assert backend.calls == 4


async def test_a_crowd_that_finds_the_store_empty_marks_it_once(autojump_clock: Clock) -> None:
    """Each command of a crowd may need a connection of its own, for which its callers would wait."""
    steps: list[float] = []

    def taking() -> float:
        steps.append(trio.current_time())
        return 0.01

    async with open_outside() as world, opened(world, scripted()) as gateway:
        world.values.latency = taking
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(said, gateway)
        asked = len(steps) // 2  # there and back
        assert asked == 8 + 1 + 1  # all have looked; one has made the mark, and kept its answer under it
        await said(gateway)
        assert counted(gateway).hits == 1


async def test_what_the_store_did_not_take_when_something_changed_it_is_told_while_nobody_calls(autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, backend := scripted()) as one, opened(world, scripted()) as two:
        await said(one)
        for away in ({"refuses_writes": True}, {"is_there": False}):
            assert await said(two) == await said(two)
            before = counted(two).misses
            for name, value in away.items():
                setattr(world.values, name, value)
            backend.notify("notifications/tools/list_changed")
            await trio.sleep(3)
            world.values.refuses_writes, world.values.is_there = False, True
            await trio.sleep(2)
            await said(two)
            assert counted(two).misses == before + 1


async def test_nobody_finds_what_holds_no_more_while_another_call_tells_the_store_so(autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, backend := scripted()) as one:
        await said(one)
        world.values.refuses_writes = True
        backend.notify("notifications/tools/list_changed")
        await trio.sleep(0.5)
        await said(one)
        world.values.refuses_writes, world.values.latency = False, lambda: 0.05
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(said, one)
        assert counted(one).hits == 0


async def test_settings_that_change_before_the_store_was_told_forget_nothing(autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, backend := scripted()) as one, opened(world, scripted()) as two:
        await said(one)
        assert await said(two) == "#1"
        backend.notify("notifications/tools/list_changed")
        await one.apply(evolved(one, "b", cache=KEEP | {"max_entries": 9}))
        await trio.sleep(2)
        await said(two)
        assert counted(two).hits == 1


@pytest.mark.parametrize("tool", ["look", "act"])
async def test_an_answer_that_is_there_is_not_lost_to_a_slow_store(tool: str, autojump_clock: Clock) -> None:
    """CACHE-5: a write that is said to have timed out would be done again."""
    backend = ScriptedBackend(Delay(0.7, Answer("done")), tools=[LOOK, "act"])
    async with open_outside() as world, opened(world, backend, timeout={"seconds": 1}) as gateway:
        world.values.latency = lambda: 0.24
        assert await said(gateway, tool) == "done"
    assert backend.calls == 1


@pytest.mark.parametrize(("tool", "most"), [("look", 0.5), ("act", 0.25)])
async def test_a_call_has_one_patience_for_all_that_it_asks_a_store(tool: str, most: float, autojump_clock: Clock) -> None:
    """CACHE-5: one before it is led, and one when it is answered."""
    async with open_outside() as world, opened(world, backend := scripted()) as gateway:
        for latency in (0.1, 0.2, 0.24, 10):
            world.values.latency = partial(float, latency)
            backend.notify("notifications/tools/list_changed")
            backend.notify("notifications/resources/updated", {"uri": Raw(b'"file:///a"')})
            began = trio.current_time()
            await said(gateway, tool)
            assert trio.current_time() - began <= most + 0.001


async def test_what_a_hurried_write_had_no_time_to_tell_is_told_behind(autojump_clock: Clock) -> None:
    async with open_outside() as world, opened(world, scripted()) as one, opened(world, scripted()) as two:
        await said(one)
        world.values.latency = lambda: 0.6
        await said(one, "act")
        world.values.latency = lambda: 0.0
        await trio.sleep(2)
        await said(two)
        assert counted(two).hits == 0
