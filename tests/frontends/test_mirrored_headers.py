"""Headers that repeat the body: what contradicts it is refused, what is not there is not missed."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import httpx2
import pytest
from tests.kit.messages import INITIALIZED
from tests.kit.offices import office

from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, Offer
from sluicegate.routing.catalogue import Catalogue, Entry, build
from sluicegate.routing.directory import Directory
from sluicegate.routing.mirrored import Argument, mirrored_arguments

Send = Callable[..., Awaitable[httpx2.Response]]
READ = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "file:///a"}}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def calling(name: str = "echo", **arguments: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": "seven", "method": "tools/call", "params": {"name": name, "arguments": arguments}}


@pytest.fixture
async def send(gate: Any, talk: Any) -> Send:
    """POST a body in an open session; keywords are headers."""
    session = await gate.open()

    async def post(body: object, **headers: str) -> httpx2.Response:
        answer: httpx2.Response = await gate.post(body, session, **headers)
        return answer

    return post


@pytest.mark.parametrize(
    ("body", "headers", "word"),
    [
        (calling(), {"mcp_method": "tools/list"}, "Mcp-Method"),
        (calling(), {"mcp_method": "Tools/Call"}, "Mcp-Method"),
        (calling(), {"mcp_name": "other"}, "Mcp-Name"),
        (calling(), {"mcp_name": "Echo"}, "Mcp-Name"),
        (calling(), {"mcp_method": "tools/call", "mcp_name": ""}, None),
        (calling(), {"mcp_method": "tools/call", "mcp_name": encoded("other")}, "Mcp-Name"),
        (calling(), {"mcp_name": "=?base64?ZWNobw?="}, "base64"),
        (calling(), {"mcp_name": "=?base64?ZWNobx==?="}, "base64"),
        (calling(), {"mcp_name": "=?base64?/w==?="}, "base64"),
        (calling(), {"mcp_name": "=?BASE64?ZWNobw==?="}, "Mcp-Name"),
        (calling("=?base64?ZWNobw==?="), {"mcp_name": "=?base64?ZWNobw==?="}, "Mcp-Name"),
        (READ, {"mcp_name": "file:///b"}, "Mcp-Name"),
        (LIST, {"mcp_method": "tools/call"}, "Mcp-Method"),
        (INITIALIZED, {"mcp_method": "tools/call"}, "Mcp-Method"),
        ({"jsonrpc": "2.0", "id": 3, "result": {}}, {"mcp_method": "tools/call"}, "Mcp-Method"),
        ([calling()], {"mcp_method": "tools/call"}, "Mcp-Method"),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}, {"mcp_name": "echo"}, "Mcp-Name"),
    ],
)
async def test_a_header_that_contradicts_the_body_is_refused(
    gate: Any, send: Send, body: Any, headers: dict[str, str], word: str | None
) -> None:
    answer = await send(body, **headers)
    if word is None:  # an empty value cannot be sent by this client
        assert answer.status_code == 200
        return
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], answer.json()["id"]) == (
        400,
        -32020,
        body.get("id") if isinstance(body, dict) and "method" in body else None,
    )
    assert word in error["message"]
    assert "other" not in error["message"]
    assert gate.refusals[-1] == (400, error["message"])


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (calling(), {"mcp_method": "tools/call", "mcp_name": "echo"}),
        (calling(), {"mcp_method": "\ttools/call ", "mcp_name": " echo"}),
        (calling(), {"mcp_name": encoded("echo")}),
        (calling("=?base64?ZWNobw==?="), {"mcp_name": encoded("=?base64?ZWNobw==?=")}),
        (calling("éß"), {"mcp_name": encoded("éß")}),
        (READ, {"mcp_method": "resources/read", "mcp_name": "file:///a"}),
        (LIST, {"mcp_method": "tools/list", "mcp_name": "anything"}),
        (calling(), {"mcp_param_region": "anywhere"}),
    ],
)
async def test_a_header_that_says_the_same_changes_nothing(send: Send, body: object, headers: dict[str, str]) -> None:
    assert (await send(body, **headers)).status_code == 200


async def test_an_initialize_of_another_name_opens_no_session(gate: Any, talk: Any) -> None:
    answer = await gate.post(talk.opening(), mcp_method="tools/call")
    assert (answer.status_code, answer.json()["id"], len(gate.app.sessions)) == (400, 0, 0)


async def test_a_header_that_comes_twice_is_refused(gate: Any, talk: Any) -> None:
    session = await gate.open()
    sent = [("mcp-session-id", session), ("mcp-name", "echo"), ("mcp-name", "echo"), ("content-type", "application/json")]
    answer = await gate.http.post("/mcp", content=json.dumps(calling()).encode(), headers=[*sent, ("accept", talk.both)])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
    assert "more than once" in answer.json()["error"]["message"]


SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "place": {"type": "object", "properties": {"zone": {"type": "string", "x-mcp-header": "zone"}}},
        "share": {"type": "number", "x-mcp-header": "share"},
        "odd": {"type": "string", "x-mcp-header": 7},
    },
}


def offering(schema: object) -> Any:
    async def handler(call: Call) -> Reply:
        raise AssertionError

    lists: dict[Any, tuple[Item, ...]] = dict.fromkeys(KINDS, ())
    raw = {"name": Raw(b'"move"'), "inputSchema": Raw(encode(schema))}
    offer = Offer(Hello("2025-11-25", {"tools": Raw(b"{}")}, {}), lists | {TOOLS: (Item("move", raw),)})
    return build([Entry("b", "", handler, offer=offer)], separator="_")


def test_a_tools_arguments_that_headers_repeat_are_found_in_its_schema() -> None:
    assert mirrored_arguments(offering(SCHEMA)) == {
        "move": (
            Argument("region", ("region",), "string"),
            Argument("count", ("count",), "integer"),
            Argument("dry", ("dry",), "boolean"),
            Argument("zone", ("place", "zone"), "string"),
        )
    }
    assert mirrored_arguments(offering({"properties": "x-mcp-header"})) == {"move": ()}
    assert mirrored_arguments(offering({"type": "object"})) == {}
    assert mirrored_arguments(offering(Raw(b'{"x-mcp-header":"\\ud800"}'))) == {}
    assert mirrored_arguments(offering(Raw(b'{"x-mcp-header":' + b"[" * 2000 + b"]" * 2000 + b"}"))) == {}


@pytest.mark.parametrize(
    ("arguments", "headers", "status"),
    [
        ({"region": "eu"}, {"mcp_param_region": "eu"}, 200),
        ({"region": "eu"}, {"mcp_param_region": encoded("eu")}, 200),
        ({"region": "eu"}, {"mcp_param_region": "EU"}, 400),
        ({"region": "eu"}, {"mcp_param_region": "=?base64?!?="}, 400),
        ({"region": None}, {"mcp_param_region": "eu"}, 400),
        ({}, {"mcp_param_region": "eu"}, 400),
        ({"region": "eu"}, {}, 200),
        ({"count": 42}, {"mcp_param_count": "42"}, 200),
        ({"count": 42}, {"mcp_param_count": "42.0"}, 200),
        ({"count": 42.0}, {"mcp_param_count": "42"}, 200),
        ({"count": 42}, {"mcp_param_count": "43"}, 400),
        ({"count": 42}, {"mcp_param_count": "4.2e1"}, 400),
        ({"count": 10**100}, {"mcp_param_count": f"{10**100}"}, 200),
        ({"count": 10**100}, {"mcp_param_count": f"{10**100 + 1}"}, 400),
        ({"dry": True}, {"mcp_param_dry": "true"}, 200),
        ({"dry": True}, {"mcp_param_dry": "True"}, 400),
        ({"place": {"zone": "a"}}, {"mcp_param_zone": "a"}, 200),
        ({"place": {"zone": "a"}}, {"mcp_param_zone": "b"}, 400),
        ({"place": "a"}, {"mcp_param_zone": "a"}, 400),
        ({"share": 0.5}, {"mcp_param_share": "0.6"}, 200),
        ({}, {"mcp_param_unknown": "0.6"}, 200),
    ],
)
async def test_a_header_for_an_argument_says_what_the_argument_is(
    gate: Any, send: Send, arguments: dict[str, object], headers: dict[str, str], status: int
) -> None:
    gate.endpoint.directory.replace(offering(SCHEMA))
    answer = await send(calling("move", **arguments), **headers)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == -32020
        assert answer.json()["id"] == "seven"


@attrs.define(eq=False)
class Apart(Directory):
    """Shows each session a catalogue of its own."""

    by_session: dict[str, Catalogue] = attrs.field(factory=dict)

    def seen_by(self, caller: Caller) -> Catalogue:
        return self.by_session.get(caller.session, self.current)


async def test_arguments_are_those_of_the_catalogue_that_the_session_sees(gate: Any, talk: Any) -> None:
    """Two sessions may see two tools of one name; what a header says is judged by the one that is called."""
    directory = gate.endpoint.directory = Apart(gate.endpoint.directory.current)
    plain, mirrored = await gate.open(), await gate.open()
    directory.by_session[mirrored] = offering(SCHEMA)
    message = calling("move", region="eu")
    statuses = [(await gate.post(message, session, mcp_param_region="us")).status_code for session in (plain, mirrored, "nobody's")]
    assert statuses == [200, 400, 404]


async def test_who_goes_on_with_a_session_is_judged_by_what_it_sees(gate: Any, autojump_clock: object) -> None:
    """As soon as his first request, when nobody here knows the session yet."""
    gate.rebuild(tickets=office())
    directory = gate.endpoint.directory = Apart(gate.endpoint.directory.current)
    session = await gate.open()
    directory.by_session[session] = offering(SCHEMA)
    gate.app.sessions.end_all()
    assert (await gate.post(calling("move", region="eu"), session, mcp_param_region="us")).status_code == 400
    assert (await gate.post(calling("move", region="eu"), session, mcp_param_region="eu")).status_code == 200
