"""The circuit breaker over many seeds: against one that remembers everything, and with calls that fail, hang and are cut at random."""

import random

import attrs
import pytest
import trio
import trio.testing

from sluicegate.policies.breaker import PATIENCE, Breaker, BreakerState
from sluicegate.policies.gate import Gate
from sluicegate.policies.settings import BreakerSettings
from sluicegate.policies.window import GRAINS
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
SEEDS = range(200)


@attrs.define(eq=False)
class Running:
    """A call that was let through."""

    permit: int
    epoch: int
    lease: int


@attrs.define(eq=False)
class Reference:
    """A breaker that keeps every outcome since it closed, and knows every probe by itself."""

    settings: BreakerSettings
    state: BreakerState = CLOSED
    epoch: int = 0
    """Counts changes of state."""
    lease: int = 0
    opened_at: float = 0.0
    last_probe_at: float = 0.0
    outcomes: list[tuple[float, bool, bool]] = attrs.field(factory=list)
    probes: set[Running] = attrs.field(factory=set)
    successes: int = 0

    def admit(self, now: float) -> tuple[int, int] | None:
        """Epoch and lease."""
        settings = self.settings
        if self.state is OPEN and now - self.opened_at >= settings.wait_duration_seconds:
            self.go(HALF_OPEN)
        if self.state is HALF_OPEN and len(self.probes) + self.successes >= settings.permitted_calls_in_half_open:
            if now - self.last_probe_at < max(PATIENCE, settings.wait_duration_seconds):
                return None
            self.probes.clear()
            self.lease += 1
        return None if self.state is OPEN else (self.epoch, self.lease)

    def begin(self, call: Running, now: float) -> None:
        if self.state is HALF_OPEN:
            self.probes.add(call)
            self.last_probe_at = now

    def end(self, call: Running, now: float, failed: bool | None, slow: bool) -> None:
        self.probes.discard(call)
        if call.epoch != self.epoch or (failed is None and not slow):
            return
        if self.state is CLOSED:
            self.outcomes.append((now, failed is True, slow))
            if self.is_too_bad(now):
                self.go(OPEN, now)
        elif failed or slow:
            self.go(OPEN, now)
        else:
            self.successes += 1
            if self.successes == self.settings.permitted_calls_in_half_open:
                self.go(CLOSED)

    def is_too_bad(self, now: float) -> bool:
        settings, recent = self.settings, self.outcomes
        if settings.window_seconds is None:
            recent = recent[-max(settings.window_calls or 0, settings.minimum_calls) :]
        else:
            part = settings.window_seconds / GRAINS
            recent = [one for one in recent if now // part - one[0] // part < GRAINS]
        if len(recent) < settings.minimum_calls:
            return False
        failures, slow = sum(one[1] for one in recent), sum(one[2] for one in recent)
        return failures / len(recent) >= settings.failure_rate_threshold or slow / len(recent) >= settings.slow_call_rate_threshold

    def go(self, state: BreakerState, now: float = 0.0) -> None:
        self.state, self.opened_at = state, now
        self.epoch += 1
        self.outcomes.clear()
        self.probes.clear()
        self.successes = 0


def some_settings(chance: random.Random) -> BreakerSettings:
    by_time = chance.random() < 0.4
    return BreakerSettings(
        failure_rate_threshold=chance.choice([0.25, 0.5, 1.0, 1 / 3, chance.random() or 1.0]),
        minimum_calls=chance.randrange(1, 8),
        window_calls=None if by_time else chance.choice([None, chance.randrange(1, 16)]),
        window_seconds=chance.choice([1.0, 7.5, 64.0]) if by_time else None,
        slow_call_seconds=1.0,
        slow_call_rate_threshold=chance.choice([0.5, 0.8, 1.0]),
        wait_duration_seconds=chance.choice([0.0, 1.0, 4.0, 45.0]),
        permitted_calls_in_half_open=chance.randrange(1, 5),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_it_does_what_one_does_that_remembers_everything(seed: int) -> None:
    """RES-40, RES-41, RES-42, RES-43: calls begin and end in any order, and some of them much later."""
    chance = random.Random(f"{seed}:breaker")
    settings = some_settings(chance)
    breaker, reference = Breaker("files", settings), Reference(settings)
    running: list[Running] = []
    now, badness = 0.0, 0.5

    for _step in range(400):
        now += chance.choice([0.0, 0.0, 0.25, 0.5, 1.0, 5.0, 40.0 * (chance.random() < 0.2)])
        badness = chance.choice([0.0, 0.2, 0.9]) if chance.random() < 0.05 else badness
        if chance.random() < 0.55:
            expected, permit = reference.admit(now), breaker.admit(now)
            assert bool(permit) == (expected is not None)
            if expected is not None:
                running.append(Running(permit, *expected))
                reference.begin(running[-1], now)
        elif running:
            call = running.pop(chance.randrange(len(running)))
            failed = None if chance.random() < 0.2 else chance.random() < badness
            slow = chance.random() < 0.3 * badness
            breaker.record(call.permit, now, failed, slow)
            reference.end(call, now, failed, slow)
        assert breaker.state is reference.state
        if reference.state is CLOSED and settings.window_seconds is None:
            size = max(settings.window_calls or 0, settings.minimum_calls)
            assert breaker._window.calls == len(reference.outcomes[-size:])


@attrs.define(eq=False)
class Ailing:
    """A backend that is ill until a moment: it fails, hangs, and answers late; and counts how many calls are with it."""

    chance: random.Random
    ill_until: float
    slow_call_seconds: float
    breaker: Breaker = attrs.field(init=False)
    probing: int = 0
    """Probes of this half-open time that are with it or succeeded."""

    def begin_again(self, breaker: Breaker) -> None:
        self.probing = 0

    async def __call__(self, call: Call) -> Reply:
        call.sent_at = trio.current_time()
        is_probe, period = self.breaker.state is HALF_OPEN, self.breaker._first
        reply = None
        if is_probe:
            self.probing += 1
            assert self.probing <= self.breaker.settings.permitted_calls_in_half_open
        try:
            reply = await self.play(ill=trio.current_time() < self.ill_until)
            return reply
        finally:
            told = reply is not None and reply.fault is None
            if is_probe and not told and period == self.breaker._first:
                self.probing -= 1

    async def play(self, *, ill: bool) -> Reply:
        fate = self.chance.random() if ill else 1.0
        if fate < 0.1:
            await trio.sleep_forever()
        await trio.sleep(self.chance.random() * self.slow_call_seconds * (1.4 if ill else 0.5))
        if fate < 0.6:
            return Reply.failed(self.chance.choice([faults.lost("files", "gone"), faults.timed_out("read", 1)]))
        if fate < 0.7:
            return Reply.failed(self.chance.choice([faults.unavailable("files", "starting"), faults.queue_full("files", 3)]))
        return Reply()


@pytest.mark.parametrize("seed", SEEDS)
async def test_it_never_lets_too_many_probes_through_and_closes_when_the_backend_is_well(
    seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    """RES-43, TST-G11: clients cut some of their calls at random. After the last fault, the wait and as many successes as permitted close it."""
    chance = random.Random(f"{seed}:ailing")
    settings = attrs.evolve(some_settings(chance), slow_call_seconds=1.0, wait_duration_seconds=chance.choice([0.5, 2.0, 8.0]))
    backend = Ailing(chance, 25.0, 1.0)
    breaker = backend.breaker = Breaker("files", settings, backend.begin_again)
    gate = Gate(backend, breaker)

    async def client() -> None:
        while trio.current_time() < 25:
            with trio.move_on_after(chance.choice([0.0, 0.3, 1.2, 5.0])):
                await gate(Call("tools/call", "read", {}))
            await trio.sleep(chance.random())

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(client)
    assert breaker._probing == 0

    await trio.sleep(settings.wait_duration_seconds)
    for _ in range(settings.permitted_calls_in_half_open):
        reply = await gate(Call("tools/call", "read", {}))
        assert reply.fault is None
    if breaker.state is not CLOSED:  # it was, with failures in its window, and opened at a success
        await trio.sleep(settings.wait_duration_seconds)
        for _ in range(settings.permitted_calls_in_half_open):
            await gate(Call("tools/call", "read", {}))
    assert (breaker.state, breaker._probing) == (CLOSED, 0)
