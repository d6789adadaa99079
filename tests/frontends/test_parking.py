"""A call whose client is asked by an answer, seen from in front: tools ask, and go on with or without the answer (P-105)."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.frontends.client_side import MOST_QUESTIONS
from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.modern.lone_answer import LoneAnswer
from sluicegate.frontends.modern.parked_call import LARGEST_KEPT
from sluicegate.frontends.modern.parking import Parking
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.fault import Fault
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.question import Question

NEW = "2026-07-28"
OPENING = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "roots": {}}}
Json = dict[str, Any]
Post = Callable[..., Awaitable[Json]]


@pytest.fixture
def post(gate: Any) -> Post:
    """A call of the tool ``t``, and its answer."""
    gate.endpoint.parking.most = 4

    async def send(*, method: str = "tools/call", name: str = "t", **params: Any) -> Json:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": name, "arguments": {}, "_meta": OPENING, **params}}
        named = {"mcp_protocol_version": NEW, "mcp_method": method, "mcp_name": name}
        answer: Json = (await gate.post(body, **named)).json()
        return answer

    return send


def question(call: Call, method: str = "roots/list") -> tuple[Question, list[Reply], Fault | None]:
    """Ask the client of a call; its answers are in the list."""
    answers: list[Reply] = []
    asked = Question(method, {"k": Raw(b"1")}, answers.append)
    return asked, answers, call.back.ask(asked)


async def over(asked: Question) -> None:
    """Wait for its end."""
    ended = trio.Event()
    asked.when_over(ended.set)
    await ended.wait()


def back(asked: Json, **answers: object) -> Json:
    return {"inputResponses": answers or {"1": {"roots": []}}, "requestState": asked["result"]["requestState"]}


@pytest.mark.parametrize(("size", "kept"), [(10, True), (LARGEST_KEPT + 1, False)])
async def test_a_result_that_comes_while_its_client_is_away_is_kept_if_it_is_small(
    gate: Any, tools: Json, post: Post, size: int, kept: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def tool(call: Call) -> Reply:
        asked, _answers, fault = question(call)
        assert fault is None
        await trio.sleep(1)
        asked.withdraw()
        return Reply.saying("x" * size)

    tools["t"] = tool
    asked = await post()
    await trio.sleep(5)
    late = await post(**back(asked))
    assert ("result" in late) is kept
    if not kept:
        assert "too large to be kept" in late["error"]["message"]
    assert len(gate.endpoint.parking) == 0


@pytest.mark.parametrize(("size", "kept"), [(10, True), (LARGEST_KEPT + 1, False)])
async def test_so_is_an_error(gate: Any, tools: Json, post: Post, size: int, kept: bool, autojump_clock: trio.testing.MockClock) -> None:
    async def tool(call: Call) -> Reply:
        asked, _answers, _ = question(call)
        await trio.sleep(1)
        asked.withdraw()
        return Reply.failed(faults.backend_error("b", Raw(encode({"code": -32000, "message": "no", "data": "x" * size}))))

    tools["t"] = tool
    asked = await post()
    await trio.sleep(5)
    error = (await post(**back(asked)))["error"]
    assert ("x" in error.get("data", "")) is kept
    assert ("too large to be kept" in error["message"]) is not kept


@pytest.mark.parametrize("again", [False, True], ids=["answered", "asked again"])
async def test_a_large_request_that_comes_back_takes_room_until_it_has_its_answer(
    gate: Any, tools: Json, post: Post, again: bool, autojump_clock: trio.testing.MockClock
) -> None:
    gate.rebuild(limits=Limits(max_body_size=1_000_000))
    held: list[int] = []

    async def tool(call: Call) -> Reply:
        await over(question(call)[0])
        await trio.sleep(1)
        held.append(gate.app.sessions._open_bytes)
        if again:
            await over(question(call)[0])
        return Reply.saying("done")

    tools["t"] = tool
    asked = await post()
    large = {"1": {"roots": ["x" * 100_000]}}
    answer = await post(inputResponses=large, requestState=asked["result"]["requestState"])
    assert held[0] > 100_000
    assert gate.app.sessions._open_bytes == 0
    if again:
        answer = await post(**back(answer, **{"2": {"roots": []}}))
        assert (await post(inputResponses=large, requestState=asked["result"]["requestState"]))["error"]["data"]["reason"]
    assert answer["result"]["content"][0]["text"] == "done"
    assert (gate.app.sessions._open_bytes, len(gate.app.sessions.owners)) == (0, 0)


async def test_nothing_is_kept_of_a_request_that_was_answered_with_a_question(gate: Any, tools: Json, post: Post) -> None:
    """What it said is in the call, and counted there; what a later one said is nowhere."""

    async def tool(call: Call) -> Reply:
        await over(question(call)[0])
        raise AssertionError

    tools["t"] = tool
    asked = await post()
    await post(inputResponses={}, requestState=asked["result"]["requestState"], _meta=OPENING | {"progressToken": "x" * 100})
    await trio.testing.wait_all_tasks_blocked()
    gc.collect()
    (call,) = gate.endpoint.parking._occupants.values()
    assert [found for found in gc.get_objects() if isinstance(found, LoneAnswer) and found.calls.endpoint is gate.endpoint] == []
    assert bytes(call._token or b"") == b""


def test_questions_that_wait_have_so_many_bytes_together() -> None:
    """And one owner as many as are left for all others."""
    large = {"message": Raw(b"x" * (20 * 1024 * 1024))}
    parking = Parking(4, 60.0, bytes)
    one, other = ("ann", ""), ("bob", "")
    asked = [Question("elicitation/create", large, lambda _reply: None) for _ in range(5)]
    assert [parking.hold(question, one) is None for question in asked[:3]] == [True, True, False]
    assert [parking.hold(question, other) is None for question in asked[3:]] == [True, False]
    for question in asked:
        question.withdraw()
    assert parking.hold(Question("roots/list", large, lambda _reply: None), one) is None
    refused = parking.hold(Question("roots/list", large | {"more": Raw(b"x" * (20 * 1024 * 1024))}, lambda _reply: None), one)
    assert refused is not None
    assert refused.reason == "overloaded"


async def test_a_question_that_comes_while_its_client_is_away_waits_for_him(
    tools: Json, post: Post, autojump_clock: trio.testing.MockClock
) -> None:
    heard: list[Reply] = []

    async def tool(call: Call) -> Reply:
        one, first, _ = question(call)
        await trio.sleep(1)
        other, second, _ = question(call, "elicitation/create")
        await over(one)
        await over(other)
        heard.extend(first + second)
        return Reply.saying("done")

    tools["t"] = tool
    asked = await post()
    await trio.sleep(5)
    again = await post(**back(asked))
    assert [one["method"] for one in again["result"]["inputRequests"].values()] == ["elicitation/create"]
    last = await post(**back(again, **{"2": {"action": "decline"}}))
    assert last["result"]["content"][0]["text"] == "done"
    assert [bytes(reply.result) for reply in heard] == [b'{"roots": []}', b'{"action": "decline"}']


async def test_a_question_that_was_withdrawn_meanwhile_is_not_asked(
    tools: Json, post: Post, autojump_clock: trio.testing.MockClock
) -> None:
    async def tool(call: Call) -> Reply:
        asked, _answers, _ = question(call)
        await trio.sleep(1)
        asked.withdraw()
        await trio.sleep(10)
        return Reply.saying("alone")

    tools["t"] = tool
    asked = await post()
    await trio.sleep(5)
    assert (await post(**back(asked)))["result"]["content"][0]["text"] == "alone"


async def test_one_call_has_so_many_open_questions(tools: Json, post: Post, autojump_clock: trio.testing.MockClock) -> None:
    faults: list[Fault | None] = []

    async def tool(call: Call) -> Reply:
        faults.extend(question(call)[2] for _ in range(MOST_QUESTIONS + 1))
        await trio.sleep_forever()
        raise AssertionError

    tools["t"] = tool
    await post()
    assert [fault is None for fault in faults] == [True] * MOST_QUESTIONS + [False]
    assert faults[-1] is not None
    assert faults[-1].reason == "overloaded"


async def test_a_parked_call_is_nobody_elses(gate: Any, tools: Json, post: Post, autojump_clock: trio.testing.MockClock) -> None:
    """Neither with another request, nor when its end has come."""

    async def tool(call: Call) -> Reply:
        await over(question(call)[0])
        return Reply.saying("done")

    tools["t"] = tools["u"] = tool
    asked = await post()
    for other in ({"name": "u"}, {"arguments": {"x": 1}}, {"method": "prompts/get"}):
        refused = await post(**(back(asked) | other))
        assert refused["error"]["data"]["reason"] == "stale_request_state"
    assert "result" in await post(**back(asked))
    refused = await post(**back(asked))
    assert refused["error"]["data"]["reason"] == "stale_request_state"
    assert len(gate.endpoint.parking) == 0


async def test_nobody_is_asked_where_none_may_wait(gate: Any, tools: Json, post: Post) -> None:
    async def tool(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        fault = question(call)[2]
        assert fault is not None
        return Reply.saying(fault.reason)

    tools["t"] = tool
    gate.endpoint.parking.most = 0
    assert (await post())["result"]["content"][0]["text"] == "cannot_ask"


async def test_when_the_gateway_goes_down_nobody_is_asked_any_more(
    gate: Any, tools: Json, post: Post, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Nobody could come back. Who is back already has his answer, if it comes in time; who is away has none."""

    async def tool(call: Call) -> Reply:
        asked, _answers, fault = question(call)
        if fault is not None:
            return Reply.saying(fault.message)
        await over(asked)
        await trio.sleep(2)
        fault = question(call)[2]
        assert fault is not None
        return Reply.saying(f"then {fault.message}")

    async def late(call: Call) -> Reply:
        await trio.sleep(2)
        return await tool(call)

    answers: dict[str, Json] = {}

    async def send(name: str, **params: Any) -> None:
        answers[name] = await post(name=name, **params)

    tools |= {"t": tool, "u": tool, "late": late}
    asked, _away = await post(), await post(name="u")
    nursery.start_soon(partial(send, "t", **back(asked)))
    nursery.start_soon(send, "late")
    await trio.sleep(1)
    assert len(gate.endpoint.parking) == 2
    gate.app.drain()
    await trio.sleep(0.5)
    assert len(gate.endpoint.parking) == 1, "of whom nobody comes back to"
    await trio.sleep(5)
    texts = {name: answer["result"]["content"][0]["text"] for name, answer in answers.items()}
    assert texts == {"t": "then the gateway is going down", "late": "the gateway is going down"}
    assert len(gate.endpoint.parking) == 0
