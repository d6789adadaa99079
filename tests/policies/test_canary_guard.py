"""A canary that does worse than its primary is taken back (LIM-20)."""

import random
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.policies.canary_guard import CanaryGuard, CanaryTrial
from sluicegate.policies.settings import CanaryGuardSettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Kept, Reply
from sluicegate.protocol.faults import Cause, Fault

Clock = trio.testing.MockClock
GOOD, TOOL_ERROR = Reply.saying("a"), Reply.saying("a", is_error=True)
LOST = Reply.failed(faults.timed_out("b", 1))
MISTAKE = Reply.failed(Fault(Cause.BACKEND, -32602, "no"))
OURS = Reply.failed(faults.rate_limited(1))


@attrs.define(eq=False)
class Road:
    """A canary and its primary, which answer as they are told."""

    trial: CanaryTrial
    reply: Reply = GOOD
    seconds: float = 0

    @classmethod
    def of(cls, **settings: Any) -> "Road":
        return cls(CanaryTrial("c", "p", CanaryGuardSettings(**{"minimum_calls": 10, **settings})))

    async def _answer(self, _call: Call) -> Reply:
        await trio.sleep(self.seconds)
        return self.reply

    async def run(
        self, times: int, *, of_canary: bool, reply: Reply = GOOD, seconds: float = 0, call: Callable[[], Call] | None = None
    ) -> None:
        self.reply, self.seconds = reply, seconds
        guard = CanaryGuard(self._answer, self.trial, of_canary=of_canary)
        for _ in range(times):
            await guard(call() if call else Call.tool("t"))

    @property
    def rollbacks(self) -> tuple[int, int]:
        return self.trial.rollbacks["errors"], self.trial.rollbacks["latency"]


async def test_one_that_fails_so_many_times_as_often_is_taken_back_and_told_of(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """LIM-20."""
    road = Road.of(error_factor=3)
    await road.run(90, of_canary=False)
    await road.run(10, of_canary=False, reply=LOST)
    await road.run(15, of_canary=True)
    await road.run(35, of_canary=True, reply=LOST)
    assert road.rollbacks == (0, 0), "35 of 50 may be chance where about 15 are allowed: the ten of a hundred may have been few"
    await road.run(1, of_canary=True, reply=LOST)
    assert road.trial.is_held_back
    assert road.rollbacks == (1, 0)
    assert "canary is taken back" in caplog.text
    assert "36 of 51 calls failed, and 10 of 100 of its primary's" in road.trial.why


async def test_with_few_calls_of_either_or_few_failures_nothing_is_said(autojump_clock: Clock) -> None:
    few, alone, lucky = Road.of(), Road.of(), Road.of()
    await few.run(100, of_canary=False)
    await few.run(9, of_canary=True, reply=LOST)
    await alone.run(9, of_canary=False)
    await alone.run(100, of_canary=True, reply=LOST)
    await lucky.run(100, of_canary=False)
    await lucky.run(10, of_canary=True)
    await lucky.run(4, of_canary=True, reply=LOST)
    assert [road.trial.is_held_back for road in (few, alone, lucky)] == [False] * 3
    await few.run(1, of_canary=True, reply=LOST)
    await alone.run(1, of_canary=False)
    assert not alone.trial.is_held_back, "it is judged by its own calls"
    await alone.run(1, of_canary=True, reply=LOST)
    await lucky.run(1, of_canary=True, reply=LOST)
    assert [road.trial.is_held_back for road in (few, alone, lucky)] == [True] * 3


async def test_one_whose_primary_fails_as_often_stays(autojump_clock: Clock) -> None:
    road = Road.of()
    await road.run(50, of_canary=False, reply=LOST)
    await road.run(50, of_canary=True, reply=LOST)
    assert not road.trial.is_held_back


@pytest.mark.parametrize(
    ("reply", "counts"),
    [(LOST, True), (TOOL_ERROR, True), (MISTAKE, False), (OURS, None), (GOOD, False)],
    ids=["lost", "tool", "-32602", "ours", "good"],
)
async def test_what_speaks_against_a_backend_counts_and_a_tool_that_says_so(
    reply: Reply, counts: bool | None, autojump_clock: Clock
) -> None:
    road = Road.of()
    await road.run(20, of_canary=False)
    await road.run(20, of_canary=True, reply=reply)
    assert road.trial.is_held_back is bool(counts)
    if counts is not True:
        assert road.trial._canary.window.calls == (0 if counts is None else 20), "what we refuse ourselves is no call"


async def test_errors_of_tools_do_not_count_where_that_is_said(autojump_clock: Clock) -> None:
    road = Road.of(count_tool_errors=False)
    await road.run(20, of_canary=False)
    await road.run(20, of_canary=True, reply=TOOL_ERROR)
    assert not road.trial.is_held_back


@pytest.mark.parametrize(("slow", "is_worse"), [(0.29, False), (0.31, True)])
async def test_one_that_takes_so_many_times_as_long_is_taken_back(slow: float, is_worse: bool, autojump_clock: Clock) -> None:
    """LIM-20."""
    road = Road.of(latency_factor=3)
    await road.run(40, of_canary=False, seconds=0.1)
    await road.run(60, of_canary=True, seconds=0.05)
    await road.run(4, of_canary=True, seconds=slow)
    assert road.rollbacks == (0, int(is_worse)), "95 of a hundred are in time"


async def test_milliseconds_between_quick_ones_are_no_difference(autojump_clock: Clock) -> None:
    road = Road.of()
    await road.run(40, of_canary=False, seconds=0.001)
    await road.run(64, of_canary=True, seconds=0.009)
    assert road.rollbacks == (0, 0)
    await road.run(64, of_canary=True, seconds=0.012)
    assert road.rollbacks == (0, 1)


async def test_what_failed_quickly_is_not_quick(autojump_clock: Clock) -> None:
    road = Road.of(minimum_failures=1000)
    await road.run(40, of_canary=False, seconds=0.1)
    await road.run(100, of_canary=True, reply=LOST)
    await road.run(32, of_canary=True, seconds=0.5)
    assert road.rollbacks == (0, 1)


async def test_calls_of_long_ago_are_forgotten(autojump_clock: Clock) -> None:
    road = Road.of(window_seconds=60)
    await road.run(20, of_canary=False)
    await road.run(9, of_canary=True, reply=LOST)
    await trio.sleep(61)
    await road.run(20, of_canary=True)
    assert not road.trial.is_held_back
    await road.run(20, of_canary=True, reply=LOST)
    assert not road.trial.is_held_back, "there is nothing of its primary to compare it with"


async def test_what_was_kept_and_what_a_person_took_says_nothing(autojump_clock: Clock) -> None:
    def kept() -> Call:
        call = Call.tool("t")
        call.trail.kept = Kept(1, 2)
        return call

    def asked() -> Call:
        call = Call.tool("t")
        call.trail.asked = True
        return call

    road = Road.of()
    await road.run(40, of_canary=False, seconds=0.01)
    await road.run(40, of_canary=True, reply=LOST, call=kept)
    await road.run(40, of_canary=True, seconds=60, call=asked)
    await road.run(40, of_canary=True, call=lambda: Call("completion/complete", "x", {}), reply=LOST)
    assert not road.trial.is_held_back
    assert road.trial._canary.window.calls in (0, 5), "the last of sixty seconds each are still in the window"


async def test_a_call_whose_time_is_up_has_failed_and_one_that_its_caller_cut_has_not(autojump_clock: Clock) -> None:
    def limited() -> Call:
        call = Call.tool("t")
        call.trail.ends_at, call.trail.allowed = trio.current_time() + 2, 2
        return call

    road = Road.of()
    await road.run(20, of_canary=False)
    for _ in range(20):
        with trio.move_on_after(1):
            await road.run(1, of_canary=True, seconds=9, call=limited)
    assert road.trial._canary.window.calls == 0
    for _ in range(20):
        with trio.move_on_after(2):
            await road.run(1, of_canary=True, seconds=9, call=limited)
    assert road.trial.is_held_back


async def test_it_stays_so_until_it_is_put_back_and_begins_anew_then(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    road = Road.of()
    await road.run(20, of_canary=False)
    await road.run(10, of_canary=True, reply=LOST)
    await trio.sleep(10_000)
    assert road.trial.statistics().is_held_back
    road.trial.put_back()
    assert (road.trial.is_held_back, road.trial.why, road.trial._primary.window.calls) == (False, "", 0)
    assert "canary gets its share again" in caplog.text
    road.trial.put_back()
    assert caplog.text.count("gets its share again") == 1
    await road.run(20, of_canary=False)
    await road.run(10, of_canary=True, reply=LOST)
    assert road.rollbacks == (2, 0)


async def test_a_call_that_began_before_it_was_put_back_says_nothing(autojump_clock: Clock) -> None:
    road = Road.of()
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(lambda: road.run(1, of_canary=True, reply=LOST, seconds=5))
        await trio.sleep(1)
        road.trial.hold_back()
        assert road.rollbacks == (0, 0), "by hand is not counted"
        road.trial.put_back()
        await road.run(20, of_canary=False)
    assert not road.trial.is_held_back


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.95])
async def test_one_that_does_as_well_stays_however_few_calls_its_primary_has(share: float, autojump_clock: Clock) -> None:
    """A primary that has not failed in 150 calls may yet fail once in two hundred."""
    for seed in range(20):
        chance, road = random.Random(seed), Road.of(minimum_calls=50)
        for number in range(3000):
            fails, of_canary = chance.random() < 0.005, chance.random() < share
            road.trial.record(road.trial.life, number / 10, None, fails, of_canary=of_canary)
        assert road.rollbacks == (0, 0), seed


@pytest.mark.parametrize("seed", range(20))
async def test_one_that_does_as_well_stays_for_long_and_one_that_does_worse_goes_soon(seed: int, autojump_clock: Clock) -> None:
    """With a twentieth of the calls, one in a hundred of which fails, or one in ten."""
    for share, goes in ((0.01, False), (0.1, True)):
        chance, road = random.Random(seed), Road.of(minimum_calls=50, window_seconds=1e6)
        for number in range(1, 20_000):
            of_canary = number % 20 == 0
            fails = chance.random() < (share if of_canary else 0.01)
            seconds = chance.expovariate(10)
            road.trial.record(road.trial.life, number / 10, seconds, fails, of_canary=of_canary)
            if road.trial.is_held_back:
                break
        assert road.trial.is_held_back is goes, (seed, share, road.trial.why)
        assert not goes or number < 8_000
