"""Questions that no client hears: nobody's, undeclared, too many. Each gets its error, and what goes on beside it goes on."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, FRONTS, AskedClient, HttpClient, asked_client

from sluicegate.protocol.crossings import CROSSINGS, Between, Part
from sluicegate.protocol.extensions import Way
from sluicegate.protocol.messages import Request
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Ask, Delay
from sluicegate.testing.transports import Transport

# The numbers that are promised. Taken from the source they would move with it.
MOST_OPEN = 32
SHARED = CROSSINGS[Part.QUESTIONS][Between.ONE_SESSION]

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", FRONTS)
backs = pytest.mark.parametrize("back", Transport)
URL = Ask("elicitation/create", {"mode": "url", "url": "https://x.example", "elicitationId": "e", "message": "m"})
QUESTION = b'{"jsonrpc":"2.0","id":%b,"method":"roots/list"}'


def declared(backend: ScriptedBackend) -> Any:
    """What the backend was told that its client can do, the last time."""
    hello = [message for message in backend.received if isinstance(message, Request) and message.method == "initialize"][-1]
    return msgspec.json.decode(hello.params["capabilities"])


async def refusal(here: AskedClient) -> tuple[int, str]:
    """Code and message of what the backend was told in the place of an answer."""
    await here.call()
    error = json.loads(await here.text())
    return error["code"], error["message"]


@fronts
@backs
async def test_a_backend_is_told_whole_what_its_one_client_can_do(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back) as here:
        assert declared(here.backend) == EVERYTHING | {"roots": {}}


@backs
async def test_a_backend_of_many_clients_is_told_of_nobody_and_may_ask_nobody(back: Transport, autojump_clock: Clock) -> None:
    async with asked_client("http", back, Ask("sampling/createMessage"), one_client=False) as here:
        assert back is Transport.HTTP or declared(here.backend) == {}
        code, message = await refusal(here)
        assert code == -32601
        assert "sampling/createMessage" in message
        assert back is Transport.HTTP or message.endswith(f": {SHARED.why}")
        assert SHARED.way is Way.REFUSED


@pytest.mark.parametrize("front", ["stdio", "http"])
@pytest.mark.parametrize(
    ("can", "ask", "code"),
    [
        ({}, Ask(), -32601),
        ({"sampling": {}}, Ask(), -32601),
        ({"elicitation": None}, Ask(), -32601),
        ({"elicitation": {}}, URL, -32602),
        ({"elicitation": {"url": {}}}, Ask(), -32602),
        ({"elicitation": {"form": {}}}, Ask("elicitation/create", {"mode": "telepathy"}), -32602),
        ({"sampling": {}}, Ask("sampling/createMessage", {"tools": []}), -32602),
        ({"roots": {}}, Ask("roots/grow", {}), -32601),
        (EVERYTHING, Ask("tools/call", {"name": "b_echo"}), -32601),
    ],
)
async def test_what_the_client_has_not_declared_it_is_not_asked(
    front: str, can: dict[str, object], ask: Ask, code: int, autojump_clock: Clock
) -> None:
    async with asked_client(front, Transport.FRAMES, ask, capabilities=can) as here:
        assert (await refusal(here))[0] == code


@pytest.mark.parametrize(
    ("can", "ask"), [({"elicitation": {}}, Ask()), ({"sampling": {}}, Ask("sampling/createMessage", {"messages": []}))]
)
async def test_a_client_that_names_no_mode_takes_forms_and_one_without_tools_samples(
    can: dict[str, object], ask: Ask, autojump_clock: Clock
) -> None:
    async with asked_client("http", Transport.FRAMES, ask, capabilities=can) as here:
        await here.call()
        await here.answer(await here.question(), fine=True)
        assert await here.text() == '{"fine":true}'


@fronts
@pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
async def test_a_question_about_nobodys_call_is_refused(front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back) as here:
        here.backend.sessions[0].receive(QUESTION % b'"alone"')
        await trio.sleep(1)
        (answer,) = here.backend.answers
        assert answer.key == "alone"
        assert msgspec.json.decode(answer.error or b"{}")["code"] == -32601


async def test_a_question_of_which_nothing_says_whose_it_is_belongs_to_the_one_clients_call(autojump_clock: Clock) -> None:
    async with asked_client("http", Transport.HTTP, Delay(5, Answer("late"))) as here:
        await here.call()
        await trio.sleep(1)
        here.backend.sessions[0].receive(QUESTION % b'"beside"')
        await here.answer(await here.question(), roots=[])
        assert await here.text() == "late"


async def test_a_client_that_takes_json_alone_cannot_be_asked(autojump_clock: Clock) -> None:
    async with asked_client("http", Transport.FRAMES, Ask()) as here:
        assert isinstance(here.client, HttpClient)
        here.client.accept = "application/json"
        assert (await refusal(here))[0] == -32601


@pytest.mark.parametrize("front", ["stdio", "http"])
async def test_one_question_too_many_is_refused_and_the_others_are_answered(front: str, autojump_clock: Clock) -> None:
    async with asked_client(front, Transport.FRAMES, Delay(5, Answer("done"))) as here:
        await here.call()
        await trio.sleep(1)
        for number in range(MOST_OPEN + 1):
            here.backend.sessions[0].receive(QUESTION % b"%d" % number)
        questions = [await here.question() for _ in range(MOST_OPEN)]
        assert len({question["id"] for question in questions}) == MOST_OPEN
        for question in questions:
            await here.answer(question, roots=[])
        assert await here.text() == "done"
        refused = [answer for answer in here.backend.answers if answer.error is not None]
        assert [answer.key for answer in refused] == [MOST_OPEN]
        assert len(here.backend.answers) == MOST_OPEN + 1


async def test_an_id_that_is_in_use_is_refused_under_that_id(autojump_clock: Clock) -> None:
    async with asked_client("http", Transport.FRAMES, Delay(5, Answer("done"))) as here:
        await here.call()
        await trio.sleep(1)
        for _ in range(2):
            here.backend.sessions[0].receive(QUESTION % b'"same"')
        await here.answer(await here.question(), roots=[])
        assert await here.text() == "done"
        assert [answer.error is None for answer in here.backend.answers] == [False, True]


async def test_a_backend_that_asks_without_end_where_nobody_may_be_asked_is_ended(autojump_clock: Clock) -> None:
    async with asked_client("http", Transport.FRAMES, one_client=False) as here:
        session = here.backend.sessions[0]
        for number in range(2000):
            session.receive(QUESTION % b"%d" % number)
        assert "requests that nobody asked for" in str(await session.wait_closed())
