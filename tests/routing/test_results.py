"""URIs inside results and errors."""

import json
from typing import Any

import pytest

from sluicegate.protocol.calls import Reply
from sluicegate.protocol.faults import backend_error, unavailable
from sluicegate.protocol.members import MOST_ENTRIES
from sluicegate.protocol.messages import Raw
from sluicegate.routing.results import with_mapped_uris


def outward(uri: str) -> str:
    return "files_" + uri


def mapped(method: str, result: str) -> str:
    return bytes(with_mapped_uris(method, Reply(Raw(result.encode())), outward).result).decode()


@pytest.mark.parametrize(
    ("method", "before", "after"),
    [
        (
            "tools/call",
            '{"content":[{"type":"resource_link","uri":"a:1","name":"n","x":1.50}],"y":null}',
            '{"content":[{"type":"resource_link","uri":"files_a:1","name":"n","x":1.50}],"y":null}',
        ),
        (
            "tools/call",
            '{"content":[],"_meta":{"ui":{"resourceUri":"ui://w/a.html","x":1.50},"ui/resourceUri":"ui://w/b.html","uri":"k"},"y":null}',
            '{"content":[],"_meta":{"ui":{"resourceUri":"files_ui://w/a.html","x":1.50},"ui/resourceUri":"files_ui://w/b.html","uri":"k"},"y":null}',
        ),
        (
            "tools/call",
            '{"content":[{"type":"text","text":"\\"uri\\""},{"type":"resource","resource":{"uri":"a:1","blob":""},"z":[ ]}]}',
            '{"content":[{"type":"text","text":"\\"uri\\""},{"type":"resource","resource":{"uri":"files_a:1","blob":""},"z":[ ]}]}',
        ),
        (
            "resources/read",
            '{"contents":[{"uri":"a:1","text":"t"},{"uri":"a:2","_meta":{"uri":"k"}}],"_meta":{"uri":"k"}}',
            '{"contents":[{"uri":"files_a:1","text":"t"},{"uri":"files_a:2","_meta":{"uri":"k"}}],"_meta":{"uri":"k"}}',
        ),
        (
            "prompts/get",
            '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:1"}}},{"role":"user"}]}',
            '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"files_a:1"}}},{"role":"user"}]}',
        ),
        (
            "tools/call",
            '{"content":["odd",{"type":7},{"type":"resource_link","uri":"a:1"}]}',
            '{"content":["odd",{"type":7},{"type":"resource_link","uri":"files_a:1"}]}',
        ),
        (
            "tools/call",
            r'{"content":[{"type":"resource_link","\u0075ri":"a:1"}]}',
            '{"content":[{"type":"resource_link","uri":"files_a:1"}]}',
        ),
    ],
)
def test_the_uris_of_a_result_are_mapped_and_nothing_else(method: str, before: str, after: str) -> None:
    assert after == mapped(method, before)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("tools/call", '{ "content" : [ {"type":"text", "text":"hi"} ] }'),
        ("tools/call", '{ "content" : [ {"type":"text", "text":"hi", "uri":"a:1"} ] }'),
        ("tools/call", '{ "content" : [], "_meta" : {"ui": {"csp": {"connectDomains": ["https://x.example"]}}, "resourceUri": "a:1"} }'),
        ("tools/call", '{ "content" : [ {"type":["resource"], "uri":"a:1"}, "resource", {"uri":"a:1"} ] }'),
        ("tools/call", '{ "content" : {"type":"resource_link", "uri":"a:1"} }'),
        ("tools/call", '[ {"type":"resource_link", "uri":"a:1"} ]'),
        ("tools/call", '{ "structuredContent": {"uri":"a:1"}, "content": [] }'),
        ("tools/call", '{ "structuredContent": {"uri":"a:1"} }'),
        (
            "tools/call",
            '{ "content": [{"type":"text", "uri":"a:1"}, {"type":"resource"}, {"type":"resource", "resource": {"uri": 7}}, 5] }',
        ),
        ("tools/call", '{ "content": {"uri":"a:1"} }'),
        ("tools/call", '{ "content": ["\\"uri\\" \\u0001", "uri", ["uri"]] }'),
        ("tools/call", '[ "uri", {"uri":"a:1"} ]'),
        ("resources/read", '{ "contents": [{"uri": null}, 1] }'),
        ("prompts/get", '{ "messages": [{"content": "uri"}, {"content": {"type":"image", "uri":"a:1"}}, {"uri":"x"}] }'),
        ("completion/complete", '{ "completion": {"values": ["uri"], "uri": "a:1"} }'),
    ],
)
def test_what_holds_no_uri_where_one_belongs_stays_byte_for_byte(method: str, result: str) -> None:
    assert result == mapped(method, result)


def failure(method: str, error: dict[str, Any]) -> Any:
    reply = with_mapped_uris(method, Reply(fault=backend_error("files", Raw(json.dumps(error).encode()))), outward)
    assert reply.fault is not None
    return json.loads(reply.fault.encode())


def test_an_error_about_a_resource_names_it_as_the_client_does() -> None:
    error = {"code": -32602, "message": "no a:1", "data": {"uri": "a:1", "more": [1]}}

    assert error | {"data": {"uri": "files_a:1", "more": [1]}} == failure("resources/read", error)


def test_a_missing_resource_is_mapped_wherever_it_is_reported() -> None:
    assert failure("tools/call", {"code": -32002, "message": "", "data": {"uri": "a:1"}})["data"]["uri"] == "files_a:1"


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("tools/call", {"code": -32603, "message": "", "data": {"uri": "https://example.org"}}),
        ("resources/read", {"code": -32603, "message": "", "data": "uri"}),
        ("resources/read", {"code": -32603, "message": ""}),
    ],
)
def test_other_errors_keep_their_data(method: str, error: dict[str, Any]) -> None:
    assert error == failure(method, error)


def test_our_own_faults_stay_as_they_are() -> None:
    reply = Reply.failed(unavailable("files", "down"))

    assert reply is with_mapped_uris("resources/read", reply, outward)


@pytest.mark.parametrize(("entries", "is_mapped"), [(MOST_ENTRIES, True), (MOST_ENTRIES + 1, False)])
def test_a_result_with_very_many_entries_stays_as_it_came(entries: int, is_mapped: bool) -> None:
    result = f'{{"contents":[{",".join(["""{"uri":"a:1"}"""] * entries)}]}}'

    assert ("files_a:1" in mapped("resources/read", result)) is is_mapped
