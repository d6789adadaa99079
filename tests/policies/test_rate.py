"""So many calls in so much time: exact times on the mock clock."""

import itertools
import random

import attrs
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call

from sluicegate.policies.deadline import Deadline
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.policies.rate import Bucket, RateLimit
from sluicegate.policies.retry import Retry
from sluicegate.policies.settings import RateLimitSettings, RetrySettings
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause, Fault
from sluicegate.testing.scissors import cut_after

DONE = Reply()


@attrs.define(eq=False)
class Backend:
    """Remembers who came, and when."""

    names: list[str] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)

    async def __call__(self, call: Call) -> Reply:
        self.names.append(call.target)
        self.times.append(round(trio.current_time(), 9))
        await trio.lowlevel.checkpoint()
        return DONE


def limit(backend: Backend, requests: int, period: float = 1.0, burst: int | None = None, wait: float = 0.0) -> RateLimit:
    return RateLimit(backend, Bucket(RateLimitSettings(requests, period, burst, wait)), "files")


async def fault_of(policy: RateLimit) -> Fault:
    reply = await policy(a_call())
    assert reply.fault is not None
    return reply.fault


async def start_in_order(nursery: trio.Nursery, policy: RateLimit, numbers: range) -> None:
    for number in numbers:
        nursery.start_soon(policy, a_call(number))
        await trio.testing.wait_all_tasks_blocked()


async def test_a_burst_passes_at_once_and_the_next_call_is_refused_with_the_time_to_wait(autojump_clock: trio.testing.MockClock) -> None:
    """RES-20, RES-E4, RES-E10, LIM-18: the refusal comes at once, does not speak against the backend, and says when to come again."""
    backend = Backend()
    policy = limit(backend, 10, burst=3)
    for _ in range(3):
        assert DONE is await policy(a_call())
    fault = await fault_of(policy)

    assert backend.times == [0, 0, 0]
    assert (fault.cause, fault.code, fault.reason, fault.backend, fault.message) == (
        Cause.OVERLOAD,
        -32011,
        "rate_limited",
        "files",
        "rate limit exceeded",
    )
    assert (fault.retry_after, fault.started, fault.counts_against_backend) == (0.1, False, False)
    assert b'"retryAfterMs":100' in fault.encode()
    assert (policy.refused, policy.waited, trio.current_time()) == (1, 0, 0)


@pytest.mark.parametrize(("requests", "period", "burst", "expected"), [(5, 1, None, 5), (5, 1, 2, 2), (2, 60, 7, 7), (1, 0.001, None, 1)])
async def test_the_burst_is_the_number_of_requests_unless_told(
    requests: int, period: float, burst: int | None, expected: int, mock_clock: trio.testing.MockClock
) -> None:
    bucket = Bucket(RateLimitSettings(requests, period, burst))

    assert sum(bucket.take() for _ in range(20)) == expected


async def test_a_token_is_there_exactly_when_it_is_due(mock_clock: trio.testing.MockClock) -> None:
    """TST-G6: a hundredth too early there is none; a token taken late is not lost for the next one."""
    bucket = Bucket(RateLimitSettings(4, 1.0, 1))
    assert bucket.take()
    mock_clock.jump(0.24)
    assert not bucket.take()
    mock_clock.jump(0.01)
    assert bucket.take()
    mock_clock.jump(0.25)
    assert bucket.take()
    assert not bucket.take()


async def test_there_is_no_window_at_whose_edge_twice_as_many_pass(mock_clock: trio.testing.MockClock) -> None:
    """RES-22: a burst at the end of a second and another at the beginning of the next one, as a fixed window would let them."""
    bucket = Bucket(RateLimitSettings(10, 1.0))
    mock_clock.jump(0.99)
    assert sum(bucket.take() for _ in range(20)) == 10
    mock_clock.jump(0.02)
    assert sum(bucket.take() for _ in range(20)) == 0
    mock_clock.jump(0.08)
    assert sum(bucket.take() for _ in range(20)) == 1


async def test_a_long_quiet_time_saves_up_one_burst_and_no_more(mock_clock: trio.testing.MockClock) -> None:
    bucket = Bucket(RateLimitSettings(10, 1.0, 4))
    assert sum(bucket.take() for _ in range(20)) == 4
    mock_clock.jump(1e9)
    assert sum(bucket.take() for _ in range(20)) == 4
    mock_clock.jump(0.3125)
    assert sum(bucket.take() for _ in range(20)) == 3


async def test_who_may_wait_gets_the_next_tokens_in_order(autojump_clock: trio.testing.MockClock) -> None:
    """RES-21: everyone waits for a token of its own; nobody is let in without."""
    backend = Backend()
    policy = limit(backend, 10, burst=1, wait=1.0)
    with trio.fail_after(10):  # one that is not woken would wait for ever
        async with trio.open_nursery() as nursery:
            await start_in_order(nursery, policy, range(8))
            assert (policy.bucket.waiting, policy.waited) == (7, 7)

    assert backend.names == [str(number) for number in range(8)]
    assert backend.times == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert (policy.refused, policy.bucket.waiting) == (0, 0)


@pytest.mark.parametrize(("wait", "passes"), [(0.1, True), (0.0999, False), (0.0, False)])
@pytest.mark.parametrize("begin", [0.0, 0.1, 0.7, 1.1, 1000.3])
async def test_a_turn_at_the_end_of_the_longest_wait_is_waited_for(
    wait: float, passes: bool, begin: float, autojump_clock: trio.testing.MockClock
) -> None:
    """RES-21, TST-G6: the exact boundary, however binary fractions fall."""
    await trio.sleep(begin)
    backend = Backend()
    policy = limit(backend, 10, burst=1, wait=wait)
    await policy(a_call())
    await policy(a_call())

    assert len(backend.times) == 1 + passes
    assert (policy.refused, policy.waited) == (0, 1) if passes else (1, 0)


async def test_who_would_wait_too_long_behind_the_others_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    backend = Backend()
    policy = limit(backend, 10, burst=1, wait=0.25)
    async with trio.open_nursery() as nursery:
        await start_in_order(nursery, policy, range(3))
        assert (await fault_of(policy)).retry_after == pytest.approx(0.3)
        assert (await fault_of(policy)).retry_after == pytest.approx(0.3)

    assert backend.times == [0, 0.1, 0.2]
    assert policy.refused == 2


@pytest.mark.parametrize("kind", ["scope", "whole call"])
@pytest.mark.parametrize(("seconds", "passes"), [(0.51, True), (0.5, False), (0.4, False)])
async def test_a_call_does_not_wait_beyond_its_deadline(
    kind: str, seconds: float, passes: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """RES-21, LIM-18: it is refused at once instead; a turn exactly at the deadline is no use either."""
    backend = Backend()
    policy = limit(backend, 2, burst=1, wait=100)
    await policy(a_call())
    reply = await (Deadline(policy, seconds) if kind == "scope" else Lifetime(CallDeadline(policy, seconds)))(a_call())

    assert (reply is DONE) == passes
    assert trio.current_time() == (0.5 if passes else 0)
    if not passes:
        assert reply.fault is not None
        assert (reply.fault.reason, reply.fault.retry_after) == ("rate_limited", 0.5)


async def test_nobody_overtakes_those_who_wait(autojump_clock: trio.testing.MockClock) -> None:
    """Also in the very moment in which a token is there and the first in line has not run yet."""
    backend = Backend()
    policy = limit(backend, 1, burst=1, wait=100)
    async with trio.open_nursery() as nursery:
        await start_in_order(nursery, policy, range(2))
        for late in range(2, 12):
            await trio.sleep_until(late - 1)
            assert not policy.bucket.take()
            nursery.start_soon(policy, a_call(late))

    assert backend.names == [str(number) for number in range(12)]
    assert backend.times == list(range(12))


@pytest.mark.parametrize("victims", [{1}, {2}, {5}, {1, 2}, {2, 4}, {1, 2, 3, 4, 5}])
async def test_whoever_is_cancelled_gives_up_its_turn_and_those_behind_move_up(
    victims: set[int], autojump_clock: trio.testing.MockClock
) -> None:
    """TST-G11: first in line, in the middle, last, and several at once."""
    backend = Backend()
    policy = limit(backend, 1, burst=1, wait=100)
    scopes = [trio.CancelScope() for _ in range(6)]

    async def one(number: int) -> None:
        with scopes[number]:
            await policy(a_call(number))

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(one, number)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.5)
        for victim in sorted(victims):
            scopes[victim].cancel()

    alive = [number for number in range(6) if number not in victims]
    assert backend.names == [str(number) for number in alive]
    assert backend.times == list(range(len(alive)))
    assert policy.bucket.waiting == 0


async def test_a_turn_given_up_in_the_moment_it_comes_is_the_next_ones(autojump_clock: trio.testing.MockClock) -> None:
    backend = Backend()
    policy = limit(backend, 1, burst=1, wait=100)
    await policy(a_call())

    async def cut_at_its_turn() -> None:
        with trio.CancelScope() as scope:
            nursery.start_soon(cut, scope)
            await policy(a_call(1))

    async def cut(scope: trio.CancelScope) -> None:
        await trio.sleep(1)
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cut_at_its_turn)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(policy, a_call(2))

    assert backend.times in ([0, 1], [0, 1, 2])  # Trio may run either of the two first
    assert policy.bucket.waiting == 0


async def test_cancelling_at_any_checkpoint_costs_at_most_one_token(autojump_clock: trio.testing.MockClock) -> None:
    for steps in range(1, 20):
        backend = Backend()
        policy = limit(backend, 1, burst=1, wait=100)
        await policy(a_call())
        begin = trio.current_time()
        with cut_after(steps) as scope:
            await policy(a_call())
        spent = len(backend.times) - 1
        assert policy.bucket.waiting == 0
        await policy(a_call())
        assert trio.current_time() == begin + 1 + spent
        if not scope.cancelled_caught:
            break
    assert steps > 2


async def test_refusals_give_other_tasks_a_turn(autojump_clock: trio.testing.MockClock) -> None:
    policy = limit(Backend(), 1, period=1000)
    await policy(a_call())
    with trio.CancelScope() as scope:
        scope.cancel()
        await policy(a_call())

    assert scope.cancelled_caught


async def test_a_bucket_may_be_shared(autojump_clock: trio.testing.MockClock) -> None:
    """GRL-1: one bucket for everybody; a refusal by the gateway itself names no backend."""
    backend = Backend()
    bucket = Bucket(RateLimitSettings(2, 60.0, max_wait_seconds=0.0))
    first, second = RateLimit(backend, bucket), RateLimit(backend, bucket)
    await first(a_call())
    await second(a_call())

    for policy in (first, second):
        fault = await fault_of(policy)
        assert (fault.backend, fault.retry_after) == ("", 30.0)
        assert b"backend" not in fault.encode()


async def test_a_retry_comes_when_there_is_a_token(autojump_clock: trio.testing.MockClock) -> None:
    backend = Backend()
    policy = limit(backend, 1, period=3)
    await policy(a_call())

    assert DONE is await Retry(policy, RetrySettings(initial_backoff_ms=0), lambda _call: False, random.Random(1))(a_call())
    assert backend.times == [0, 3]


@pytest.mark.parametrize("late", [0.0, 5.0, 1e6])
async def test_who_wakes_up_late_takes_no_more_than_there_is(late: float, mock_clock: trio.testing.MockClock) -> None:
    """The event loop was busy for a while: those who waited and those who come are still at most one burst."""
    backend = Backend()
    policy = limit(backend, 2, burst=2, wait=2.0)
    async with trio.open_nursery() as nursery:
        await start_in_order(nursery, policy, range(6))
        mock_clock.jump(0.5 + late)
        await trio.testing.wait_all_tasks_blocked()
        assert len(backend.names) == (4 if late else 3)
        assert not policy.bucket.take()
        mock_clock.jump(0.5)
        await trio.testing.wait_all_tasks_blocked()
        assert len(backend.names) == (5 if late else 4)
        mock_clock.jump(0.5)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(0.5)

    assert backend.names == [str(number) for number in range(6)]


async def test_in_no_interval_more_pass_than_a_burst_and_the_rate(autojump_clock: trio.testing.MockClock) -> None:
    """RES-20, RES-22: a property, over 200 seeds, with callers that wait, give up and come in heaps."""
    for seed in range(200):
        chance = random.Random(seed)
        requests, period = chance.choice([1, 3, 10, 100]), chance.choice([0.3, 1.0, 7.0])
        backend = Backend()
        policy = limit(backend, requests, period, chance.choice([None, 1, 2, 5]), chance.choice([0.0, 0.1, period, 3 * period]))
        begin = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(60):
                patience = chance.choice([float("inf"), chance.uniform(0, 2 * period)])
                nursery.start_soon(_impatient, policy, number, patience)
                await trio.sleep(chance.choice([0, 0, 0, period / requests, chance.uniform(0, period)]))

        burst, rate = policy.bucket._size, requests / period
        for first, last in itertools.combinations_with_replacement(range(len(backend.times)), 2):
            interval = backend.times[last] - backend.times[first]
            assert last - first + 1 <= burst + interval * rate + 1e-6, f"seed {seed}"
        assert len(backend.times) >= min(burst, 60), f"seed {seed}"
        assert policy.bucket.waiting == 0
        assert trio.current_time() >= begin


async def _impatient(policy: RateLimit, number: int, patience: float) -> None:
    with trio.move_on_after(patience):
        await policy(a_call(number))


async def test_it_gives_out_all_that_it_may(autojump_clock: trio.testing.MockClock) -> None:
    """And not less: ten thousand calls at ten a second, all waiting, take as long as they must, to the last fraction."""
    backend = Backend()
    policy = limit(backend, 7, 1.0, 5, wait=1e6)
    async with trio.open_nursery() as nursery:
        for number in range(705):
            nursery.start_soon(policy, a_call(number))

    assert len(backend.times) == 705
    assert trio.current_time() == pytest.approx(100.0, abs=1e-9)


@pytest.mark.parametrize(("requests", "period", "burst"), [(0, 1, None), (1, 0, None), (1, -1, None), (1, 1, 0)])
def test_a_rate_that_is_none_is_refused(requests: int, period: float, burst: int | None) -> None:
    """LIM-18: ``period_seconds = 0`` is no period."""
    with pytest.raises(ValueError, match="must be"):
        Bucket(RateLimitSettings(requests, period, burst))
