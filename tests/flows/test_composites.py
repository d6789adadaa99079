"""Tools of the gateway's own that call several others (CMP-1 … CMP-4, LIM-23)."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.heard import Heard

from sluicegate import Builder, Reply, open_gateway
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Request, encode
from sluicegate.settings.composite_tools import CompositeConfig
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint
from sluicegate.testing.script import Answer, Delay, Result, RpcError, Step, ToolFails

Clock = trio.testing.MockClock


def opened(backends: dict[str, ScriptedBackend], *composites: CompositeConfig, **settings: Any) -> Any:
    builder = Builder("x")
    for name, backend in backends.items():
        builder.backend(name, backend.connector, **settings)
    servers = {name: backend.connector for name, backend in backends.items()}
    return open_gateway(attrs.evolve(builder.config(), composite_tools=composites), servers=servers)


def both(strategy: Any = "parallel", **settings: Any) -> CompositeConfig:
    return CompositeConfig("both", "Asks two.", ("a_echo", "b_echo"), strategy, **settings)


def two(first: Step, second: Step) -> dict[str, ScriptedBackend]:
    return {"a": ScriptedBackend(first), "b": ScriptedBackend(second)}


def texts(reply: Reply) -> list[str]:
    return [str(block["text"]) for block in reply.value["content"]]  # type: ignore[attr-defined]


def attribution(reply: Reply) -> list[tuple[str, str, int]]:
    rows: Any = reply.value["_meta"]["sluicegate/composite"]  # type: ignore[index]
    return [(row["tool"], row["outcome"], row["blocks"]) for row in rows]


def arguments(backend: ScriptedBackend) -> list[Any]:
    calls = [message for message in backend.received if isinstance(message, Request) and message.method == "tools/call"]
    return [json.loads(bytes(call.params["arguments"])) for call in calls]


async def test_it_is_listed_after_the_tools_of_backends_with_words_of_its_own(autojump_clock: Clock) -> None:
    """CMP-1."""
    schema = {"properties": {"q": {"type": "string"}}}
    async with opened(two(Answer("1"), Answer("2")), both(title="Both", input_schema=schema)) as gateway:
        await gateway.ready()
        *others, last = gateway.list_tools()
    assert [tool["name"] for tool in others] == ["a_echo", "b_echo"]
    assert last == {"name": "both", "title": "Both", "description": "Asks two.", "inputSchema": {"type": "object", **schema}}


async def test_it_is_there_before_any_backend_and_where_none_has_tools(autojump_clock: Clock) -> None:
    async with opened({"a": ScriptedBackend(tools=[])}, CompositeConfig("one", "", ("a_echo",))) as gateway:
        await gateway.ready()
        assert [tool["name"] for tool in gateway.list_tools()] == ["one"]
        assert gateway.catalogue.declares("tools")


async def test_all_targets_get_its_arguments_and_answer_in_the_order_of_the_configuration(autojump_clock: Clock) -> None:
    """CMP-2, CMP-3: whoever answers first."""
    backends = two(Delay(5, Answer("slow")), Answer("quick"))
    async with opened(backends, both()) as gateway:
        await gateway.ready()
        began = trio.current_time()
        reply = await gateway.call_tool("both", {"q": 1})
        assert trio.current_time() - began == pytest.approx(5)
    assert (texts(reply), "isError" in reply.value) == (["slow", "quick"], False)
    assert attribution(reply) == [("a_echo", "ok", 1), ("b_echo", "ok", 1)]
    assert [arguments(backend) for backend in backends.values()] == [[{"q": 1}], [{"q": 1}]]


@pytest.mark.parametrize("bad", [RpcError(-32603, "no"), ToolFails("no")])
async def test_one_that_fails_costs_the_others_nothing(bad: Step, autojump_clock: Clock) -> None:
    async with opened(two(bad, Answer("fine")), both()) as gateway:
        await gateway.ready()
        reply = await gateway.call_tool("both")
    assert ("no" in texts(reply)[0], texts(reply)[1], reply.value["isError"]) == (True, "fine", True)


async def test_in_a_sequence_a_tool_is_called_with_what_those_before_it_have_answered(autojump_clock: Clock) -> None:
    first = ScriptedBackend(Result(b'{"content":[{"type":"text","text":"found"}],"structuredContent":{"id":7,"name":"x"}}'))
    second = ScriptedBackend(Answer("done"))
    given = {
        "id": "{{ results.a_echo.structuredContent.id }}",
        "say": "{{arguments.q}}/{{results.a_echo.structuredContent.name}}",
        "no": "{{arguments.no}}",
    }
    async with opened({"a": first, "b": second}, both("sequential", arguments={"b_echo": given})) as gateway:
        await gateway.ready()
        reply = await gateway.call_tool("both", {"q": "hey"})
        missing = await gateway.call_tool("both", {})
    assert (texts(reply), arguments(second)) == (["found", "done"], [{"id": 7, "say": "hey/x"}])
    assert reply.value["structuredContent"] == {"a_echo": {"id": 7, "name": "x"}}
    assert missing.fault is not None
    assert (missing.fault.code, missing.fault.message) == (-32602, "arguments.q is needed, and not there")


async def test_a_sequence_ends_with_the_first_that_fails(autojump_clock: Clock) -> None:
    backends = two(ToolFails("no"), Answer("never"))
    async with opened(backends, both("sequential")) as gateway:
        await gateway.ready()
        reply = await gateway.call_tool("both")
    assert (texts(reply), reply.value["isError"], backends["b"].calls) == (["no"], True, 0)


@pytest.mark.parametrize(
    ("first", "second", "expected", "calls"),
    [
        (Answer("1"), Answer("2"), ["1"], 0),
        (ToolFails("no"), Answer("2"), ["2"], 1),
        (ToolFails("no"), ToolFails("no more"), ["no", "no more"], 1),
    ],
)
async def test_the_first_that_succeeds_is_the_answer(
    first: Step, second: Step, expected: list[str], calls: int, autojump_clock: Clock
) -> None:
    backends = two(first, second)
    async with opened(backends, both("first_success")) as gateway:
        await gateway.ready()
        reply = await gateway.call_tool("both")
    assert (texts(reply), backends["b"].calls, "isError" in reply.value) == (expected, calls, len(expected) == 2)


async def test_in_a_race_the_others_are_taken_back_when_one_has_succeeded(autojump_clock: Clock) -> None:
    backends = {"a": ScriptedBackend(Delay(60, Answer("slow"))), "b": ScriptedBackend(Delay(1, Answer("quick")))}
    async with opened(backends, both("race")) as gateway:
        await gateway.ready()
        began = trio.current_time()
        reply = await gateway.call_tool("both")
        assert trio.current_time() - began == pytest.approx(1)
        await trio.testing.wait_all_tasks_blocked()
        told = [message.method for message in backends["a"].received if message.method == "notifications/cancelled"]
    assert (texts(reply), attribution(reply), len(told)) == (["quick"], [("b_echo", "ok", 1)], 1)


@pytest.mark.parametrize("strategy", ["parallel", "race", "sequential", "first_success"])
async def test_after_its_time_it_answers_with_what_is_there(strategy: str, autojump_clock: Clock) -> None:
    backends = two(ToolFails("at once"), Delay(60, Answer("slow")))
    if strategy == "sequential":
        backends = two(Answer("at once"), Delay(60, Answer("slow")))
    async with opened(backends, both(strategy, seconds=2.0)) as gateway:
        await gateway.ready()
        began = trio.current_time()
        reply = await gateway.call_tool("both")
        assert trio.current_time() - began == pytest.approx(2)
    assert (texts(reply)[0], reply.value["isError"]) == ("at once", True)
    assert attribution(reply)[1][:2] == ("b_echo", "cancelled")


async def test_each_target_has_the_time_of_its_own_backend(autojump_clock: Clock) -> None:
    backends = two(Delay(60, Answer("slow")), Delay(5, Answer("fine")))
    builder = Builder("x").backend("a", backends["a"].connector, timeout={"seconds": 3}).backend("b", backends["b"].connector)
    config = attrs.evolve(builder.config(), composite_tools=(both(),))
    async with open_gateway(config, servers={name: backend.connector for name, backend in backends.items()}) as gateway:
        await gateway.ready()
        reply = await gateway.call_tool("both")
    assert (attribution(reply), texts(reply)[1]) == ([("a_echo", "timeout", 1), ("b_echo", "ok", 1)], "fine")


async def test_what_is_hidden_cannot_be_called_through_it(autojump_clock: Clock) -> None:
    """LIM-23: each target is looked up as its caller would."""
    backends = two(Answer("1"), Answer("2"))
    async with opened(backends, both(), hide_tools=("echo",)) as gateway:
        await gateway.ready()
        reply = await gateway.call_tool("both")
    assert [outcome for _, outcome, _ in attribution(reply)] == ["not_available"] * 2


async def test_it_takes_the_place_of_a_tool_with_its_name_and_may_call_another_one(autojump_clock: Clock) -> None:
    """CMP-4."""
    outer = CompositeConfig("b_echo", "Around it.", ("inner",))
    inner = CompositeConfig("inner", "Within.", ("a_echo",))
    async with opened(two(Answer("1"), Answer("2")), outer, inner) as gateway:
        await gateway.ready()
        assert [tool["name"] for tool in gateway.list_tools()] == ["a_echo", "b_echo", "inner"]
        assert texts(await gateway.call_tool("b_echo")) == ["1"]


async def test_it_tells_how_many_of_its_tools_have_answered(autojump_clock: Clock) -> None:
    heard = Heard()
    async with opened(two(Delay(2, Answer("1")), Delay(1, Answer("2"))), both()) as gateway:
        await gateway.ready()
        call = Call.tool("both")
        params = call.params | {"_meta": type(call.params["name"])(encode({"progressToken": "t"}))}
        await gateway.handler(Call("tools/call", "both", params, back=heard))
    assert [note["params"] for note in heard.messages] == [
        {"progressToken": "t", "progress": 1, "total": 2, "message": "b_echo"},
        {"progressToken": "t", "progress": 2, "total": 2, "message": "a_echo"},
    ]


@pytest.mark.parametrize("strategy", ["parallel", "sequential", "race", "first_success"])
async def test_wherever_it_is_cancelled_nothing_of_it_stays(strategy: str, autojump_clock: Clock) -> None:
    async with opened(two(Delay(1, Answer("1")), Delay(2, Answer("2"))), both(strategy)) as gateway:
        await gateway.ready()

        async def call() -> None:
            await gateway.call_tool("both")

        async def nothing_stays(_trial: Trial[None]) -> None:
            await trio.testing.wait_all_tasks_blocked()
            assert [backend.in_flight for backend in gateway.backends.values()] == [0, 0]

        assert await cancel_at_every_checkpoint(call, nothing_stays) > 2
