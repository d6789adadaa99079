"""What a backend of 2026-07-28 gives a client to bring back: sealed on the way to it, and opened for the one request that it was given for."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import trio

from sluicegate.frontends.modern.states import HOLDS_SECONDS, LARGEST_STATE, Kind, RequestState, RequestStates
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Caller, Hop, Reply
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.principal import Principal
from sluicegate.sources import Sources

NEW = "2026-07-28"
OPENING = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
ASKED = {"who": {"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {}}}}
ANSWERED = {"who": {"action": "accept", "content": {"name": "x", "n": 1}}}


class Form:
    """A tool that asks once, and says what it was sent."""

    def __init__(self, state: object = "mine é") -> None:
        self.state = state
        self.seen: list[Call] = []

    async def __call__(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.seen.append(call)
        call.trail.hops.append(Hop("b", "ok", 0.0))
        if "inputResponses" in call.params:
            return Reply.saying(bytes(call.params.get("requestState", b"none")).decode())
        state = {} if self.state is None else {"requestState": self.state}
        return Reply.of({"resultType": "input_required", "inputRequests": ASKED, **state})


@pytest.fixture
def form(tools: dict[str, Any]) -> Form:
    tools["form"] = tools["other"] = made = Form()
    return made


def body(name: str = "form", arguments: Any = None, id: object = 1, **members: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": {"a": 1, "b": [1.10, None]} if arguments is None else arguments, "_meta": OPENING, **members}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


async def post(gate: Any, what: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
    named = {"mcp_protocol_version": NEW, "mcp_method": what["method"], "mcp_name": what["params"]["name"]}
    answer = await gate.post(what, **named, **headers)
    return answer.status_code, answer.json()


async def state_of(gate: Any, **headers: str) -> str:
    _status, answer = await post(gate, body(), **headers)
    assert answer["result"]["resultType"] == "input_required"
    assert answer["result"]["inputRequests"] == ASKED
    return str(answer["result"]["requestState"])


async def test_a_state_is_sealed_and_comes_back_as_the_backend_gave_it(gate: Any, form: Form) -> None:
    state = await state_of(gate)
    assert "mine" not in state
    _status, answer = await post(gate, body(id=2, inputResponses=ANSWERED, requestState=state))
    assert answer["result"]["content"][0]["text"] == '"mine é"'
    again = form.seen[1]
    assert json.loads(bytes(again.params["inputResponses"])) == ANSWERED
    assert (again.trail.bound_to, again.trail.asked, again.trail.mirrored) == ("b", True, True)


async def test_the_same_request_may_be_written_in_another_order(gate: Any, form: Form) -> None:
    state = await state_of(gate)
    _status, answer = await post(gate, body(arguments={"b": [1.1, None], "a": 1}, id=2, inputResponses=ANSWERED, requestState=state))
    assert "result" in answer


@pytest.mark.parametrize(("size", "any_order"), [(60_000, True), (70_000, False)])
async def test_a_large_argument_comes_back_as_it_was(gate: Any, form: Form, size: int, any_order: bool) -> None:
    """To find out that it is the same in another order it would have to be read, and everybody would wait for that."""
    gate.endpoint.limits = type(gate.endpoint.limits)(max_body_size=200_000)
    arguments = {"a": 1, "b": "x" * size}
    _status, asked = await post(gate, body(arguments=arguments))
    given: dict[str, Any] = {"id": 2, "inputResponses": ANSWERED, "requestState": asked["result"]["requestState"]}
    turned = await post(gate, body(arguments=dict(reversed(arguments.items())), **given))
    assert "result" in turned[1] if any_order else is_refused(turned)
    assert "result" in (await post(gate, body(arguments=arguments, **given)))[1]


@pytest.mark.parametrize("hops", [[], [Hop("another", "timeout", 0.0)]], ids=["nobody else was asked", "another was asked before"])
async def test_a_state_is_its_backends_also_where_the_call_was_another_ones(gate: Any, tools: dict[str, Any], hops: list[Hop]) -> None:
    """Of several who share one attempt each gets the question, and it is told to one of them."""
    seen: list[str] = []

    async def form(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        seen.append(call.trail.bound_to)
        call.trail.hops += hops
        call.trail.be_given("b")
        return Reply.of({"resultType": "input_required", "inputRequests": ASKED, "requestState": "mine"})

    tools["form"] = form
    state = await state_of(gate)
    await post(gate, body(id=2, inputResponses=ANSWERED, requestState=state))
    assert seen == ["", "b"]


async def test_where_the_backend_gives_none_there_is_none(gate: Any, form: Form) -> None:
    form.state = None
    _status, answer = await post(gate, body())
    assert "requestState" not in answer["result"]
    _status, answer = await post(gate, body(id=2, inputResponses=ANSWERED))
    assert answer["result"]["content"][0]["text"] == "none"


def is_refused(answer: tuple[int, dict[str, Any]]) -> bool:
    status, message = answer
    error = message["error"]
    assert error["message"] == '"requestState" does not hold for this request, or not any more'
    return (status, error["code"], error["data"]["reason"]) == (400, -32602, "stale_request_state")


@pytest.mark.parametrize(
    "other",
    [{"name": "other"}, {"arguments": {"a": 2, "b": [1.10, None]}}, {"arguments": {}}, {"more": 1}],
    ids=["another tool", "another argument", "no arguments", "another member"],
)
async def test_a_state_is_good_for_its_request_alone(gate: Any, form: Form, other: dict[str, Any]) -> None:
    repeated: dict[str, Any] = {"id": 2, "inputResponses": ANSWERED, "requestState": await state_of(gate), **other}
    assert is_refused(await post(gate, body(**repeated)))
    assert len(form.seen) == 1


async def test_a_state_is_good_for_its_principal_alone(gate: Any, form: Form) -> None:
    gate.rebuild(tokens=("one", "two"))
    state = await state_of(gate, authorization="Bearer one")
    retry = body(id=2, inputResponses=ANSWERED, requestState=state)
    assert is_refused(await post(gate, retry, authorization="Bearer two"))
    assert "result" in (await post(gate, retry, authorization="Bearer one"))[1]


@pytest.mark.parametrize("state", [1, None, {}, [], "", "mine é", "A" * 200, "A" * 1000])
async def test_what_is_no_state_of_ours_is_refused(gate: Any, form: Form, state: object) -> None:
    gate.endpoint.limits = type(gate.endpoint.limits)(max_body_size=100_000)
    assert is_refused(await post(gate, body(inputResponses=ANSWERED, requestState=state)))
    assert form.seen == []


async def test_a_state_that_was_cut_or_changed_anywhere_is_refused(gate: Any, form: Form) -> None:
    state = await state_of(gate)
    for place in range(0, len(state), 7):
        for changed in (state[:place], state[:place] + ("A" if state[place] != "A" else "B") + state[place + 1 :]):
            assert is_refused(await post(gate, body(id=2, inputResponses=ANSWERED, requestState=changed)))
    assert len(form.seen) == 1


async def test_a_state_of_another_process_is_refused(gate: Any, form: Form) -> None:
    state = await state_of(gate)
    gate.endpoint.states = RequestStates.alone(Sources(secret=os.urandom))
    gate.rebuild()
    assert is_refused(await post(gate, body(id=2, inputResponses=ANSWERED, requestState=state)))


@pytest.mark.parametrize("state", ["x" * (LARGEST_STATE + 1), 7, {"a": 1}])
async def test_a_state_of_a_backend_that_is_too_large_or_no_text_is_said_of_it(gate: Any, form: Form, state: object) -> None:
    form.state = state
    _status, answer = await post(gate, body())
    assert answer["error"]["data"]["reason"] == "bad_answer"
    assert "requestState" in answer["error"]["message"]


async def test_the_largest_state_comes_back(gate: Any, form: Form) -> None:
    gate.endpoint.limits = type(gate.endpoint.limits)(max_body_size=200_000)
    form.state = "x" * LARGEST_STATE
    _status, answer = await post(gate, body(id=2, inputResponses=ANSWERED, requestState=await state_of(gate)))
    assert len(answer["result"]["content"][0]["text"]) == LARGEST_STATE + 2


def call(**params: object) -> Call:
    members = {name: Raw(encode(value)) for name, value in params.items()}
    return Call("tools/call", "t", members, Caller(NEW, principal=Principal("me")))


def test_a_state_holds_for_a_day() -> None:
    now = 0.0
    states = RequestStates.alone(Sources(lambda: now))
    sealed = json.loads(bytes(states.give(RequestState(Kind.BACKEND, "b", inner="x"), call(name="t"))))
    now = HOLDS_SECONDS - 1
    assert states.take(call(name="t", requestState=sealed)) == RequestState(Kind.BACKEND, "b", inner="x")
    now = HOLDS_SECONDS
    assert states.take(call(name="t", requestState=sealed)) == faults.stale_state()
