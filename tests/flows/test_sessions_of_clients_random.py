"""Random lives: clients come, call, answer, cancel and go, the backend crashes and refuses, and the configuration changes under them."""

from __future__ import annotations

import random
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, Client, Crowd, HttpClient, Json, crowd, visitor
from tests.kit.personal import PersonalBackend

from sluicegate.policies.settings import RetrySettings
from sluicegate.testing.script import Answer, Ask, Delay, Reset
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
SECONDS = 120
CAN: tuple[Json, ...] = ({}, {"roots": {}}, {"sampling": {}}, EVERYTHING)
STEPS = (
    Ask("roots/list", {}, then=Answer("asked")),
    Answer("at once"),
    Delay(2, Answer("late")),
    Ask("sampling/createMessage", {}, then=Delay(1, Answer("asked"))),
    Delay(1, Reset("it crashed")),
    Answer("again"),
)
DIFFERENCES: tuple[dict[str, Any], ...] = (
    {"sessions": "shared"},
    {"sessions": "per_client"},
    {"sessions": "per_client", "max_sessions": 2},
    {"max_sessions": 5, "session_idle_seconds": 3.0},
    {"hide_tools": ("x",)},
    {"retry": RetrySettings()},
    {"fidelity": "strict"},
)


@attrs.define
class Life:
    """What happens to one gateway."""

    here: Crowd
    backend: PersonalBackend
    chance: random.Random
    asked: int = 0
    ends: dict[str, int] = attrs.field(factory=dict)

    async def client(self, front: str) -> None:
        """One after the other: each makes some calls, answers what it is asked, and goes, with a word or without."""
        while True:
            await trio.sleep(self.chance.uniform(0, 3))
            with trio.move_on_after(self.chance.uniform(2, 25)):
                async with visitor(front, self.here.gateway, self.chance.choice(CAN)) as client:
                    await self.live(client)

    async def patient(self, front: str) -> None:
        async with visitor(front, self.here.gateway, self.chance.choice(CAN)) as client:
            await self.live(client)

    async def live(self, client: Client) -> None:
        waiting: set[object] = set()
        for number in range(self.chance.randint(1, 6)):
            method = self.chance.choice(["tools/call", "tools/call", "tools/list"])
            params = {"name": "b_echo", "arguments": {}} if method == "tools/call" else {}
            await client.say(id=f"call {number}", method=method, params=params)
            waiting.add(f"call {number}")
            if self.chance.random() < 0.1:
                await client.say(method="notifications/cancelled", params={"requestId": f"call {number}"})
                if not isinstance(client, HttpClient):  # there it gets no answer, or one that has crossed
                    waiting.discard(f"call {number}")
            await trio.sleep(self.chance.uniform(0, 1))
        while waiting:
            await self.take(client, await client.hear(), waiting)
        if isinstance(client, HttpClient) and self.chance.random() < 0.7:
            await client.http.delete("/mcp", headers={"mcp-session-id": client.session})

    async def take(self, client: Client, message: Json, waiting: set[object]) -> None:
        if message.get("id") in waiting and "method" not in message:
            waiting.remove(message["id"])
            end = "ok" if "result" in message else str(message["error"].get("data", {}).get("reason", message["error"]["code"]))
            self.ends[end] = self.ends.get(end, 0) + 1
        elif "id" in message and "method" in message:
            self.asked += 1
            await trio.sleep(self.chance.uniform(0, 2))
            await client.say(id=message["id"], result={"roots": [], "model": "m"})
        else:
            assert "id" not in message or str(message["id"]).startswith("call"), message

    async def trouble(self) -> None:
        """What the backend and the operator do."""
        while True:
            await trio.sleep(self.chance.uniform(0, 6))
            what = self.chance.randrange(4)
            if what == 0:
                self.backend.crash()
            elif what == 1:
                self.backend.refuse = "not now"
                await trio.sleep(self.chance.uniform(0, 6))
                self.backend.refuse = ""
            elif what == 2 and self.backend.sessions:
                self.chance.choice(self.backend.sessions).close("it broke")
            else:
                (config,) = self.here.gateway.config.backends
                with trio.move_on_after(self.chance.uniform(0, 30)):
                    await self.here.gateway.apply([attrs.evolve(config, **self.chance.choice(DIFFERENCES))])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
async def test_whatever_happens_every_call_has_one_end_and_nothing_stays(back: Transport, seed: int, autojump_clock: Clock) -> None:
    backend = PersonalBackend(*STEPS, name="b")
    async with crowd("http", back, backend, [], max_sessions=4, session_idle_seconds=8.0) as here:
        life = Life(here, backend, random.Random(seed))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.trouble)
            for number in range(10):
                nursery.start_soon(life.client, "stdio" if number % 3 == 0 else "http")
            await trio.sleep(SECONDS)
            nursery.cancel_scope.cancel()
        backend.refuse = ""
        await here.gateway.ready("b")
        with trio.fail_after(100):  # who waits to the end gets an answer to each call
            async with trio.open_nursery() as nursery:
                for number in range(6):
                    nursery.start_soon(life.patient, "stdio" if number % 3 == 0 else "http")
        await trio.sleep(5000)
        assert life.ends.get("ok", 0) > 20, life.ends
        assert life.asked > 3
        one = here.gateway.backends["b"]
        assert (one.in_flight, len(one.clients or ())) == (0, 0)
        assert len(backend.sessions) == 1
        assert not [own for _, own in backend.people if own._asking._open]
        assert len(here.gateway._app.sessions) == 0
