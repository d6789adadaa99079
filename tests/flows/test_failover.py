"""Stand-ins through the whole gateway: their order, what clients see of them, and what happens while the primary is away (TST-G5, FO-1…5)."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate import Builder, Call, State
from sluicegate.gateway.opening import Gateway
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import PROMPTS, RESOURCES, TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Reset, RpcError, Step, ToolFails


def trio_of(*first: Step) -> tuple[ScriptedBackend, ScriptedBackend, ScriptedBackend]:
    """A primary that does this, and two stand-ins."""
    return ScriptedBackend(*first), ScriptedBackend(Answer("late"), name="late"), ScriptedBackend(Answer("early"), name="early")


def built(primary: ScriptedBackend, late: ScriptedBackend, early: ScriptedBackend) -> Builder:
    return (
        Builder("x")
        .backend("files", primary.connector)
        .backend("late", late.connector, failover_for="files", priority=2)
        .backend("early", early.connector, failover_for="files", priority=1)
    )


def hops(calls: tuple[ScriptedBackend, ...]) -> list[int]:
    return [backend.calls for backend in calls]


async def test_stand_ins_are_asked_by_priority_and_not_in_the_order_of_the_file(autojump_clock: trio.testing.MockClock) -> None:
    backends = trio_of(RpcError(-32603))
    async with built(*backends).open() as gateway:
        await gateway.settled()
        assert (await gateway.call_tool("files_echo")).text == "early"
        assert hops(backends) == [1, 0, 1]


async def test_clients_see_the_primary_alone_and_cannot_name_a_stand_in(autojump_clock: trio.testing.MockClock) -> None:
    async with built(*trio_of()).open() as gateway:
        await gateway.settled()
        assert list(gateway.catalogue.names(TOOLS)) == ["files_echo"]
        fault = (await gateway.call_tool("early_echo")).fault
        assert fault is not None
        assert fault.message == "Tool not available: early_echo"


async def test_while_the_primary_was_never_there_its_stand_in_lends_it_its_lists(autojump_clock: trio.testing.MockClock) -> None:
    absent, backup = ScriptedBackend(), ScriptedBackend(tools=["look"], resources=["file:///a"], prompts=["greet"])
    absent.refuse = "nobody home"
    builder = Builder("x").backend("files", absent.connector).backend("spare", backup.connector, failover_for="files")
    async with builder.open() as gateway:
        await gateway.settled()
        assert [list(gateway.catalogue.names(kind)) for kind in (TOOLS, RESOURCES, PROMPTS)] == [
            ["files_look"],
            ["files+file:///a"],
            ["files_greet"],
        ]
        assert (await gateway.call_tool("files_look")).fault is None
        read = await gateway.handler(Call("resources/read", "", {"uri": Raw(encode("files+file:///a"))}))
        assert b'"uri":"files+file:///a"' in bytes(read.result), "what a stand-in answers carries the primary's names"


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (ToolFails("no"), "no"),
        (RpcError(-32602, "which?"), "which?"),
        (RpcError(-32600, "what?"), "what?"),
        (RpcError(-32601, "how?"), "how?"),
    ],
)
async def test_an_answer_is_an_answer_and_a_callers_mistake_stays_one(
    step: Step, says: str, autojump_clock: trio.testing.MockClock
) -> None:
    backends = trio_of(step)
    async with built(*backends).open() as gateway:
        await gateway.settled()
        reply = await gateway.call_tool("files_echo")
        assert says == (reply.text if reply.fault is None else reply.fault.message)
        assert hops(backends) == [1, 0, 0]


async def test_a_primary_that_hangs_is_left_behind_after_its_attempt_and_not_after_the_whole_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    from sluicegate.config.model import TimeoutSettings

    hanging, backup = ScriptedBackend(Delay(1000)), ScriptedBackend(Delay(1, Answer("here")))
    timeout = TimeoutSettings(seconds=60, per_attempt_seconds=5)
    builder = Builder("x").backend("files", hanging.connector, timeout=timeout).backend("spare", backup.connector, failover_for="files")
    async with builder.open() as gateway:
        await gateway.settled()
        began = trio.current_time()
        assert (await gateway.call_tool("files_echo")).text == "here"
        assert trio.current_time() - began == 6
        await trio.testing.wait_all_tasks_blocked()
        assert hanging.cancelled == [1], "and it was told"


async def test_a_crash_in_mid_call_goes_to_the_stand_in_and_the_primary_serves_again_once_it_is_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    primary, backup = ScriptedBackend(Reset("exit status 1"), Answer("back")), ScriptedBackend(Answer("spare"))
    builder = Builder("x").backend("files", primary.connector).backend("spare", backup.connector, failover_for="files")
    async with builder.open() as gateway:
        await gateway.settled()
        assert (await gateway.call_tool("files_echo")).text == "spare"
        assert (await gateway.call_tool("files_echo")).text == "spare", "while it is down it is passed over"
        await gateway.backends["files"].wait_for(lambda backend: backend.state is State.READY)
        assert (await gateway.call_tool("files_echo")).text == "back"


async def copies_of(gateway: Gateway, calls: int) -> None:
    for _ in range(calls):
        await gateway.call_tool("files_echo")
    await trio.testing.wait_all_tasks_blocked()


async def test_a_mirror_gets_its_copy_also_when_a_stand_in_answers_and_only_one(autojump_clock: trio.testing.MockClock) -> None:
    primary, backup, shadow = ScriptedBackend(RpcError(-32603)), ScriptedBackend(), ScriptedBackend()
    builder = (
        Builder("x")
        .backend("files", primary.connector)
        .backend("spare", backup.connector, failover_for="files")
        .backend("shadow", shadow.connector, mirror_of="files", mirror_hidden=True)
    )
    async with builder.open() as gateway:
        await gateway.settled()
        await copies_of(gateway, 3)
        assert (primary.calls, backup.calls, shadow.calls) == (3, 3, 3)
        primary.refuse = "gone for good"
        primary.crash()
        await trio.testing.wait_all_tasks_blocked()
        await copies_of(gateway, 2)
        assert (primary.calls, backup.calls, shadow.calls) == (3, 5, 5)


async def test_a_share_of_the_calls_is_copied_and_a_mirror_that_is_down_changes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    primary, shadow = ScriptedBackend(Answer("mine")), ScriptedBackend(RpcError(-32603))
    builder = Builder("x").backend("files", primary.connector).backend("shadow", shadow.connector, mirror_of="files", mirror_percent=10)
    async with builder.open() as gateway:
        await gateway.settled()
        await copies_of(gateway, 100)
        assert shadow.calls == 10
        shadow.refuse = "gone"
        shadow.crash()
        began = trio.current_time()
        assert (await gateway.call_tool("files_echo")).text == "mine"
        assert trio.current_time() == began
        assert "shadow_echo" in list(gateway.catalogue.names(TOOLS)), "unless mirror_hidden is set, it can be used by name as well"
