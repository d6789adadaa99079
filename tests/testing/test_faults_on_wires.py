"""Every fault over every transport that has it: what the gateway makes of it, how long that takes, and whether the backend has run the call."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
import trio
import trio.testing
from tests.kit.gate import Gate
from tests.kit.gate import open_gate as open_any_gate
from tests.kit.heard import Heard

from sluicegate import Builder
from sluicegate.backends.attached import AttachedConnector
from sluicegate.backends.link import State
from sluicegate.config.model import BackendConfig, TimeoutSettings
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.injections.draws import Exponential, Uniform
from sluicegate.testing.injections.injector import Injections
from sluicegate.testing.injections.kinds import (
    AskBack,
    ChildExit,
    DeafChild,
    Delay,
    Drip,
    DropAnswer,
    Duplicate,
    Forgotten,
    Garble,
    Hang,
    Injection,
    ListStorm,
    Oversize,
    ProgressFlood,
    Refuse,
    Reorder,
    Reset,
    RpcError,
    SessionLost,
    StderrFlood,
    ToolFails,
    TooManyRequests,
    Transport,
    Truncate,
    Unauthorized,
    Unavailable,
    WrongId,
)
from sluicegate.testing.script import Answer, Note, Rule, Script


def open_gate(transport: Transport, *rules: Rule, backend: ScriptedBackend | None = None) -> AbstractAsyncContextManager[Gate]:
    return open_any_gate(transport, *rules, backend=backend, timeout=TimeoutSettings(10.0))


FRAMES, CHILD, HTTP = Transport.FRAMES, Transport.CHILD, Transport.HTTP
CHANNELS = (FRAMES, CHILD, Transport.SOCKET, Transport.EVENTS)
WELL = 'echo {"n":1} #1'

CASES: list[tuple[Injection, tuple[Transport, ...], str, float, int]] = [
    (Delay(2.5), (*CHANNELS, HTTP), WELL, 2.5, 1),
    (Delay(12), (*CHANNELS, HTTP), "timeout", 10.0, 1),
    (Delay(1, Reset()), (*CHANNELS, HTTP), "connection_lost", 1.0, 0),
    (Delay(1, RpcError(-32000)), (*CHANNELS, HTTP), "-32000", 1.0, 0),
    (Delay(1, Delay(2)), (*CHANNELS, HTTP), WELL, 3.0, 1),
    (Delay(1, Truncate()), (*CHANNELS, HTTP), "connection_lost", 1.0, 1),
    (Delay(1, Unavailable()), (HTTP,), "http_status", 1.0, 0),
    (Refuse(), CHANNELS, "backend_unavailable", 0.0, 0),
    (Refuse(), (HTTP,), "backend_unreachable", 0.0, 0),
    (Delay(1, Refuse()), CHANNELS, "backend_unavailable", 1.0, 0),
    (Reset(), (*CHANNELS, HTTP), "connection_lost", 0.0, 0),
    (Hang(), (*CHANNELS, HTTP), "timeout", 10.0, 0),
    (DropAnswer(), (*CHANNELS, HTTP), "timeout", 10.0, 1),
    (Truncate(), (*CHANNELS, HTTP), "connection_lost", 0.0, 1),
    (Truncate(3), (*CHANNELS, HTTP), "connection_lost", 0.0, 1),
    (Garble(), CHANNELS, "timeout", 10.0, 1),
    (Garble(), (HTTP,), "bad_answer", 0.0, 1),
    (Duplicate(), (*CHANNELS, HTTP), WELL, 0.0, 1),
    (Reorder(2.0), CHANNELS, WELL, 2.0, 1),
    (Drip(16, 0.1), CHANNELS, WELL, 0.6, 1),
    (Drip(64, 0.1), (HTTP,), WELL, 0.5, 1),
    (WrongId(), CHANNELS, "timeout", 10.0, 1),
    (WrongId(), (HTTP,), "bad_answer", 0.0, 1),
    (RpcError(-32001, "busy"), (*CHANNELS, HTTP), "-32001", 0.0, 0),
    (ToolFails("no"), (*CHANNELS, HTTP), "no", 0.0, 0),
    (SessionLost(), (HTTP,), WELL, 0.0, 1),
    (Forgotten(message="no valid session id"), (HTTP,), WELL, 0.0, 1),
    (Oversize(), (CHILD, HTTP), "bad_answer", 0.0, 0),
    (Oversize(1000), (CHILD, HTTP), "x" * 1000, 0.0, 0),
    (ListStorm(), (*CHANNELS, HTTP), WELL, 0.0, 1),
    (ProgressFlood(), (*CHANNELS, HTTP), WELL, 0.0, 1),
    (AskBack(), (*CHANNELS, HTTP), WELL, 0.0, 1),
    (Unauthorized(), (HTTP,), "http_status", 0.0, 0),
    (TooManyRequests(3), (HTTP,), "http_status", 0.0, 0),
    (Unavailable(), (HTTP,), "http_status", 0.0, 0),
    (DeafChild(), (CHILD,), WELL, 0.0, 1),
    (StderrFlood(200_000), (CHILD,), WELL, 0.0, 1),
]


@pytest.mark.parametrize(
    ("fault", "transport", "expected", "seconds", "runs"),
    [pytest.param(fault, way, *rest, id=f"{way.name}-{fault!r}") for fault, ways, *rest in CASES for way in ways],
)
async def test_a_fault_has_its_effect_in_its_time_and_is_over_with_its_call(
    fault: Injection, transport: Transport, expected: str, seconds: float, runs: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_gate(transport, Rule(fault, numbers=[1])) as gate:
        assert (await gate.outcome(1), gate.scripted.calls) == ((expected, seconds), runs)
        await trio.sleep(5)
        assert await gate.outcome(2) == (f'echo {{"n":2}} #{runs + 1}', 0.0)
        assert [(1, fault)] == [(one.number, one.fault) for one in gate.faults.injectors["b"].log]


@pytest.mark.parametrize(
    ("fault", "transport"),
    [
        (fault, way)
        for fault in (Reorder(), SessionLost(), Unauthorized(), Unavailable(), ChildExit(), DeafChild(), StderrFlood())
        for way in Transport
        if way not in fault.over
    ],
)
async def test_a_fault_that_a_transport_cannot_have_is_left_out(
    fault: Injection, transport: Transport, autojump_clock: trio.testing.MockClock
) -> None:
    for rule in (Rule(fault), Rule(Delay(1, fault))) if isinstance(fault, Reorder | SessionLost) else (Rule(fault),):
        async with open_gate(transport, rule) as gate:
            assert await gate.outcome(1) == (WELL, 0.0)
            assert gate.faults.injected == 0


async def test_a_child_that_exits_is_seen_to_have_ended_with_that_status(autojump_clock: trio.testing.MockClock) -> None:
    async with open_gate(CHILD, Rule(ChildExit(3), numbers=[1])) as gate:
        fault = (await gate.call()).fault
        assert fault is not None
        assert fault.reason == "connection_lost"
        assert "exited with status 3" in fault.message
        await trio.sleep(5)
        assert (gate.gateway.backends["b"].state, gate.gateway.backends["b"].restarts) == (State.READY, 1)
        assert (await gate.call()).fault is None


async def test_a_deaf_child_is_ended_all_the_same_but_only_by_sigkill(autojump_clock: trio.testing.MockClock) -> None:
    async with open_gate(CHILD, Rule(DeafChild(), numbers=[1])) as gate:
        await gate.call()
        began = trio.current_time()
        assert await gate.gateway.remove_backend("b")
        assert trio.current_time() - began == 4.0, "the grace for the end of its input, and that for SIGTERM"
        assert [process.returncode for process in gate.world.processes.started] == [-9]


async def test_a_flood_of_complaints_is_drained_while_calls_go_on(autojump_clock: trio.testing.MockClock) -> None:
    async with open_gate(CHILD, Rule(StderrFlood(5_000_000))) as gate:
        for number in range(10):
            assert (await gate.call(number)).fault is None


async def outcomes_of_two(gate: Gate, pause: float) -> list[tuple[str, float]]:
    """What becomes of a call, and of one that comes a little later."""
    found: list[tuple[str, float]] = [("", 0), ("", 0)]

    async def one(place: int) -> None:
        found[place] = await gate.outcome(place)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, 0)
        await trio.sleep(pause)
        nursery.start_soon(one, 1)
    return found


@pytest.mark.parametrize("transport", CHANNELS)
async def test_an_answer_is_overtaken_by_the_next(transport: Transport, autojump_clock: trio.testing.MockClock) -> None:
    async with open_gate(transport, Rule(Reorder(5.0), numbers=[1])) as gate:
        assert await outcomes_of_two(gate, 0.5) == [('echo {"n":0} #1', 0.5), ('echo {"n":1} #2', 0.0)]


async def test_what_is_no_answer_overtakes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with open_gate(FRAMES, Rule(Reorder(5.0), numbers=[1])) as gate, trio.open_nursery() as nursery:
        nursery.start_soon(gate.call)
        await trio.sleep(1)
        gate.scripted.notify("notifications/message", {"level": Raw(b'"info"'), "data": Raw(b'"x"')})
    assert trio.current_time() == 5.0


async def test_a_lost_connection_takes_everybody_elses_calls_along(autojump_clock: trio.testing.MockClock) -> None:
    async with open_gate(FRAMES, Rule(Delay(5), numbers=[1]), Rule(Reset("cable pulled"), numbers=[2])) as gate:
        assert await outcomes_of_two(gate, 1) == [("connection_lost", 1.0), ("connection_lost", 0.0)]


async def test_over_http_a_fault_costs_one_call_alone(autojump_clock: trio.testing.MockClock) -> None:
    async with open_gate(HTTP, Rule(Delay(5), numbers=[1]), Rule(Reset(), numbers=[2])) as gate:
        assert await outcomes_of_two(gate, 1) == [('echo {"n":0} #1', 5.0), ("connection_lost", 0.0)]


@pytest.mark.parametrize(
    ("fault", "expected", "notes"),
    [
        (Duplicate(), "echo {} #1", 1),
        (WrongId(), "connection_lost", 1),
        (Garble(), "connection_lost", 1),
        (Truncate(200), "connection_lost", 1),
        (Drip(7, 0.1), "echo {} #1", 1),
    ],
)
async def test_an_answer_that_is_a_stream_of_events_is_spoiled_at_its_end_and_what_was_said_before_arrives(
    fault: Injection, expected: str, notes: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_gate(HTTP, Rule(fault), backend=ScriptedBackend(Note(0.5, Delay(1)), name="b")) as gate:
        heard = Heard()
        params = {"name": Raw(b'"b_echo"'), "_meta": Raw(b'{"progressToken":"t"}')}
        reply = await gate.gateway.handler(Call("tools/call", "b_echo", params, back=heard))
        assert expected == (reply.text if reply.fault is None else reply.fault.reason)
        assert len(heard.notes) == notes


@pytest.mark.parametrize(("amount", "low", "high"), [(Uniform(1, 2), 1, 2), (Exponential(0.5), 0, 8)])
async def test_a_drawn_delay_takes_another_time_with_each_call(
    amount: Uniform | Exponential, low: float, high: float, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_gate(HTTP, Rule(Delay(amount))) as gate:
        took = [(await gate.outcome())[1] for _ in range(20)]
    assert all(low <= seconds <= high for seconds in took)
    assert len(set(took)) == 20


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("fault", [Delay(5), Hang(), DropAnswer(), Drip(1, 1)])
async def test_a_call_that_is_cancelled_under_a_fault_leaves_nothing_behind(
    transport: Transport, fault: Injection, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_gate(transport, Rule(fault, every=2)) as gate:
        for number in range(1, 11):
            with trio.move_on_after(0.5) as scope:
                await gate.call(number)
            assert scope.cancelled_caught == (number % 2 == 0)
        assert gate.gateway.backends["b"].in_flight == 0
        assert gate.gateway.backends["b"].restarts == 0


@pytest.mark.parametrize("transport", Transport)
async def test_a_handshake_and_its_lists_are_never_harmed(transport: Transport, autojump_clock: trio.testing.MockClock) -> None:
    async with open_gate(transport, Rule(Hang())) as gate:
        assert gate.gateway.backends["b"].state is State.READY
        assert gate.faults.injectors["b"].schedule.attempts == 0


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize(
    ("fault", "expected"), [(RpcError(-32001), "-32001"), (Reset(), "connection_lost"), (DropAnswer(), "timeout"), (Duplicate(), "echo")]
)
async def test_a_large_request_meets_its_fault_like_any_other(
    transport: Transport, fault: Injection, expected: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_gate(transport, Rule(fault, numbers=[1])) as gate:
        reply = await gate.gateway.call_tool("b_echo", {"text": "x" * 300_000})
        assert (reply.text[:4] if reply.fault is None else reply.fault.reason or str(reply.fault.code)) == expected
        await trio.sleep(5)
        assert (await gate.call()).fault is None


async def test_a_server_object_of_the_sdk_fails_as_any_backend_does(autojump_clock: trio.testing.MockClock) -> None:
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("calc")

    @server.tool()
    async def add(a: int, b: int) -> str:
        return str(a + b)

    faults = Injections(Script([Rule(Delay(3), numbers=[1]), Rule(ToolFails("no"), numbers=[2])]))
    async with Builder("x").backend("calc", server).open(strict=True, faults=faults) as gateway:
        began = trio.current_time()
        assert (await gateway.call_tool("calc_add", {"a": 1, "b": 2})).text == "3"
        assert trio.current_time() - began == 3.0
        assert (await gateway.call_tool("calc_add", {"a": 1, "b": 2})).text == "no"
        assert (await gateway.call_tool("calc_add", {"a": 1, "b": 2})).text == "3"


async def test_where_nobody_knows_the_wire_there_are_no_faults(autojump_clock: trio.testing.MockClock) -> None:
    connector = AttachedConnector(None, "nobody is there")
    assert Injections(Script([Rule(Reset())])).around("b", connector) is connector


async def test_a_backend_that_joins_later_fails_too_and_one_that_is_replaced_goes_on_counting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    faults = Injections(Script([Rule(ToolFails("no"), every=2)]))
    async with Builder("x").backend("a", ScriptedBackend().connector).open(strict=True, faults=faults) as gateway:
        config = BackendConfig("late", "inprocess")
        await gateway.add_backend(config, ScriptedBackend(Answer("well")).connector)
        texts = [(await gateway.call_tool("late_echo")).text for _ in range(3)]
        await gateway.replace_backend(config, ScriptedBackend(Answer("better")).connector)
        texts += [(await gateway.call_tool("late_echo")).text for _ in range(2)]
    assert texts == ["well", "no", "well", "no", "better"]


async def test_the_copies_of_a_mirror_are_attempts_of_their_own(autojump_clock: trio.testing.MockClock) -> None:
    faults = Injections(Script([Rule(RpcError(), backend="shadow")]))
    primary, shadow = ScriptedBackend(Answer("mine")), ScriptedBackend(name="shadow")
    builder = Builder("x").backend("files", primary.connector)
    builder = builder.backend("shadow", shadow.connector, mirror_of="files", mirror_percent=100)
    async with builder.open(strict=True, faults=faults) as gateway:
        assert (await gateway.call_tool("files_echo")).text == "mine"
        await trio.testing.wait_all_tasks_blocked()
        assert faults.injectors["shadow"].injected == 1
        assert faults.injectors["files"].injected == 0
