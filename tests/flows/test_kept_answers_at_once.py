"""What is asked for again in the same words is answered at once: in no task of its own, and yet as if it had gone the long way."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Client, visitor

from sluicegate import Builder, Gateway
from sluicegate.gateway.opening import open_gateway
from sluicegate.policies.cache import CacheStatistics
from sluicegate.protocol.calls import Call, Handler, Layer, Reply
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Result, Step

Clock = trio.testing.MockClock
LOOK: dict[str, object] = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
FRONTS = ["http", "stdio", "modern"]
CACHE = {"tool_ttl_seconds": 60}
NO_SETTINGS: Mapping[str, Any] = {}


def scripted(*steps: Step) -> ScriptedBackend:
    return ScriptedBackend(*steps, tools=[LOOK, "act"])


@attrs.define(eq=False)
class Exchanges(trio.abc.Instrument):
    """Counts the tasks in which calls run."""

    count: int = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.count += task.name == "sluicegate.frontends.exchange.Exchange.run"


@attrs.define(eq=False)
class Here:
    """One client of a gateway."""

    client: Client
    gateway: Gateway
    exchanges: Exchanges
    lines: list[dict[str, Any]]
    asked: int = 0

    async def call(self, tool: str = "look", *, meta: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
        """The answer, which has the call's own id."""
        self.asked += 1
        params: dict[str, Any] = {"name": f"b_{tool}", "arguments": arguments} | ({} if meta is None else {"_meta": meta})
        await self.client.say(id=self.asked, method="tools/call", params=params)
        answer: dict[str, Any] = await self.client.hear()
        assert answer["id"] == self.asked
        return answer

    async def text(self, tool: str = "look", **arguments: Any) -> str:
        return str((await self.call(tool, **arguments))["result"]["content"][0]["text"])

    async def is_at_once(self, **arguments: Any) -> bool:
        before = self.exchanges.count
        await self.text(**arguments)
        return self.exchanges.count == before

    @property
    def counted(self) -> CacheStatistics:
        cache = self.gateway.policies["b"].cache
        assert cache is not None
        return cache.statistics()


@asynccontextmanager
async def here(
    front: str,
    backend: ScriptedBackend,
    *,
    spare: ScriptedBackend | None = None,
    layers: Sequence[Layer] = (),
    proxy: Mapping[str, Any] = NO_SETTINGS,
    **settings: Any,
) -> AsyncGenerator[Here, None]:
    lines: list[dict[str, Any]] = []

    async def write(batch: bytes) -> None:
        await trio.lowlevel.checkpoint()
        lines.extend(map(json.loads, batch.splitlines()))

    builder = Builder("x").proxy(**proxy).backend("b", backend.connector, **({"cache": CACHE} | settings))
    servers: dict[str, object] = {"b": backend.connector}
    if spare is not None:
        builder.backend("s", spare.connector, failover_for="b")
        servers["s"] = spare.connector
    exchanges = Exchanges()
    trio.lowlevel.add_instrument(exchanges)
    try:
        async with (
            open_gateway(builder.config(), servers=servers, layers={"b": layers}, access_log=write) as gateway,
            visitor(front, gateway, {}) as client,
        ):
            await gateway.settled()
            yield Here(client, gateway, exchanges, lines)
    finally:
        trio.lowlevel.remove_instrument(exchanges)


@pytest.mark.parametrize("front", FRONTS)
async def test_what_is_asked_for_again_is_given_in_no_task(front: str, autojump_clock: Clock) -> None:
    """The second time it is found, and from then on known by its words."""
    async with here(front, backend := scripted()) as one:
        answers = [await one.call(at=1)]
        assert [await one.is_at_once(at=1) for _ in range(2)] == [True, True]
        answers += [await one.call(at=1)]
        assert {json.dumps(answer["result"]) for answer in answers} == {json.dumps(answers[0]["result"])}
        assert ("resultType" in answers[1]["result"]) is (front == "modern")
        assert (one.counted.hits, one.counted.misses) == (3, 1)
    assert backend.calls == 1
    assert [(line["outcome"], line["backend"], line.get("attempts", 0)) for line in one.lines] == [("ok", "b", 1)] + [("ok", "b", 0)] * 3


async def test_other_words_for_the_same_are_found_at_once_too(autojump_clock: Clock) -> None:
    async with here("http", backend := scripted()) as one:
        asked: list[dict[str, object]] = [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"b": 2, "a": 1}, {"a": 1, "b": 3}]
        assert [await one.is_at_once(**arguments) for arguments in asked] == [False, True, True, False]
    assert backend.calls == 2


async def test_an_answer_is_given_at_once_as_long_as_it_holds(autojump_clock: Clock) -> None:
    async with here("http", scripted()) as one:
        for _ in range(3):
            await one.text()
        await trio.sleep(59.9)
        assert (await one.is_at_once(), await one.text()) == (True, "look {} #1")
        await trio.sleep(0.1)
        assert (await one.is_at_once(), await one.text()) == (False, "look {} #2")


async def test_what_a_write_has_made_old_is_asked_for_anew(autojump_clock: Clock) -> None:
    async with here("http", scripted()) as one:
        texts = [await one.text(tool) for tool in ("look", "look", "look", "act", "look", "look", "look")]
    assert [text[-2:] for text in texts] == ["#1", "#1", "#1", "#2", "#3", "#3", "#3"]


async def test_what_is_forgotten_is_asked_for_anew(autojump_clock: Clock) -> None:
    async with here("http", scripted()) as one:
        texts = [await one.text() for _ in range(3)]
        one.gateway.clear_caches()
        texts += [await one.text() for _ in range(3)]
    assert [text[-2:] for text in texts] == ["#1"] * 3 + ["#2"] * 3


async def test_an_answer_that_counts_down_does_so(autojump_clock: Clock) -> None:
    held = Result(b'{"content":[{"type":"text","text":"x"}],"resultType":"complete","ttlMs":30000,"cacheScope":"public"}')
    async with here("modern", scripted(held)) as one:
        for _ in range(3):
            await one.text()
        await trio.sleep(10)
        assert await one.is_at_once()
        assert (await one.call())["result"]["ttlMs"] == 20000


async def test_who_wants_to_hear_how_old_it_is_is_told(autojump_clock: Clock) -> None:
    async with here("http", scripted()) as one:
        for _ in range(3):
            await one.text()
        await trio.sleep(5)
        answer = await one.call(meta={"sluicegate/cache": True, "sluicegate/route": True})
    assert answer["result"]["_meta"]["sluicegate/cache"] == {"age": 5.0, "ttl": 60.0}
    assert answer["result"]["_meta"]["sluicegate/route"]["backend"] == "b"


async def test_a_layer_of_the_programs_own_sees_each_call(autojump_clock: Clock) -> None:
    seen = []

    def looking(inner: Handler) -> Handler:
        async def look(call: Call) -> Reply:
            seen.append(call.target)
            return await inner(call)

        return look

    async with here("http", backend := scripted(), layers=[looking]) as one:
        for _ in range(4):
            await one.text()
    assert (len(seen), backend.calls) == (4, 1)


async def test_a_limit_to_all_calls_holds_for_what_is_kept(autojump_clock: Clock) -> None:
    limit = {"requests": 4, "period_seconds": 1000, "burst": 4}
    async with here("http", scripted(), proxy={"rate_limit": limit}) as one:  # to begin takes one of them
        answers = [await one.call() for _ in range(4)]
    assert ["result" in answer for answer in answers] == [True, True, True, False]


async def test_who_stands_in_is_asked_as_ever(autojump_clock: Clock) -> None:
    spare = scripted()
    async with here("http", backend := scripted(), spare=spare) as one:
        assert [await one.is_at_once() for _ in range(3)] == [False] * 3
    assert (backend.calls, spare.calls) == (1, 0)


async def test_calls_that_are_answered_so_count_for_the_budget(autojump_clock: Clock) -> None:
    retry = {"max_retries": 1, "budget_percent": 10}
    async with here("http", scripted(), retry=retry, progress="off") as one:
        assert [await one.is_at_once() for _ in range(4)] == [False, True, True, True]
        budget = one.gateway.policies["b"].budget
        assert budget is not None
        assert budget.calls == 4
