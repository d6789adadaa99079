"""What a caller is told when an attempt was sent and the next one was not. In virtual time."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing

from sluicegate.policies.retry import Retry
from sluicegate.policies.settings import RetrySettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Fault
from sluicegate.protocol.messages import Raw

BROKEN = faults.backend_error("files", Raw(b'{"code":-32603,"message":"broken"}'))
LATE = faults.timed_out("files_find", 1)
BARRED, BUSY = faults.circuit_open("files", 9), faults.rate_limited(0.1, backend="files")
AWAY = faults.unavailable("files", "it is being restarted")


async def answer_of(*said: Fault, retries: int = 3) -> tuple[Fault | None, int]:
    """The answer to a call whose attempts fail like that, the last one again and again; and how many there were."""
    left, asked = list(said), 0

    async def backend(_call: Call) -> Reply:
        nonlocal asked
        asked += 1
        await trio.lowlevel.checkpoint()
        return Reply.failed(left.pop(0) if len(left) > 1 else left[0])

    policy = Retry(backend, RetrySettings(retries), lambda _call: True, random.Random(1))
    reply = await policy(Call("tools/call", "files_find", {}))
    return reply.fault, asked


async def test_a_breaker_that_opens_between_two_attempts_does_not_hide_what_the_backend_said(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """RES-E7: the last error of the backend, unchanged; with ``circuit_open`` it would read as if nothing had been sent."""
    assert await answer_of(BROKEN, BARRED) == (BROKEN, 2)


@pytest.mark.parametrize("unsent", [BARRED, BUSY, AWAY])
async def test_a_call_that_may_have_run_never_says_that_it_was_not_sent(unsent: Fault, autojump_clock: trio.testing.MockClock) -> None:
    """The outcome of a timeout is unknown, and stays so if there is no room for another attempt."""
    fault, _ = await answer_of(LATE, unsent)
    assert fault is LATE
    assert fault.is_in_doubt


async def test_what_was_never_sent_at_all_says_why_the_last_time(autojump_clock: trio.testing.MockClock) -> None:
    assert await answer_of(AWAY, BUSY, retries=2) == (BUSY, 3)


async def test_of_two_attempts_that_were_sent_the_last_one_counts(autojump_clock: trio.testing.MockClock) -> None:
    assert await answer_of(LATE, BUSY, BROKEN, BARRED) == (BROKEN, 4)
