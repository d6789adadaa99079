"""Calls that are sent again, and those that are not; in virtual time."""

import random
from collections.abc import Callable, Iterable

import attrs
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call

from sluicegate.policies.budget import Budget
from sluicegate.policies.deadline import AttemptDeadline, Deadline
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.policies.repeatable import Repeatable
from sluicegate.policies.retry import Retry
from sluicegate.policies.settings import RetrySettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause, Fault
from sluicegate.protocol.messages import Raw
from sluicegate.testing.scissors import cut_after

DONE = Reply(Raw(b'{"content":[]}'))
TOOL_ERROR = Reply(Raw(b'{"content":[],"isError":true}'))
TOP = RetrySettings(max_retries=3, initial_backoff_ms=1000, max_backoff_ms=3000)


class Longest(random.Random):
    """Always draws the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


@attrs.define(eq=False)
class Backend:
    """Plays replies in order, the last one for ever, and remembers what came and when."""

    replies: tuple[Reply, ...]
    seen: list[Call] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    seconds: float = 0

    async def __call__(self, call: Call) -> Reply:
        self.seen.append(call)
        self.times.append(trio.current_time())
        call.sent_at, call.trail.sent = trio.current_time(), True
        await trio.sleep(self.seconds)
        return self.replies[min(len(self.seen), len(self.replies)) - 1]


def plays(*steps: Fault | Reply, seconds: float = 0) -> Backend:
    return Backend(tuple(step if isinstance(step, Reply) else Reply.failed(step) for step in steps), seconds=seconds)


def retry(backend: Backend, settings: RetrySettings = TOP, *, safe: bool = True, seed: int | None = None) -> Retry:
    return Retry(backend, settings, lambda _call: safe, Longest() if seed is None else random.Random(seed))


def error(code: int = -32603) -> Fault:
    return Fault(Cause.BACKEND, code, "broken", backend="files", raw=Raw(b'{"code":%d,"message":"broken","data":[1]}' % code))


LOST = faults.lost("files", "gone")
REFUSED = faults.unavailable("files", "refused")


async def test_retries_absorb_passing_failures(autojump_clock: trio.testing.MockClock) -> None:
    """TST-C4: two failures, then a success, with three retries allowed: the caller sees the success of the third attempt."""
    backend = plays(error(), error(), DONE)
    policy = retry(backend)

    assert DONE is await policy(a_call())
    assert len(backend.seen) == 3
    assert (policy.retried, policy.exhausted) == (2, 0)


async def test_retries_end_and_the_last_error_comes_back_unchanged(autojump_clock: trio.testing.MockClock) -> None:
    """TST-C5, RES-1, RES-E7: attempts are 1 + max_retries, and the backend's own error object arrives byte for byte."""
    first, last = error(), error(-32001)
    backend = plays(first, first, last)
    policy = retry(backend, RetrySettings(max_retries=2))
    reply = await policy(a_call())

    assert len(backend.seen) == 3
    assert reply.fault is last
    assert last.encode(attempts=3) == b'{"code":-32001,"message":"broken","data":[1]}'
    assert (policy.retried, policy.exhausted) == (2, 1)


@pytest.mark.parametrize("reply", [DONE, TOOL_ERROR])
async def test_successes_and_tool_errors_are_never_repeated(reply: Reply, autojump_clock: trio.testing.MockClock) -> None:
    """RES-1."""
    backend = plays(reply)

    assert reply is await retry(backend)(a_call())
    assert len(backend.seen) == 1


@pytest.mark.parametrize("code", [-32603, -32099, -32050, -32000])
async def test_server_errors_are_repeated(code: int, autojump_clock: trio.testing.MockClock) -> None:
    """RES-1."""
    assert DONE is await retry(plays(error(code), DONE))(a_call())


@pytest.mark.parametrize(
    "fault",
    [
        error(-32602),
        error(-32600),
        error(-32601),
        error(-32100),
        error(-31999),
        error(1),
        faults.circuit_open("files", 5.0),
        faults.ejected("files", 5.0),
        faults.unknown_name("tool", "x"),
        faults.not_available("tool", "x"),
        faults.cancelled(),
        faults.bug("x"),
    ],
    ids=lambda fault: f"{fault.reason}{fault.code}",
)
async def test_what_will_be_the_same_next_time_is_not_repeated(fault: Fault, autojump_clock: trio.testing.MockClock) -> None:
    """RES-2, RES-7, LIM-13: a client's mistake is none of the server's, and an open breaker stays open for longer than a retry waits."""
    backend = plays(fault, DONE)
    policy = retry(backend)
    reply = await policy(a_call())

    assert reply.fault is fault
    assert (len(backend.seen), policy.exhausted) == (1, 0)


@pytest.mark.parametrize(("fault", "attempts"), [(LOST, 1), (error(), 1), (faults.timed_out("x", 1), 1), (REFUSED, 2)])
async def test_a_call_that_may_do_harm_is_repeated_only_if_it_did_not_start(
    fault: Fault, attempts: int, autojump_clock: trio.testing.MockClock
) -> None:
    """RES-4."""
    backend = plays(fault, DONE)
    await retry(backend, safe=False)(a_call())

    assert len(backend.seen) == attempts


@pytest.mark.parametrize(
    "fault", [REFUSED, faults.queue_full("files", 3), faults.rate_limited(0.5), faults.lost("files", "closed", started=False)]
)
async def test_what_did_not_start_is_not_even_asked_about(fault: Fault, autojump_clock: trio.testing.MockClock) -> None:
    """RES-4."""

    def never(call: Call) -> bool:
        raise AssertionError(call)

    assert DONE is await Retry(plays(fault, DONE), TOP, never, random.Random(1))(a_call())


async def test_pauses_double_up_to_the_longest(autojump_clock: trio.testing.MockClock) -> None:
    """RES-3, LIM-15: drawn at the upper end they are 1, 2, then 3 seconds, which is the cap."""
    backend = plays(LOST)
    await retry(backend, RetrySettings(max_retries=5, initial_backoff_ms=1000, max_backoff_ms=3000))(a_call())

    assert backend.times == [0, 1, 3, 6, 9, 12]


async def test_a_great_many_retries_do_not_overflow(autojump_clock: trio.testing.MockClock) -> None:
    backend = plays(LOST)
    await retry(backend, RetrySettings(max_retries=1500, initial_backoff_ms=1000, max_backoff_ms=3000))(a_call())

    assert len(backend.seen) == 1501
    assert trio.current_time() == 1 + 2 + 3 * 1498


async def test_pauses_are_drawn_from_the_whole_range(autojump_clock: trio.testing.MockClock) -> None:
    """RES-3, LIM-15: full jitter, over 200 seeds; and the same seed draws the same pauses."""
    firsts: list[float] = []
    for seed in range(200):
        runs = []
        for _ in range(2):
            backend = plays(LOST)
            begin = trio.current_time()
            await retry(backend, seed=seed)(a_call())
            runs.append([round(later - begin, 9) for later in backend.times])
        assert runs[0] == runs[1]
        pauses = [later - earlier for earlier, later in zip(runs[0], runs[0][1:], strict=False)]
        assert all(0 <= pause <= limit for pause, limit in zip(pauses, (1, 2, 3), strict=True))
        firsts.append(pauses[0])

    assert min(firsts) < 0.1
    assert max(firsts) > 0.9


async def test_a_retry_waits_at_least_as_long_as_it_was_asked_to(autojump_clock: trio.testing.MockClock) -> None:
    """LIM-15: the pause that was drawn comes on top, so that those who were told the same moment do not come in the same moment."""
    backend = plays(attrs.evolve(LOST, retry_after=7.0), attrs.evolve(LOST, retry_after=0.0), DONE)
    assert DONE is await retry(backend)(a_call())
    assert backend.times == [0, 8, 10]

    for seed in range(200):
        begin = trio.current_time()
        await retry(plays(attrs.evolve(REFUSED, retry_after=7.0), DONE), seed=seed)(a_call())
        assert 7 <= trio.current_time() - begin <= 8


DEADLINES: list[Callable[[Retry], Deadline | Lifetime]] = [
    lambda policy: Deadline(policy, 5),
    lambda policy: Lifetime(CallDeadline(policy, 5)),
]


@pytest.mark.parametrize("within", DEADLINES)
@pytest.mark.parametrize(("asked", "end"), [(3.9, 4.9), (4.0, 0.0), (4.1, 0.0), (600, 0.0)])
async def test_a_pause_that_would_not_end_before_the_deadline_is_not_begun(
    within: Callable[[Retry], Deadline | Lifetime], asked: float, end: float, autojump_clock: trio.testing.MockClock
) -> None:
    """RES-0b, LIM-15: the fault comes back at once, while there is still time to do something else; exactly at the deadline is too late."""
    policy = retry(plays(attrs.evolve(REFUSED, retry_after=asked), DONE))
    reply = await within(policy)(a_call())

    assert trio.current_time() == pytest.approx(end)
    assert (reply is DONE) == (end > 0)
    assert policy.exhausted == (end == 0)


async def test_the_deadline_of_the_whole_call_is_known_without_a_scope(autojump_clock: trio.testing.MockClock) -> None:
    """A copy that runs in a task of its own, as a hedge does, has no scope around it but the same trail."""
    call = a_call()
    call.trail.ends_at = 0.9
    reply = await retry(plays(LOST, DONE))(call)

    assert reply.fault is LOST
    assert trio.current_time() == 0


async def test_a_slow_attempt_is_ended_and_the_next_one_has_its_own_time(autojump_clock: trio.testing.MockClock) -> None:
    """RES-0b: timeouts of attempts are retried."""
    calls = 0

    async def slow_once(call: Call) -> Reply:
        nonlocal calls
        calls += 1
        call.sent_at = trio.current_time()
        await trio.sleep(10 if calls == 1 else 1.5)
        return DONE

    assert DONE is await Retry(AttemptDeadline(slow_once, 2), TOP, lambda _call: True, Longest())(a_call())
    assert trio.current_time() == 2 + 1 + 1.5


async def test_once_a_person_was_asked_nothing_is_repeated(autojump_clock: trio.testing.MockClock) -> None:
    calls = 0

    async def asking(call: Call) -> Reply:
        nonlocal calls
        calls += 1
        call.trail.asked = True
        await trio.lowlevel.checkpoint()
        return Reply.failed(REFUSED)

    policy = Retry(asking, TOP, lambda _call: True, Longest())

    assert REFUSED is (await policy(a_call())).fault
    assert (calls, policy.exhausted) == (1, 0)


async def test_every_attempt_is_a_copy_with_the_same_trail(autojump_clock: trio.testing.MockClock) -> None:
    """What fires once per client call, as a mirror does, does so however many attempts there are."""
    call, backend = a_call(), plays(LOST, LOST, DONE)
    await retry(backend)(call)

    assert len({id(seen) for seen in (call, *backend.seen)}) == 4
    assert all(seen.trail is call.trail and seen.scope is call.scope and seen.back is call.back for seen in backend.seen)


async def test_every_retry_is_drawn_from_the_budget_of_the_call(autojump_clock: trio.testing.MockClock) -> None:
    """RES-5, RES-E7: without means the fault comes back at once, unchanged."""
    budget = Budget(0, 0.2)
    backend, call = plays(LOST), a_call()
    call.trail.allowance = budget
    policy = retry(backend)
    reply = await policy(call)

    assert reply.fault is LOST
    assert (len(backend.seen), trio.current_time()) == (3, 3)
    assert (budget.drawn, budget.refused, policy.exhausted) == (2, 1, 1)


@pytest.mark.parametrize(("fault", "safe"), [(error(-32602), True), (LOST, False), (attrs.evolve(REFUSED, retry_after=60.0), True)])
async def test_what_is_not_repeated_draws_nothing(fault: Fault, safe: bool, autojump_clock: trio.testing.MockClock) -> None:
    budget, call = Budget(0, 1), a_call()
    call.trail.allowance = budget
    await Deadline(retry(plays(fault), safe=safe), 5)(call)

    assert (budget.drawn, budget.refused) == (0, 0)


async def test_no_retries_is_one_attempt(autojump_clock: trio.testing.MockClock) -> None:
    backend = plays(LOST)

    assert LOST is (await retry(backend, RetrySettings(max_retries=0))(a_call())).fault
    assert len(backend.seen) == 1


async def test_a_call_can_be_cancelled_at_every_checkpoint(autojump_clock: trio.testing.MockClock) -> None:
    """TST-G11: also in a pause; what was drawn is spent, and nothing of the call goes on."""
    for steps in range(1, 100):
        backend = plays(LOST, LOST, DONE, seconds=1)
        policy = retry(backend)
        with cut_after(steps) as scope:
            await policy(a_call())
        begun = len(backend.seen)
        await trio.sleep(50)
        assert len(backend.seen) == begun
        if not scope.cancelled_caught:
            break
    assert steps > 5


async def test_a_call_never_gets_more_attempts_than_allowed_whatever_fails(autojump_clock: trio.testing.MockClock) -> None:
    """RES-1, RES-4: a property, over 200 seeds: one reply, attempts ≤ 1 + max_retries, and nothing that started twice unless it is safe."""
    kinds: list[Fault | Reply] = [
        LOST,
        REFUSED,
        error(),
        error(-32602),
        DONE,
        TOOL_ERROR,
        faults.circuit_open("files", 1),
        faults.rate_limited(0.2),
    ]
    for seed in range(200):
        chance = random.Random(seed)
        backend = plays(*chance.choices(kinds, k=6))
        settings = RetrySettings(chance.randrange(5), chance.choice([0, 100, 1000]), chance.choice([0, 500, 5000]))
        safe = chance.random() < 0.5
        decide: Repeatable = (lambda _call: True) if safe else (lambda _call: False)
        reply = await Retry(backend, settings, decide, chance)(a_call())

        assert len(backend.seen) <= 1 + settings.max_retries, f"seed {seed}"
        asked = backend.replies[: len(backend.seen)]
        assert reply is ([one for one in asked if _started([one])] or asked)[-1], f"seed {seed}: what was not sent says less"
        before = backend.replies[: len(backend.seen) - 1]
        assert all(earlier.fault is not None and earlier.fault.may_be_repeated(safe=safe) for earlier in before), f"seed {seed}"
        assert safe or _started(before) == 0, f"seed {seed}"


def _started(replies: Iterable[Reply]) -> int:
    return sum(reply.fault is None or reply.fault.started for reply in replies)
