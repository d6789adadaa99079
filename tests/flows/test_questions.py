"""What backends ask in the middle of a call reaches the client whose call it is, and the answer comes back."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import FRONTS, asked_client

from sluicegate.testing.script import Ask
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", FRONTS)
backs = pytest.mark.parametrize("back", Transport)


@fronts
@backs
@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (Ask(), {"action": "accept", "content": {"name": "Ann"}}),
        (
            Ask("elicitation/create", {"mode": "url", "url": "https://x.example", "elicitationId": "e", "message": "m"}),
            {"action": "decline"},
        ),
        (
            Ask("sampling/createMessage", {"messages": [], "maxTokens": 5, "tools": [], "x-unknown": None}),
            {"role": "assistant", "content": {"type": "text", "text": "ü"}, "model": "m", "x": [1.0]},
        ),
        (Ask("roots/list", {}), {"roots": [{"uri": "file:///home/ann", "name": None}]}),
    ],
    ids=["form", "url", "sampling", "roots"],
)
async def test_a_question_reaches_the_client_that_calls_and_its_answer_the_backend(
    front: str, back: Transport, ask: Ask, answer: dict[str, object], autojump_clock: Clock
) -> None:
    async with asked_client(front, back, ask) as here:
        await here.call()
        question = await here.question()
        assert (question["method"], question.get("params", {})) == (ask.method, ask.params)
        await trio.sleep(30)
        await here.answer(question, **answer)
        assert json.loads(await here.text()) == answer
        assert len(here.backend.answers) == 1


@fronts
@backs
async def test_a_clients_error_reaches_the_backend_as_it_came(front: str, back: Transport, autojump_clock: Clock) -> None:
    error = {"code": -1, "message": "User rejected", "data": {"why": "no"}}
    async with asked_client(front, back, Ask()) as here:
        await here.call()
        await here.client.say(id=(await here.question())["id"], error=error)
        assert json.loads(await here.text()) == error
