"""What is counted of calls, and under which labels."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate import Call, Reply
from sluicegate.observe.metrics import BOUNDS, MOST_SERIES, Counts, Metrics, status_of
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Hop
from sluicegate.protocol.faults import Fault
from sluicegate.protocol.messages import Raw

ANSWERS = [
    # the answer, its outcome, its status
    (Reply(), "ok", "ok"),
    (Reply(Raw(b'{"content":[],"isError":true}')), "tool_error", "ok"),
    (Reply.failed(faults.unknown_name("tool", "x")), "unknown_tool", "error"),
    (Reply.failed(faults.timed_out("x", 5)), "timeout", "error"),
    (Reply.failed(faults.backend_error("b", Raw(b'{"code":-32000,"message":"no"}'))), "error", "error"),
    (Reply.failed(faults.cancelled()), "cancelled", "cancelled"),
]


def answering(reply: Reply, *hops: Hop, seconds: float = 0.0) -> Metrics:
    """The policy around something that answers in that way."""

    async def inner(call: Call) -> Reply:
        await trio.sleep(seconds)
        call.trail.hops.extend(hops)
        return reply

    return Metrics(inner, Counts())


@pytest.mark.parametrize(("reply", "outcome", "status"), ANSWERS, ids=[outcome for _, outcome, _ in ANSWERS])
async def test_a_call_is_counted_by_what_became_of_it(reply: Reply, outcome: str, status: str) -> None:
    metrics = answering(reply, Hop("b", "ok", 0.0))

    assert await metrics(Call("tools/call", "x", {})) is reply

    assert list(metrics.counts.calls) == [("tools/call", "b", outcome)]
    assert status_of(outcome) == status


async def test_the_last_backend_that_was_asked_is_the_one_that_answered_and_every_attempt_counts() -> None:
    metrics = answering(Reply(), Hop("a", "connection_lost", 0.0), Hop("b", "ok", 0.0))

    for _ in range(2):
        await metrics(Call("tools/call", "x", {}))

    assert {labels: durations.count for labels, durations in metrics.counts.calls.items()} == {("tools/call", "b", "ok"): 2}
    assert metrics.counts.attempts == {("a", "connection_lost"): 2, ("b", "ok"): 2}


async def test_a_method_that_nobody_knows_is_no_label() -> None:
    metrics = answering(Reply.failed(faults.unknown_method("evil")))

    for number in range(3):
        await metrics(Call(f"evil/{number}", "x", {}))

    assert {labels: durations.count for labels, durations in metrics.counts.calls.items()} == {("", "", "unknown_method"): 3}


async def test_a_call_that_its_caller_takes_back_is_counted_and_no_longer_under_way(autojump_clock: trio.testing.MockClock) -> None:
    metrics = answering(Reply(), seconds=60)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(metrics, Call("tools/call", "x", {}))
        await trio.testing.wait_all_tasks_blocked()
        assert metrics.counts.running == 1
        nursery.cancel_scope.cancel()

    assert metrics.counts.running == 0
    assert list(metrics.counts.calls) == [("tools/call", "", "cancelled")]


async def test_a_bug_is_counted_and_passed_on() -> None:
    async def buggy(call: Call) -> Reply:
        raise ZeroDivisionError

    metrics = Metrics(buggy, Counts())

    with pytest.raises(ZeroDivisionError):
        await metrics(Call("tools/call", "x", {}))

    assert list(metrics.counts.calls) == [("tools/call", "", "bug")]


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.002, 1), (1.0, BOUNDS.index(1.0)), (3600.0, len(BOUNDS))])
async def test_a_duration_is_counted_in_the_first_bucket_that_holds_it(
    autojump_clock: trio.testing.MockClock, seconds: float, bucket: int
) -> None:
    metrics = answering(Reply(), seconds=seconds)

    await metrics(Call("ping", "ping", {}))

    (durations,) = metrics.counts.calls.values()
    assert (durations.buckets.index(1), durations.count) == (bucket, 1)
    assert durations.seconds == pytest.approx(seconds)


async def test_there_is_a_bound_on_labels_whatever_a_policy_of_the_program_answers() -> None:
    counts = Counts()

    async def inventive(call: Call) -> Reply:
        call.trail.hops.append(Hop("b", call.target, 0.0))
        return Reply.failed(Fault(faults.Cause.POLICY, -32000, "no", call.target))

    for number in range(MOST_SERIES + 10):
        await Metrics(inventive, counts)(Call("tools/call", f"reason {number}", {}))

    assert len(counts.calls) == len(counts.attempts) == MOST_SERIES + 1
    assert counts.calls["tools/call", "", "other"].count == 10
    assert counts.attempts["", "other"] == 10
