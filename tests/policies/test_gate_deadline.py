"""The deadline of a whole call and the gate, which stands inside of it. In virtual time."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate import Builder
from sluicegate.config.model import TimeoutSettings
from sluicegate.policies.breaker import Breaker, BreakerState
from sluicegate.policies.gate import Gate
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.policies.outlier import Group, Outlier
from sluicegate.policies.settings import BreakerSettings, ConcurrencySettings, OutlierSettings, RetrySettings
from sluicegate.protocol.calls import Call, Reply
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Hang

Clock = trio.testing.MockClock


def a_breaker(permitted: int = 3) -> Breaker:
    return Breaker("files", BreakerSettings(minimum_calls=2, wait_duration_seconds=10, permitted_calls_in_half_open=permitted))


async def hangs(call: Call) -> Reply:
    call.sent_at = trio.current_time()
    call.trail.sent = True
    await trio.sleep_forever()
    raise AssertionError


async def ask(gate: Gate, seconds: float = 2) -> str:
    fault = (await Lifetime(CallDeadline(gate, seconds))(Call("tools/call", "files_find", {}))).fault
    return "ok" if fault is None else fault.reason


async def test_a_backend_that_never_answers_opens_its_breaker_also_without_a_deadline_for_each_attempt(autojump_clock: Clock) -> None:
    """RES-44, DEC-5: timeouts count, and ``timeout.seconds`` is the one that everybody has."""
    breaker, outlier = a_breaker(), Outlier("files", OutlierSettings(consecutive_errors=2), Group())
    gate = Gate(hangs, breaker, outlier)
    assert [await ask(gate) for _ in range(3)] == ["timeout", "timeout", "ejected"]
    assert (breaker.state, outlier.ejections) == (BreakerState.OPEN, 1)


async def test_a_probe_that_never_is_answered_opens_the_breaker_again(autojump_clock: Clock) -> None:
    """RES-43: any failure."""
    breaker = a_breaker(permitted=1)
    gate = Gate(hangs, breaker)
    assert [await ask(gate) for _ in range(2)] == ["timeout"] * 2
    await trio.sleep(10)
    assert await ask(gate) == "timeout"
    assert (breaker.state, breaker.opened, await ask(gate)) == (BreakerState.OPEN, 2, "circuit_open")


async def test_a_caller_that_gives_up_first_is_no_timeout(autojump_clock: Clock) -> None:
    """RES-44: cancelled calls are not recorded."""
    breaker = a_breaker()
    for _ in range(9):
        with trio.move_on_after(1.99):
            await ask(Gate(hangs, breaker))
    assert breaker.calls == 0


async def test_one_that_was_sent_when_the_call_was_nearly_over_is_not_blamed_for_the_time_before(autojump_clock: Clock) -> None:
    """A stand-in, or a retry, after another that has used up the time; or one that was long in our own queue."""
    breaker = a_breaker()

    async def late(call: Call) -> Reply:
        await trio.sleep(1.5)
        return await hangs(call)

    async def in_time(call: Call) -> Reply:
        await trio.sleep(0.9)
        return await hangs(call)

    assert [await ask(Gate(late, breaker)) for _ in range(4)] == ["timeout"] * 4
    assert breaker.calls == 0
    assert await ask(Gate(in_time, breaker)) == "timeout"
    assert breaker.calls == 1


async def test_what_never_was_sent_says_nothing_however_long_it_waited(autojump_clock: Clock) -> None:
    breaker = a_breaker()

    async def queue(_call: Call) -> Reply:
        await trio.sleep_forever()
        raise AssertionError

    assert [await ask(Gate(queue, breaker)) for _ in range(4)] == ["overloaded"] * 4
    assert breaker.calls == 0


async def test_people_who_think_for_long_are_no_slow_backend(autojump_clock: Clock) -> None:
    breaker = a_breaker()

    async def asks(call: Call) -> Reply:
        call.trail.asked = True
        return await hangs(call)

    assert [await ask(Gate(asks, breaker)) for _ in range(4)] == ["timeout"] * 4
    assert breaker.calls == 0


@pytest.mark.parametrize("retry", [None, RetrySettings()])
async def test_in_the_whole_gateway_a_backend_that_hangs_is_left_alone_after_a_few_calls(
    retry: RetrySettings | None, autojump_clock: Clock
) -> None:
    """RES-44: with the shortest configuration that there is."""
    backend = ScriptedBackend(Hang())
    builder = Builder("x").backend(
        "b",
        backend.connector,
        timeout=TimeoutSettings(seconds=5),
        retry=retry,
        concurrency=ConcurrencySettings(2),
        circuit_breaker=BreakerSettings(minimum_calls=3),
        outlier_detection=OutlierSettings(consecutive_errors=9),
    )
    async with builder.open() as gateway:
        await gateway.settled()
        replies = [await gateway.call_tool("b_echo") for _ in range(5)]
    assert [reply.fault.reason for reply in replies if reply.fault] == ["timeout"] * 3 + ["circuit_open"] * 2
    assert backend.calls == 3
