"""Any await may be the last: a call is cancelled after its first, second, third … checkpoint, until it is quick enough to finish."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing

from sluicegate import Builder, Reply
from sluicegate.gateway.opening import Gateway
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, Note, Reset, RpcError, Step

MOST_CHECKPOINTS = 60


@attrs.define(eq=False)
class CancelAfter(trio.abc.Instrument):
    """Cancels a scope when a task has taken so many steps."""

    steps: int
    scope: trio.CancelScope
    task: trio.lowlevel.Task | None = None

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.steps -= 1
            if self.steps == 0:
                self.scope.cancel()


async def call_and_cancel(gateway: Gateway, name: str, steps: int) -> tuple[bool, Reply | None]:
    """Call a tool in a task of its own, cancelled after so many steps: whether it was cancelled, and its reply."""
    instrument = CancelAfter(steps, trio.CancelScope())
    replies: list[Reply] = []

    async def run() -> None:
        instrument.task = trio.lowlevel.current_task()
        with instrument.scope:
            replies.append(await gateway.call_tool(name, {"n": steps}))

    trio.lowlevel.add_instrument(instrument)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
    finally:
        trio.lowlevel.remove_instrument(instrument)
    return instrument.scope.cancelled_caught, replies[0] if replies else None


def told(backend: ScriptedBackend) -> tuple[int, int]:
    """How many calls a backend got, and how many cancellations."""
    methods = [message.method for message in backend.received]
    return methods.count("tools/call"), methods.count("notifications/cancelled")


def plain(primary: ScriptedBackend, backup: ScriptedBackend) -> Builder:
    return Builder("x").backend("b", primary.connector)


def everything(primary: ScriptedBackend, backup: ScriptedBackend) -> Builder:
    """Whole-call and attempt deadlines, failover and a mirror at once."""
    from sluicegate.config.model import TimeoutSettings

    timeout = TimeoutSettings(seconds=100, per_attempt_seconds=50)
    return (
        Builder("x")
        .backend("b", primary.connector, timeout=timeout)
        .backend("spare", backup.connector, failover_for="b", timeout=timeout)
        .backend("shadow", ScriptedBackend(tools=["echo"]).connector, mirror_of="b", mirror_hidden=True, mirror_compare=True)
    )


@pytest.mark.parametrize("build", [plain, everything])
@pytest.mark.parametrize("step", [Delay(1), Note(0.5, Delay(1, Note(0.7))), Delay(1, RpcError(-32000)), Delay(1, Reset())])
async def test_a_call_can_be_cancelled_at_every_checkpoint(
    build: Callable[[ScriptedBackend, ScriptedBackend], Builder], step: Step, autojump_clock: trio.testing.MockClock
) -> None:
    primary, backup = ScriptedBackend(step, name="b"), ScriptedBackend(Delay(1), name="spare")
    finished = 0
    async with build(primary, backup).open() as gateway:
        await gateway.settled()
        for steps in range(1, MOST_CHECKPOINTS):
            await gateway.backends["b"].wait_for(lambda backend: backend.is_up)
            cancelled, reply = await call_and_cancel(gateway, "b_echo", steps)
            await trio.testing.wait_all_tasks_blocked()
            assert cancelled == (reply is None), "a call is cancelled or answered, never both, never neither"
            assert [gateway.backends["b"].in_flight, primary.sessions[0].in_flight if primary.sessions else 0] == [0, 0]
            finished += not cancelled
            if not cancelled:
                break
        assert finished == 1, "no call came to its end"
        await gateway.backends["b"].wait_for(lambda backend: backend.is_up)
        for backend in (primary, backup):
            for request_count, cancel_count in [told(backend)]:
                assert cancel_count == len(backend.cancelled) <= request_count
    assert [] == primary.sessions == backup.sessions


async def test_leaving_the_block_in_mid_call_stops_everything(autojump_clock: trio.testing.MockClock) -> None:
    primary = ScriptedBackend(Delay(1000))
    with trio.move_on_after(5) as scope:
        async with Builder("x").backend("b", primary.connector).open() as gateway:
            await gateway.settled()
            await gateway.call_tool("b_echo")
    assert scope.cancelled_caught
    assert trio.current_time() == 5
    assert primary.sessions == []
