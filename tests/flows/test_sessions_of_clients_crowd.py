"""Fifty clients that are asked at once, some of whom vanish: every question reaches its own client, and nothing stays behind."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import attrs
import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, Client, Crowd, Json, crowd, visitor
from tests.flows.test_sessions_of_clients import call
from tests.kit.personal import PersonalBackend

from sluicegate.testing import Trial, cancel_at_every_checkpoint
from sluicegate.testing.script import Ask
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", ["stdio", "http"])
backs = pytest.mark.parametrize("back", Transport)
CLIENTS = 50
AT_ONCE = dict.fromkeys(Transport, 2) | {Transport.HTTP: 1}
"""Calls of each client. The pipe behind the other gateway does not say which of two calls a question is about, and the stream that it comes on does."""
BOTH = Ask(
    "elicitation/create", {"message": "who?", "requestedSchema": {"type": "object"}}, then=Ask("sampling/createMessage", {"maxTokens": 1})
)
"""Asks a person, then a model; the model's answer is the call's."""


@attrs.define
class Person:
    """Answers for one client, slowly, and knows what it was asked."""

    number: int
    client: Client
    chance: random.Random
    asked: list[str] = attrs.field(factory=list)
    ends: list[str] = attrs.field(factory=list)

    async def live(self, calls: int) -> None:
        """Make some calls at once, and answer until all have ended."""
        for call_number in range(calls):
            await call(self.client, f"call {call_number}")
        while len(self.ends) < calls:
            message = await self.client.hear()
            if "method" in message:
                await self.answer(message)
            else:
                assert str(message["id"]).startswith("call"), message
                self.ends.append(message["result"]["content"][0]["text"])

    async def answer(self, question: Json) -> None:
        self.asked.append(question["method"])
        await trio.sleep(self.chance.uniform(0, 3))
        if question["method"] == "elicitation/create":
            await self.client.say(id=question["id"], result={"action": "accept", "content": {"number": self.number}})
        else:
            await self.client.say(id=question["id"], result={"role": "assistant", "model": str(self.number), "content": {}})


async def vanish(person: Person, hang_up: Callable[[], None], seconds: float, calls: int) -> None:
    """Go after so many seconds, whatever is open then."""
    with trio.move_on_after(seconds):
        await person.live(calls)
    hang_up()


async def is_empty(here: Crowd, backend: PersonalBackend) -> None:
    """Nothing is left of any client: neither here nor behind."""
    clients = here.gateway.backends["b"].clients
    assert clients is not None
    assert (len(clients), here.gateway.backends["b"].in_flight) == (0, 0)
    assert len(backend.sessions) == 1
    for _can, own in backend.people:
        assert not own._asking._open


@fronts
@backs
async def test_each_question_reaches_its_own_client_and_none_is_lost(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend, chance = PersonalBackend(BOTH, name="b"), random.Random(7)
    async with crowd(front, back, backend, [EVERYTHING] * CLIENTS) as here:
        people = [Person(number, client, chance) for number, client in enumerate(here.clients)]
        async with trio.open_nursery() as nursery:
            for person in people:
                nursery.start_soon(person.live, AT_ONCE[back])
        for person in people:
            assert [msgspec.json.decode(end)["model"] for end in person.ends] == [str(person.number)] * AT_ONCE[back]
            assert sorted(person.asked) == ["elicitation/create"] * AT_ONCE[back] + ["sampling/createMessage"] * AT_ONCE[back]
        asked = [[msgspec.json.decode(bytes(answer.result or b"")) for answer in own.answers] for _, own in backend.people[1:]]
        assert all(len({said.get("model") or str(said["content"]["number"]) for said in answers}) == 1 for answers in asked)
        assert sorted(len(answers) for answers in asked) == [2 * AT_ONCE[back]] * CLIENTS


@fronts
@backs
async def test_clients_that_vanish_take_nothing_from_others_and_leave_nothing(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend, chance = PersonalBackend(BOTH, name="b"), random.Random(11)
    async with crowd(front, back, backend, [EVERYTHING] * CLIENTS) as here:
        people = [Person(number, client, chance) for number, client in enumerate(here.clients)]
        async with trio.open_nursery() as nursery:
            for person in people[::2]:
                nursery.start_soon(person.live, AT_ONCE[back])
            for number in range(1, CLIENTS, 2):
                nursery.start_soon(vanish, people[number], here.hang_up[number], chance.uniform(0, 6), AT_ONCE[back])
        for person in people[::2]:
            assert [msgspec.json.decode(end)["model"] for end in person.ends] == [str(person.number)] * AT_ONCE[back]
        for hang_up in here.hang_up:
            hang_up()
        await trio.sleep(4000)  # over HTTP nobody says that he goes: their sessions expire
        await is_empty(here, backend)


@asynccontextmanager
async def house(back: Transport) -> AsyncGenerator[tuple[Crowd, PersonalBackend], None]:
    backend = PersonalBackend(BOTH, name="b")
    async with crowd("http", back, backend, [], max_sessions=4) as here:
        yield here, backend


@fronts
@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD, Transport.HTTP])
async def test_a_client_may_vanish_at_every_point_of_the_exchange(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with house(back) as (here, backend):

        async def once() -> str:
            async with visitor(front, here.gateway, EVERYTHING) as client:
                person = Person(1, client, random.Random(1))
                await person.live(1)
                return person.ends[0]

        async def check(trial: Trial[str]) -> None:
            await trio.sleep(4000)
            await is_empty(here, backend)
            assert trial.cut or msgspec.json.decode(trial.results[0])["model"] == "1"

        assert await cancel_at_every_checkpoint(once, check) > 10


@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
async def test_everything_may_be_cut_at_every_point_and_no_session_stays(back: Transport, autojump_clock: Clock) -> None:
    backends: list[PersonalBackend] = []

    async def once() -> None:
        async with house(back) as (here, backend):
            backends.append(backend)
            async with visitor("http", here.gateway, EVERYTHING) as client:
                await Person(1, client, random.Random(1)).live(1)

    async def check(trial: Trial[None]) -> None:
        del trial
        await trio.sleep(100)
        assert all(backend.sessions == [] and not own._asking._open for backend in backends for _, own in backend.people)
        backends.clear()

    assert await cancel_at_every_checkpoint(once, check) > 20
