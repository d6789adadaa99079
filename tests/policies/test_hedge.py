"""Copies of calls that take long: when they are sent, and whose answer is taken. In virtual time."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.heard import Heard
from tests.kit.replies import text_of

from sluicegate.policies.hedge import Hedge
from sluicegate.policies.hedge_timer import HedgeTimer
from sluicegate.policies.latencies import FEWEST
from sluicegate.policies.repeatable import repeatable
from sluicegate.policies.retry import Retry
from sluicegate.policies.settings import HedgeSettings, RetrySettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import SILENT, Call, Handler, Reply
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Hang, RpcError, ToolFails

Clock = trio.testing.MockClock


def message_of(reply: Reply) -> str:
    assert reply.fault is not None, reply.text
    return reply.fault.message


@asynccontextmanager
async def hedging(
    inner: Handler,
    settings: HedgeSettings,
    *,
    is_repeatable: Callable[[Call], bool] = lambda _call: True,
    may_hedge: Callable[[], bool] = lambda: True,
) -> AsyncGenerator[Hedge, None]:
    """A hedge with its timer; at the end nothing of any call may be left."""
    async with trio.open_nursery() as background:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        hedge = Hedge(inner, settings, is_repeatable, may_hedge, timer, background)
        yield hedge
        assert timer.planned == 0, "a call that has ended is forgotten"
        await trio.testing.wait_all_tasks_blocked()
        assert hedge.running == 0, "no copy outlives its call"
        assert len(background.child_tasks) == 1, "nothing but the timer"
        background.cancel_scope.cancel()


@attrs.define(eq=False)
class Allows:
    """A budget of so many attempts."""

    left: int
    asked: int = 0

    def draw(self) -> bool:
        self.asked += 1
        self.left -= 1
        return self.left >= 0

    def reserve(self) -> bool:
        return self.left > 0

    def release(self) -> None:
        """It has kept nothing."""


# -- when copies are sent


async def test_a_slow_call_gets_one_copy_and_one_answer(autojump_clock: Clock) -> None:
    """TST-C11: 20 ms delay, one hedge, a backend of 100 ms: one answer, exactly two hits."""
    backend = ScriptedBackend(Delay(0.1))
    async with hedging(backend, HedgeSettings(20)) as hedge:
        assert text_of(await hedge(a_call("files_find"))) == "find {} #1"
        assert trio.current_time() == 0.1
    assert (backend.calls, backend.cancelled) == (2, [2])
    assert (hedge.sent, hedge.won, hedge.delay) == (1, 0, 0.02)


async def test_fast_calls_get_no_copies(autojump_clock: Clock) -> None:
    """TST-C12: three fast calls are three hits."""
    backend = ScriptedBackend(Delay(0.01))
    async with hedging(backend, HedgeSettings(20)) as hedge:
        for number in (1, 2, 3):
            assert text_of(await hedge(a_call("files_find"))) == f"find {{}} #{number}"
        await trio.sleep(1)
    assert (backend.calls, backend.cancelled, hedge.sent) == (3, [], 0)


async def test_there_are_never_more_copies_than_allowed(autojump_clock: Clock) -> None:
    """TST-C13: 10 ms delay, two hedges, a backend that takes for ever compared to that: three hits."""
    backend = ScriptedBackend(Delay(1))
    async with hedging(backend, HedgeSettings(10, max_hedges=2)) as hedge:
        await hedge(a_call("files_find"))
    assert (backend.calls, sorted(backend.cancelled), hedge.sent) == (3, [2, 3], 2)


async def test_copies_are_sent_a_delay_apart_while_nothing_has_answered(autojump_clock: Clock) -> None:
    """RES-10: the first attempt at once, the n-th copy after n delays."""
    began = []

    async def slow(_call: Call) -> Reply:
        began.append(trio.current_time())
        await trio.sleep(3.5)
        return Reply()

    async with hedging(slow, HedgeSettings(1000, max_hedges=9)) as hedge:
        await hedge(a_call("files_find"))
    assert began == [0, 1, 2, 3]


async def test_without_a_delay_all_are_sent_at_once(autojump_clock: Clock) -> None:
    """RES-10: a delay of 0."""
    backend = ScriptedBackend(Delay(3), Delay(2), Delay(2))
    async with hedging(backend, HedgeSettings(0, max_hedges=2)) as hedge:
        assert text_of(await hedge(a_call("files_find")))[-1] in "23"
        assert trio.current_time() == 2
    assert (backend.calls, hedge.sent, hedge.won) == (3, 2, 1)


async def test_what_must_not_run_twice_passes_untouched(autojump_clock: Clock) -> None:
    """RES-13, LIM-16: a tool without the annotations gets no copy, however slow; a read does."""
    backend = ScriptedBackend(Delay(10))
    calls = []

    async def inner(call: Call) -> Reply:
        calls.append(call)
        return await backend(call)

    safe = repeatable("safe", lambda _method, name: name == "find")
    async with hedging(inner, HedgeSettings(1000), is_repeatable=safe) as hedge:
        harmful = a_call("files_delete")
        await hedge(harmful)
        assert calls == [harmful]
        await hedge(a_call("files_find"))
        await hedge(a_call("files_find", "resources/read"))
    assert backend.calls == 5


async def test_each_copy_passes_the_whole_way_to_the_backend(autojump_clock: Clock) -> None:
    """RES-13: so each takes a place of its own where places are counted."""
    places = trio.CapacityLimiter(2)
    taken = []

    async def limited(_call: Call) -> Reply:
        async with places:
            taken.append(places.borrowed_tokens)
            await trio.sleep(10)
        return Reply()

    async with hedging(limited, HedgeSettings(1000, max_hedges=5)) as hedge:
        await hedge(a_call("files_find"))
    assert taken[:2] == [1, 2], "the other copies still waited for a place when it was over"
    assert places.borrowed_tokens == 0


async def test_nothing_is_copied_while_the_backend_is_being_tried_out(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(Delay(10))
    async with hedging(backend, HedgeSettings(1000), may_hedge=lambda: False) as hedge:
        await hedge(a_call("files_find"))
    assert backend.calls == 1


async def test_whether_copies_may_be_sent_is_asked_again_when_one_is_due(autojump_clock: Clock) -> None:
    """The breaker opened at 1.5 and closed at 2.5: the copy that was due in between is not made up for."""
    backend = ScriptedBackend(Delay(10))
    async with hedging(backend, HedgeSettings(1000, max_hedges=3), may_hedge=lambda: not 1.5 < trio.current_time() < 2.5) as hedge:
        await hedge(a_call("files_find"))
    assert (backend.calls, hedge.sent) == (3, 2)


async def test_once_a_person_was_asked_no_copy_starts(autojump_clock: Clock) -> None:
    """Neither before the call came here nor later; the copy that was under way may go on."""
    backend = ScriptedBackend(Delay(10))

    async def asks_at_once_and_a_half(call: Call) -> Reply:
        await trio.sleep(1.5)
        call.trail.asked = True
        return await backend(call)

    async with hedging(asks_at_once_and_a_half, HedgeSettings(1000, max_hedges=5)) as hedge:
        await hedge(a_call("files_find"))
        assert hedge.sent == 1
        asked = a_call("files_find")
        asked.trail.asked = True
        await hedge(asked)
    assert hedge.sent == 1


async def test_every_copy_is_drawn_from_the_budget(autojump_clock: Clock) -> None:
    """LIM-16: one budget with retries; without means no copy, and none is drawn for one that may not be sent."""
    backend = ScriptedBackend(Delay(10))
    call = a_call("files_find")
    call.trail.allowance = allowance = Allows(2)
    async with hedging(backend, HedgeSettings(1000, max_hedges=4), may_hedge=lambda: trio.current_time() != 1) as hedge:
        await hedge(call)
    assert (backend.calls, allowance.asked) == (3, 3)


# -- whose answer is taken


async def test_the_copy_answers_if_it_is_faster(autojump_clock: Clock) -> None:
    """RES-11, RES-12: and the first attempt is cancelled, not abandoned."""
    backend = ScriptedBackend(Delay(10), Delay(1))
    async with hedging(backend, HedgeSettings(2000)) as hedge:
        assert text_of(await hedge(a_call("files_find"))) == "find {} #2"
        assert trio.current_time() == 3
        assert backend.cancelled == [1]
    assert (hedge.sent, hedge.won) == (1, 1)


async def test_a_failure_of_a_copy_is_not_taken_for_the_answer(autojump_clock: Clock) -> None:
    """RES-11: the first success, not the first response."""
    backend = ScriptedBackend(Delay(5), RpcError())
    async with hedging(backend, HedgeSettings(2000)) as hedge:
        assert text_of(await hedge(a_call("files_find"))) == "find {} #1"
        assert trio.current_time() == 5
    assert (hedge.sent, hedge.won) == (1, 0)


async def test_if_the_first_attempt_fails_its_copies_may_still_succeed(autojump_clock: Clock) -> None:
    """RES-11: the first success, not the first response, the other way round."""
    backend = ScriptedBackend(Delay(3, RpcError()), Delay(3, RpcError()), Delay(2, Answer("yes")), Hang())
    async with hedging(backend, HedgeSettings(1000, max_hedges=9)) as hedge:
        assert text_of(await hedge(a_call("files_find"))) == "yes"
        assert trio.current_time() == 4
    assert backend.calls <= 4, "no copies were sent once an attempt had failed"
    assert hedge.won == 1


async def test_a_tool_that_says_that_it_failed_has_answered(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(Hang(), Delay(1, ToolFails("no such file")))
    async with hedging(backend, HedgeSettings(2000)) as hedge:
        assert text_of(await hedge(a_call("files_find"))) == "no such file"
        assert trio.current_time() == 3


async def test_if_all_fail_the_fault_is_that_of_the_first_attempt(autojump_clock: Clock) -> None:
    """RES-E9: and it comes when the last one has failed."""
    backend = ScriptedBackend(
        Delay(3, RpcError(message="first")), Delay(4, RpcError(message="second")), Delay(2, RpcError(message="third"))
    )
    async with hedging(backend, HedgeSettings(1000, max_hedges=2)) as hedge:
        assert message_of(await hedge(a_call("files_find"))) == "first"
        assert trio.current_time() == 5
    assert (backend.cancelled, hedge.won) == ([], 0)


async def test_a_failure_before_any_copy_was_due_is_answered_at_once(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(Delay(1, RpcError()))
    async with hedging(backend, HedgeSettings(2000)) as hedge:
        assert message_of(await hedge(a_call("files_find"))) == "broken"
        assert trio.current_time() == 1
        await trio.sleep(10)
    assert backend.calls == 1


async def test_no_copy_is_sent_once_the_first_attempt_has_failed(autojump_clock: Clock) -> None:
    """Sending again what has failed is for retries."""
    backend = ScriptedBackend(Delay(1.5, RpcError()), Delay(8))
    async with hedging(backend, HedgeSettings(1000, max_hedges=9)) as hedge:
        assert text_of(await hedge(a_call("files_find"))) == "find {} #2"
        assert trio.current_time() == 9
    assert backend.calls == 2


@pytest.mark.parametrize("seconds", [0.005, 0.05])
@pytest.mark.parametrize("seed", range(10))
async def test_with_retries_outside_copies_do_not_multiply(seconds: float, seed: int, autojump_clock: Clock) -> None:
    """TST-C14: one retry, one hedge: a fast failure is exactly two hits, a slow one two to four."""
    backend = ScriptedBackend(Delay(seconds, RpcError()))
    async with hedging(backend, HedgeSettings(20)) as hedge:
        retry = Retry(hedge, RetrySettings(max_retries=1), lambda _call: True, random.Random(seed))
        assert message_of(await retry(a_call("files_find"))) == "broken"
    assert backend.calls == 2 if seconds < 0.02 else 2 <= backend.calls <= 4


async def test_with_retries_outside_a_budget_holds_for_both(autojump_clock: Clock) -> None:
    """LIM-16: one budget with retry."""
    backend = ScriptedBackend(Delay(0.05, RpcError()))
    call = a_call("files_find")
    call.trail.allowance = Allows(2)
    async with hedging(backend, HedgeSettings(20)) as hedge:
        await Retry(hedge, RetrySettings(max_retries=5), lambda _call: True, random.Random(1))(call)
    assert backend.calls == 3


# -- what a copy is


async def test_a_copy_may_not_ask_and_reports_no_progress(autojump_clock: Clock) -> None:
    """Only the first attempt has the caller's way home; both have his trail."""
    seen = []

    async def noisy(call: Call) -> Reply:
        seen.append(call)
        call.back.note(b"%d" % len(seen))
        await trio.sleep(3)
        return Reply()

    back = Heard()
    call = a_call("files_find", back=back)
    async with hedging(noisy, HedgeSettings(1000)) as hedge:
        await hedge(call)
    first, copy = seen
    assert (first, copy.back) == (call, SILENT)
    assert (copy.trail, copy.params, copy.sent_at) == (call.trail, call.params, None)
    assert back.notes == [b"1"]


async def test_a_copy_knows_how_long_its_call_may_take(autojump_clock: Clock) -> None:
    """It runs outside of the call's scope, but a queue in there asks how long it may wait."""
    ends = []

    async def slow(_call: Call) -> Reply:
        ends.append(trio.current_effective_deadline())
        await trio.sleep(3)
        return Reply()

    call = a_call("files_find")
    call.scope.deadline = 100
    async with hedging(slow, HedgeSettings(1000)) as hedge:
        with call.scope:
            await hedge(call)
    assert ends == [100, 100]


async def test_a_bug_in_a_copy_costs_this_copy_only(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    backend = ScriptedBackend(Delay(3))

    async def buggy(call: Call) -> Reply:
        if trio.current_time() == 1:
            raise ZeroDivisionError
        return await backend(call)

    async with hedging(buggy, HedgeSettings(1000, max_hedges=2)) as hedge:
        assert text_of(await hedge(a_call("files_find"))) == "find {} #1"
    assert (hedge.sent, backend.calls) == (2, 2)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_bug_in_the_first_attempt_is_the_callers_to_see(autojump_clock: Clock) -> None:
    """And ends the copies."""
    backend = ScriptedBackend(Hang())

    async def buggy(call: Call) -> Reply:
        if trio.current_time() == 1:
            return await backend(call)
        await trio.sleep(3)
        raise ZeroDivisionError

    async with hedging(buggy, HedgeSettings(1000)) as hedge:
        with pytest.raises(ZeroDivisionError):
            await hedge(a_call("files_find"))
    assert backend.cancelled == [1]


# -- a delay that is found out


async def test_the_delay_is_what_so_many_percent_of_attempts_take(autojump_clock: Clock) -> None:
    """LIM-16: the configured delay until enough were seen."""
    backend = ScriptedBackend(*(Delay(0.01 * number) for number in range(1, FEWEST + 1)), Hang(), Delay(0.1))
    async with hedging(backend, HedgeSettings(5000, percentile=90)) as hedge:
        for _ in range(FEWEST):
            assert hedge.delay == 5
            await hedge(a_call("files_find"))
        assert hedge.delay == pytest.approx(0.18)
        began = trio.current_time()
        await hedge(a_call("files_find"))
        assert trio.current_time() == pytest.approx(began + 0.28)
    assert (hedge.sent, hedge.won) == (1, 1)


async def test_cancelled_losers_make_the_delay_longer_not_shorter(autojump_clock: Clock) -> None:
    """Half of the attempts hang; all that ever end take 10 ms. Whoever looks only at those thinks that all is fast."""
    chance = random.Random(7)
    hangs = iter([chance.random() < 0.5 for _ in range(4000)])

    async def half(_call: Call) -> Reply:
        await trio.sleep(1000 if next(hangs) else 0.01)
        return Reply()

    delays = []
    async with hedging(half, HedgeSettings(50, max_hedges=9, percentile=90)) as hedge:
        for _ in range(300):
            await hedge(a_call("files_find"))
            delays.append(hedge.delay)
    assert delays[-1] == 1000, "which is the truth"


async def test_who_gives_up_says_that_it_takes_longer_and_not_that_it_took_so_long(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(Delay(2))
    async with hedging(backend, HedgeSettings(5000, percentile=50)) as hedge:
        for number in range(2 * FEWEST):
            with trio.move_on_after(0.5 if number % 4 else 3):
                await hedge(a_call("files_find"))
        assert hedge.delay == pytest.approx(2)


@pytest.mark.parametrize(
    ("fault", "counts"), [(faults.timed_out("x", 1), True), (faults.queue_full("x", 1), False), (faults.lost("x", "gone"), False)]
)
async def test_of_failures_only_timeouts_say_how_slow_a_backend_is(fault: faults.Fault, counts: bool, autojump_clock: Clock) -> None:
    async def fails(_call: Call) -> Reply:
        await trio.sleep(7)
        return Reply.failed(fault)

    async with hedging(fails, HedgeSettings(5000, percentile=90, max_hedges=1), may_hedge=lambda: True) as hedge:
        for _ in range(FEWEST):
            await hedge(a_call("files_find"))
        assert hedge.delay == (7 if counts else 5)


@pytest.mark.parametrize("settings", [{"delay_ms": -1}, {"max_hedges": -1}, {"percentile": 0}, {"percentile": 100}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        HedgeSettings(**settings)  # type: ignore[arg-type]


async def test_a_hedge_that_may_send_no_copy_is_refused(autojump_clock: Clock) -> None:
    """A file may say so, and then there is none in the chain."""

    async def inner(call: Call) -> Reply:
        raise AssertionError(call)

    async with trio.open_nursery() as background:
        with pytest.raises(ValueError, match="max_hedges"):
            Hedge(inner, HedgeSettings(max_hedges=0), lambda _call: True, lambda: True, HedgeTimer(), background)
