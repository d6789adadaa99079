"""Arguments and results of tools, compared with what the tools say of themselves (LIM-56, LIM-94)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio.testing

from sluicegate import Builder, Gateway
from sluicegate.protocol.calls import Call, Caller
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Result, Step, ToolFails

Clock = trio.testing.MockClock

TOOL = {
    "name": "add",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}, "tag": {"type": "string"}}, "required": ["a"]},
    "outputSchema": {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]},
}
GOOD = Result(b'{"content":[],"structuredContent":{"sum":3}}')
BAD = Result(b'{"content":[],"structuredContent":{"sum":"s3cret"}}')


@asynccontextmanager
async def opened(*steps: Step, validate: str = "enforce", tool: dict[str, Any] = TOOL, **settings: Any) -> AsyncGenerator[Any, None]:
    backend = ScriptedBackend(*steps, tools=[tool])
    async with Builder("x").backend("b", backend.connector, validate=validate, **settings).open() as gateway:
        await gateway.ready()
        yield gateway, backend


async def outcome(gateway: Gateway, arguments: dict[str, object]) -> str:
    return (await gateway.call_tool("b_add", arguments)).outcome("tools/call")


async def test_arguments_that_do_not_fit_are_refused_where_a_model_reads_it(autojump_clock: Clock) -> None:
    """LIM-56, LIM-94."""
    async with opened(GOOD) as (gateway, backend):
        reply = await gateway.call_tool("b_add", {"a": "s3cret"})
        assert backend.calls == 0
        assert await outcome(gateway, {"a": 1}) == "ok"
    words = 'Error: the arguments do not fit the tool\'s inputSchema: "/a": value is not of type "integer"'
    assert reply.value == {"content": [{"type": "text", "text": words}], "isError": True}


@pytest.mark.parametrize(("validate", "expected"), [("enforce", ("tool_error", 0)), ("warn", ("ok", 1))])
async def test_nobody_passes_by_sending_too_much_to_be_compared(validate: str, expected: tuple[str, int], autojump_clock: Clock) -> None:
    async with opened(GOOD, validate=validate) as (gateway, backend):
        found = await outcome(gateway, {"a": "s3cret", "many": [0] * 400_000})
        assert (found, backend.calls) == expected


async def test_commas_of_a_text_are_no_values(autojump_clock: Clock) -> None:
    async with opened(GOOD) as (gateway, backend):
        assert await outcome(gateway, {"a": "s3cret", "tag": "," * 500_000}) == "tool_error"
        assert await outcome(gateway, {"a": 1, "tag": "," * 500_000}) == "ok"
        assert backend.calls == 1


async def test_clients_of_earlier_revisions_get_an_error_of_the_protocol(autojump_clock: Clock) -> None:
    async with opened(GOOD) as (gateway, _backend):
        call = Call.tool("b_add", {})
        reply = await gateway.handler(Call("tools/call", "b_add", call.params, Caller("2025-06-18")))
    assert (reply.fault.code, reply.fault.message) == (
        -32602,
        'the arguments do not fit the tool\'s inputSchema: "": "a" is a required property',
    )


@pytest.mark.parametrize("bad", [BAD, Answer("no structure")])
async def test_a_result_that_is_not_as_promised_is_an_answer_that_cannot_be_used(bad: Step, autojump_clock: Clock) -> None:
    """LIM-56, LIM-94."""
    async with opened(bad) as (gateway, _backend):
        fault = (await gateway.call_tool("b_add", {"a": 1})).fault
    assert (fault.reason, "s3cret" in fault.message) == ("bad_answer", False)
    assert "its structuredContent does not fit its outputSchema" in fault.message


async def test_an_error_of_a_tool_promises_nothing(autojump_clock: Clock) -> None:
    async with opened(ToolFails("no")) as (gateway, _backend):
        assert await outcome(gateway, {"a": 1}) == "tool_error"


async def test_what_does_not_fit_passes_with_a_word_in_the_log_where_that_is_wanted(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(BAD, validate="warn") as (gateway, _backend):
        assert await outcome(gateway, {"a": "s3cret"}) == "ok"
    assert [record.getMessage().count("does not fit a call") for record in caplog.records if "fit" in record.getMessage()] == [1, 1]
    assert "s3cret" not in caplog.text


async def test_off_looks_at_nothing(autojump_clock: Clock) -> None:
    async with opened(BAD, validate="off") as (gateway, _backend):
        assert await outcome(gateway, {"a": "x"}) == "ok"


async def test_arguments_are_judged_as_their_client_sees_them(autojump_clock: Clock) -> None:
    rules = [{"tool": "add", "rename": {"a": "number"}, "defaults": {"tag": "t"}}]
    async with opened(GOOD, param_overrides=rules) as (gateway, backend):
        reply = await gateway.call_tool("b_add", {"number": "x"})
        assert '"/number"' in reply.value["content"][0]["text"]
        assert await outcome(gateway, {"number": 4}) == "ok"
        sent = [message for message in backend.received if message.method == "tools/call"]
    assert json.loads(bytes(sent[-1].params["arguments"])) == {"a": 4, "tag": "t"}


async def test_a_schema_that_nothing_can_be_checked_by_lets_all_pass_and_is_told_of(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    tool = {"name": "add", "inputSchema": {"type": "object", "$ref": "https://schemas.example/add.json"}}
    async with opened(Answer("fine"), tool=tool) as (gateway, _backend):
        assert [await outcome(gateway, {"a": 1}) for _ in range(3)] == ["ok"] * 3
    assert caplog.text.count("nothing is validated by a schema of a tool") == 1


async def test_a_list_that_has_changed_is_what_counts(autojump_clock: Clock) -> None:
    async with opened(GOOD) as (gateway, backend):
        assert await outcome(gateway, {"a": "x"}) == "tool_error"
        backend.lists["tools"] = [TOOL | {"inputSchema": {"type": "object", "properties": {"a": {"type": "string"}}}}]
        backend.notify("notifications/tools/list_changed")
        await trio.sleep(1)
        assert (await outcome(gateway, {"a": "x"}), await outcome(gateway, {"a": 1})) == ("ok", "tool_error")


async def test_what_is_kept_is_compared_too(autojump_clock: Clock) -> None:
    tool = TOOL | {"annotations": {"readOnlyHint": True}}
    async with opened(BAD, tool=tool, cache={"tool_ttl_seconds": 60}) as (gateway, backend):
        assert [await outcome(gateway, {"a": 1}) for _ in range(2)] == ["bad_answer"] * 2
        assert await outcome(gateway, {"a": "x"}) == "tool_error"
        assert backend.calls == 1
