"""However a hedged call ends, its copies end with it, and the backend hears of it. In virtual time."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.heard import Heard

from sluicegate.backends.session import BackendSession
from sluicegate.policies.hedge import Hedge
from sluicegate.policies.hedge_timer import HedgeTimer
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.policies.settings import HedgeSettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Handler, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint
from sluicegate.testing.script import Delay, Hang, RpcError, Step

Clock = trio.testing.MockClock


def told(backend: ScriptedBackend) -> tuple[int, int]:
    """How many calls a backend got, and how many cancellations."""
    methods = [message.method for message in backend.received]
    return methods.count("tools/call"), methods.count("notifications/cancelled")


@asynccontextmanager
async def hedging(inner: Handler, settings: HedgeSettings) -> AsyncGenerator[Hedge, None]:
    """A hedge with its timer; at the end nothing of any call may be left."""
    async with trio.open_nursery() as background:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        yield Hedge(inner, settings, lambda _call: True, lambda: True, timer, background)
        await trio.testing.wait_all_tasks_blocked()
        assert [task.name for task in background.child_tasks] == ["sluicegate.policies.hedge_timer.HedgeTimer.run"]
        assert timer.planned == 0
        background.cancel_scope.cancel()


@attrs.frozen
class Setting:
    """A hedge over a real session with a scripted backend."""

    hedge: Hedge
    backend: ScriptedBackend
    session: BackendSession

    async def assert_over(self, calls: int | None = None) -> None:
        """Whoever has not answered has been cancelled, and nothing of any call goes on."""
        now = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == now
        assert self.hedge.running == self.hedge.timer.planned == 0
        assert getattr(self.session, "in_flight") == 0  # noqa: B009  a channel's own
        sent, cancelled = told(self.backend)
        assert len(self.backend.cancelled) <= cancelled <= sent, "an answer and its cancellation may cross each other"
        assert calls in (None, sent)


@asynccontextmanager
async def over_a_session(*steps: Step, delay: float = 1, copies: int = 1) -> AsyncGenerator[Setting, None]:
    backend = ScriptedBackend(*steps)
    async with (
        backend.connector(Heard()) as session,
        hedging(session.request, HedgeSettings(1000 * delay, max_hedges=copies)) as hedge,
    ):
        yield Setting(hedge, backend, session)


# -- the backend hears of it


async def test_if_the_first_attempt_wins_the_backend_is_told_to_drop_the_copies(autojump_clock: Clock) -> None:
    """RES-12: notifications/cancelled for every loser."""
    async with over_a_session(Delay(2.5), Hang(), copies=5) as setting:
        assert (await setting.hedge(a_call("files_find"))).text == "find {} #1"
        await setting.assert_over(3)
        assert (trio.current_time(), sorted(setting.backend.cancelled)) == (2.5, [2, 3])


async def test_if_a_copy_wins_the_backend_is_told_to_drop_the_others(autojump_clock: Clock) -> None:
    """RES-12: the first attempt, and the other copy."""
    async with over_a_session(Hang(), Hang(), Delay(0.5), copies=5) as setting:
        assert (await setting.hedge(a_call("files_find"))).text == "find {} #3"
        await setting.assert_over(3)
        assert (trio.current_time(), sorted(setting.backend.cancelled)) == (2.5, [1, 2])


async def test_if_the_caller_cancels_the_backend_is_told_to_drop_all(autojump_clock: Clock) -> None:
    """RES-12: no copy survives that its client goes."""
    async with over_a_session(Hang(), copies=2) as setting:
        with trio.move_on_after(2.5) as scope:
            await setting.hedge(a_call("files_find"))
        assert scope.cancelled_caught
        await setting.assert_over(3)
        assert sorted(setting.backend.cancelled) == [1, 2, 3]


async def test_if_the_deadline_of_the_call_expires_the_backend_is_told_to_drop_all(autojump_clock: Clock) -> None:
    """RES-12: no copy survives a timeout."""
    async with over_a_session(Hang(), copies=2) as setting:
        reply = await Lifetime(CallDeadline(setting.hedge, 2.5))(a_call("files_find"))
        assert reply.fault is not None
        assert (reply.fault.reason, trio.current_time()) == ("timeout", 2.5)
        await setting.assert_over(3)
        assert sorted(setting.backend.cancelled) == [1, 2, 3]


async def test_if_the_caller_cancels_while_only_copies_run_they_are_dropped_too(autojump_clock: Clock) -> None:
    async with over_a_session(Delay(1.5, RpcError()), Hang()) as setting:
        with trio.move_on_after(4):
            await setting.hedge(a_call("files_find"))
        await setting.assert_over(2)
        assert (trio.current_time(), setting.backend.cancelled) == (4, [2])


async def test_a_lost_connection_fails_all_copies_and_the_call_with_them(autojump_clock: Clock) -> None:
    async with over_a_session(Hang(), copies=2) as setting, trio.open_nursery() as nursery:

        async def crash() -> None:
            await trio.sleep(2.5)
            setting.backend.crash()

        nursery.start_soon(crash)
        reply = await setting.hedge(a_call("files_find"))
        assert reply.fault is not None
        assert (reply.fault.reason, trio.current_time(), told(setting.backend)) == ("connection_lost", 2.5, (3, 0))


# -- any await may be the last


SCENARIOS: dict[str, tuple[Step, ...]] = {
    "the first attempt wins": (Delay(3), Delay(10), Delay(10)),
    "a copy wins": (Delay(10), Delay(2), Delay(10)),
    "all fail": (Delay(2.5, RpcError()), Delay(2, RpcError()), Delay(3, RpcError())),
    "the first fails and a copy wins": (Delay(2.5, RpcError()), Delay(10), Delay(2)),
}


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_call_can_be_cut_at_every_checkpoint(scenario: str, delay: float, autojump_clock: Clock) -> None:
    """TST-G11: a call is cancelled or answered, and its copies end in any case."""
    async with over_a_session(delay=delay, copies=2) as setting:

        async def play() -> Reply:
            setting.backend.steps = (Hang(),) * setting.backend.calls + SCENARIOS[scenario]
            return await setting.hedge(a_call("files_find"))

        async def check(trial: Trial[Reply]) -> None:
            assert len(trial.results) == (not trial.cut)
            await setting.assert_over()

        assert await cancel_at_every_checkpoint(play, check) > 1


@attrs.define(eq=False)
class Axe(trio.abc.Instrument):
    """Cancels a scope when so many steps were taken, by whatever task."""

    scope: trio.CancelScope
    left: int

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_call_can_be_cut_after_any_step_of_any_task(scenario: str, delay: float, autojump_clock: Clock) -> None:
    """TST-G11: also when a copy, the timer or the backend has just done something."""
    async with over_a_session(delay=delay, copies=2) as setting:
        for steps in range(1, 1000):
            setting.backend.steps = (Hang(),) * setting.backend.calls + SCENARIOS[scenario]
            reply = None
            with trio.CancelScope() as scope:
                axe = Axe(scope, steps)
                trio.lowlevel.add_instrument(axe)
                try:
                    reply = await setting.hedge(a_call("files_find"))
                finally:
                    trio.lowlevel.remove_instrument(axe)
            assert scope.cancelled_caught == (reply is None)
            await setting.assert_over()
            if axe.left > 0:
                break
        assert steps > 5


# -- what happens in the same step


@pytest.mark.parametrize("attempt", range(30))
async def test_two_answers_in_the_same_step_are_one(attempt: int, autojump_clock: Clock) -> None:
    """Trio shuffles what is due together, so this has both orders."""
    async with over_a_session(Delay(2), Delay(1)) as setting:
        reply = await setting.hedge(a_call("files_find"))
        assert reply.text in ("find {} #1", "find {} #2")
        await setting.assert_over(2)
        assert setting.hedge.won == reply.text.endswith("#2")


@pytest.mark.parametrize("attempt", range(30))
async def test_an_answer_in_the_step_in_which_a_copy_is_due(attempt: int, autojump_clock: Clock) -> None:
    """Whether it is sent or not: it is not abandoned, and one that has not begun leaves no trace."""
    begun = []
    is_over = False

    async def on_time(call: Call) -> Reply:
        assert not is_over
        begun.append(call)
        await trio.sleep(1)
        return Reply()

    async with hedging(on_time, HedgeSettings(1000, max_hedges=3)) as hedge:
        await hedge(a_call("files_find"))
        is_over = True
        await trio.testing.wait_all_tasks_blocked()
        assert len(begun) == 1 + hedge.sent <= 2
        assert (hedge.running, hedge.won, trio.current_time()) == (0, 0, 1)


@pytest.mark.parametrize("attempt", range(30))
async def test_a_copy_that_answers_in_the_step_in_which_the_call_is_cut(attempt: int, autojump_clock: Clock) -> None:
    """The call has one answer: that of the copy, or that it was cut."""
    async with over_a_session(Hang(), Delay(1)) as setting:
        reply = await Lifetime(CallDeadline(setting.hedge, 2))(a_call("files_find"))
        assert trio.current_time() == 2
        if reply.fault is None:
            assert (reply.text, setting.hedge.won) == ("find {} #2", 1)
        else:
            assert (reply.fault.reason, setting.hedge.won) == ("timeout", 0)
        await setting.assert_over(2)


# -- slow endings, and the end of everything


async def test_a_loser_that_takes_its_time_to_end_delays_nobody(autojump_clock: Clock) -> None:
    """Such as a session that says goodbye under a shield."""

    async def slow_to_go(call: Call) -> Reply:
        if trio.current_time() == 0:
            await trio.sleep(3)
            return Reply()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
        raise AssertionError

    async with hedging(slow_to_go, HedgeSettings(1000)) as hedge:
        await hedge(a_call("files_find"))
        assert (trio.current_time(), hedge.running) == (3, 1)
        await trio.sleep(5.5)
        assert hedge.running == 0


async def test_a_copy_that_wins_ends_the_other_copies_at_once(autojump_clock: Clock) -> None:
    """Not only when the first attempt has ended, which may take its time."""
    ended = []

    async def first_slow_to_go(_call: Call) -> Reply:
        began = trio.current_time()
        try:
            await trio.sleep(0.5 if began == 2 else 100)
        finally:
            ended.append((began, trio.current_time()))
            if began == 0:
                with trio.move_on_after(5, shield=True):
                    await trio.sleep_forever()
        return Reply()

    async with hedging(first_slow_to_go, HedgeSettings(1000, max_hedges=2)) as hedge:
        await hedge(a_call("files_find"))
        assert trio.current_time() == 7.5
    assert sorted(ended) == [(0, 2.5), (1, 2.5), (2, 2.5)]


async def test_if_the_background_ends_a_call_that_waits_for_its_copies_answers(autojump_clock: Clock) -> None:
    """They end without an answer, so it is the fault of the first attempt."""
    backend = ScriptedBackend(Delay(2, RpcError(message="first")), Hang())
    replies = []
    async with trio.open_nursery() as calls, trio.open_nursery() as background:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        hedge = Hedge(backend, HedgeSettings(1000), lambda _call: True, lambda: True, timer, background)

        async def run() -> None:
            replies.append(await hedge(a_call("files_find")))

        calls.start_soon(run)
        await trio.sleep(3)
        background.cancel_scope.cancel()
    assert [reply.fault.message for reply in replies if reply.fault] == ["first"]
    assert (backend.cancelled, hedge.running, trio.current_time()) == ([2], 0, 3)


# -- all of it at random


@attrs.frozen
class Drawn:
    """How long an attempt takes, and whether it succeeds."""

    seconds: float
    succeeds: bool


def expected(attempts: list[Drawn], delay: float) -> tuple[float, int, int]:
    """When the answer comes, whose it is (-1: the fault of the first), and how many attempts are made: worked out with paper and pencil."""
    first = attempts[0]
    ends = [(number * delay + attempt.seconds, number, attempt.succeeds) for number, attempt in enumerate(attempts)]
    made: list[tuple[float, int, bool]] = [ends[0]]
    for end in ends[1:]:
        due = end[1] * delay
        if due < first.seconds and not any(succeeds and at <= due for at, _, succeeds in made):
            made.append(end)
    won = min((end for end in made if end[2]), default=None)
    return (won[0], won[1], len(made)) if won else (max(made)[0], -1, len(made))


@pytest.mark.parametrize("seed", range(200))
async def test_any_call_ends_as_worked_out_beforehand(seed: int, autojump_clock: Clock) -> None:
    """One reply, that of the first success, at its time; attempts ≤ 1 + hedges; nothing runs on. Twenty calls at a time with one timer."""
    chance = random.Random(seed)
    delay, copies = chance.choice([0, 0.5, 1]), chance.randint(1, 4)
    plans = {number: [Drawn(chance.uniform(0.01, 4), chance.random() < 0.5) for _ in range(1 + copies)] for number in range(20)}
    made = dict.fromkeys(plans, 0)

    async def inner(call: Call) -> Reply:
        number = int(call.target)
        attempt = made[number]
        made[number] += 1
        drawn = plans[number][attempt]
        await trio.sleep(drawn.seconds)
        return Reply(Raw(b"%d" % attempt)) if drawn.succeeds else Reply.failed(faults.lost(str(attempt), "lost"))

    async def run(number: int) -> None:
        await trio.sleep(number * 0.1)
        began = trio.current_time()
        reply = await hedge(Call("tools/call", str(number), {}))
        who = int(bytes(reply.result)) if reply.fault is None else -1
        assert reply.fault is None or reply.fault.backend == "0"
        replies[number] = (pytest.approx(trio.current_time() - began), who, made[number])

    replies: dict[int, object] = {}
    async with hedging(inner, HedgeSettings(1000 * delay, max_hedges=copies)) as hedge, trio.open_nursery() as nursery:
        for number in plans:
            nursery.start_soon(run, number)
    assert {number: expected(plan, delay) for number, plan in plans.items()} == replies
    assert hedge.sent == sum(made.values()) - len(plans)
    assert hedge.won == sum(expected(plan, delay)[1] > 0 for plan in plans.values())
