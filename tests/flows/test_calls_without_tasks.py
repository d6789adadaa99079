"""Calls that are the same need no task each: their flight has one, and whoever waits for it is answered as if he had one, too."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Client, visitor

from sluicegate import Builder, Gateway
from sluicegate.config.model import MetricsConfig, ObservabilityConfig, SecurityConfig
from sluicegate.gateway.opening import open_gateway
from sluicegate.gateway.readings import ALONE
from sluicegate.observe.metrics import RequestStatistics
from sluicegate.protocol.calls import Call, Reply
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint
from sluicegate.testing.script import Answer, Delay, Hang, Note, RpcError, Step

Clock = trio.testing.MockClock
LOOK: dict[str, object] = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
PUT: dict[str, object] = {"name": "put", "inputSchema": {"type": "object"}, "annotations": {"idempotentHint": True}}
FRONTS = ["http", "stdio"]
CACHE = {"tool_ttl_seconds": 60}
SLOW = Delay(1, Answer("well"))
ORPHAN_SECONDS = 3


def scripted(*steps: Step) -> ScriptedBackend:
    return ScriptedBackend(*(steps or (SLOW,)), tools=[LOOK, PUT, "act"])


@attrs.define(eq=False)
class Tasks(trio.abc.Instrument):
    """Counts those in which calls and flights run."""

    calls: int = 0
    flights: int = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.calls += task.name == "sluicegate.frontends.exchange.Exchange.run"
        self.flights += task.name == "a call for all who have asked for the same"


@attrs.define(eq=False)
class House:
    """A gateway whose calls are shared, and its clients."""

    gateway: Gateway
    tasks: Tasks
    lines: list[dict[str, Any]]

    @property
    def is_at_rest(self) -> bool:
        """Nothing flies, and nothing is left of what flew."""
        coalesce = self.gateway.policies["b"].coalesce
        assert coalesce is not None
        counts = self.gateway.statistics()["requests"][ALONE]
        assert isinstance(counts, RequestStatistics)
        return coalesce.flying == coalesce.timer.planned == counts.running == 0

    @property
    def outcomes(self) -> list[tuple[str, int]]:
        """Of the calls in the log: what became of each, and how many attempts were counted for it."""
        return sorted((line["outcome"], line.get("attempts", 0)) for line in self.lines if line["method"] == "tools/call")


@asynccontextmanager
async def house(backend: ScriptedBackend, *, grace: float = 30.0, **settings: Any) -> AsyncGenerator[House, None]:
    lines: list[dict[str, Any]] = []

    async def write(batch: bytes) -> None:
        await trio.lowlevel.checkpoint()
        lines.extend(map(json.loads, batch.splitlines()))

    builder = Builder("x").proxy(shutdown_timeout_seconds=grace)
    builder.backend("b", backend.connector, **({"coalesce_requests": True} | settings))
    told = ObservabilityConfig(metrics=MetricsConfig(enabled=True))
    config = attrs.evolve(builder.config(), security=SecurityConfig(orphan_seconds=ORPHAN_SECONDS), observability=told)
    tasks = Tasks()
    trio.lowlevel.add_instrument(tasks)
    try:
        async with open_gateway(config, servers={"b": backend.connector}, access_log=write) as gateway:
            await gateway.ready("b")
            yield House(gateway, tasks, lines)
    finally:
        trio.lowlevel.remove_instrument(tasks)


@asynccontextmanager
async def clients(front: str, number: int, backend: ScriptedBackend, **settings: Any) -> AsyncGenerator[tuple[House, list[Client]], None]:
    async with house(backend, **settings) as one, AsyncExitStack() as stack:
        yield one, [await stack.enter_async_context(visitor(front, one.gateway, {})) for _ in range(number)]


async def ask(client: Client, id: int = 7, tool: str = "look", *, meta: dict[str, Any] | None = None, **arguments: object) -> None:
    params: dict[str, Any] = {"name": f"b_{tool}", "arguments": arguments} | ({} if meta is None else {"_meta": meta})
    await client.say(id=id, method="tools/call", params=params)


async def withdraw(client: Client, id: int = 7) -> None:
    await client.say(method="notifications/cancelled", params={"requestId": id})


async def text(client: Client, id: int = 7) -> str:
    """Of the next message, which must be the answer to that call."""
    heard = await client.hear()
    assert heard["id"] == id
    return str(heard["result"]["content"][0]["text"] if "result" in heard else heard["error"]["message"])


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("settings", [{}, {"cache": CACHE, "retry": {"max_retries": 1, "budget_percent": 20}}], ids=["bare", "kept"])
async def test_one_task_flies_for_all_who_ask_for_the_same(front: str, settings: dict[str, Any], autojump_clock: Clock) -> None:
    async with clients(front, 3, backend := scripted(), **settings) as (one, all_three):
        for number, client in enumerate(all_three):
            await ask(client, number, at=1)
        before = one.tasks.calls
        assert [await text(client, number) for number, client in enumerate(all_three)] == ["well"] * 3
        assert one.is_at_rest
        assert (one.tasks.calls - before, one.tasks.flights) == (0, 1)
    assert backend.calls == 1
    assert one.outcomes == [("ok", 0), ("ok", 0), ("ok", 1)]
    assert {line["backend"] for line in one.lines if line["method"] == "tools/call"} == {"b"}


async def test_what_has_come_without_a_task_is_kept(autojump_clock: Clock) -> None:
    async with clients("http", 2, backend := scripted(), cache=CACHE) as (one, (ann, bob)):
        await ask(ann)
        await ask(bob)
        assert [await text(client) for client in (ann, bob)] == ["well"] * 2
        await ask(bob)
        assert await text(bob) == "well"
        cache = one.gateway.policies["b"].cache
        assert cache is not None
        assert (cache.hits, cache.misses, cache.entries) == (1, 2, 1)
    assert backend.calls == 1


async def test_what_has_changed_meanwhile_is_not_kept(autojump_clock: Clock) -> None:
    async with clients("http", 2, backend := scripted(Delay(1, Answer("old")), Answer("done"), Answer("new")), cache=CACHE) as (
        _,
        (ann, bob),
    ):
        await ask(ann)
        await trio.sleep(0.5)
        await ask(bob, 8, "act")
        assert await text(bob, 8) == "done"
        assert await text(ann) == "old"
        await ask(ann)
        assert await text(ann) == "new"
    assert backend.calls == 3


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("leaves", [0, 1, 2])
async def test_who_takes_his_call_back_is_answered_and_the_others_get_theirs(front: str, leaves: int, autojump_clock: Clock) -> None:
    """COA-5, LIM-31, P-64: the first one, too; over stdio who took it back hears nothing more."""
    async with clients(front, 3, backend := scripted()) as (one, all_three):
        for client in all_three:
            await ask(client)
        await trio.sleep(0.5)
        await withdraw(all_three[leaves])
        if front == "http":
            assert "cancelled" in await text(all_three[leaves])
            assert trio.current_time() < 1
        assert [await text(client) for client in all_three if client is not all_three[leaves]] == ["well"] * 2
        assert one.is_at_rest
    assert (backend.calls, backend.cancelled) == (1, [])
    assert [outcome for outcome, _ in one.outcomes] == ["cancelled", "ok", "ok"]


async def test_a_flight_that_all_have_taken_back_ends_down_to_the_backend(autojump_clock: Clock) -> None:
    async with clients("http", 2, backend := scripted(Hang(), SLOW)) as (one, both):
        for client in both:
            await ask(client)
        await trio.sleep(0.5)
        for client in both:
            assert backend.cancelled == []
            await withdraw(client)
            assert "cancelled" in await text(client)
        await trio.testing.wait_all_tasks_blocked()
        assert backend.cancelled == [1]
        assert one.is_at_rest
        await ask(both[0], 8)
        assert await text(both[0], 8) == "well"


@pytest.mark.parametrize("front", FRONTS)
async def test_each_has_his_own_time(front: str, autojump_clock: Clock) -> None:
    async with clients(front, 2, scripted(Delay(12, Answer("well"))), timeout={"seconds": 10}) as (one, (first, second)):
        await ask(first)
        await trio.sleep(4)
        await ask(second)
        assert "10 s" in await text(first)
        assert trio.current_time() == 10
        assert await text(second) == "well"
        assert one.is_at_rest
    assert [outcome for outcome, _ in one.outcomes] == ["ok", "timeout"]


async def test_who_has_gone_is_waited_for_as_long_as_he_may_come_back(autojump_clock: Clock) -> None:
    """P-64: the flight does not end with his connection, but with his time as an orphan."""
    async with house(backend := scripted(Hang(), SLOW)) as one:
        async with visitor("http", one.gateway, {}) as gone:
            await ask(gone)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(ORPHAN_SECONDS - 0.1)
        assert backend.cancelled == []
        await trio.sleep(0.2)
        assert backend.cancelled == [1]
        assert one.is_at_rest
    assert [outcome for outcome, _ in one.outcomes] == ["cancelled"]


async def asking(one: House, nursery: trio.Nursery, number: int) -> list[str]:
    """Begin to be so many clients who have asked and outlive the gateway; what they hear."""
    heard: list[str] = []

    async def live() -> None:
        async with visitor("stdio", one.gateway, {}) as client:
            await ask(client)
            heard.append(await text(client))

    for _ in range(number):
        nursery.start_soon(live)
    await trio.testing.wait_all_tasks_blocked()
    return heard


async def test_who_leaves_the_gateway_waits_for_what_flies(autojump_clock: Clock) -> None:
    """Although none of those who wait has a task."""
    async with trio.open_nursery() as nursery:
        async with house(scripted(Delay(5, Answer("well")))) as one:
            heard = await asking(one, nursery, 2)
        assert heard == ["well"] * 2
        assert trio.current_time() >= 5
    assert one.outcomes == [("ok", 0), ("ok", 1)]


async def test_what_flies_for_too_long_is_cut_at_the_end_and_all_are_told(autojump_clock: Clock) -> None:
    async with trio.open_nursery() as nursery:
        async with house(backend := scripted(Hang()), grace=2) as one:
            heard = await asking(one, nursery, 2)
        assert [one.partition(":")[0] for one in heard] == ["request cancelled"] * 2
    assert (backend.calls, backend.cancelled) == (1, [1])
    assert [outcome for outcome, _ in one.outcomes] == ["cancelled"] * 2


async def test_each_hears_how_far_it_is_under_his_own_token(autojump_clock: Clock) -> None:
    async with clients("http", 2, scripted(Delay(1, Note(0.5, then=SLOW)))) as (one, both):
        for token, client in enumerate(both):
            await ask(client, meta={"progressToken": token})
        heard = [await client.hear() for client in both]
        assert [note["params"]["progressToken"] for note in heard] == [0, 1]
        assert [await text(client) for client in both] == ["well"] * 2
        assert one.is_at_rest


async def test_a_fault_is_everybodys(autojump_clock: Clock) -> None:
    async with clients("http", 2, backend := scripted(Delay(1, RpcError(-32000, "no")))) as (one, both):
        for client in both:
            await ask(client)
        assert [await text(client) for client in both] == ["no", "no"]
        assert one.is_at_rest
    assert backend.calls == 1


async def test_a_bug_behind_costs_those_who_wait(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async def bug(_call: Call) -> Reply:
        await trio.sleep(1)
        raise ZeroDivisionError

    async with clients("http", 2, scripted()) as (one, both):
        coalesce = one.gateway.policies["b"].coalesce
        assert coalesce is not None
        coalesce.inner = bug
        for client in both:
            await ask(client)
        assert ["internal error" in await text(client) for client in both] == [True, True]
        assert one.is_at_rest
    assert "ZeroDivisionError" in caplog.text


async def test_who_waits_in_a_task_and_who_does_not_share_a_flight(autojump_clock: Clock) -> None:
    async with clients("http", 1, backend := scripted()) as (one, (client,)):
        await ask(client)
        await trio.testing.wait_all_tasks_blocked()
        texts: list[str] = []

        async def program() -> None:
            texts.append((await one.gateway.call_tool("b_look")).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(program)
        assert [await text(client), *texts] == ["well", "well"]
        assert one.is_at_rest
    assert backend.calls <= 2, "a client has another version than the program"


@pytest.mark.parametrize("arguments", [[], 1, "x"])
async def test_what_is_no_object_is_refused_as_ever(arguments: object, autojump_clock: Clock) -> None:
    async with clients("http", 1, backend := scripted()) as (_, (client,)):
        await client.say(id=7, method="tools/call", params={"name": "b_look", "arguments": arguments})
        assert "must be an object" in await text(client)
    assert backend.calls == 0


@pytest.mark.parametrize("who", [0, 1])
async def test_the_connection_of_either_can_be_cut_anywhere_and_the_other_gets_the_answer(who: int, autojump_clock: Clock) -> None:
    """COA-5, LIM-31, TST-G11."""
    async with clients("http", 1, backend := scripted(), cache=CACHE) as (one, (stays,)):

        async def share() -> None:
            one.gateway.clear_caches()
            async with visitor("http", one.gateway, {}) as leaves:
                for client in (stays, leaves) if who else (leaves, stays):
                    await ask(client)
                    await trio.sleep(0.3)
                assert await text(leaves) == "well"

        async def check(trial: Trial[None]) -> None:
            del trial
            await trio.sleep(ORPHAN_SECONDS + 2)
            while stays.heard:  # type: ignore[attr-defined]  # what was cut before it asked has left nothing
                assert await text(stays) == "well"
            assert one.is_at_rest

        assert await cancel_at_every_checkpoint(share, check) > 10
    assert backend.cancelled == []


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_many_do_each_is_answered_once_and_nothing_is_left(seed: int, autojump_clock: Clock) -> None:
    """TST-G11, LIM-31: calls are taken back, connections break, time runs out, backends fail; by chance."""
    chance = random.Random(seed)
    steps = [Delay(chance.choice((0.2, 1, 3, 7)), chance.choice((Answer("well"), RpcError(-32000, "no")))) for _ in range(60)]
    settings: dict[str, Any] = {"timeout": {"seconds": 4}, **chance.choice(({}, {"cache": {"tool_ttl_seconds": 2}}))}
    async with house(scripted(*steps), **settings) as one:
        answers: Counter[tuple[int, int]] = Counter()
        expected: set[tuple[int, int]] = set()

        async def live(number: int) -> None:
            front, stays = chance.choice(FRONTS), chance.random() < 0.7
            async with visitor(front, one.gateway, {}) as client, trio.open_nursery() as nursery:
                nursery.start_soon(hear, number, client)
                taken_back: set[int] = set()
                for asked in range(1, 7):
                    await ask(client, asked, chance.choice(("look", "look", "look", "put")), at=chance.randrange(2))
                    await trio.sleep(chance.choice((0, 0.1, 0.5, 2)))
                    if chance.random() < 0.2:
                        await withdraw(client, asked)
                        taken_back.add(asked)
                if stays:
                    await trio.sleep(30)
                    expected.update((number, asked) for asked in range(1, 7) if front == "http" or asked not in taken_back)
                nursery.cancel_scope.cancel()

        async def hear(number: int, client: Client) -> None:
            while True:
                answers[number, (await client.hear())["id"]] += 1

        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(live, number)
        await trio.sleep(30)
        assert one.is_at_rest
        assert set(answers.values()) <= {1}
        assert expected <= set(answers)
        assert one.tasks.calls < len(one.outcomes), "most needed none"
    assert len(one.outcomes) == 36
