"""Changes that are asked for again, at once with others, or cut: one after the other, and each made or not made."""

from __future__ import annotations

from functools import partial

import attrs
import pytest
import trio
import trio.lowlevel
import trio.testing
from tests.kit.changing import BREAKER, Slow, evolved, named, names_of, one, running, whole

from sluicegate import BackendFailed, Builder, Reply, State
from sluicegate.gateway.opening import open_gateway
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint
from sluicegate.testing.script import Delay, RpcError, Step

Clock = trio.testing.MockClock


async def test_a_second_start_is_no_start(autojump_clock: Clock) -> None:
    a, b, heard = one(), one(), list[str]()
    builder = Builder("x").backend("a", a.connector, circuit_breaker={}).backend("b", b.connector, failover_for="a")
    async with running(builder.on_list_changed(heard.append)) as gateway:
        heard.clear()
        before, messages = whole(gateway)[:3], (len(a.received), len(b.received))  # type: ignore[index]
        for _ in range(3):
            await gateway.apply(builder.config().backends, strict=True)
        assert whole(gateway)[:3] == before  # type: ignore[index]
        assert (len(a.sessions), len(b.sessions), len(a.received), len(b.received)) == (1, 1, *messages)
        assert heard == []


async def test_who_asks_first_is_served_first_and_the_last_word_stays(autojump_clock: Clock) -> None:
    """While the first waits for its connection, the others wait for it; what came in another order would leave another list."""

    async def apply(*names: str, source: object = None) -> None:
        await gateway.apply([named(name) for name in names], sources={"a": source}, strict=True)

    config = Builder("x").backend("a", one().connector).backend("z", one().connector).config()
    servers: dict[str, object] = {name: one().connector for name in ("a", "b", "c", "z")}
    async with open_gateway(config, servers=servers) as gateway, trio.open_nursery() as nursery:
        await gateway.ready()
        slow, quick = partial(apply, "a", "z", "b", source=Slow(one(), 5)), partial(apply, "a", "z", "c")
        for asked in (slow, quick, partial(gateway.remove_backend, "z")):
            nursery.start_soon(asked)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(4)
        assert list(gateway.backends) == ["a", "z"]
        await trio.sleep(2)
        assert list(gateway.backends) == ["a", "c"]


async def test_who_watches_hears_nothing_of_what_was_only_tried(autojump_clock: Clock) -> None:
    dead, fine = one(), one("u")
    dead.refuse = "nobody home"
    async with running(Builder("x").backend("a", one().connector)) as gateway, gateway.changes() as changes:
        with pytest.raises(BackendFailed):
            await gateway.apply(gateway.config.backends, sources={"a": dead.connector}, strict=True)
        await trio.sleep(5)
        assert changes.statistics().current_buffer_used == 0
        await gateway.apply(gateway.config.backends, sources={"a": Slow(fine)}, strict=True)
        change = changes.receive_nowait()
        assert (change.backend, change.old, change.new) == ("a", State.STARTING, State.READY)
        await trio.testing.wait_all_tasks_blocked()
        assert changes.statistics().current_buffer_used == 0


async def test_a_change_of_one_backend_does_not_wait_for_another_that_is_connected_to(autojump_clock: Clock) -> None:
    async with running(Builder("x").backend("a", one().connector).backend("z", one().connector)) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(gateway.replace_backend, named("a"), Slow(one("u"), 5))
        await trio.testing.wait_all_tasks_blocked()
        await gateway.apply(evolved(gateway, "z", hide_tools=["t"]))
        assert (trio.current_time(), names_of(gateway)) == (0, ["a_t"])
        await trio.sleep(6)
        assert names_of(gateway) == ["a_u"]


async def test_a_change_that_is_cut_at_any_checkpoint_has_been_made_or_has_not(autojump_clock: Clock) -> None:
    old, busy, new = one(), ScriptedBackend(Delay(2), tools=["t"]), one()
    builder = Builder("x").proxy(shutdown_timeout_seconds=60).backend("a", old.connector).backend("b", busy.connector, circuit_breaker={})
    async with running(builder) as gateway, trio.open_nursery() as calls:
        begun, outcomes = list(gateway.config.backends), set[str]()
        wanted = [named("b", hide_tools=["x"], circuit_breaker=BREAKER), named("c"), attrs.evolve(begun[0], fidelity="strict")]
        ways = {"a": old.connector, "b": busy.connector, "c": Slow(new, 1)}

        async def change() -> None:
            calls.start_soon(gateway.call_tool, "a_t")
            calls.start_soon(gateway.call_tool, "b_t")
            await trio.lowlevel.checkpoint()
            await gateway.apply(wanted, sources=ways, strict=True)

        async def check(trial: Trial[None]) -> None:
            await trio.testing.wait_all_tasks_blocked()
            config = list(gateway.config.backends)
            outcomes.add("new" if config == wanted else "old")
            assert config in (begun, wanted)
            assert config == wanted or trial.cut
            assert list(gateway.backends) == [one.name for one in config]
            assert len(gateway._nurseries.backends.child_tasks) == len(config)
            assert (len(old.sessions), len(busy.sessions), len(new.sessions)) == (1, 1, len(config) - 2)
            assert [gateway.policies["b"].breaker and gateway.policies["b"].breaker.settings.minimum_calls] == [5 if config == begun else 1]
            await trio.sleep(10)
            assert [one.in_flight for one in gateway.backends.values()] == [0] * len(config)
            for name in gateway.backends:
                assert (await gateway.call_tool(f"{name}_t")).fault is None
            await gateway.apply(begun, strict=True)

        assert await cancel_at_every_checkpoint(change, check) > 3
        assert outcomes == {"old", "new"}


@pytest.mark.parametrize("first", [RpcError(-32603), Delay(2, RpcError(-32603))])
async def test_who_goes_waits_for_calls_in_policies_that_are_no_longer_there(first: Step, autojump_clock: Clock) -> None:
    backend, replies = ScriptedBackend(first, Delay(0), tools=["t"]), list[Reply]()
    retry = {"max_retries": 1, "initial_backoff_ms": 4000, "only": "all"}

    async def call() -> None:
        replies.append(await gateway.call_tool("a_t"))

    async with running(Builder("x").backend("a", backend.connector, retry=retry)) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await trio.testing.wait_all_tasks_blocked()
        await gateway.apply(evolved(gateway, "a", retry={"max_retries": 7}))
        await gateway.apply(evolved(gateway, "a", retry={"max_retries": 8}))
        await gateway.apply([])
        await trio.testing.wait_all_tasks_blocked()
        assert [reply.text for reply in replies] == ["t {} #2"]
