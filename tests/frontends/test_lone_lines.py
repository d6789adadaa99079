"""Requests of 2026-07-28 on the stdio front: each stands for itself, also beside a session (P-1, P-111, P-121)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.messages import INITIALIZED

from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.stdio import serve_stdio
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, Offer
from sluicegate.protocol.question import Question
from sluicegate.routing.catalogue import Entry, build
from sluicegate.testing.line_client import LineClient, open_line_client

NEW = "2026-07-28"
OURS = "io.modelcontextprotocol/"
META = {f"{OURS}protocolVersion": NEW, f"{OURS}clientCapabilities": {"roots": {}}}
SERVER = {f"{OURS}serverInfo": {"name": "gate", "version": "1.0"}}
Json = dict[str, Any]


def request(method: str, id: object = 1, meta: Json | None = None, **params: object) -> Json:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": META if meta is None else meta, **params}}


def call(name: str = "echo", id: object = 1, meta: Json | None = None, **params: object) -> Json:
    return request("tools/call", id, meta, name=name, arguments={}, **params)


def cancel(id: object) -> Json:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}


@pytest.fixture
async def client(gate: Any, nursery: trio.Nursery) -> AsyncGenerator[LineClient, None]:
    gate.endpoint.parking.most = 4
    async with open_line_client(partial(serve_stdio, gate.endpoint), nursery) as client:
        yield client


def offer(gate: Any, *names: str) -> None:
    """The gateway has these tools from now on."""

    async def nothing(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply()

    tools = tuple(Item(name, {"name": Raw(encode(name)), "inputSchema": Raw(b"{}")}) for name in names)
    given = Offer(Hello(NEW, {"tools": Raw(b"{}")}, {}), {kind: tools if kind is TOOLS else () for kind in KINDS})
    gate.endpoint.directory.replace(build([Entry("b", "", nothing, offer=given)], separator="/"))


async def said(client: LineClient, *messages: Json) -> Json:
    await client.send(*messages)
    answer: Json = await client.next()
    return answer


async def test_a_client_may_begin_with_any_request(client: LineClient, autojump_clock: object) -> None:
    answer = await said(client, call(id="first"))
    assert answer == {
        "jsonrpc": "2.0",
        "id": "first",
        "result": {"resultType": "complete", "_meta": SERVER, "content": [{"type": "text", "text": "hello"}]},
    }


async def test_who_asks_what_there_is_is_told(client: LineClient, autojump_clock: object) -> None:
    result = (await said(client, request("server/discover")))["result"]
    assert (result["supportedVersions"], result["resultType"], result["_meta"]) == ([NEW], "complete", SERVER)


@pytest.mark.parametrize(
    ("meta", "code", "words"),
    [
        (META | {f"{OURS}protocolVersion": "2030-01-01"}, -32022, "Unsupported protocol version"),
        ({f"{OURS}protocolVersion": NEW}, -32602, "clientCapabilities"),
        (META | {f"{OURS}logLevel": "loud"}, -32602, "logLevel"),
    ],
)
async def test_who_says_wrong_things_of_himself_is_told_what(
    client: LineClient, meta: Json, code: int, words: str, autojump_clock: object
) -> None:
    error = (await said(client, call(meta=meta)))["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert (await said(client, call(id=2)))["id"] == 2


async def test_to_ask_what_there_is_without_a_word_about_oneself_is_no_session(client: LineClient, autojump_clock: object) -> None:
    error = (await said(client, {"jsonrpc": "2.0", "id": 1, "method": "server/discover"}))["error"]
    assert (error["code"], "_meta" in error["message"]) == (-32602, True)


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe"])
async def test_what_belongs_to_sessions_is_not_there(client: LineClient, method: str, autojump_clock: object) -> None:
    assert (await said(client, request(method)))["error"]["code"] == -32601


async def test_both_kinds_go_on_side_by_side(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await said(client, talk.opening())
    await client.send(INITIALIZED, call("slow", id=5), talk.calling("echo", 6))
    assert "resultType" not in (await client.next())["result"]
    await client.send(talk.opening(id=7))  # another session; what belongs to none goes on
    assert (await client.next())["id"] == 7
    answer = await client.next()
    assert (answer["id"], answer["result"]["resultType"]) == (5, "complete")


async def test_an_id_is_open_once_whatever_kind_it_is_of(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await said(client, talk.opening())
    await client.send(INITIALIZED)
    for first, second in (
        (call("slow", id=5), talk.calling("echo", 5)),
        (talk.calling("slow", 6), call(id=6)),
        (call("slow", 7), call(id=7)),
    ):
        error = (await said(client, first, second))["error"]
        assert error["data"]["reason"] == "duplicate_id"
        assert "result" in await client.next()


async def test_one_that_is_taken_back_gets_no_answer(gate: Any, tools: Json, client: LineClient, autojump_clock: object) -> None:
    ended: list[str] = []

    async def patient(_call: Call) -> Reply:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cancelled")
        raise AssertionError

    tools["patient"] = patient
    await client.send(call("patient", id="p"))
    await trio.sleep(1)
    await client.send(cancel("p"), call(id=2))
    assert (await client.next())["id"] == 2
    assert ended == ["cancelled"]
    assert "result" in await said(client, call(id="p")), "its id is free again"


async def test_progress_comes_and_log_lines_only_if_they_are_wanted(tools: Json, client: LineClient, autojump_clock: object) -> None:
    async def talker(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        call.back.note(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}')
        for level in ("info", "error"):
            call.back.note(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"%b","data":1}}' % level.encode())
        return Reply()

    tools["talker"] = talker
    await client.send(call("talker"))
    assert [(await client.next()).get("method") for _ in range(2)] == ["notifications/progress", None]
    await client.send(call("talker", meta=META | {f"{OURS}logLevel": "error"}))
    heard = [await client.next() for _ in range(3)]
    assert [message.get("params", {}).get("level") for message in heard] == [None, "error", None]


async def test_several_listen_on_one_channel_each_under_its_own_id(gate: Any, client: LineClient, autojump_clock: object) -> None:
    offer(gate, "a")
    wishes = {"toolsListChanged": True, "promptsListChanged": True, "other": 1}
    for own in ("one", 2):
        opened = await said(client, request("subscriptions/listen", own, notifications=wishes))
        assert opened["method"] == "notifications/subscriptions/acknowledged"
        assert opened["params"] == {"_meta": {f"{OURS}subscriptionId": own}, "notifications": {"toolsListChanged": True}}
    await client.send(request("subscriptions/listen", 3, notifications={}))
    await client.next()
    offer(gate, "a", "b")
    offer(gate, "a", "b", "c")
    told = [await client.next() for _ in range(2)]
    assert [message["method"] for message in told] == ["notifications/tools/list_changed"] * 2
    assert {message["params"]["_meta"][f"{OURS}subscriptionId"] for message in told} == {"one", 2}
    await client.send(cancel("one"))
    await trio.sleep(1)
    offer(gate, "a")
    assert (await client.next())["params"]["_meta"][f"{OURS}subscriptionId"] == 2
    await trio.sleep(1)
    await client.stdin.aclose()
    farewells = [await client.next() for _ in range(2)]
    assert {(one["id"], one["result"]["resultType"]) for one in farewells} == {(2, "complete"), (3, "complete")}


async def test_who_listens_to_nothing_readable_is_told(client: LineClient, autojump_clock: object) -> None:
    assert (await said(client, request("subscriptions/listen", notifications=7)))["error"]["code"] == -32602
    assert (await said(client, call(id=1)))["id"] == 1


def asking() -> Any:
    async def tool(call: Call) -> Reply:
        answers: list[Reply] = []
        over = trio.Event()
        question = Question("roots/list", {}, answers.append)
        question.when_over(over.set)
        assert call.back.ask(question) is None
        await over.wait()
        return Reply.saying(bytes(answers[0].result).decode())

    return tool


async def test_a_question_is_an_answer(gate: Any, tools: Json, client: LineClient, autojump_clock: object) -> None:
    tools["asks"] = asking()
    asked = (await said(client, call("asks")))["result"]
    assert asked["inputRequests"] == {"1": {"method": "roots/list", "params": {}}}
    answered = await said(client, call("asks", id=2, inputResponses={"1": {"roots": []}}, requestState=asked["requestState"]))
    assert answered["result"]["content"][0]["text"] == '{"roots": []}' or answered["result"]["content"][0]["text"] == '{"roots":[]}'
    assert len(gate.endpoint.parking) == 0


@pytest.mark.parametrize("again", [False, True], ids=["away", "back"])
async def test_who_says_no_more_comes_back_to_nothing(
    gate: Any, tools: Json, client: LineClient, again: bool, autojump_clock: object
) -> None:
    tools["asks"] = asking()
    asked = (await said(client, call("asks")))["result"]
    if again:
        asked = (await said(client, call("asks", id=2, inputResponses={}, requestState=asked["requestState"])))["result"]
    await client.stdin.aclose()
    await trio.sleep(1)
    assert len(gate.endpoint.parking) == 0


async def test_who_says_no_more_is_asked_nothing(gate: Any, tools: Json, client: LineClient, autojump_clock: object) -> None:
    """He still has the answer of what goes on without him."""

    async def tool(call: Call) -> Reply:
        await trio.sleep(1)
        fault = call.back.ask(Question("roots/list", {}, lambda _reply: None))
        assert fault is not None
        return Reply.saying(fault.message)

    tools["asks"] = tool
    await client.send(call("asks"))
    await client.stdin.aclose()
    assert (await client.next())["result"]["content"][0]["text"] == "the client says no more"
    assert len(gate.endpoint.parking) == 0


async def test_there_are_so_many_at_once(gate: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    gate.endpoint.limits = attrs.evolve(Limits(), max_calls_per_session=2)
    async with open_line_client(partial(serve_stdio, gate.endpoint), nursery) as client:
        error = (await said(client, call("slow", 1), call("slow", 2), call("slow", 3)))["error"]
        assert error["data"]["reason"] == "overloaded"
        assert error["message"] == "'tools/call' was not sent: this connection has 2 open requests", "there is no session"


async def test_in_a_batch_there_are_none(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await said(client, talk.opening("2025-03-26"))
    await client.send(INITIALIZED)
    answers: Any = await said(client, [talk.calling("echo", 1), call(id=2)])  # type: ignore[arg-type]
    found = {answer["id"]: answer for answer in answers}
    assert "result" in found[1]
    assert found[2]["error"]["code"] == -32600


async def test_in_a_batch_too_an_id_is_open_once(client: LineClient, talk: Any, autojump_clock: object) -> None:
    await said(client, talk.opening("2025-03-26"))
    await client.send(INITIALIZED, call("slow", id=5))
    answers: Any = await said(client, [talk.calling("echo", 5), talk.calling("echo", 6)])  # type: ignore[arg-type]
    found = {answer["id"]: answer for answer in answers}
    assert (found[5]["error"]["data"]["reason"], "result" in found[6]) == ("duplicate_id", True)
    assert "result" in await client.next()
