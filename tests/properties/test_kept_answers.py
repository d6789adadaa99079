"""Answers that are kept and calls that are shared, under random loads: nobody gets another's, nobody waits for ever, nothing stale is given.

The backend's answers say for whom they are, and of which state of its they tell; so each answer can be judged by itself.
"""

from __future__ import annotations

import os
import random
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate import Builder, Gateway
from sluicegate.config.model import TimeoutSettings
from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.principal import Principal
from sluicegate.testing.backend import ScriptedBackend

Clock = trio.testing.MockClock
SEEDS = 30
"""By default; others, and more of them, by ``SLUICEGATE_SEEDS=0:1000``."""
CALLERS = ("ann", "bob", "")
_SCHEMA: dict[str, object] = {"inputSchema": {"type": "object"}}
LOOK = _SCHEMA | {"name": "look", "annotations": {"readOnlyHint": True}}
MINE = _SCHEMA | {"name": "mine", "annotations": {"readOnlyHint": True}}
PUT = _SCHEMA | {"name": "put", "annotations": {"idempotentHint": True}}


@attrs.define(eq=False)
class World:
    """A gateway in front of one backend with a number that calls look at and change."""

    chance: random.Random
    gateway: Gateway
    backend: ScriptedBackend
    state: int = 0
    """What the backend has now."""
    announced: list[tuple[float, int]] = attrs.field(factory=lambda: [(0.0, 0)])
    """From when on nobody may be told of a state before this one."""
    wrong: list[str] = attrs.field(factory=list)
    answered: int = 0
    cut: int = 0
    running: int = 0

    async def answer(self, call: Call) -> Reply:
        """What the backend does, behind all policies."""
        local, sees = call.local, self.state
        await trio.sleep(self.chance.choice((0.0, 0.1, 1.0, 4.0)))
        if local in ("put", "act"):
            self.state += 1
            sees = self.state
            await trio.sleep(self.chance.choice((0.0, 0.5)))
        elif self.chance.random() < 0.5:
            sees = self.state
        call.trail.sent = True
        scope = {"cacheScope": "private", "ttlMs": 20_000} if local == "mine" else {}
        said = f"{call.caller.principal.key if local == 'mine' else ''} {sees}"
        return Reply.of({"content": [{"type": "text", "text": said}], "isError": self.chance.random() < 0.05} | scope)

    async def call(self, number: int) -> None:
        """One call of somebody; who is cancelled half way gets nothing."""
        who, tool = self.chance.choice(CALLERS), self.chance.choice(("look", "look", "look", "mine", "put", "act"))
        call = Call.tool(f"b_{tool}", {"n": self.chance.randrange(2)})
        call.caller = Caller("2025-11-25", principal=Principal(who))
        patience = self.chance.choice((0.05, 0.5, 3.0, 1000.0, 1000.0))
        began, reply = trio.current_time(), None
        self.running += 1
        with trio.move_on_after(patience) as scope:
            reply = await self.gateway.handler(call)
        self.running -= 1
        if scope.cancelled_caught:
            self.cut += 1
            return
        assert reply is not None
        if reply.fault is not None:
            self.wrong.append(f"#{number} of {who}: {reply.fault.message}")
            return
        self.answered += 1
        whose, _, sees = reply.text.rpartition(" ")
        least = max(state for at, state in self.announced if at <= began)
        if tool == "mine" and whose != who:
            self.wrong.append(f"#{number} of {who!r} got the answer of {whose!r}")
        if tool in ("look", "mine") and int(sees) < least:
            self.wrong.append(f"#{number} was told of {sees}, when {least} was known")

    def announce(self) -> None:
        """The backend changes, and says so; by which of its ways is all the same."""
        self.state += 1
        if self.chance.random() < 0.5:
            self.backend.notify("notifications/tools/list_changed")
        else:
            self.gateway.clear_caches()
        self.announced.append((trio.current_time() + 1e-6, self.state))


def seeds() -> range:
    first, _, end = os.environ.get("SLUICEGATE_SEEDS", f"0:{SEEDS}").partition(":")
    return range(int(first), int(end or int(first) + 1))


@pytest.mark.parametrize("seed", seeds())
async def test_nobody_gets_anothers_answer_waits_for_ever_or_is_told_what_is_over(seed: int, autojump_clock: Clock) -> None:
    """TST-G15, COA-5, LIM-31."""
    chance = random.Random(seed)
    backend = ScriptedBackend(tools=[LOOK, MINE, PUT, "act"])

    settings: dict[str, Any] = {
        "cache": {"tool_ttl_seconds": 30, "max_entries": chance.choice((2, 100))},
        "coalesce_requests": chance.random() < 0.7,
        "timeout": TimeoutSettings(1000),
    }
    async with Builder("x").backend("b", backend.connector, **settings).open(strict=True) as gateway:
        world = World(chance, gateway, backend)
        policies = gateway.policies["b"]
        nearest = policies.coalesce or policies.cache
        assert nearest is not None
        nearest.inner = world.answer
        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(world.call, number)
                if chance.random() < 0.1:
                    world.announce()
                await trio.sleep(chance.choice((0.0, 0.0, 0.2, 2.0)))
        coalesce = policies.coalesce
        await trio.testing.wait_all_tasks_blocked()
        assert coalesce is None or coalesce.flying == 0
    assert world.wrong == []
    assert world.running == 0
    assert world.answered + world.cut == 60
    assert world.answered > 10
