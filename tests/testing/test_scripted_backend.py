"""A scripted backend: its steps, its script, and its transcript."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.heard import Heard

from sluicegate import Builder
from sluicegate.config.model import TimeoutSettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import (
    Answer,
    Delay,
    Drip,
    DropAnswer,
    Duplicate,
    Garble,
    Hang,
    Note,
    Refuse,
    Reorder,
    Reset,
    RpcError,
    Rule,
    Script,
    Step,
    ToolFails,
    Truncate,
    WrongId,
)
from sluicegate.testing.transcript import Transcript, assert_transcript

WELL = "echo {} #1"
STEPS: list[tuple[Step, str, float, str]] = [
    (Answer("yes"), "yes", 0.0, "yes"),
    (ToolFails("no"), "no", 0.0, "no"),
    (RpcError(-32000), "-32000", 0.0, "-32000"),
    (Delay(2), WELL, 2.0, WELL),
    (Delay(2, Reset()), "connection_lost", 2.0, "connection_lost"),
    (Note(0.5, Delay(1, Answer("yes"))), "yes", 1.0, "yes"),
    (Reset("it crashed"), "connection_lost", 0.0, "connection_lost"),
    (Refuse(), "connection_lost", 0.0, "backend_unavailable"),
    (Truncate(), "connection_lost", 0.0, "connection_lost"),
    (Hang(), "timeout", 10.0, "nothing"),
    (DropAnswer(), "timeout", 10.0, "nothing"),
    (Garble(b"xyz"), "timeout", 10.0, "nothing"),
    (WrongId(), "timeout", 10.0, "nothing"),
    (Duplicate(), WELL, 0.0, WELL),
    (Reorder(3.0), WELL, 3.0, WELL),
]


@pytest.mark.parametrize(("step", "expected", "seconds", "_alone"), STEPS)
async def test_a_step_is_played_behind_a_gateway(
    step: Step, expected: str, seconds: float, _alone: str, autojump_clock: trio.testing.MockClock
) -> None:
    builder = Builder("x").backend("b", ScriptedBackend(step, Answer("well again"), name="b").connector, timeout=TimeoutSettings(10.0))
    async with builder.open(strict=True) as gateway:
        began = trio.current_time()
        reply = await gateway.call_tool("b_echo")
        assert expected == (reply.text if reply.fault is None else reply.fault.reason or str(reply.fault.code))
        assert trio.current_time() - began == seconds
        await trio.sleep(5)
        assert (await gateway.call_tool("b_echo")).text == "well again"


@pytest.mark.parametrize(("step", "_behind", "seconds", "expected"), STEPS)
async def test_a_step_is_played_as_a_handler(
    step: Step, _behind: str, seconds: float, expected: str, autojump_clock: trio.testing.MockClock
) -> None:
    backend = ScriptedBackend(step)
    found = "nothing"
    with trio.move_on_after(10):
        reply = await backend(a_call("echo", back=Heard()))
        found = reply.text if reply.fault is None else reply.fault.reason or str(reply.fault.code)
    assert (found, trio.current_time()) == (expected, seconds)
    assert backend.cancelled == ([1] if expected == "nothing" else [])


async def test_a_script_gives_faults_to_a_handler_and_the_rest_goes_by_the_steps(autojump_clock: trio.testing.MockClock) -> None:
    backend = ScriptedBackend(Answer("well"), script=Script([Rule(RpcError(-1), every=2), Rule(Drip(100, 2), numbers=[3])]))
    replies = [await backend(a_call("echo", back=Heard())) for _ in range(4)]
    assert [reply.fault is None for reply in replies] == [True, False, True, False]
    assert trio.current_time() == 2.0
    assert [(one.number, one.fault) for one in backend.faults.injectors["scripted"].log] == [
        (2, RpcError(-1)),
        (3, Drip(100, 2)),
        (4, RpcError(-1)),
    ]


async def test_a_script_gives_faults_to_a_session_too(autojump_clock: trio.testing.MockClock) -> None:
    backend = ScriptedBackend(Answer("well"), script=Script([Rule(RpcError(-1), every=2)]), name="b")
    async with Builder("x").backend("b", backend.connector).open(strict=True) as gateway:
        replies = [await gateway.call_tool("b_echo") for _ in range(4)]
    assert [reply.fault is None for reply in replies] == [True, False, True, False]
    assert (backend.calls, backend.faults.injected) == (2, 2)


async def test_the_transcript_tells_what_was_asked_when_and_what_was_done(autojump_clock: trio.testing.MockClock) -> None:
    backend = ScriptedBackend(Delay(1, Answer("late")), Hang(), name="b")
    async with Builder("x").backend("b", backend.connector, timeout=TimeoutSettings(2.0)).open(strict=True) as gateway:
        await gateway.call_tool("b_echo")
        await gateway.call_tool("b_echo")
        await trio.testing.wait_all_tasks_blocked()
    assert_transcript(
        backend.transcript,
        """
        0.000 b <- tools/call echo #1
        1.000 b -> #1 Answer
        1.000 b <- tools/call echo #2
        1.000 b -> #2 Hang
        3.000 b cancelled #2
        """,
        times=True,
    )


async def test_backends_may_share_a_transcript(autojump_clock: trio.testing.MockClock) -> None:
    shared, one, two = Transcript(), ScriptedBackend(name="one"), ScriptedBackend(name="two")
    one.transcript = two.transcript = shared
    await one(a_call("echo", back=Heard()))
    await two(a_call("echo", back=Heard()))
    assert_transcript(shared, ["one <- tools/call echo #1", "one -> #1 Echo", "two <- tools/call echo #1", "two -> #1 Echo"])
