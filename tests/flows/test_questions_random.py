"""Random conversations: every call ends once, every question ends once on both sides, and nothing is left open."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import AskedClient, asked_client

from sluicegate.config.model import TimeoutSettings
from sluicegate.policies.settings import HedgeSettings, RetrySettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Ask, Delay, Echo, Reset, RpcError, Step
from sluicegate.testing.transports import Transport

CALLS = 30
LONGEST = 20.0


class Curious(ScriptedBackend):
    """Asks, waits, answers, fails or crashes, in any order."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(name="b")
        self.chance = chance

    def _step(self, number: int) -> Step:
        del number
        return self.draw()

    def draw(self) -> Step:
        roll = self.chance.random()
        if roll < 0.4:
            return Ask(
                self.chance.choice(("elicitation/create", "roots/list", "sampling/createMessage")),
                {},
                self.chance.choice((None, self.draw())),
            )
        if roll < 0.7:
            return Delay(self.chance.uniform(0, LONGEST), self.draw())
        return self.chance.choice((Echo(), Answer("done"), RpcError(-32603, "down"), Reset()) if roll < 0.95 else (Echo(),))


@attrs.define(eq=False)
class Whimsical:
    """A client that answers, thinks, forgets, refuses, answers twice, and cancels its calls."""

    here: AskedClient
    chance: random.Random
    front: str
    replies: Counter[object] = attrs.field(factory=Counter)
    cancelled: set[object] = attrs.field(factory=set)
    questions: set[object] = attrs.field(factory=set)
    withdrawn: Counter[object] = attrs.field(factory=Counter)

    async def live(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.listen, nursery)
            for number in range(1, CALLS + 1):
                nursery.start_soon(self.call, number)
                await trio.sleep(self.chance.choice((0, self.chance.uniform(0, 5))))
            await trio.sleep(1000)  # the longest that a call may take, and more
            nursery.cancel_scope.cancel()

    async def call(self, number: int) -> None:
        await self.here.call(id=number)
        if self.chance.random() < 0.3:
            await trio.sleep(self.chance.uniform(0, LONGEST))
            self.cancelled.add(number)
            await self.here.client.say(method="notifications/cancelled", params={"requestId": number})

    async def listen(self, nursery: trio.Nursery) -> None:
        while True:
            heard = await self.here.hear()
            if heard.get("method") == "notifications/cancelled":
                self.withdrawn[heard["params"]["requestId"]] += 1
            elif "method" in heard:
                assert heard["id"] not in self.questions
                self.questions.add(heard["id"])
                nursery.start_soon(self.think, heard)
            else:
                self.replies[heard["id"]] += 1

    async def think(self, question: dict[str, Any]) -> None:
        await trio.sleep(self.chance.choice((0, 0, self.chance.uniform(0, LONGEST))))
        for _ in range(self.chance.choice((0, 1, 1, 1, 1, 2))):
            if self.chance.random() < 0.2:
                await self.here.client.say(id=question["id"], error={"code": -1, "message": "no"})
            else:
                await self.here.answer(question, action="accept")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_both_sides_do_each_call_and_each_question_ends_once(seed: int, autojump_clock: trio.testing.MockClock) -> None:
    chance = random.Random(seed)
    front, back = chance.choice(("stdio", "http")), chance.choice(tuple(Transport))
    settings: dict[str, Any] = {"timeout": TimeoutSettings(seconds=300.0, per_attempt_seconds=chance.choice((None, 10.0)))}
    if chance.random() < 0.5:
        settings |= {"retry": RetrySettings(only="all"), "hedging": HedgeSettings(delay_ms=2000.0, only="all")}
    backend = Curious(random.Random(f"{seed}:backend"))
    async with asked_client(front, back, backend=backend, **settings) as here:
        client = Whimsical(here, chance, front)
        await client.live()

        silent = client.cancelled if front == "stdio" else set[object]()
        assert all(count == 1 for count in client.replies.values()), client.replies
        assert client.replies.keys() | silent >= set(range(1, CALLS + 1))
        assert all(count == 1 for count in client.withdrawn.values())
        assert client.withdrawn.keys() <= client.questions
        answered = Counter(answer.key for answer in backend.answers)
        assert set(answered.values()) <= {1}, answered
        assert client.questions
        for session in backend.sessions:
            assert (session.duplex.theirs.running, session.duplex.ours.asked) == ({}, {})
