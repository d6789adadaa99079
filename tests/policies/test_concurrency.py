"""Places, the queue for them, and who gets one; in virtual time."""

import random

import attrs
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call

from sluicegate.policies.concurrency import Concurrency
from sluicegate.policies.deadline import AttemptDeadline, Deadline
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.policies.settings import ConcurrencySettings
from sluicegate.protocol.calls import Call, Handler, Reply
from sluicegate.protocol.faults import Cause
from sluicegate.testing.scissors import cut_after

DONE = Reply()


@attrs.define(eq=False)
class Backend:
    """Works for a while; remembers who came, and how many there were at once."""

    seconds: float = 1.0
    names: list[str] = attrs.field(factory=list)
    running: int = 0
    most: int = 0

    async def __call__(self, call: Call) -> Reply:
        self.names.append(call.target)
        call.sent_at, call.trail.sent = trio.current_time(), True
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await trio.sleep(self.seconds)
        finally:
            self.running -= 1
        return DONE


@attrs.define(eq=False)
class Crowd:
    """Callers that come one after the other, and what became of them."""

    handler: Handler
    replies: dict[int, Reply] = attrs.field(factory=dict)
    ended: dict[int, float] = attrs.field(factory=dict)
    scopes: dict[int, trio.CancelScope] = attrs.field(factory=dict)

    async def come(self, nursery: trio.Nursery, numbers: range) -> None:
        for number in numbers:
            self.scopes[number] = trio.CancelScope()
            nursery.start_soon(self._one, number)
            await trio.testing.wait_all_tasks_blocked()

    async def _one(self, number: int) -> None:
        with self.scopes[number]:
            self.replies[number] = await self.handler(a_call(number))
        self.ended[number] = trio.current_time()


def places(backend: Backend, most: int = 1, max_queue: int = 100, seconds: float | None = None) -> Concurrency:
    return Concurrency(backend, ConcurrencySettings(most, max_queue, seconds), "files")


async def test_only_so_many_run_at_once_and_the_others_follow_in_order(autojump_clock: trio.testing.MockClock) -> None:
    """RES-15, TST-M13: first come, first served."""
    backend = Backend()
    policy = places(backend, 3)
    crowd = Crowd(policy)
    async with trio.open_nursery() as nursery:
        await crowd.come(nursery, range(10))
        assert (policy.running, policy.waiting) == (3, 7)

    assert backend.most == 3
    groups = [set(backend.names[start : start + 3]) for start in range(0, 10, 3)]
    assert groups == [{"0", "1", "2"}, {"3", "4", "5"}, {"6", "7", "8"}, {"9"}]  # within one Trio decides who runs first
    assert [crowd.ended[number] for number in range(10)] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]
    assert (policy.running, policy.waiting, policy.refused) == (0, 0, 0)


async def test_a_full_queue_refuses_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """RES-15, RES-E8, LIM-17: the queue has an end, and the refusal a name; it speaks against nobody and may be sent again."""
    policy = places(Backend(), 1, 2)
    crowd = Crowd(policy)
    async with trio.open_nursery() as nursery:
        await crowd.come(nursery, range(4))
        assert crowd.ended == {3: 0}

    fault = crowd.replies[3].fault
    assert fault is not None
    assert (fault.cause, fault.code, fault.reason, fault.backend) == (Cause.OVERLOAD, -32013, "queue_full", "files")
    assert (fault.started, fault.counts_against_backend, fault.may_be_repeated(safe=False)) == (False, False, True)
    assert policy.refused == 1


async def test_without_a_queue_whoever_finds_no_place_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    crowd = Crowd(places(Backend(), 2, 0))
    async with trio.open_nursery() as nursery:
        await crowd.come(nursery, range(3))

    assert [reply.fault is None for _, reply in sorted(crowd.replies.items())] == [True, True, False]


async def test_who_waits_too_long_leaves_the_queue(autojump_clock: trio.testing.MockClock) -> None:
    """LIM-17: the queue has a deadline of its own; TST-G6: whose turn comes just then, is served or refused, and no place is lost."""
    backend = Backend(seconds=4)
    policy = places(backend, 1, 10, 2.5)
    crowd = Crowd(policy)
    async with trio.open_nursery() as nursery:
        await crowd.come(nursery, range(3))
        await trio.sleep(2)
        await crowd.come(nursery, range(3, 4))

    assert crowd.ended == {0: 4, 1: 2.5, 2: 2.5, 3: 8}
    fault = crowd.replies[1].fault
    assert fault is not None
    assert (fault.cause, fault.code, fault.reason, fault.backend) == (Cause.OVERLOAD, -32013, "queue_timeout", "files")
    assert (fault.started, fault.counts_against_backend) == (False, False)
    assert "2.5 s" in fault.message
    assert (policy.refused, policy.running, policy.waiting) == (2, 0, 0)
    assert backend.names == ["0", "3"]


@pytest.mark.parametrize("most", [1, 2])
async def test_a_place_that_comes_in_the_moment_of_giving_up_is_not_lost(most: int, autojump_clock: trio.testing.MockClock) -> None:
    """TST-G6: the wait ends at 1 s and so does the work; whatever Trio runs first, all places are free in the end."""
    for _ in range(50):
        backend = Backend(seconds=1)
        policy = places(backend, most, 10, 1.0)
        crowd = Crowd(policy)
        async with trio.open_nursery() as nursery:
            await crowd.come(nursery, range(6))

        assert (policy.running, policy.waiting) == (0, 0)
        assert backend.most == most
        served = [number for number, reply in crowd.replies.items() if reply.fault is None]
        assert len(served) == 6 - policy.refused
        assert DONE is await policy(a_call())


@pytest.mark.parametrize("kind", ["attempt", "scope", "whole call"])
async def test_a_deadline_holds_whatever_the_queue(kind: str, autojump_clock: trio.testing.MockClock) -> None:
    """RES-15, LIM-17, RES-30: ten callers, one place, one second each: all end after that second, and not after 1, 2, … 10."""
    backend = Backend(seconds=60)
    policy = places(backend, 1)
    around: dict[str, Handler] = {
        "attempt": AttemptDeadline(policy, 1.0, "files"),
        "scope": Deadline(policy, 1.0),
        "whole call": Lifetime(CallDeadline(policy, 1.0)),
    }
    crowd = Crowd(around[kind])
    async with trio.open_nursery() as nursery:
        await crowd.come(nursery, range(10))

    assert set(crowd.ended.values()) == {1.0}
    causes = [reply.fault.cause for _, reply in sorted(crowd.replies.items()) if reply.fault is not None]
    assert causes == [Cause.TIMEOUT, *[Cause.OVERLOAD] * 9]  # nine were never sent
    assert (policy.running, policy.waiting) == (0, 0)
    assert backend.names == ["0"]


@pytest.mark.parametrize("victims", [{1}, {2}, {4}, {1, 2}, {1, 2, 3, 4}, {0}, {0, 1}, {0, 1, 2, 3, 4}])
async def test_whoever_is_cancelled_gives_up_its_place_or_its_turn(victims: set[int], autojump_clock: trio.testing.MockClock) -> None:
    """TST-G11: while it runs, and while it waits, first or last; several in the same moment, so that the next one is cancelled, too."""
    backend = Backend()
    policy = places(backend, 1)
    crowd = Crowd(policy)
    async with trio.open_nursery() as nursery:
        await crowd.come(nursery, range(5))
        await trio.sleep(0.5)
        for victim in sorted(victims):
            crowd.scopes[victim].cancel()

    alive = [number for number in range(5) if number not in victims]
    start = 0.5 if 0 in victims else 0
    assert [crowd.ended[number] for number in alive] == [start + turn for turn in range(1, len(alive) + 1)]
    assert backend.names == [str(number) for number in sorted({0, *alive})]
    assert (policy.running, policy.waiting) == (0, 0)


@pytest.mark.parametrize("cancelled_before", [True, False])
async def test_a_place_given_to_somebody_just_cancelled_goes_on_to_the_next(
    cancelled_before: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """TST-G11: in one step the running call ends and the first in line is cancelled, in either order."""

    async def hold(call: Call) -> Reply:
        await trio.sleep(1)
        if call.target == "0" and cancelled_before:
            crowd.scopes[1].cancel()
        return DONE

    async def first() -> None:
        await policy(a_call(0))
        if not cancelled_before:
            assert policy.waiting == 1
            crowd.scopes[1].cancel()

    policy = Concurrency(hold, ConcurrencySettings(1, 10), "files")
    crowd = Crowd(policy)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()
        await crowd.come(nursery, range(1, 3))

    assert set(crowd.replies) == {2}
    assert crowd.ended == {1: 1, 2: 2}
    assert (policy.running, policy.waiting) == (0, 0)


async def test_a_free_place_costs_no_checkpoint() -> None:
    async def immediate(call: Call) -> Reply:
        return DONE

    with trio.CancelScope() as scope:
        scope.cancel()
        assert DONE is await Concurrency(immediate, ConcurrencySettings(1, 0), "files")(a_call())

    assert not scope.cancelled_caught


async def test_a_refusal_gives_other_tasks_a_turn(autojump_clock: trio.testing.MockClock) -> None:
    policy = places(Backend(), 1, 0)
    async with trio.open_nursery() as nursery:
        await Crowd(policy).come(nursery, range(1))
        with trio.CancelScope() as scope:
            scope.cancel()
            await policy(a_call())

    assert scope.cancelled_caught


async def test_a_bug_gives_its_place_back(autojump_clock: trio.testing.MockClock) -> None:
    async def buggy(call: Call) -> Reply:
        raise ZeroDivisionError(call.target)

    policy = Concurrency(buggy, ConcurrencySettings(1, 0), "files")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await policy(a_call())
    assert policy.running == 0


async def test_cancelling_at_any_checkpoint_loses_no_place(autojump_clock: trio.testing.MockClock) -> None:
    """TST-G11: whether it waits, has just got a place, or runs."""
    for steps in range(1, 20):
        policy = places(Backend(), 1, 10, 5)
        async with trio.open_nursery() as nursery:
            await Crowd(policy).come(nursery, range(1))
            with cut_after(steps) as scope:
                await policy(a_call())
        assert (policy.running, policy.waiting) == (0, 0)
        if not scope.cancelled_caught:
            break
    assert steps > 2


async def test_whatever_happens_no_place_is_lost_or_given_twice(autojump_clock: trio.testing.MockClock) -> None:
    """TST-G6, TST-G11: a property, over 200 seeds: callers come, wait, give up and are cut, and in the end all places are free."""
    for seed in range(200):
        chance = random.Random(seed)
        backend = Backend(chance.choice([0, 1, 2]))
        policy = places(backend, chance.randint(1, 4), chance.choice([0, 2, 20]), chance.choice([None, 0.001, 1, 2.5]))
        crowd = Crowd(policy)
        async with trio.open_nursery() as nursery:
            for number in range(30):
                await crowd.come(nursery, range(number, number + 1))
                crowd.scopes[number].deadline = trio.current_time() + chance.choice([float("inf"), 0, 1, 2])
                await trio.sleep(chance.choice([0, 0, 0.5, 1]))
                if chance.random() < 0.2:
                    crowd.scopes[chance.randrange(number + 1)].cancel()
                assert policy.running <= policy.settings.max_concurrent, f"seed {seed}"
                assert policy.waiting <= policy.settings.max_queue, f"seed {seed}"
                assert policy.running == policy.settings.max_concurrent or policy.waiting == 0, f"seed {seed}"

        assert (policy.running, policy.waiting) == (0, 0), f"seed {seed}"
        assert backend.most <= policy.settings.max_concurrent, f"seed {seed}"
        assert policy.refused == sum(reply.fault is not None for reply in crowd.replies.values()), f"seed {seed}"


@pytest.mark.parametrize(("most", "max_queue"), [(0, 1), (1, -1)])
def test_no_places_are_refused(most: int, max_queue: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Concurrency(Backend(), ConcurrencySettings(most, max_queue), "files")
