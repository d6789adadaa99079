"""A backend that shakes hands asks a client that opens no session: the call is parked until that one comes back with the answers."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Json
from tests.flows.lone_clients import PARKED_SECONDS, LoneClient, LoneHouse, is_asked, lone_house, text_of

from sluicegate.config.model import TimeoutSettings
from sluicegate.protocol.duplex import CANCELLED
from sluicegate.protocol.messages import Notification
from sluicegate.testing.script import Answer, Ask, Delay, Note
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
backs = pytest.mark.parametrize("back", Transport)
STALE = {"code": -32602, "message": '"requestState" does not hold for this request, or not any more'}


def error(answer: Json) -> Json:
    return {name: answer["error"][name] for name in ("code", "message")}


def was_told_to_stop(here: LoneHouse) -> bool:
    return [message.method for message in here.backend.received if isinstance(message, Notification)].count(CANCELLED) == 1


@backs
async def test_a_question_is_an_answer_and_the_answer_to_it_goes_on_with_the_call(back: Transport, autojump_clock: Clock) -> None:
    async with lone_house(back, Ask()) as here:
        client = here.client()
        asked = await client.call()
        assert is_asked(asked)
        (question,) = asked["result"]["inputRequests"].values()
        assert question == {
            "method": "elicitation/create",
            "params": {"message": "sure?", "requestedSchema": {"type": "object", "properties": {}}},
        }
        assert text_of(await client.come_back(asked)) == '{"action":"accept"}'
        await trio.sleep(20)
        assert here.is_empty()


@backs
async def test_as_many_rounds_as_it_has_questions(back: Transport, autojump_clock: Clock) -> None:
    async with lone_house(
        back, Ask(then=Ask("roots/list", {}, then=Ask("sampling/createMessage", {"messages": [], "maxTokens": 1})))
    ) as here:
        client = here.client()
        answer, methods, states = await client.call(), [], []
        while is_asked(answer):
            methods += [one["method"] for one in answer["result"]["inputRequests"].values()]
            states.append(answer["result"]["requestState"])
            await trio.sleep(PARKED_SECONDS - 1)
            answer = await client.come_back(answer)
        assert methods == ["elicitation/create", "roots/list", "sampling/createMessage"]
        assert len(set(states)) == 3
        assert text_of(answer) == '{"action":"accept"}'


async def test_who_answers_nothing_is_asked_again(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask()) as here:
        client = here.client()
        asked = await client.call()
        again = await client.come_back(asked, inputResponses={"another": {}})
        assert is_asked(again)
        assert again["result"]["inputRequests"] == asked["result"]["inputRequests"]
        assert error(await client.come_back(asked)) == STALE
        assert is_asked(third := await client.call(requestState=again["result"]["requestState"]))
        assert text_of(await client.come_back(third)) == '{"action":"accept"}'


async def test_answers_that_cannot_be_read_use_nothing_up(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask()) as here:
        client = here.client()
        asked = await client.call()
        wrong = await client.come_back(asked, inputResponses=[1])
        assert wrong["error"]["code"] == -32602
        assert text_of(await client.come_back(asked)) == '{"action":"accept"}'


async def test_an_answer_that_is_no_object_is_an_error_to_the_backend(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask()) as here:
        client = here.client()
        asked = await client.call()
        assert "the client's answer is no object" in text_of(await client.come_back(asked, inputResponses={"1": 7}))


async def test_who_is_back_twice_at_once_is_right_once(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask(then=Delay(1))) as here:
        client, answers = here.client(), list[Json]()
        asked = await client.call()

        async def come_back(one: LoneClient) -> None:
            answers.append(await one.come_back(asked))

        async with trio.open_nursery() as nursery:
            for network in range(5):
                nursery.start_soon(come_back, here.client(network))
        assert [error(answer) for answer in answers if "error" in answer] == [STALE] * 4
        assert sum("result" in answer for answer in answers) == 1
        assert error(await client.come_back(asked)) == STALE


@backs
async def test_who_never_comes_back_leaves_nothing(back: Transport, autojump_clock: Clock) -> None:
    async with lone_house(back, Ask()) as here:
        client = here.client()
        asked = await client.call()
        assert not here.is_empty()
        await trio.sleep(PARKED_SECONDS + 20)
        assert here.is_empty()
        assert error(await client.come_back(asked)) == STALE
        assert was_told_to_stop(here) or back is Transport.HTTP, "where the error overtakes it there is nothing left to stop"
        (answer,) = here.backend.answers
        assert answer.error is not None


async def test_who_is_gone_before_his_question_leaves_nothing(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Delay(5, Ask())) as here:
        with trio.move_on_after(1):
            await here.client().call()
        await trio.sleep(20)
        assert here.is_empty()
        assert was_told_to_stop(here)


async def test_who_is_gone_after_he_came_back_takes_the_call_back(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask(then=Delay(50))) as here:
        client = here.client()
        asked = await client.call()
        with trio.move_on_after(1):
            await client.come_back(asked)
        await trio.sleep(10)
        assert here.is_empty()
        assert was_told_to_stop(here)


async def test_an_answer_to_nobodys_question_waits_for_its_client(autojump_clock: Clock) -> None:
    """The backend goes on without the answer, and its own is kept."""
    async with lone_house(Transport.FRAMES, Ask(), timeout=TimeoutSettings(seconds=30.0)) as here:
        client = here.client()
        asked = await client.call()
        await trio.sleep(40)
        late = await client.come_back(asked)
        assert late["error"]["data"]["reason"] == "timeout", "the time of the whole call does not stand still"
        await trio.sleep(20)
        assert here.is_empty()


async def test_the_time_of_an_attempt_stands_still_while_a_call_is_parked(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask(), timeout=TimeoutSettings(per_attempt_seconds=5.0)) as here:
        client = here.client()
        asked = await client.call()
        await trio.sleep(40)
        assert text_of(await client.come_back(asked)) == '{"action":"accept"}'


async def test_progress_goes_under_the_token_of_the_request_that_waits(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Note(0.5, Ask(then=Note(0.75, Answer("x"))))) as here:
        client = here.client()
        asked = await client.call(meta={"progressToken": "first"})
        await client.come_back(asked, meta={"progressToken": 2})
        assert [(note["params"]["progressToken"], note["params"]["progress"]) for note in client.notes] == [("first", 0.5), (2, 0.75)]
        silent = here.client()
        asked = await silent.call(meta={"progressToken": "first"})
        await silent.come_back(asked)
        assert [note["params"]["progress"] for note in silent.notes] == [0.5]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_it_takes_no_stream_to_be_asked(accept: str, autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask()) as here:
        client = here.client()
        client.accept = accept
        assert text_of(await client.come_back(await client.call())) == '{"action":"accept"}'


async def test_a_url_is_asked_for_without_an_id(autojump_clock: Clock) -> None:
    asks = Ask(
        params={"mode": "url", "url": "https://x.example", "elicitationId": "e", "message": "m", "_meta": {"progressToken": 1, "k": 2}}
    )
    async with lone_house(Transport.FRAMES, asks) as here:
        asked = await here.client().call()
        (question,) = asked["result"]["inputRequests"].values()
        assert question["params"] == {"mode": "url", "url": "https://x.example", "message": "m", "_meta": {"k": 2}}
