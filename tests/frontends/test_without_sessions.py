"""Requests of 2026-07-28: no handshake, no session, each says of itself what it needs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
import trio

from sluicegate.frontends.endpoint import Limits
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw, encode, encode_notification
from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, Offer
from sluicegate.protocol.question import Question
from sluicegate.routing.catalogue import Entry, build

NEW = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": {}}
SERVER = {"io.modelcontextprotocol/serverInfo": {"name": "gate", "version": "1.0"}}

Ask = Callable[..., Awaitable[httpx2.Response]]


def request(method: str, id: object = "one", meta: dict[str, object] | None = None, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": META if meta is None else meta, **params}}


def headers(body: dict[str, Any]) -> dict[str, str]:
    """What has to stand above a body."""
    params = body["params"]
    name = params.get("name", params.get("uri"))
    return {"mcp_protocol_version": NEW, "mcp_method": body["method"]} | ({} if name is None else {"mcp_name": name})


@pytest.fixture
def ask(gate: Any) -> Ask:
    """Send a request with the headers that belong to it; keywords are others in their place, and an empty one is left out."""

    async def post(body: dict[str, Any], **instead: str) -> httpx2.Response:
        answer: httpx2.Response = await gate.post(body, **(headers(body) | instead))
        return answer

    return post


def call(name: str = "echo", **members: Any) -> dict[str, object]:
    return request("tools/call", name=name, arguments={}, **members)


async def nothing(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply()


def offer(gate: Any, *tools: dict[str, object]) -> None:
    """The gateway has these tools from now on."""
    lists = {kind: tuple(Item(str(tool["name"]), {k: Raw(encode(v)) for k, v in tool.items()}) for tool in tools) for kind in (TOOLS,)}
    given = Offer(Hello(NEW, {"tools": Raw(b"{}")}, {}), {kind: lists.get(kind, ()) for kind in KINDS})
    gate.endpoint.directory.replace(build([Entry("b", "", nothing, offer=given)], separator="/"))


async def test_a_call_needs_no_session_and_gets_none(gate: Any, ask: Ask) -> None:
    answer = await ask(call(), mcp_session_id="of-another-time", last_event_id="1-1")
    assert answer.status_code == 200
    assert "mcp-session-id" not in answer.headers
    expected = {"resultType": "complete", "_meta": SERVER, "content": [{"type": "text", "text": "hello"}]}
    assert answer.json() == {"jsonrpc": "2.0", "id": "one", "result": expected}
    assert len(gate.app.sessions) == 0


async def test_who_is_asked_says_who_it_is(ask: Ask) -> None:
    result = (await ask(request("server/discover"))).json()["result"]
    assert result["supportedVersions"] == [NEW]
    assert result["capabilities"] == {"tools": {"listChanged": True}}
    assert (result["resultType"], result["ttlMs"], result["cacheScope"], result["_meta"]) == ("complete", 0, "private", SERVER)


async def test_a_client_with_a_session_does_not_discover(gate: Any) -> None:
    session = await gate.open()
    answer = await gate.post({"jsonrpc": "2.0", "id": 1, "method": "server/discover"}, session)
    assert answer.json()["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({}, {"resultType": "complete", "_meta": SERVER}),
        ({"_meta": {"x": 1.10}}, {"resultType": "complete", "_meta": SERVER | {"x": 1.10}}),
        ({"resultType": "task", "task": {}}, {"resultType": "task", "task": {}, "_meta": SERVER}),
        (
            {"_meta": SERVER | {"io.modelcontextprotocol/serverInfo": {"name": "b"}}},
            {"_meta": {"io.modelcontextprotocol/serverInfo": {"name": "b"}}},
        ),
        ({"content": [{"type": "text", "text": '"resultType"'}]}, {"content": [{"type": "text", "text": '"resultType"'}]}),
        ({"structuredContent": {"_meta": 1, "resultType": 2}}, {"structuredContent": {"_meta": 1, "resultType": 2}}),
    ],
)
async def test_a_result_says_its_kind_and_whose_it_is(
    tools: dict[str, Any], ask: Ask, result: dict[str, object], expected: dict[str, object]
) -> None:
    async def tool(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply.of(result)

    tools["echo"] = tool
    assert (await ask(call())).json()["result"] == {"resultType": "complete", "_meta": SERVER} | expected


@pytest.mark.parametrize("blank", [b"{ }", b"{\n    \n}", b"{          }", b" {}", b'  {"a":1}'])
async def test_a_result_of_blanks_stays_json(tools: dict[str, Any], ask: Ask, blank: bytes) -> None:
    async def tool(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(Raw(blank))

    tools["echo"] = tool
    assert (await ask(call())).json()["result"] == {"resultType": "complete", "_meta": SERVER} | json.loads(blank)


async def test_a_task_that_nobody_offers_is_not_asked_for_behind_us(tools: dict[str, Any], ask: Ask) -> None:
    seen: list[Call] = []

    async def tool(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        seen.append(call)
        return Reply()

    tools["echo"] = tool
    assert (await ask(call(task={"ttl": 1}))).status_code == 200
    assert "task" not in seen[0].params


async def test_lists_say_how_long_they_hold_and_calls_do_not(gate: Any, ask: Ask) -> None:
    offer(gate, {"name": "a", "inputSchema": {}})
    listed = (await ask(request("tools/list"))).json()["result"]
    assert (listed["ttlMs"], listed["cacheScope"]) == (0, "private")
    assert [tool["name"] for tool in listed["tools"]] == ["a"]
    assert "ttlMs" not in (await ask(call())).json()["result"]


@pytest.mark.parametrize(
    ("meta", "word"),
    [
        ({}, "protocolVersion"),
        ({"io.modelcontextprotocol/protocolVersion": NEW}, "clientCapabilities"),
        (META | {"io.modelcontextprotocol/protocolVersion": 7}, "must be a string"),
        (META | {"io.modelcontextprotocol/clientCapabilities": []}, "must be an object"),
        (META | {"io.modelcontextprotocol/logLevel": "loud"}, "must be one of debug, info"),
    ],
)
async def test_a_request_that_does_not_say_what_it_needs_is_refused(gate: Any, ask: Ask, meta: dict[str, object], word: str) -> None:
    answer = await ask(call(meta=meta))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], answer.json()["id"]) == (400, -32602, "one")
    assert word in error["message"]
    assert gate.refusals[-1] == (400, error["message"])


async def test_a_request_without_metadata_is_refused(gate: Any) -> None:
    answer = await gate.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, mcp_protocol_version=NEW, mcp_method="tools/list")
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["id"]) == (400, -32602, 1)


async def test_a_client_need_not_name_itself_nor_be_named(tools: dict[str, Any], ask: Ask) -> None:
    seen: list[Call] = []

    async def tool(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        seen.append(call)
        return Reply()

    tools["echo"] = tool
    info = {"io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"}}
    mine = {"x.example/y": 1.10, "progressToken": "t"}
    assert (await ask(call(meta=META | info | mine))).status_code == 200
    assert (await ask(call(meta=META))).status_code == 200
    first, second = seen
    assert json.loads(bytes(first.params["_meta"])) == mine  # what is said to us alone goes no further
    assert "_meta" not in second.params
    assert first.caller.era == NEW


async def test_a_revision_that_is_not_spoken_is_refused_with_those_that_are(ask: Ask) -> None:
    answer = await ask(call(meta=META | {"io.modelcontextprotocol/protocolVersion": "2027-01-01"}), mcp_protocol_version="2027-01-01")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, -32022)
    assert (error["data"]["supported"], error["data"]["requested"]) == ([NEW], "2027-01-01")


@pytest.mark.parametrize(
    "instead",
    [
        {"mcp_protocol_version": ""},
        {"mcp_protocol_version": "2025-11-25"},
        {"mcp_method": ""},
        {"mcp_method": "tools/list"},
        {"mcp_name": ""},
        {"mcp_name": "other"},
        {"mcp_name": "Echo"},
        {"mcp_name": "=?base64?!?="},
    ],
)
async def test_headers_that_differ_from_the_body_or_are_missing_are_refused(ask: Ask, instead: dict[str, str]) -> None:
    answer = await ask(call(), **instead)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["id"]) == (400, -32020, "one")


@pytest.mark.parametrize(
    ("arguments", "sent", "status"),
    [
        ({"region": "eu"}, {"mcp_param_region": "eu"}, 200),
        ({"region": "eu"}, {}, 400),
        ({"region": "eu"}, {"mcp_param_region": "us"}, 400),
        ({}, {}, 200),
        ({"region": None}, {}, 200),
        ({}, {"mcp_param_region": "eu"}, 400),
        ({"region": "eu"}, {"mcp_param_region": "eu", "mcp_param_else": "x"}, 200),
    ],
)
async def test_arguments_that_headers_repeat_have_to_be_repeated(
    gate: Any, ask: Ask, arguments: dict[str, object], sent: dict[str, str], status: int
) -> None:
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    offer(gate, {"name": "echo", "inputSchema": schema})
    answer = await ask(request("tools/call", name="echo", arguments=arguments), **sent)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/result", "no/such"]
)
async def test_a_method_that_is_not_there_is_not_found(ask: Ask, method: str) -> None:
    answer = await ask(request(method))
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["id"]) == (404, -32601, "one")


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
async def test_there_is_nothing_to_get_and_nothing_to_end(gate: Any, verb: str) -> None:
    answer = await gate.http.request(verb, "/mcp", headers={"mcp-protocol-version": NEW, "accept": "text/event-stream"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")


async def test_notifications_are_taken_and_answers_are_not(gate: Any) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    assert (await gate.post(note, mcp_protocol_version=NEW)).status_code == 202
    answer = await gate.post({"jsonrpc": "2.0", "id": 1, "result": {}}, mcp_protocol_version=NEW)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


async def a_missing_resource(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.failed(faults.backend_error("b", Raw(b'{"code":-32002,"message":"gone","data":{"x":1}}')))


async def a_step_to_take(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.failed(faults.backend_error("b", Raw(b'{"code":-32042,"message":"log in","data":{"elicitations":[]}}')))


async def a_full_house(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.failed(faults.queue_full("b", 3))


async def its_own(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.failed(faults.backend_error("b", Raw(b'{"code":-31000,"message":"own","data":1}')))


@pytest.mark.parametrize(
    ("tool", "status", "code", "data"),
    [
        (a_missing_resource, 400, -32602, {"x": 1, "uri": "echo"}),
        (a_step_to_take, 200, -32603, {"elicitations": []}),
        (a_full_house, 200, -32603, None),
        (its_own, 200, -31000, 1),
    ],
)
async def test_errors_have_the_numbers_of_the_revision(
    tools: dict[str, Any], ask: Ask, tool: Any, status: int, code: int, data: object
) -> None:
    tools["echo"] = tool
    answer = await ask(call())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert data is None or error["data"] == data


async def test_what_is_told_about_a_call_makes_a_stream_without_event_ids(gate: Any, autojump_clock: object) -> None:
    body = call("chatty")
    async with gate.stream("POST", "", body, **headers(body)) as stream:
        assert stream.response.headers["x-accel-buffering"] == "no"
        events = await stream.rest()
    messages = [json.loads(event.data) for event in events]
    assert [one.get("method") for one in messages] == ["notifications/progress"] * 3 + [None]
    assert messages[-1]["result"]["resultType"] == "complete"
    assert {event.id for event in events} == {""}


@pytest.mark.parametrize(("level", "heard"), [(None, 0), ("debug", 2), ("warning", 1), ("emergency", 0)])
async def test_a_request_hears_of_the_log_what_it_asked_for(
    tools: dict[str, Any], ask: Ask, level: str | None, heard: int, autojump_clock: object
) -> None:
    async def tool(call: Call) -> Reply:
        for one in ("info", "error"):
            call.back.note(encode_notification("notifications/message", {"level": Raw(encode(one)), "data": Raw(b"1")}))
            await trio.sleep(1)
        return Reply()

    tools["echo"] = tool
    answer = await ask(call(meta=META if level is None else META | {"io.modelcontextprotocol/logLevel": level}))
    assert answer.text.count("notifications/message") == heard


async def test_a_client_that_goes_takes_its_call_back(gate: Any, tools: dict[str, Any], autojump_clock: object) -> None:
    ended: list[str] = []

    async def tool(_call: Call) -> Reply:
        try:
            await trio.sleep(1000)
        finally:
            ended.append("cut")
        return Reply()

    tools["echo"] = tool
    with trio.move_on_after(1):
        await gate.post(call(), **headers(call()))
    with trio.fail_after(1):
        while not ended:
            await trio.testing.wait_all_tasks_blocked()


async def test_such_a_client_is_not_asked_in_between(gate: Any, tools: dict[str, Any], ask: Ask) -> None:
    async def tool(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        fault = call.back.ask(Question("roots/list", {}, lambda _reply: None))
        assert fault is not None
        return Reply.saying(fault.message)

    tools["echo"] = tool
    assert "takes no questions" in (await ask(call())).text


async def test_changes_are_told_to_who_listens_for_them(gate: Any, autojump_clock: object) -> None:
    body = request("subscriptions/listen", id=7, notifications={"toolsListChanged": True, "promptsListChanged": True, "taskIds": ["a"]})
    async with gate.stream("POST", "", body, **headers(body)) as stream:
        first = json.loads((await stream.next()).data)
        assert first["method"] == "notifications/subscriptions/acknowledged"
        assert first["params"] == {"_meta": {"io.modelcontextprotocol/subscriptionId": 7}, "notifications": {"toolsListChanged": True}}
        offer(gate, {"name": "a", "inputSchema": {}})
        offer(gate, {"name": "b", "inputSchema": {}})
        changed = json.loads((await stream.next()).data)
        assert changed["method"] == "notifications/tools/list_changed"
        assert changed["params"] == {"_meta": {"io.modelcontextprotocol/subscriptionId": 7}}
        gate.app.drain()
        (last,) = [json.loads(event.data) for event in await stream.rest()]
    assert last["id"] == 7
    assert last["result"] == {"resultType": "complete", "_meta": {"io.modelcontextprotocol/subscriptionId": 7}}
    await trio.testing.wait_all_tasks_blocked()
    assert (len(gate.app.sessions.listeners), gate.app.sessions.owners.streams, len(gate.app.sessions.owners)) == (0, 0, 0)


async def test_a_wish_that_is_no_object_is_refused(ask: Ask) -> None:
    answer = await ask(request("subscriptions/listen"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
    answer = await ask(request("subscriptions/listen", notifications={}), accept="application/json")
    assert answer.status_code == 406


async def test_one_owner_has_only_his_share_of_streams(gate: Any, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(max_streams=2))
    body = request("subscriptions/listen", notifications={})
    async with gate.stream("POST", "", body, **headers(body)) as stream:
        await stream.next()
        second = await gate.post(body, **headers(body))
    assert second.status_code == 429


async def test_large_requests_take_room_and_give_it_back(gate: Any, ask: Ask) -> None:
    gate.rebuild(limits=Limits(max_body_size=1_000_000))
    answer = await ask(request("tools/call", name="echo", arguments={"x": "y" * 100_000}))
    assert answer.status_code == 200
    assert gate.app.sessions._open_bytes == 0
    assert len(gate.app.sessions.owners) == 0


async def test_nothing_new_is_taken_while_the_gateway_drains(gate: Any, ask: Ask) -> None:
    gate.app.drain()
    assert (await ask(call())).status_code == 503


async def test_a_request_and_an_answer_mean_the_same_in_any_spelling(gate: Any, tools: Any) -> None:
    """A name may be written with escapes, as PHP does with each slash."""

    async def asks(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(Raw(b'{"result\\u0054ype":"input_required","inputRequests":{},"request\\u0053tate":"mine"}'))

    tools["asks"] = asks
    body = call("asks")
    answer = await gate.post(json.dumps(body).replace("/", "\\/").encode(), **(headers(body) | {"mcp_protocol_version": NEW}))
    result = answer.json()["result"]
    assert answer.content.count(b"resultType") == 1
    assert result["resultType"] == "input_required"
    assert result["requestState"] != "mine", "a backend's state is sealed"
