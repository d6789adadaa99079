"""How a question ends before it is answered: its call, its client, its backend or its time is over. Nobody waits for ever."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import FRONTS, AskedClient, HttpClient, asked_client

from sluicegate.config.model import TimeoutSettings
from sluicegate.protocol.messages import Request
from sluicegate.testing.script import Answer, Ask, Delay, Echo
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", FRONTS)
backs = pytest.mark.parametrize("back", Transport)
CHANNELS = pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
ANSWER = b'{"jsonrpc":"2.0","id":%b,"result":{"content":[{"type":"text","text":"done"}]}}'


def number_of_call(here: AskedClient) -> bytes:
    return [message.id for message in here.backend.received if isinstance(message, Request)][-1]


def told(here: AskedClient) -> list[Any]:
    """What the backend got for its questions: codes of errors, or results."""
    return [
        msgspec.json.decode(answer.result or b"") if answer.error is None else msgspec.json.decode(answer.error)["code"]
        for answer in here.backend.answers
    ]


def ends_at_the_backend(here: AskedClient, back: Transport) -> bool:
    """Over HTTP the error for the question may overtake the word that the call is cancelled: each is a request of its own."""
    return here.backend.cancelled == [1] or (back is Transport.HTTP and told(here) == [-32800])


def withdrawn(question: dict[str, Any]) -> dict[str, Any]:
    return {"method": "notifications/cancelled", "params": {"requestId": question["id"]}}


async def hears_withdrawal(here: AskedClient, question: dict[str, Any]) -> None:
    heard = await here.hear()
    heard.pop("jsonrpc", None)
    assert heard == withdrawn(question)


@fronts
@backs
async def test_a_client_that_cancels_its_call_is_asked_no_more(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, Ask(), Echo()) as here:
        await here.call(id=7)
        question = await here.question()
        await here.client.say(method="notifications/cancelled", params={"requestId": 7})
        await hears_withdrawal(here, question)
        if front not in {"stdio", "websocket"}:  # which give no answer to what was cancelled
            assert (await here.hear())["error"]["code"] == -32800
        await trio.sleep(1)
        assert ends_at_the_backend(here, back)
        await here.answer(question, action="accept")  # crossed it on the way
        await here.call(id=8)
        assert "#2" in await here.text()


@fronts
@CHANNELS
async def test_a_backend_that_answers_its_call_first_withdraws_its_question(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, Ask()) as here:
        await here.call()
        question = await here.question()
        here.backend.sessions[0].receive(ANSWER % number_of_call(here))
        await hears_withdrawal(here, question)
        assert await here.text() == "done"
        await trio.sleep(1)
        assert told(here) == [-32800]


@fronts
@CHANNELS
async def test_a_backend_takes_its_question_back_and_gets_no_answer(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, Ask()) as here:
        await here.call()
        question = await here.question()
        taken_back = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "question-1"}}
        here.backend.sessions[0].receive(msgspec.json.encode(taken_back))
        await hears_withdrawal(here, question)
        await here.answer(question, action="accept")
        here.backend.sessions[0].receive(ANSWER % number_of_call(here))
        assert await here.text() == "done"
        assert told(here) == []


@fronts
@backs
async def test_a_backend_that_goes_away_asks_no_more(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, Ask(), Echo()) as here:
        await here.call()
        question = await here.question()
        here.backend.crash()
        await hears_withdrawal(here, question)
        assert "error" in await here.hear()
        await here.answer(question, action="accept")
        await here.gateway.ready("b")
        await trio.sleep(5)
        await here.call()
        assert "#2" in await here.text()


@fronts
@backs
async def test_while_a_question_is_open_an_attempt_may_take_long_and_the_call_may_not(
    front: str, back: Transport, autojump_clock: Clock
) -> None:
    async with asked_client(front, back, Ask(), timeout=TimeoutSettings(seconds=100.0, per_attempt_seconds=2.0)) as here:
        began = trio.current_time()
        await here.call()
        question = await here.question()
        await hears_withdrawal(here, question)
        assert "took longer than 100 s" in (await here.hear())["error"]["message"]
        assert 100 <= trio.current_time() - began < 101
        await trio.sleep(1)
        assert ends_at_the_backend(here, back)


@fronts
async def test_after_the_answer_an_attempt_has_its_own_time(front: str, autojump_clock: Clock) -> None:
    steps = Ask(then=Delay(60, Answer("late")))
    async with asked_client(front, Transport.FRAMES, steps, timeout=TimeoutSettings(seconds=100.0, per_attempt_seconds=2.0)) as here:
        await here.call()
        question = await here.question()
        await trio.sleep(50)
        await here.answer(question, action="accept")
        assert "took longer than 2 s" in (await here.hear())["error"]["message"]


@backs
async def test_a_client_on_stdio_that_says_no_more_answers_nothing(back: Transport, autojump_clock: Clock) -> None:
    async with asked_client("stdio", back, Ask()) as here:
        began = trio.current_time()
        await here.call()
        await here.question()
        await here.client.lines.stdin.aclose()  # type: ignore[attr-defined]
        assert json.loads(await here.text())["code"] == -32601
        assert trio.current_time() == began


@CHANNELS
async def test_a_client_that_comes_back_for_the_stream_gets_the_question(back: Transport, autojump_clock: Clock) -> None:
    async with asked_client("http", back, Ask()) as here:
        client = here.client
        assert isinstance(client, HttpClient)
        with trio.CancelScope() as connection:
            async with trio.open_nursery() as client.nursery:
                await here.call(_meta={"progressToken": "t"})
                question = await here.question()
                connection.cancel()
        await trio.sleep(30)
        async with trio.open_nursery() as client.nursery:
            client.nursery.start_soon(client.resume, "1-0")
            assert await here.question() == question
            await here.answer(question, action="accept")
            assert json.loads(await here.text()) == {"action": "accept"}


@CHANNELS
async def test_a_client_that_never_comes_back_is_waited_for_as_long_as_its_call(back: Transport, autojump_clock: Clock) -> None:
    async with asked_client("http", back, Ask()) as here:
        client = here.client
        assert isinstance(client, HttpClient)
        with trio.CancelScope() as connection:
            async with trio.open_nursery() as client.nursery:
                await here.call()
                await here.question()
                connection.cancel()
        await trio.sleep(59)
        assert here.backend.cancelled == []
        await trio.sleep(2)
        assert here.backend.cancelled == [1]


async def test_a_client_whose_connection_was_lost_before_the_question_cannot_be_asked(autojump_clock: Clock) -> None:
    """Nothing had come on its stream, so it knows of none that it could come back for."""
    async with asked_client("http", Transport.FRAMES, Delay(5, Ask())) as here:
        client = here.client
        assert isinstance(client, HttpClient)
        with trio.CancelScope() as connection:
            async with trio.open_nursery() as client.nursery:
                await here.call()
                await trio.sleep(1)
                connection.cancel()
        await trio.sleep(10)
        assert told(here) == [-32601]


@fronts
async def test_a_second_answer_and_one_to_no_question_cost_nothing(front: str, autojump_clock: Clock) -> None:
    async with asked_client(front, Transport.FRAMES, Ask(then=Delay(5, Answer("done")))) as here:
        await here.call()
        question = await here.question()
        await here.answer(question, action="accept")
        await here.answer(question, action="decline")
        if front != "program":
            await here.answer({"id": 4711}, action="accept")
            await here.answer({"id": "no number"}, action="accept")
            await here.client.say(id=None, error={"code": -1, "message": "of nothing"})
        assert await here.text() == "done"
        assert told(here) == [{"action": "accept"}]


@pytest.mark.parametrize("answer", [b"7", b'"yes"', b"[]"])
async def test_an_answer_that_is_no_object_is_an_error_to_the_backend(answer: bytes, autojump_clock: Clock) -> None:
    async with asked_client("http", Transport.FRAMES, Ask()) as here:
        await here.call()
        question = await here.question()
        await here.client.say(id=question["id"], result=msgspec.Raw(answer))
        assert "no object" in json.loads(await here.text())["message"]


@pytest.mark.parametrize("error", [7, {}, {"code": "x", "message": "m"}, {"code": 1}])
async def test_an_error_that_is_none_is_said_to_be_the_clients(error: object, autojump_clock: Clock) -> None:
    async with asked_client("stdio", Transport.CHILD, Ask()) as here:
        await here.call()
        await here.client.say(id=(await here.question())["id"], error=error)
        told_so = json.loads(await here.text())
        assert (told_so["code"], told_so["message"]) == (-32600, "the client's error has no integer code and text message")


async def test_answers_over_http_are_accepted(autojump_clock: Clock) -> None:
    async with asked_client("http", Transport.FRAMES, Ask()) as here:
        assert isinstance(here.client, HttpClient)
        await here.call()
        question = await here.question()
        await here.answer(question, action="accept")
        await here.text()
        await here.answer(question, action="accept")
        assert here.client.statuses == [202, 202, 202]


async def test_a_client_that_begins_anew_is_not_taken_for_the_one_before(autojump_clock: Clock) -> None:
    """Ids of questions go on, so that an answer to what the old conversation asked is none in the new one."""
    async with asked_client("stdio", Transport.FRAMES, Ask(), Ask()) as here:
        await here.call()
        old = await here.question()
        hello = {"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "t", "version": "1"}}
        await here.client.say(id=0, method="initialize", params=hello)
        heard = [await here.hear(), await here.hear()]
        assert {message["id"] for message in heard} == {0, 7}
        await here.call(id=8)
        new = await here.question()
        assert new["id"] != old["id"]
        await here.answer(old, action="decline")
        await here.answer(new, action="accept")
        assert json.loads(await here.text()) == {"action": "accept"}


@pytest.mark.parametrize("front", ["stdio", "http"])
async def test_a_client_tells_how_far_it_is_under_the_backends_own_token(front: str, autojump_clock: Clock) -> None:
    ask = Ask("sampling/createMessage", {"messages": [], "_meta": {"progressToken": "mine", "x": 1}})
    async with asked_client(front, Transport.CHILD, ask) as here:
        await here.call()
        question = await here.question()
        token = question["params"]["_meta"]["progressToken"]
        assert question["params"]["_meta"] == {"progressToken": token, "x": 1}
        for wrong in ("mine", 4711):
            await here.client.say(method="notifications/progress", params={"progressToken": wrong, "progress": 1})
        await here.client.say(method="notifications/progress", params={"progressToken": token, "progress": 2})
        await here.answer(question, role="assistant")
        await here.text()
        notes = [message for message in here.backend.received if message.method == "notifications/progress"]
        assert [{name: bytes(raw) for name, raw in note.params.items()} for note in notes] == [
            {"progressToken": b'"mine"', "progress": b"2"}
        ]
