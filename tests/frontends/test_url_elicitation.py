"""A backend that says -32042 to a client that does not know it: the client is asked to open the URLs, and the call is sent once more (P-27)."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Hop, Reply
from sluicegate.protocol.messages import Raw, encode

NEW = "2026-07-28"
Json = dict[str, Any]
URL = {"mode": "url", "elicitationId": "e1", "url": "https://x.example/", "message": "Sign in"}


class Guarded:
    """A tool that works once somebody has signed in."""

    def __init__(self, *elicitations: object, times: int = 1, backend: str = "b") -> None:
        self.backend = backend
        self.error = {"code": -32042, "message": "sign in first", "data": {"elicitations": list(elicitations), "more": 1}}
        self.times = times
        self.seen: list[Call] = []

    async def __call__(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.seen.append(call)
        call.trail.hops.append(Hop(self.backend, "error", 0.0))
        if len(self.seen) <= self.times:
            return Reply.failed(faults.backend_error("b", Raw(encode(self.error))))
        return Reply.saying("in")


async def call(gate: Any, can: Json | None = None, **params: Any) -> Json:
    capabilities = {"elicitation": {"url": {}}} if can is None else can
    meta = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": capabilities}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {"a": 1}, "_meta": meta, **params}}
    answer: Json = (await gate.post(body, mcp_protocol_version=NEW, mcp_method="tools/call", mcp_name="t")).json()
    return answer


def back(asked: Json, action: str = "accept") -> Json:
    result = asked["result"]
    return {"inputResponses": {name: {"action": action} for name in result["inputRequests"]}, "requestState": result["requestState"]}


async def test_its_user_is_asked_and_the_call_is_sent_again_as_it_was(gate: Any, tools: Json) -> None:
    tools["t"] = guarded = Guarded(URL, URL | {"url": "https://y.example/"})
    asked = await call(gate)
    assert asked["result"]["resultType"] == "input_required"
    assert asked["result"]["inputRequests"] == {
        "1": {"method": "elicitation/create", "params": {"mode": "url", "url": "https://x.example/", "message": "Sign in"}},
        "2": {"method": "elicitation/create", "params": {"mode": "url", "url": "https://y.example/", "message": "Sign in"}},
    }
    assert (await call(gate, **back(asked)))["result"]["content"][0]["text"] == "in"
    assert guarded.seen[0].params == guarded.seen[1].params
    assert guarded.seen[1].trail.asked


async def test_it_is_sent_to_the_one_whose_url_its_user_has_opened(gate: Any, tools: Json) -> None:
    tools["t"] = guarded = Guarded(URL, backend="canary")
    assert "result" in await call(gate, **back(await call(gate)))
    assert [seen.trail.bound_to for seen in guarded.seen] == ["", "canary"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_who_does_not_agree_ends_the_call(gate: Any, tools: Json, action: str) -> None:
    tools["t"] = guarded = Guarded(URL)
    ended = await call(gate, **back(await call(gate), action))
    assert ended["error"]["data"]["reason"] == "cancelled"
    assert len(guarded.seen) == 1


@pytest.mark.parametrize("answers", [None, {}, {"1": {"action": "accept"}}, {"2": {"action": "accept"}, "3": {"action": "accept"}}])
async def test_who_does_not_say_whether_he_agrees_is_told_so(gate: Any, tools: Json, answers: Json | None) -> None:
    """And may still say so: nothing was sent."""
    tools["t"] = guarded = Guarded(URL, URL | {"url": "https://y.example/"})
    asked = await call(gate)
    whole = back(asked)
    said = {"requestState": whole["requestState"]} | ({} if answers is None else {"inputResponses": answers})
    error = (await call(gate, **said))["error"]
    assert (error["code"], '"inputResponses" must answer all that was asked' in error["message"]) == (-32602, True)
    assert len(guarded.seen) == 1
    assert "result" in await call(gate, **whole)


async def test_a_backend_that_never_knows_of_it_ends_in_its_own_error(gate: Any, tools: Json) -> None:
    tools["t"] = guarded = Guarded(URL, times=100)
    answer = await call(gate)
    while "result" in answer:
        answer = await call(gate, **back(answer))
    assert (answer["error"]["code"], answer["error"]["data"]["more"]) == (-32603, 1)
    assert len(guarded.seen) == 11


@pytest.mark.parametrize(
    ("can", "elicitations"),
    [
        ({}, [URL]),
        ({"elicitation": {}}, [URL]),
        (None, []),
        (None, [7]),
        (None, [URL, {"mode": "form", "message": "m", "requestedSchema": {}}]),
        (None, [URL] * 33),
    ],
    ids=["asks nothing", "forms only", "no url", "no object", "a form", "too many"],
)
async def test_what_cannot_be_asked_stays_an_error_under_a_number_that_is_known(
    gate: Any, tools: Json, can: Json | None, elicitations: list[object]
) -> None:
    tools["t"] = Guarded(*elicitations)
    error = (await call(gate, can))["error"]
    assert (error["code"], error["message"], error["data"]["more"]) == (-32603, "sign in first", 1)
