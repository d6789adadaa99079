"""A retry outlasts a restart: it waits for a backend that is on its way back, once, unless somebody else can answer."""

from __future__ import annotations

import random

import attrs
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.replies import text_of

from sluicegate.backends.backend import Backend
from sluicegate.backends.link import Link, State
from sluicegate.backends.supervisor import Supervisor
from sluicegate.policies.budget import Budget, Budgeted
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.policies.retry import Retry
from sluicegate.policies.settings import RestartSettings, RetrySettings
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause
from sluicegate.routing.failover import Candidate, Failover
from sluicegate.testing.backend import ScriptedBackend

# The numbers that are promised. Taken from the source they would move with it.
LONGEST_RESTART = 30.0

QUICK = RetrySettings(max_retries=3, initial_backoff_ms=100, max_backoff_ms=200)


@attrs.define
class House:
    """Backends under supervision, each behind retries; ``down`` keeps one from coming back."""

    nursery: trio.Nursery

    async def backend(self, name: str, settings: RetrySettings = QUICK, **restarts: float) -> tuple[ScriptedBackend, Backend, Retry]:
        scripted = ScriptedBackend(name=name)
        backend = Backend(Link(name, scripted.connector))
        times = RestartSettings(**{"initial_seconds": 4.0, "max_seconds": 8.0, "crash_limit": 9, "crash_window_seconds": 60.0, **restarts})  # type: ignore[arg-type]
        self.nursery.start_soon(Supervisor(backend.link, times, 5, random.Random(1)).run)
        await backend.wait_for(lambda backend: backend.state is State.READY)
        return scripted, backend, Retry(backend, settings, lambda _call: True, random.Random(1), backend)


@pytest.mark.parametrize("retries", [1, 3])
async def test_a_call_in_the_middle_of_a_restart_waits_for_its_end(
    retries: int, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    scripted, backend, policy = await House(nursery).backend("inv", attrs.evolve(QUICK, max_retries=retries))
    scripted.crash()
    began = trio.current_time()
    assert "echo" in text_of(await policy(a_call("echo")))
    assert 2 <= trio.current_time() - began <= 4.2
    assert (policy.retried, policy.waiting, backend.restarts) == (1, 0, 1)


async def test_calls_that_waited_do_not_come_back_in_the_same_moment(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    scripted, _backend, policy = await House(nursery).backend("inv")
    scripted.crash()
    ends: list[float] = []

    async def one() -> None:
        assert (await policy(a_call("echo"))).fault is None
        ends.append(trio.current_time())

    async with trio.open_nursery() as calls:
        for _ in range(10):
            calls.start_soon(one)
    assert len(set(ends)) == 10


async def test_it_is_waited_for_once(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    scripted, backend, policy = await House(nursery).backend("inv")

    async def fails_once_back(call: Call) -> Reply:
        reply = await backend(call)
        if reply.fault is None:
            scripted.crash()
            reply = Reply.failed(backend.link.absence())
        return reply

    policy.inner = fails_once_back
    scripted.crash()
    began = trio.current_time()
    fault = (await policy(a_call("echo"))).fault
    assert fault is not None
    assert trio.current_time() - began < 5


@pytest.mark.parametrize("seconds", [0.5, 1.0, 30.0])
async def test_nobody_waits_beyond_the_deadline_of_the_call(
    seconds: float, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    scripted, _backend, policy = await House(nursery).backend("inv", initial_seconds=100.0, max_seconds=100.0)
    scripted.crash()
    began = trio.current_time()
    fault = (await Lifetime(CallDeadline(policy, seconds))(a_call("echo"))).fault
    assert fault is not None
    assert trio.current_time() - began <= seconds
    assert policy.waiting == 0


async def test_what_has_been_away_for_long_is_not_waited_for(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    scripted, _backend, policy = await House(nursery).backend("inv", initial_seconds=1000.0, max_seconds=1000.0)
    scripted.crash()
    began = trio.current_time()
    assert (await policy(a_call("echo"))).fault is not None
    assert LONGEST_RESTART <= trio.current_time() - began <= LONGEST_RESTART + 1
    again = trio.current_time()
    assert (await policy(a_call("echo"))).fault is not None
    assert trio.current_time() - again < 1


async def test_a_crash_loop_is_not_waited_for(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    scripted, backend, policy = await House(nursery).backend("inv", crash_limit=1)
    scripted.crash()
    await backend.wait_for(lambda backend: backend.state is State.CRASH_LOOPING)
    began = trio.current_time()
    assert (await policy(a_call("echo"))).fault is not None
    assert trio.current_time() - began < 1


async def test_a_backend_that_is_removed_ends_the_wait(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as other:
        scripted, _backend, policy = await House(other).backend("inv")
        scripted.crash()
        replies: list[Reply] = []

        async def ask() -> None:
            replies.append(await policy(a_call("echo")))

        nursery.start_soon(ask)
        await trio.sleep(1)
        assert policy.waiting == 1
        other.cancel_scope.cancel()
    await trio.sleep(1)
    assert [reply.fault.message for reply in replies if reply.fault] == ["backend 'inv' is not available: it has been removed"]


async def test_a_caller_that_cancels_while_it_waits_leaves_nothing_behind(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    scripted, backend, policy = await House(nursery).backend("inv")
    scripted.crash()
    with trio.move_on_after(1):
        await policy(a_call("echo"))
    assert (policy.waiting, backend.in_flight) == (0, 0)


async def test_somebody_who_can_answer_is_asked_instead_of_waiting(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    scripted, backend, policy = await House(nursery).backend("inv")
    _other, other, another = await House(nursery).backend("spare")
    failover = Failover(Candidate("inv", policy, lambda: backend.is_up), (Candidate("spare", another, lambda: other.is_up, other.lists),))
    scripted.crash()
    began = trio.current_time()
    assert "echo" in text_of(await failover(a_call("echo")))
    assert trio.current_time() - began < 1


async def test_where_everybody_is_away_the_primary_is_waited_for(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    scripted, backend, policy = await House(nursery).backend("inv")
    spare, other, another = await House(nursery).backend("spare", initial_seconds=100.0, max_seconds=100.0)
    failover = Failover(Candidate("inv", policy, lambda: backend.is_up), (Candidate("spare", another, lambda: other.is_up, other.lists),))
    scripted.crash()
    spare.crash()
    await trio.testing.wait_all_tasks_blocked()
    assert "echo" in text_of(await failover(a_call("echo")))


async def test_a_wait_that_ends_well_is_drawn_from_the_budget_like_any_retry(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    scripted, _backend, policy = await House(nursery).backend("inv")
    scripted.crash()
    call = a_call("echo")
    call.trail.allowance = _Empty()
    fault = (await policy(call)).fault
    assert fault is not None
    assert (fault.cause, policy.retried, policy.exhausted) == (Cause.UNAVAILABLE, 0, 1)


class _Empty:
    def draw(self) -> bool:
        return False

    def reserve(self) -> bool:
        return False

    def release(self) -> None:
        raise AssertionError


async def test_who_has_no_budget_does_not_wait_for_a_backend_that_he_may_not_ask(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """All of a crowd waited until it was back, only to be told then that one of them may go."""
    scripted, _backend, policy = await House(nursery).backend("inv")
    budget = Budget(10, 0.2)  # 2 of ten seconds, beside a tenth of the calls
    scripted.crash()
    began = trio.current_time()
    ends: list[tuple[float, bool]] = []

    async def one() -> None:
        reply = await Budgeted(policy, budget)(a_call("echo"))
        ends.append((trio.current_time() - began, reply.fault is None))

    async with trio.open_nursery() as calls:
        for _ in range(10):
            calls.start_soon(one)
        await trio.testing.wait_all_tasks_blocked()
        assert (policy.waiting, budget.left, budget.drawn) == (3, 0, 0)
    assert [ok for _, ok in ends] == [False] * 7 + [True] * 3
    assert {at for at, ok in ends if not ok} == {0}
    assert (budget.drawn, budget.refused, policy.waiting) == (3, 7, 0)


async def test_a_place_in_the_budget_is_free_again_when_whoever_waited_is_cancelled(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    scripted, _backend, policy = await House(nursery).backend("inv")
    budget = Budget(0, 0.1)
    scripted.crash()
    with trio.move_on_after(1) as impatient:
        await Budgeted(policy, budget)(a_call("echo"))
    assert impatient.cancelled_caught
    assert (budget.left, budget.drawn) == (1, 0)
    assert (await Budgeted(policy, budget)(a_call("echo"))).fault is None
