"""The scope of a whole call: its deadline, and what is answered when it is cut. In virtual time."""

from __future__ import annotations

import trio
from tests.kit.calls import a_call
from tests.kit.replies import failed

from sluicegate.policies.deadline import Deadline
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.protocol.calls import Call, Hop, Reply
from sluicegate.protocol.faults import Cause

REPLY = Reply()


async def works(call: Call) -> Reply:
    """Leaves at once, and is done after ten seconds."""
    call.trail.sent = True
    await trio.sleep(10)
    return REPLY


async def waits(call: Call) -> Reply:
    """Never leaves."""
    await trio.sleep(10)
    return REPLY


async def test_a_call_that_is_fast_enough_passes(autojump_clock: object) -> None:
    assert await Lifetime(CallDeadline(works, 11))(a_call("slow_tool")) is REPLY
    assert trio.current_time() == 10


async def test_a_call_that_takes_too_long_is_answered_in_time(autojump_clock: object) -> None:
    fault = failed(await Lifetime(CallDeadline(works, 3))(a_call("slow_tool")))
    assert (fault.cause, trio.current_time()) == (Cause.TIMEOUT, 3)
    assert "3 s" in fault.message


async def test_a_call_that_never_left_was_overload(autojump_clock: object) -> None:
    fault = failed(await Lifetime(CallDeadline(waits, 3))(a_call("slow_tool")))
    assert (fault.cause, fault.counts_against_backend) == (Cause.OVERLOAD, False)


async def test_the_earlier_of_two_deadlines_holds(autojump_clock: object) -> None:
    """Whichever of them stands outside, and for a copy of the call as well."""

    async def copies(call: Call) -> Reply:
        return await CallDeadline(works, 9)(call.copy())

    assert "2 s" in failed(await Lifetime(CallDeadline(copies, 2))(a_call("slow_tool"))).message
    assert "9 s" in failed(await Lifetime(CallDeadline(copies, 20))(a_call("slow_tool"))).message
    assert trio.current_time() == 11


async def test_a_call_that_somebody_cut_says_why(autojump_clock: object) -> None:
    """Even if a deadline would have come."""
    call = a_call("slow_tool")

    async def cut() -> None:
        await trio.sleep(1)
        call.trail.cut = "its session has ended"
        call.scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cut)
        fault = failed(await Lifetime(CallDeadline(works, 3))(call))
    assert (fault.reason, trio.current_time()) == ("cancelled", 1)
    assert "its session has ended" in fault.message


async def test_cancelling_the_task_of_a_call_gives_no_answer(autojump_clock: object) -> None:
    """Whoever cancels more than the call answers for it."""
    with trio.move_on_after(1) as outside:
        await Lifetime(CallDeadline(works, 3))(a_call("slow_tool"))
    assert outside.cancelled_caught


async def test_a_scope_that_ends_sooner_still_does(autojump_clock: object) -> None:
    """Whoever made the call may have given it less time."""
    call = a_call("slow_tool")
    call.scope.deadline = 2

    assert failed(await Lifetime(CallDeadline(works, 3))(call)).cause is Cause.TIMEOUT
    assert trio.current_time() == 2


async def test_who_had_a_call_when_it_was_cut_is_named_and_not_who_had_refused_it_since(autojump_clock: object) -> None:
    """RES-E10: of several attempts the one that was cut, else the last; nobody where none came so far."""

    async def tried(call: Call) -> Reply:
        call.trail.hops += [Hop("first", "connection_lost", 1.0), Hop("slow", "cancelled", 0.0), Hop("down", "backend_unavailable", 0.0)]
        return await works(call)

    async def failed_before(call: Call) -> Reply:
        call.trail.hops += [Hop("first", "connection_lost", 1.0), Hop("second", "error", 0.0)]
        return await works(call)

    assert failed(await Lifetime(CallDeadline(tried, 3))(a_call("slow_tool"))).backend == "slow"
    assert failed(await Deadline(tried, 3)(a_call("slow_tool"))).backend == "slow"
    assert failed(await Lifetime(CallDeadline(failed_before, 3))(a_call("slow_tool"))).backend == "second"
    assert failed(await Lifetime(CallDeadline(waits, 3))(a_call("slow_tool"))).backend == ""
