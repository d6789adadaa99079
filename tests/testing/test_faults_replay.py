"""The same seed and the same order of calls give the same faults, whatever else happens; and a call under a fault may be cut anywhere."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.kit.gate import open_gate

from sluicegate.config.model import TimeoutSettings
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint
from sluicegate.testing.injections.draws import Exponential
from sluicegate.testing.injections.kinds import (
    ChildExit,
    Delay,
    Drip,
    DropAnswer,
    Duplicate,
    Garble,
    Hang,
    Injection,
    Refuse,
    Reorder,
    Reset,
    RpcError,
    StderrFlood,
    ToolFails,
    Transport,
    Truncate,
    Unavailable,
    WrongId,
)
from sluicegate.testing.playing import Play, play
from sluicegate.testing.script import Rule, is_over

EVERYTHING: tuple[Injection, ...] = (
    Delay(Exponential(0.2)),
    Refuse(),
    Reset(),
    Hang(),
    DropAnswer(),
    Truncate(),
    Garble(),
    Duplicate(),
    Reorder(),
    Drip(),
    WrongId(),
    RpcError(),
    ToolFails(),
    Unavailable(),
    ChildExit(),
    StderrFlood(1000),
)
RULES = [Rule(fault, percent=4) for fault in EVERYTHING]


async def storm(game: Play, transport: Transport) -> list[str]:
    """Calls one after the other, and what became of them."""
    found: list[str] = []
    async with open_gate(transport, *RULES, seed=game.seed, timeout=TimeoutSettings(3.0)) as gate:
        for number in range(60):
            what, seconds = await gate.outcome(number)
            found.append(f"{what} {seconds}")
            await trio.sleep(2)
        found += [f"{one.number} {one.fault}" for one in gate.faults.injectors["b"].log]
    return found


@pytest.mark.parametrize("transport", Transport)
def test_a_seed_replays_every_fault_and_every_outcome(transport: Transport) -> None:
    async def scenario(game: Play) -> list[str]:
        return await storm(game, transport)

    first, second, other = play(scenario, 7), play(scenario, 7), play(scenario, 8)
    assert first.result == second.result
    assert first.digest == second.digest
    assert first.result != other.result


async def test_faults_follow_the_order_of_attempts_and_nothing_else(autojump_clock: trio.testing.MockClock) -> None:
    """Slow or fast, one by one or all at once: the same numbers get the same faults."""
    logs = []
    rules = [Rule(fault, percent=10) for fault in (Delay(Exponential(2)), DropAnswer(), Duplicate(), RpcError(), Unavailable(), WrongId())]
    for pause in (0.0, 1.0, 30.0):
        async with open_gate(Transport.HTTP, *rules, seed=3, timeout=TimeoutSettings(3.0)) as gate, trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(gate.call, number)
                await trio.testing.wait_all_tasks_blocked()
                await trio.sleep(pause)
        logs.append([(one.number, one.fault) for one in sorted(gate.faults.injectors["b"].log, key=lambda one: one.number)])
    assert logs[0] == logs[1] == logs[2]
    assert len(logs[0]) > 10


@pytest.mark.parametrize(
    ("fault", "transport"),
    [(fault, way) for fault in EVERYTHING for way in Transport if is_over(fault, way) and not isinstance(fault, Hang | DropAnswer)],
    ids=str,
)
async def test_a_call_under_a_fault_may_be_cut_at_every_checkpoint(
    fault: Injection, transport: Transport, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_gate(transport, Rule(fault, every=2), timeout=TimeoutSettings(3.0)) as gate:

        async def scenario() -> str:
            return (await gate.outcome())[0]

        async def check(trial: Trial[str]) -> None:
            del trial
            await trio.sleep(20)  # whatever was lost has come back
            backend = gate.gateway.backends["b"]
            assert (backend.in_flight, backend.is_up) == (0, True)
            if gate.faults.injectors["b"].schedule.attempts % 2 == 1:
                await gate.call()  # so that the next one fails again
                await trio.sleep(20)
            assert (await gate.outcome())[0].startswith("echo")
            assert gate.faults.injectors["b"].schedule.attempts % 2 == 1

        await gate.call()
        assert await cancel_at_every_checkpoint(scenario, check) > 1
