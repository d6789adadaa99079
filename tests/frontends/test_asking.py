"""Clients over HTTP that are asked in the middle of a call: on which way, and whose answer counts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from tests.kit.messages import INITIALIZED

from sluicegate.bridge.stdio_server import bridge
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.question import Question
from sluicegate.testing.line_client import open_line_client

# The numbers that are promised. Taken from the source they would move with it.
MOST_NOTE_BYTES = 1024 * 1024

CAN: dict[str, object] = {"elicitation": {}, "roots": {}}


@pytest.fixture
def tools(tools: dict[str, Callable[[Call], Awaitable[Reply]]], talk: Any) -> dict[str, Callable[[Call], Awaitable[Reply]]]:
    async def ask(call: Call) -> Reply:
        answers: list[Reply] = []
        answered = trio.Event()

        def take(reply: Reply) -> None:
            answers.append(reply)
            answered.set()

        question = Question("roots/list", {"from": call.params["arguments"]}, take)
        fault = call.back.ask(question)
        if fault is not None:
            return Reply.failed(fault)
        try:
            await answered.wait()
        finally:
            question.withdraw()
        (reply,) = answers
        said: Reply = talk.result(bytes(reply.result).decode())
        return said if reply.fault is None else reply

    return tools | {"ask": ask}


async def opened(gate: Any, talk: Any, version: str = "2025-11-25") -> str:
    opening = talk.opening(version)
    opening["params"]["capabilities"] = CAN
    return str((await gate.post(opening)).headers["mcp-session-id"])


def asking(talk: Any, who: str, id: object = 1) -> Any:
    return talk.calling("ask", id, arguments={"who": who})


async def question_on(stream: Any, who: str) -> Any:
    question = json.loads((await stream.next()).data)
    assert (question["method"], question["params"]["from"]) == ("roots/list", {"who": who})
    return question


def answer_to(question: Any, *roots: str) -> Any:
    return {"jsonrpc": "2.0", "id": question["id"], "result": {"roots": list(roots)}}


async def text_of(stream: Any) -> Any:
    return json.loads(json.loads((await stream.next()).data)["result"]["content"][0]["text"])


async def test_each_question_comes_on_the_stream_of_its_own_call(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await opened(gate, talk)
    first, second = asking(talk, "one", 1), asking(talk, "two", 2)
    async with gate.stream("POST", session, first) as one, gate.stream("POST", session, second) as two, gate.stream("GET", session) as news:
        mine, other = await question_on(one, "one"), await question_on(two, "two")
        assert mine["id"] != other["id"]
        assert (await gate.post(answer_to(other, "b"), session)).status_code == 202
        assert await text_of(two) == {"roots": ["b"]}
        assert (await gate.post(answer_to(mine, "a"), session)).status_code == 202
        assert await text_of(one) == {"roots": ["a"]}
        assert news.waiting == []


async def test_an_answer_in_another_session_is_none(gate: Any, talk: Any, autojump_clock: object) -> None:
    mine, other = await opened(gate, talk), await opened(gate, talk)
    async with gate.stream("POST", mine, asking(talk, "me")) as stream:
        question = await question_on(stream, "me")
        assert (await gate.post(answer_to(question, "forged"), other)).status_code == 202
        assert (await gate.post(answer_to(question, "nobody"), "no-such-session")).status_code == 404
        assert (await gate.post(answer_to(question, "nobody"))).status_code == 400
        await gate.post(answer_to(question, "right"), mine)
        assert await text_of(stream) == {"roots": ["right"]}


async def test_two_sessions_are_asked_under_ids_of_their_own(gate: Any, talk: Any, autojump_clock: object) -> None:
    """Nobody learns from an id how much others are asked."""
    sessions = [await opened(gate, talk), await opened(gate, talk)]
    async with gate.stream("POST", sessions[0], asking(talk, "a")) as one, gate.stream("POST", sessions[1], asking(talk, "b")) as two:
        assert (await question_on(one, "a"))["id"] == (await question_on(two, "b"))["id"] == 1
        for session, root in zip(sessions, "ab", strict=True):
            await gate.post(answer_to({"id": 1}, root), session)
        assert [await text_of(one), await text_of(two)] == [{"roots": ["a"]}, {"roots": ["b"]}]


async def test_who_takes_json_alone_cannot_be_asked(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await opened(gate, talk)
    answer = await gate.post(asking(talk, "me"), session, accept="application/json")
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json()["error"]["code"], answer.json()["error"]["data"]["reason"]) == (-32601, "cannot_ask")


async def test_the_end_of_a_session_ends_its_questions(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await opened(gate, talk)
    async with gate.stream("POST", session, asking(talk, "me")) as stream:
        await question_on(stream, "me")
        await gate.http.delete("/mcp", headers={"mcp-session-id": session})
        assert "error" in json.loads((await stream.next()).data)
    assert len(gate.app.sessions) == 0


async def test_a_question_and_its_end_come_before_the_answer(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await opened(gate, talk)
    async with gate.stream("POST", session, asking(talk, "me", 5)) as stream:
        question = await question_on(stream, "me")
        await gate.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}, session)
        messages = [json.loads(event.data) for event in await stream.rest()]
    assert [message.get("method") for message in messages] == ["notifications/cancelled", None]
    assert messages[0]["params"] == {"requestId": question["id"]}
    assert messages[1]["error"]["code"] == -32800


async def test_answers_are_taken_while_the_gateway_drains(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await opened(gate, talk)
    async with gate.stream("POST", session, asking(talk, "me")) as stream:
        question = await question_on(stream, "me")
        gate.app.drain()
        assert (await gate.post(asking(talk, "late", 2), session)).status_code == 503
        assert (await gate.post(answer_to(question, "a"), session)).status_code == 202
        assert await text_of(stream) == {"roots": ["a"]}


async def test_a_batch_may_ask_and_answer(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await opened(gate, talk, "2025-03-26")
    async with gate.stream("POST", session, [asking(talk, "one", 1), asking(talk, "two", 2)]) as stream:
        questions = [json.loads((await stream.next()).data) for _ in range(2)]  # tasks begin in any order
        answers = [answer_to(question, question["params"]["from"]["who"]) for question in questions]
        assert (await gate.post(answers, session)).status_code == 202
        replies = {json.loads(event.data)["id"]: json.loads(event.data)["result"]["content"][0]["text"] for event in await stream.rest()}
        assert {number: json.loads(text)["roots"] for number, text in replies.items()} == {1: ["one"], 2: ["two"]}


async def test_an_answer_and_a_call_in_one_batch_are_both_taken(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await opened(gate, talk, "2025-03-26")
    async with gate.stream("POST", session, asking(talk, "one")) as stream:
        question = await question_on(stream, "one")
        both = [answer_to(question, "a"), talk.calling("echo", 2)]
        assert [reply["id"] for reply in (await gate.post(both, session)).json()] == [2]
        assert await text_of(stream) == {"roots": ["a"]}


async def test_an_answer_that_cannot_be_read_is_refused_and_the_question_stays(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await opened(gate, talk)
    async with gate.stream("POST", session, asking(talk, "me")) as stream:
        question = await question_on(stream, "me")
        both = {"jsonrpc": "2.0", "id": question["id"], "result": {}, "error": {"code": 1, "message": "x"}}
        assert (await gate.post(both, session)).status_code == 400
        await gate.post(answer_to(question, "a"), session)
        assert await text_of(stream) == {"roots": ["a"]}


@pytest.mark.parametrize("method", ["roots/list", "ping", "elicitation/create"])
async def test_a_call_that_is_over_asks_nobody(method: str, gate: Any, talk: Any, tools: Any, autojump_clock: object) -> None:
    kept: list[Call] = []

    async def keep(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        kept.append(call)
        reply: Reply = talk.result("done")
        return reply

    gate.tools["keep"] = keep
    session = await opened(gate, talk)
    await gate.post(talk.calling("keep"), session)
    fault = kept[0].back.ask(Question(method, {"a": Raw(b"1")}, lambda _reply: None))
    assert fault is not None
    assert fault.reason == "cannot_ask"


async def test_of_a_call_that_asks_again_and_again_only_so_much_is_kept(gate: Any, talk: Any, autojump_clock: object) -> None:
    sizes: list[int] = []

    async def ask_on(call: Call) -> Reply:
        for _ in range(150):
            answered = trio.Event()
            question = Question("roots/list", {"large": Raw(b'"%b"' % (b"x" * 10_000))}, lambda _reply: None)
            assert call.back.ask(question) is None
            question.when_over(answered.set)
            await answered.wait()
        (session,) = gate.app.sessions._sessions.values()
        sizes.extend(answer.log.size for answer in session.answers.values())
        reply: Reply = talk.result("done")
        return reply

    gate.tools["ask on"] = ask_on
    session = await opened(gate, talk)
    async with gate.stream("POST", session, talk.calling("ask on")) as stream:
        for _ in range(150):
            await gate.post(answer_to(json.loads((await stream.next()).data)), session)
        assert "result" in json.loads((await stream.next()).data)
    assert 0 < sizes[0] <= MOST_NOTE_BYTES


async def test_the_bridge_carries_questions_and_their_answers(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    async def run(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream) -> None:
        await bridge("http://127.0.0.1:8080/mcp", {}, stdin, stdout, transport=gate.transport)

    async with open_line_client(run, nursery) as client:
        opening = talk.opening()
        opening["params"]["capabilities"] = CAN
        await client.send(opening)
        assert "result" in await client.next()
        await client.send(INITIALIZED, asking(talk, "one", 5), asking(talk, "two", 6))
        questions = [await client.next(), await client.next()]
        for question in questions:
            await client.send(answer_to(question, question["params"]["from"]["who"]))
        replies = {reply["id"]: reply["result"]["content"][0]["text"] for reply in [await client.next(), await client.next()]}
        assert {number: json.loads(text)["roots"] for number, text in replies.items()} == {5: ["one"], 6: ["two"]}
        await client.send(asking(talk, "three", 7))
        question = await client.next()
        await client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
        heard = [await client.next(), await client.next()]
        assert (heard[0]["params"], heard[1]["error"]["code"]) == ({"requestId": question["id"]}, -32800)
