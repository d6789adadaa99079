"""Clients that answer twice, late, under an id that was never theirs, or never; backends that ask without end. By numbers: nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, Client, Crowd, Json, asked_client, crowd
from tests.flows.test_sessions_of_clients import call
from tests.kit.personal import PersonalBackend

from sluicegate.config.model import TimeoutSettings
from sluicegate.frontends.app import App
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Ask, Delay, Step
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", ["stdio", "http"])
backs = pytest.mark.parametrize("back", Transport)
ROUNDS = 5
"""Calls of each client, one after the other."""
MANY = 300
CALL_SECONDS = 20.0

Manner = Callable[[Client, Json], Coroutine[Any, Any, None]]


async def twice(client: Client, question: Json) -> None:
    await client.say(id=question["id"], result={"action": "accept", "content": {"said": "first"}})
    await client.say(id=question["id"], result={"action": "accept", "content": {"said": "second"}})


async def under_foreign_ids(client: Client, question: Json) -> None:
    for foreign in (question["id"] + 1, question["id"] + 1000, -1, "another's", 2**60):
        await client.say(id=foreign, result={"action": "accept", "content": {"said": "forged"}})
        await client.say(id=foreign, error={"code": -1, "message": "forged"})
    await client.say(id=question["id"], result={"action": "accept", "content": {"said": "first"}})


async def late(client: Client, question: Json) -> None:
    """After the call was given up."""
    await trio.sleep(CALL_SECONDS + 1)
    await client.say(id=question["id"], result={"action": "accept", "content": {"said": "too late"}})


async def never(client: Client, question: Json) -> None:
    del client, question
    await trio.lowlevel.checkpoint()


async def live(client: Client, manner: Manner, heard: list[Json]) -> None:
    """Some calls, each of which is asked about; all that comes is kept, and read up to a while after the last answer."""
    async with trio.open_nursery() as nursery:
        for number in range(ROUNDS):
            await call(client, f"call {number}")
            with trio.move_on_after(2 * CALL_SECONDS):
                while True:
                    heard.append(await client.hear())
                    if heard[-1].get("method") == "elicitation/create":
                        nursery.start_soon(manner, client, heard[-1])


def assert_nothing_is_left(here: Crowd, backend: PersonalBackend) -> None:
    app = here.gateway.asgi_app
    assert isinstance(app, App)
    assert here.gateway.backends["b"].in_flight == 0
    for session in app.sessions._sessions.values():
        assert (session.calls, session.answers, session.duplex.ours.asked) == ({}, {}, {})
    for own in [own for _, own in backend.people]:
        assert not own._asking._open
        for conversation in own.sessions:
            assert (conversation.duplex.theirs.running, conversation.duplex.ours.asked) == ({}, {})


@fronts
@backs
async def test_each_question_ends_once_however_its_client_answers(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend, manners = PersonalBackend(Ask(), name="b"), (twice, under_foreign_ids, late, never)
    timeout = TimeoutSettings(seconds=CALL_SECONDS)
    async with crowd(front, back, backend, [EVERYTHING] * len(manners), timeout=timeout) as here:
        heard = [list[Json]() for _ in manners]
        async with trio.open_nursery() as nursery:
            for client, manner, messages in zip(here.clients, manners, heard, strict=True):
                nursery.start_soon(live, client, manner, messages)
        for manner, messages in zip(manners, heard, strict=True):
            questions = [message["id"] for message in messages if message.get("method") == "elicitation/create"]
            withdrawn = [message["params"]["requestId"] for message in messages if message.get("method") == "notifications/cancelled"]
            ends = [message for message in messages if "method" not in message]
            assert len(questions) == len(set(questions)) == len(ends) == ROUNDS
            if manner in (twice, under_foreign_ids):
                said = [msgspec.json.decode(end["result"]["content"][0]["text"])["content"]["said"] for end in ends]
                assert (said, withdrawn) == (["first"] * ROUNDS, [])
            else:
                assert [end["error"]["data"]["reason"] for end in ends] == ["timeout"] * ROUNDS
                assert sorted(withdrawn) == sorted(questions)
        told = sorted(len({answer.key for answer in own.answers}) for _, own in backend.people[1:])
        assert told == sorted(len(own.answers) for _, own in backend.people[1:]) == [ROUNDS] * len(manners)
        assert_nothing_is_left(here, backend)


@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD, Transport.HTTP])
async def test_a_call_may_ask_very_often_and_little_is_kept_of_it(back: Transport, autojump_clock: Clock) -> None:
    step: Step = Answer("done")
    for _ in range(MANY):
        step = Ask(then=step)
    async with asked_client("http", back, step) as here:
        app = here.gateway.asgi_app
        assert isinstance(app, App)
        (session,) = app.sessions._sessions.values()
        await here.call()
        most = 0
        for number in range(MANY):
            question = await here.question()
            assert question["id"] == number + 1
            (answer,) = session.answers.values()
            most = max(most, len(answer.log._events))  # type: ignore[attr-defined]
            await here.answer(question, action="accept")
        assert await here.text() == "done"
        await trio.testing.wait_all_tasks_blocked()
        assert len(here.backend.answers) == MANY
        assert most <= 257
        assert (session.duplex.ours.asked, session.answers) == ({}, {})


async def test_a_backend_that_asks_very_much_at_once_is_refused_then_ended_and_comes_back(autojump_clock: Clock) -> None:
    """32 questions may be open; of what is beyond each is refused, and more than a thousand refusals in ten seconds end the session."""
    async with asked_client("http", Transport.FRAMES, Delay(5, Answer("done"))) as here:
        await here.call()
        await trio.sleep(1)
        session = here.backend.sessions[0]
        for number in range(10_000):
            session.receive(b'{"jsonrpc":"2.0","id":%d,"method":"roots/list"}' % number)
        assert "1001 requests that nobody asked for" in str(await session.wait_closed())
        heard = [await here.hear() for _ in range(32 + 32 + 1)]
        questions = [message["id"] for message in heard if message.get("method") == "roots/list"]
        withdrawn = [message["params"]["requestId"] for message in heard if message.get("method") == "notifications/cancelled"]
        assert len(questions) == 32
        assert sorted(withdrawn) == sorted(questions)
        assert "error" in heard[-1]
        await here.gateway.ready("b")
        await here.call(id=8)
        assert await here.text() == "done"
        _assert_idle(here.backend)


def _assert_idle(backend: ScriptedBackend) -> None:
    for conversation in backend.sessions:
        assert (conversation.duplex.theirs.running, conversation.duplex.ours.asked) == ({}, {})
