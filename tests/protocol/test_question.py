"""What a client may be asked, and that a question ends once."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.protocol.clientele import MANY, Clientele
from sluicegate.protocol.messages import Params, Raw, encode
from sluicegate.protocol.question import Question, undeclared
from sluicegate.protocol.reply import Reply
from sluicegate.protocol.why import Why


def raw(members: dict[str, Any]) -> Params:
    return {name: Raw(encode(value)) for name, value in members.items()}


@pytest.mark.parametrize(
    ("method", "params", "capabilities", "code"),
    [
        ("elicitation/create", {}, {"elicitation": {}}, None),
        ("elicitation/create", {"mode": "form"}, {"elicitation": {}}, None),
        ("elicitation/create", {}, {"elicitation": {"form": {}}}, None),
        ("elicitation/create", {}, {"elicitation": {"x-other": {}}}, None),
        ("elicitation/create", {"mode": "url"}, {"elicitation": {"form": {}, "url": {}}}, None),
        ("elicitation/create", {"mode": "url"}, {"elicitation": {}}, -32602),
        ("elicitation/create", {}, {"elicitation": {"url": {}}}, -32602),
        ("elicitation/create", {}, {"elicitation": []}, -32601),
        ("elicitation/create", {}, {"elicitation": None}, -32601),
        ("elicitation/create", {}, {"sampling": {}}, -32601),
        ("sampling/createMessage", {}, {"sampling": {}}, None),
        ("sampling/createMessage", {"tools": []}, {"sampling": {"tools": {}}}, None),
        ("sampling/createMessage", {"tools": []}, {"sampling": {}}, -32602),
        ("sampling/createMessage", {"toolChoice": {}}, {"sampling": {"context": {}}}, -32602),
        ("roots/list", {}, {"roots": {}}, None),
        ("roots/list", {}, {}, -32601),
        ("tools/list", {}, {"roots": {}, "sampling": {}, "elicitation": {}}, -32601),
    ],
)
def test_a_client_is_asked_what_it_has_declared(method: str, params: Any, capabilities: Any, code: int | None) -> None:
    fault = undeclared(method, raw(params), raw(capabilities))
    assert (fault and fault.code) == code


@pytest.mark.parametrize(("first", "replies"), [("settle", 1), ("withdraw", 0), ("lose", 1)])
@pytest.mark.parametrize("second", ["settle", "withdraw", "lose"])
def test_a_question_ends_once(first: str, replies: int, second: str) -> None:
    answers, endings = list[Reply](), list[str]()
    question = Question("roots/list", {}, answers.append)
    question.when_over(lambda: endings.append("early"))
    ends: dict[str, Any] = {
        "settle": lambda: question.settle(Reply()),
        "withdraw": question.withdraw,
        "lose": lambda: question.lose(Why("gone")),
    }
    ends[first]()
    ends[second]()
    question.when_over(lambda: endings.append("late"))
    assert (len(answers), endings) == (replies, ["early", "late"])
    assert (question.reply is not None) is (first != "withdraw")


async def test_what_is_declared_is_known_to_all_who_wait_and_carried_as_far_as_it_can_be(autojump_clock: trio.testing.MockClock) -> None:
    clientele, seen = Clientele(), list[float]()

    async def wait() -> None:
        await clientele.wait_known()
        seen.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await trio.sleep(5)
        assert (clientele.as_known(), clientele.known_at) == (MANY, None)
        clientele.declare({"roots": {"listChanged": True}, "sampling": {"tools": {}, "x": 1}, "tasks": {}, "experimental": {}})
    assert seen == [5, 5]
    assert {name: bytes(value) for name, value in clientele.declared.items()} == {"sampling": b'{"tools":{},"x":1}', "roots": b"{}"}
    clientele.declare({})
    assert (clientele.declared, clientele.known_at, clientele.as_known()) == ({}, 5, clientele)


async def test_of_many_clients_nothing_is_to_be_known(autojump_clock: trio.testing.MockClock) -> None:
    await MANY.wait_known()
    assert (MANY.is_known, MANY.declared, MANY.as_known()) == (True, {}, MANY)
