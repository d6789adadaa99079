"""Streamable HTTP: what each request is answered with."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from tests.kit.messages import INITIALIZED, PING

from sluicegate.frontends.endpoint import Limits


async def test_initialize_opens_a_session_in_the_asked_revision(gate: Any, talk: Any) -> None:
    for version in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"):
        answer = await gate.post(talk.opening(version))
        assert answer.status_code == 200
        assert answer.json()["result"]["protocolVersion"] == version
        assert answer.json()["result"]["serverInfo"] == {"name": "gate", "version": "1.0"}
        assert answer.headers["mcp-protocol-version"] == version
        assert len(answer.headers["mcp-session-id"]) == 32
    assert len(gate.app.sessions) == 4


@pytest.mark.parametrize("asked", ["2026-07-28", "1.0", ""])
async def test_an_unknown_revision_is_answered_with_our_newest(gate: Any, talk: Any, asked: str) -> None:
    answer = await gate.post(talk.opening(asked))
    assert answer.json()["result"]["protocolVersion"] == "2025-11-25"


REFUSALS = [
    # what is sent, headers, status, code, a word of the message
    (b"{", {}, 400, -32700, "JSON"),
    (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', {}, 400, -32700, "UTF-8"),
    (b"[" * 5000 + b"]" * 5000, {}, 413, -32600, "1000"),
    (b'{"a":' * 150 + b"1" + b"}" * 150, {}, 400, -32600, "jsonrpc"),
    (b"3", {}, 400, -32600, "object"),
    ({"jsonrpc": "2.0", "id": None, "method": "ping"}, {}, 400, -32600, "id"),
    ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, {}, 400, -32600, "id"),
    ({"jsonrpc": "2.0", "id": 1, "method": 3}, {}, 400, -32600, "method"),
    ({"jsonrpc": "2.0", "id": 1, "method": "ping", "Method": "tools/call"}, {}, 400, -32600, "case"),
    ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a", "Name": "b"}}, {}, 400, -32600, "case"),
    ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, {}, 400, -32600, "params"),
    ({"id": 1, "method": "ping"}, {}, 400, -32600, "jsonrpc"),
    ({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}, {}, 400, -32602, "protocolVersion"),
    (PING, {}, 400, -32006, "Session required"),
    (INITIALIZED, {}, 400, -32006, "Session required"),
    (PING, {"mcp_session_id": "nobody"}, 404, -32001, "Session not found"),
    (PING, {"mcp_protocol_version": "1999-01-01"}, 400, -32600, "Unsupported protocol version"),
    (PING, {"accept": "text/html"}, 406, -32600, "Not Acceptable"),
    (PING, {"accept": "application/json;q=0"}, 406, -32600, "Not Acceptable"),
    (PING, {"content_type": "text/plain"}, 415, -32600, "Unsupported Media Type"),
    (PING, {"content_type": ""}, 415, -32600, "Unsupported Media Type"),
    (PING, {"content_type": "application/json; charset=latin-1"}, 415, -32600, "Unsupported Media Type"),
    (PING, {"content_encoding": "gzip"}, 415, -32600, "content encoding"),
    (b" " * 1001, {}, 413, -32600, "Request body exceeds the maximum size of 1000 bytes"),
    (b" " * 9999, {}, 413, -32600, "Request body exceeds the maximum size of 1000 bytes"),
]


@pytest.mark.parametrize(("body", "headers", "status", "code", "word"), REFUSALS)
async def test_a_bad_request_is_refused_with_its_status(
    gate: Any, body: object, headers: dict[str, str], status: int, code: int, word: str
) -> None:
    answer = await gate.post(body, **headers)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert word in answer.json()["error"]["message"]
    assert gate.refusals[0][0] == status
    assert len(gate.app.sessions) == 0


async def test_a_refusal_names_the_id_of_the_request_it_refuses(gate: Any) -> None:
    answer = await gate.post({"jsonrpc": "2.0", "id": "seven", "method": "ping"}, "nobody")
    assert answer.json()["id"] == "seven"


@pytest.mark.parametrize("accept", ["", "*/*", "application/*, text/*", "application/json", "Application/JSON; q=0.5"])
async def test_an_answer_without_notes_is_plain_json(gate: Any, talk: Any, accept: str) -> None:
    session = await gate.open()
    answer = await gate.post(talk.calling("echo"), session, accept=accept)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["result"]["content"][0]["text"] == "hello"
    assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize("raw", [b"7", b'"7"', b"-1", b'"\\u00e9"', b"123456789012345678901234567890", b'""'])
async def test_an_id_comes_back_as_it_was_written(gate: Any, raw: bytes) -> None:
    session = await gate.open()
    answer = await gate.post(b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % raw, session)
    assert answer.content == b'{"jsonrpc":"2.0","id":%b,"result":{}}' % raw


async def test_what_needs_no_answer_is_accepted(gate: Any) -> None:
    session = await gate.open()
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {"a": 1}}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled"},
        {"jsonrpc": "2.0", "id": 4, "result": {}},
        {"jsonrpc": "2.0", "id": 4, "error": {"code": 1, "message": "no"}},
    ):
        answer = await gate.post(message, session)
        assert (answer.status_code, answer.content) == (202, b"")


async def test_who_has_a_session_id_has_read_the_answer_to_initialize(gate: Any, talk: Any) -> None:
    session = (await gate.post(talk.opening())).headers["mcp-session-id"]
    assert (await gate.post(talk.calling("echo"), session)).json()["result"]
    assert (await gate.post(INITIALIZED, session)).status_code == 202
    assert (await gate.post(PING, session)).json()["result"] == {}


async def test_an_end_of_the_handshake_without_its_session_id_costs_nothing(gate: Any, talk: Any) -> None:
    session = (await gate.post(talk.opening())).headers["mcp-session-id"]
    assert (await gate.post(INITIALIZED)).status_code == 400
    assert (await gate.post(talk.calling("echo"), session)).json()["result"]


async def test_what_comes_before_the_answer_to_initialize_waits_for_it(gate: Any, talk: Any, autojump_clock: object) -> None:
    """A client that takes streams only has its session id before the answer."""
    starting = trio.Event()
    gate.endpoint.settled = starting.wait
    async with gate.http.stream(
        "POST", "/mcp", json=talk.opening(), headers={"accept": "text/event-stream", "content-type": "application/json"}
    ) as opening:
        session = opening.headers["mcp-session-id"]
        answers = []

        async def call() -> None:
            answers.append((await gate.post(talk.calling("echo"), session)).json())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.sleep(1)
            assert answers == []
            starting.set()
    assert "result" in answers[0]


async def test_an_unknown_method_and_an_unknown_tool_are_told_apart(gate: Any, talk: Any) -> None:
    session = await gate.open()
    assert (await gate.post({"jsonrpc": "2.0", "id": 1, "method": "no/such"}, session)).json()["error"]["code"] == -32601
    assert (await gate.post(talk.calling("nothing"), session)).json()["error"]["code"] == -32602


async def test_a_list_with_a_cursor_that_is_no_string_is_refused(gate: Any) -> None:
    session = await gate.open()
    answer = await gate.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": 3}}, session)
    assert answer.json()["error"]["code"] == -32602
    answer = await gate.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": None}}, session)
    assert answer.json()["result"] == {"tools": []}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD"])
async def test_other_methods_are_refused(gate: Any, method: str) -> None:
    answer = await gate.http.request(method, "/mcp")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


async def test_a_get_must_want_a_stream_and_name_a_session(gate: Any) -> None:
    session = await gate.open()
    events = {"accept": "text/event-stream"}
    assert (await gate.http.get("/mcp", headers={"accept": "application/json", "mcp-session-id": session})).status_code == 406
    assert (await gate.http.get("/mcp", headers=events)).status_code == 400
    assert (await gate.http.get("/mcp", headers=events | {"mcp-session-id": "x"})).status_code == 404
    unknown = await gate.http.get("/mcp", headers=events | {"mcp-session-id": session, "last-event-id": "7-1"})
    assert unknown.status_code == 400


async def test_delete_ends_a_session_for_good(gate: Any) -> None:
    session = await gate.open()
    assert (await gate.http.delete("/mcp")).status_code == 400
    assert (await gate.http.delete("/mcp", headers={"mcp-session-id": "x"})).status_code == 404
    assert (await gate.http.delete("/mcp", headers={"mcp-session-id": session})).status_code == 200
    assert (await gate.post(PING, session)).status_code == 404


async def test_delete_answers_open_calls_and_ends_streams(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    session = await gate.open()
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await gate.post(talk.calling("slow"), session))

    nursery.start_soon(call)
    async with gate.stream("GET", session) as stream:
        await trio.sleep(1)
        await gate.http.delete("/mcp", headers={"mcp-session-id": session})
        assert await stream.rest() == []
    await trio.testing.wait_all_tasks_blocked()
    assert answers[0].json()["error"]["code"] == -32800
    assert trio.current_time() < 2


@pytest.mark.parametrize("path", ["/", "/mcp", "/mcp/"])
async def test_the_endpoint_has_three_paths(gate: Any, talk: Any, path: str) -> None:
    headers = {"content-type": "application/json", "accept": talk.both}
    answer = await gate.http.post(path, content=json.dumps(talk.opening()).encode(), headers=headers)
    assert answer.status_code == 200


async def test_sessions_that_are_not_used_end(gate: Any, talk: Any, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(max_sessions=2, session_idle_seconds=100))
    second = await gate.open()
    third = await gate.open()
    await trio.sleep(60)
    await gate.post(PING, second)
    await trio.sleep(60)
    assert (await gate.post(talk.opening())).status_code == 200
    assert (await gate.post(PING, third)).status_code == 404
    assert (await gate.post(PING, second)).status_code == 200


async def test_a_batch_is_answered_as_one(gate: Any, talk: Any) -> None:
    session = await gate.open("2025-03-26")
    batch = [
        talk.calling("echo", 1),
        INITIALIZED,
        {"jsonrpc": "2.0", "id": "two", "method": "ping"},
        3,
        talk.opening(id=4),
        talk.calling("buggy", 5),
    ]
    answer = await gate.post(batch, session)
    assert answer.status_code == 200
    by_id = {reply["id"]: reply for reply in answer.json()}
    assert len(answer.json()) == 5
    assert by_id[1]["result"]["content"][0]["text"] == "hello"
    assert by_id["two"]["result"] == {}
    assert by_id[None]["error"]["code"] == -32600
    assert by_id[4]["error"]["code"] == -32600
    assert by_id[5]["error"]["code"] == -32603


async def test_a_batch_of_notifications_is_accepted(gate: Any) -> None:
    session = await gate.open("2025-03-26")
    answer = await gate.post([INITIALIZED, {"jsonrpc": "2.0", "id": 1, "result": {}}], session)
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_batches_exist_in_one_revision_only(gate: Any, version: str) -> None:
    session = await gate.open(version)
    answer = await gate.post([PING], session)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


async def test_an_empty_batch_is_refused(gate: Any) -> None:
    session = await gate.open("2025-03-26")
    answer = await gate.post([], session)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


async def test_an_id_that_is_still_open_cannot_be_used_again(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    session = await gate.open()
    nursery.start_soon(gate.post, talk.calling("slow", 1), session)
    await trio.testing.wait_all_tasks_blocked()
    again = await gate.post(talk.calling("echo", 1), session)
    assert again.json()["error"]["code"] == -32600
    other_type = await gate.post(talk.calling("echo", "1"), session)
    assert other_type.json()["id"] == "1"
    assert "result" in other_type.json()


async def test_a_bug_costs_one_call(gate: Any, talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    session = await gate.open()
    answer = await gate.post(talk.calling("buggy"), session)
    assert answer.json()["error"]["code"] == -32603
    assert "a bug cost one call" in caplog.text
    assert (await gate.post(talk.calling("echo"), session)).status_code == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json, text/event-stream", "application/json"),
        ("application/json", "application/json"),
        ("text/event-stream", "text/event-stream"),
    ],
)
async def test_initialize_is_answered_in_one_piece_unless_the_client_takes_streams_only(
    gate: Any, talk: Any, accept: str, kind: str, autojump_clock: object
) -> None:
    answer = await gate.post(talk.opening(), accept=accept)
    assert (answer.status_code, answer.headers["content-type"], bool(answer.headers["mcp-session-id"])) == (200, kind, True)
    assert '"protocolVersion":"2025-11-25"' in answer.text
