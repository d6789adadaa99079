"""What holds for a call whatever carries it: the client on stdio, over HTTP or in the program; the backend in memory, a child, or over HTTP."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import FRONTS, AskedClient, Json, asked_client

from sluicegate.testing.script import Answer, Delay, Echo, Note, Reset, RpcError
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", FRONTS)
backs = pytest.mark.parametrize("back", Transport)
LARGE = 17 * 1024 * 1024
"""More bytes than a message of a backend may have."""


async def silent(here: AskedClient, seconds: float = 100) -> bool:
    """Whether the client hears nothing for so long."""
    with trio.move_on_after(seconds):
        await here.hear()
        return False
    return True


async def heard(here: AskedClient, messages: int) -> list[Json]:
    return [await here.hear() for _ in range(messages)]


@fronts
@backs
async def test_a_call_is_answered_once(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, Echo()) as here:
        await here.call(arguments={"a": [1.0, None]})
        assert await here.text() == 'echo {"a":[1.0,null]} #1'
        assert await silent(here)
        assert here.backend.calls == 1


@fronts
@backs
async def test_an_error_of_a_backend_comes_as_it_was_said(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, RpcError(-32050, "not today", {"when": "tomorrow"})) as here:
        await here.call()
        answer = await here.hear()
        assert answer["error"] == {"code": -32050, "message": "not today", "data": {"when": "tomorrow"}}
        assert await silent(here)


@fronts
@backs
async def test_a_fast_call_overtakes_a_slow_one(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, Delay(5, Answer("slow")), Answer("fast")) as here:
        await here.call(1)
        await trio.sleep(1)
        await here.call(2)
        answers = await heard(here, 2)
        assert [(answer["id"], answer["result"]["content"][0]["text"]) for answer in answers] == [(2, "fast"), (1, "slow")]


@fronts
@backs
async def test_progress_reaches_the_call_that_asked_for_it_before_its_answer_and_no_other(
    front: str, back: Transport, autojump_clock: Clock
) -> None:
    async with asked_client(front, back, Note(0.25, Delay(5)), Note(0.5, Delay(2)), Note(0.75)) as here:
        await here.call(1, _meta={"progressToken": "one"})
        await trio.sleep(1)
        await here.call(2, _meta={"progressToken": 2})
        await trio.sleep(1)
        await here.call(3)
        said = [
            (message["params"]["progressToken"], message["params"]["progress"]) if "method" in message else message["id"]
            for message in await heard(here, 5)
        ]
        assert said == [("one", 0.25), (2, 0.5), 3, 2, 1]


@fronts
@backs
async def test_a_cancellation_reaches_the_backend_and_the_next_call_is_answered(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, Delay(1000), Answer("next")) as here:
        await here.call(1)
        await trio.sleep(1)
        await here.client.say(method="notifications/cancelled", params={"requestId": 1, "reason": "enough"})
        await trio.sleep(1)
        assert here.backend.cancelled == [1]
        await here.call(2)
        answers = [await here.hear()]
        while answers[-1]["id"] != 2:
            answers.append(await here.hear())
        assert answers[-1]["result"]["content"][0]["text"] == "next"
        assert not any("result" in answer for answer in answers[:-1])


@fronts
@backs
async def test_a_backend_that_dies_ends_its_call_with_an_error_and_answers_again(
    front: str, back: Transport, autojump_clock: Clock
) -> None:
    async with asked_client(front, back, Delay(1, Reset()), Answer("again")) as here:
        await here.call(1)
        assert (await here.hear())["error"]["code"] < 0
        await trio.sleep(60)
        await here.call(2)
        assert await here.text() == "again"
        assert await silent(here)


@fronts
@pytest.mark.parametrize("back", [Transport.CHILD, Transport.HTTP])
async def test_an_answer_that_is_too_large_costs_its_own_call(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, Answer("x" * LARGE), Answer("small")) as here:
        await here.call(1)
        assert "error" in await here.hear()
        await here.call(2)
        assert await here.text() == "small"
