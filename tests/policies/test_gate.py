"""The gate: what it stops, what it tells breaker and outlier detection, and that it keeps no permit."""

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call

from sluicegate.policies.breaker import Breaker, BreakerState
from sluicegate.policies.compose import chain
from sluicegate.policies.deadline import AttemptDeadline
from sluicegate.policies.gate import Gate, failed
from sluicegate.policies.outlier import Group, Outlier
from sluicegate.policies.settings import BreakerSettings, OutlierSettings
from sluicegate.protocol import errors, faults
from sluicegate.protocol.calls import Call, Handler, Reply
from sluicegate.protocol.fault import Cause, Fault
from sluicegate.protocol.messages import Raw, encode
from sluicegate.testing.scissors import cut_after

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
LOST = faults.lost("files", "gone")


def rpc(code: int) -> Fault:
    return faults.backend_error("files", Raw(encode({"code": code, "message": "no"})))


@attrs.define(eq=False)
class Backend:
    """Answers with the next of its faults, None for a success; the last one again and again. Works for a while, and may have a queue."""

    faults: list[Fault | None] = attrs.field(factory=lambda: [None])
    works: float = 0
    queued: float = 0
    hits: int = 0

    async def __call__(self, call: Call) -> Reply:
        await trio.sleep(self.queued)
        call.sent_at, call.trail.sent = trio.current_time(), True
        self.hits += 1
        await trio.sleep(self.works)
        fault = self.faults.pop(0) if len(self.faults) > 1 else self.faults[0]
        return Reply(fault=fault)


def a_breaker(**settings: float) -> Breaker:
    return Breaker("files", BreakerSettings(**settings))  # type: ignore[arg-type] # each test names numbers of its own


def an_outlier(group: Group | None = None, **settings: float) -> Outlier:
    return Outlier("files", OutlierSettings(**settings), group or Group())  # type: ignore[arg-type]


async def outcome(handler: Handler) -> str:
    reply = await handler(a_call())
    return "ok" if reply.fault is None else reply.fault.reason or str(reply.fault.code)


# -- what counts


COUNTING = {
    "transport": LOST,
    "unreachable": faults.unreachable("files", "refused"),
    "timeout": faults.timed_out("read", 1),
    "unreadable": faults.unreadable("files", "no JSON"),
    "-32603": rpc(-32603),
    "-32000": rpc(-32000),
    "-32099": rpc(-32099),
}
HARMLESS = {
    "-32600": rpc(-32600),
    "-32601": rpc(-32601),
    "-32602": rpc(-32602),
    "-32700": rpc(-32700),
    "-31999": rpc(-31999),
    "-32100": rpc(-32100),
    "of its own": rpc(42),
}
SILENT = {
    "no session": faults.unavailable("files", "starting"),
    "overloaded": faults.overloaded("read", "queue"),
    "rate limited": faults.rate_limited(1.0),
    "queue full": faults.queue_full("files", 1),
    "queue timeout": faults.queue_timed_out("files", 1.0),
    "circuit open": faults.circuit_open("files", 1.0),
    "ejected": faults.ejected("files", 1.0),
    "client": faults.unknown_name("tool", "read"),
    "policy": faults.not_available("tool", "read"),
    "cancelled": faults.cancelled(),
    "bug": faults.bug("read"),
}


@pytest.mark.parametrize("fault", COUNTING.values(), ids=COUNTING.keys())
async def test_what_is_the_backends_fault_counts(fault: Fault, autojump_clock: trio.testing.MockClock) -> None:
    """RES-44, RES-50, DEC-5, TST-U20: transport, timeouts, -32603 and the server range."""
    breaker, outlier = a_breaker(minimum_calls=2), an_outlier(consecutive_errors=9)
    await outcome(Gate(Backend([fault]), breaker, outlier))

    assert failed(fault) is True
    assert (breaker.calls, breaker.failure_rate, outlier.consecutive) == (1, 1.0, 1)


@pytest.mark.parametrize("fault", HARMLESS.values(), ids=HARMLESS.keys())
async def test_an_error_that_is_the_callers_is_a_success(fault: Fault, autojump_clock: trio.testing.MockClock) -> None:
    """RES-44, RES-50, LIM-13, TST-U20: the backend works, and says no. It ends a row of failures."""
    breaker, outlier = a_breaker(minimum_calls=3), an_outlier(consecutive_errors=9)
    gate = Gate(Backend([LOST, fault]), breaker, outlier)
    await outcome(gate)
    await outcome(gate)

    assert failed(fault) is False
    assert (breaker.calls, breaker.failure_rate, outlier.consecutive) == (2, 0.5, 0)


@pytest.mark.parametrize("fault", SILENT.values(), ids=SILENT.keys())
async def test_what_says_nothing_about_the_backend_is_no_outcome(fault: Fault, autojump_clock: trio.testing.MockClock) -> None:
    """DEC-5, LIM-14: our own refusals and what never was sent neither count nor end a row of failures."""
    breaker, outlier = a_breaker(minimum_calls=2), an_outlier(consecutive_errors=9)
    gate = Gate(Backend([LOST, fault]), breaker, outlier)
    for _ in range(5):
        await outcome(gate)

    assert failed(fault) is None
    assert (breaker.calls, breaker.state, outlier.consecutive) == (1, CLOSED, 1)


async def test_a_tools_own_error_is_a_success(autojump_clock: trio.testing.MockClock) -> None:
    """RES-44, TST-C3: ``isError`` is an answer like any other; six of them with a minimum of 3 leave it closed."""
    breaker, outlier = a_breaker(minimum_calls=3), an_outlier(consecutive_errors=3)
    reply = Reply(Raw(b'{"content":[],"isError":true}'))

    async def tool(call: Call) -> Reply:
        return reply

    gate = Gate(tool, breaker, outlier)
    assert [await gate(a_call()) for _ in range(6)] == [reply] * 6
    assert (breaker.state, breaker.calls, breaker.failure_rate, outlier.consecutive) == (CLOSED, 3, 0.0, 0)


async def test_every_cause_is_judged(autojump_clock: trio.testing.MockClock) -> None:
    judged = {fault.cause for table in (COUNTING, HARMLESS, SILENT) for fault in table.values()}
    assert judged == set(Cause)


# -- refusing


async def test_an_open_breaker_refuses_without_asking_the_backend(autojump_clock: trio.testing.MockClock) -> None:
    """TST-C1, TST-U22, RES-40: timeouts open it exactly at the minimum; from there on the backend is not hit."""
    backend = Backend(works=60)
    gate = Gate(AttemptDeadline(backend, 0.01), a_breaker(minimum_calls=4))

    assert [await outcome(gate) for _ in range(6)] == ["timeout"] * 4 + ["circuit_open"] * 2
    assert backend.hits == 4


async def test_a_timeout_breaker_opens_and_recovers_through_half_open(autojump_clock: trio.testing.MockClock) -> None:
    """TST-C2, RES-42, RES-43: minimum 4, wait 200 ms, two probes."""
    backend = Backend(works=60)
    breaker = a_breaker(minimum_calls=4, wait_duration_seconds=0.2, permitted_calls_in_half_open=2)
    gate = Gate(AttemptDeadline(backend, 0.01), breaker)
    for _ in range(5):
        await outcome(gate)
    assert backend.hits == 4

    backend.works = 0
    await trio.sleep(0.3)
    assert [await outcome(gate), await outcome(gate)] == ["ok", "ok"]
    assert breaker.state is CLOSED
    assert [await outcome(gate), backend.hits] == ["ok", 4 + 3]


async def test_the_fault_of_an_open_breaker_says_when_to_come_again(autojump_clock: trio.testing.MockClock) -> None:
    """RES-E5."""
    gate = Gate(Backend([LOST]), a_breaker(minimum_calls=1, wait_duration_seconds=30))
    await outcome(gate)
    await trio.sleep(10)
    fault = (await gate(a_call())).fault

    assert fault is not None
    assert (fault.cause, fault.code, fault.retry_after, fault.started) == (Cause.BARRED, errors.CIRCUIT_OPEN, 20.0, False)
    assert (fault.message, fault.backend) == ("circuit is open; call not permitted", "files")


async def test_the_fault_of_an_ejected_backend_says_when_to_come_again(autojump_clock: trio.testing.MockClock) -> None:
    """RES-E6, RES-53, TST-U20."""
    backend = Backend([LOST])
    gate = Gate(backend, outlier=an_outlier(consecutive_errors=1, base_ejection_seconds=30))
    await outcome(gate)
    await trio.sleep(10)
    fault = (await gate(a_call())).fault

    assert fault is not None
    assert (fault.cause, fault.code, fault.retry_after, fault.started) == (Cause.BARRED, -32000, 20.0, False)
    assert fault.message == "backend 'files' is ejected due to consecutive errors"
    assert backend.hits == 1


async def test_outlier_detection_is_asked_first_and_takes_no_permit(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=1, permitted_calls_in_half_open=1)
    outlier = an_outlier()
    gate = Gate(Backend([LOST, None]), breaker, outlier)
    await outcome(gate)
    await trio.sleep(1)
    outlier.eject()
    assert [await outcome(gate) for _ in range(3)] == ["ejected"] * 3

    outlier.uneject()
    assert breaker.state is OPEN
    assert [await outcome(gate), breaker.state] == ["ok", CLOSED]


async def test_a_refusal_of_the_breaker_is_nothing_to_outlier_detection(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=3)
    gate = Gate(Backend([LOST]), a_breaker(minimum_calls=2), outlier)

    assert [await outcome(gate) for _ in range(9)] == ["connection_lost"] * 2 + ["circuit_open"] * 7
    assert outlier.consecutive == 2


async def test_a_gate_without_either_is_not_noticed(autojump_clock: trio.testing.MockClock) -> None:
    backend = Backend([LOST, None])
    gate = Gate(backend)

    assert [await outcome(gate), await outcome(gate)] == ["connection_lost", "ok"]
    assert list(chain(gate)) == [gate, backend]


@pytest.mark.parametrize("which", ["breaker", "outlier"])
async def test_refusing_is_a_checkpoint(which: str, autojump_clock: trio.testing.MockClock) -> None:
    breaker, outlier = a_breaker(), an_outlier()
    if which == "breaker":
        breaker.force_open()
    else:
        outlier.eject()
    with trio.testing.assert_checkpoints():
        assert await outcome(Gate(Backend(), breaker, outlier)) != "ok"


# -- slow calls


async def test_a_call_is_slow_from_when_it_was_sent(autojump_clock: trio.testing.MockClock) -> None:
    """Waiting for a turn in our own queues is not the backend's slowness."""
    breaker = a_breaker(minimum_calls=9, slow_call_seconds=2)
    backend = Backend(queued=5, works=1.9)
    for handler in (backend, AttemptDeadline(backend, 100)):
        await outcome(Gate(handler, breaker))
    assert (breaker.calls, breaker.slow_rate) == (2, 0.0)

    backend.works = 2
    for handler in (backend, AttemptDeadline(backend, 100)):
        await outcome(Gate(handler, breaker))
    assert (breaker.calls, breaker.slow_rate) == (4, 0.5)


async def test_a_handler_that_does_not_say_when_it_sent_is_slow_from_the_gate_on(autojump_clock: trio.testing.MockClock) -> None:
    async def plain(call: Call) -> Reply:
        await trio.sleep(2)
        return Reply()

    breaker = a_breaker(minimum_calls=9, slow_call_seconds=2)
    await Gate(plain, breaker)(a_call())
    assert breaker.slow_rate == 1.0


async def test_when_an_attempt_before_was_sent_does_not_matter(autojump_clock: trio.testing.MockClock) -> None:
    """A retry may use the same call again."""
    breaker = a_breaker(minimum_calls=9, slow_call_seconds=2)
    call = a_call()
    await Gate(Backend(), breaker)(call)
    await trio.sleep(10)
    with trio.move_on_after(5):
        await Gate(Backend(queued=10), breaker)(call)

    assert (breaker.calls, breaker.slow_rate) == (1, 0.0)


async def test_a_call_that_is_cut_is_no_outcome_unless_it_was_slow_by_then(autojump_clock: trio.testing.MockClock) -> None:
    """RES-44: a caller's patience says nothing about the backend, but that the backend took at least as long does."""
    breaker, outlier = a_breaker(minimum_calls=9, slow_call_seconds=2), an_outlier()
    gate = Gate(Backend(works=60), breaker, outlier)
    with trio.move_on_after(1.9):
        await gate(a_call())
    assert breaker.calls == 0

    with trio.move_on_after(2):
        await gate(a_call())
    assert (breaker.calls, breaker.slow_rate, breaker.failure_rate, outlier.consecutive) == (1, 1.0, 0.0, 0)


async def test_a_call_that_was_cut_in_our_own_queue_was_not_slow(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=9, slow_call_seconds=2)
    backend = Backend(queued=60)
    with trio.move_on_after(50):
        await Gate(backend, breaker)(a_call())
    await outcome(Gate(AttemptDeadline(backend, 50), breaker))

    assert (breaker.calls, backend.hits) == (0, 0)


async def test_a_call_that_waited_for_a_person_is_not_slow(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=9, slow_call_seconds=2)
    call = a_call()
    call.trail.asked = True
    await Gate(Backend(works=60), breaker)(call)

    assert (breaker.calls, breaker.slow_rate) == (1, 0.0)


async def test_without_a_limit_no_call_is_slow(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=1)
    await outcome(Gate(Backend(works=10_000), breaker))
    assert (breaker.slow_rate, breaker.state) == (0.0, CLOSED)


async def test_a_slow_probe_opens_anew(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=1, permitted_calls_in_half_open=3, slow_call_seconds=2)
    gate = Gate(Backend([LOST, None], works=2), breaker)
    await outcome(gate)
    await trio.sleep(1)

    assert [await outcome(gate), breaker.state, breaker.opened] == ["ok", OPEN, 2]


# -- permits


async def half_open(handler: Callable[[Call], Awaitable[Reply]], permitted: int = 1) -> tuple[Gate, Breaker]:
    """A gate whose next call is a probe."""
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=1, permitted_calls_in_half_open=permitted)
    breaker.record(breaker.admit(trio.current_time()), trio.current_time(), True, False)
    await trio.sleep(1)
    return Gate(handler, breaker), breaker


async def test_a_probe_that_is_cut_gives_its_permit_back_at_every_checkpoint(autojump_clock: trio.testing.MockClock) -> None:
    """RES-44, TST-G11."""
    for steps in range(1, 12):
        gate, breaker = await half_open(Backend(queued=0.1, works=0.1))
        with cut_after(steps) as scope:
            await gate(a_call())
        if not scope.cancelled_caught:
            break
        assert (breaker.state, breaker._probing) == (HALF_OPEN, 0)
        assert (await gate(a_call())).fault is None
        assert breaker.state is CLOSED
    assert steps > 2


async def test_a_bug_inside_gives_the_permit_back_and_counts_against_nobody(autojump_clock: trio.testing.MockClock) -> None:
    async def broken(call: Call) -> Reply:
        raise ZeroDivisionError

    gate, breaker = await half_open(broken)
    with pytest.raises(ZeroDivisionError):
        await gate(a_call())
    assert (breaker.state, breaker._probing, breaker.is_open) == (HALF_OPEN, 0, False)


@pytest.mark.parametrize("fault", SILENT.values(), ids=SILENT.keys())
async def test_a_probe_without_an_outcome_gives_its_permit_back(fault: Fault, autojump_clock: trio.testing.MockClock) -> None:
    """RES-43, RES-44: else a queue that was full would shut the backend out for ever."""
    gate, breaker = await half_open(Backend([fault, fault, None]))

    await outcome(gate)
    await outcome(gate)
    assert (breaker.state, breaker.is_open) == (HALF_OPEN, False)
    assert [await outcome(gate), breaker.state] == ["ok", CLOSED]


async def test_a_crowd_after_the_wait_sends_no_more_than_the_permitted_probes(autojump_clock: trio.testing.MockClock) -> None:
    """RES-43, LIM-14."""
    backend = Backend(works=1)
    gate, breaker = await half_open(backend, permitted=3)
    seen: list[str] = []

    async def one() -> None:
        seen.append(await outcome(gate))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(one)

    assert (seen.count("ok"), seen.count("circuit_open"), backend.hits) == (3, 47, 3)
    assert breaker.state is CLOSED


async def test_calls_that_fail_late_do_not_count_after_it_has_opened(autojump_clock: trio.testing.MockClock) -> None:
    """A hundred calls were under way when the backend died: one opening, one ejection, and nothing of it is left afterwards."""
    breaker = a_breaker(minimum_calls=5, wait_duration_seconds=5, permitted_calls_in_half_open=1)
    outlier = an_outlier(consecutive_errors=5, base_ejection_seconds=5)
    seconds = iter(range(100))

    async def dying(call: Call) -> Reply:
        await trio.sleep(next(seconds))
        return Reply.failed(LOST)

    gate = Gate(dying, breaker, outlier)
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(gate, a_call())
        await trio.sleep(9.5)
        gate_now = Gate(Backend(), breaker, outlier)
        assert await outcome(gate_now) == "ok"

    assert (breaker.opened, breaker.state, outlier.ejections, outlier.consecutive) == (1, CLOSED, 1, 0)
    assert breaker.calls == 0


# -- tools that say that they failed


class Failing:
    """Answers with a result that says that the tool failed."""

    async def __call__(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply.saying("Not connected", is_error=True)


@pytest.mark.parametrize(("asked", "state"), [(True, OPEN), (False, CLOSED)])
async def test_a_breaker_counts_tools_that_failed_where_it_is_told_to(asked: bool, state: BreakerState) -> None:
    breaker = a_breaker(minimum_calls=2, count_tool_errors=asked)
    gate = Gate(Failing(), breaker)
    for _ in range(2):
        await outcome(gate)
    assert breaker.state is state


@pytest.mark.parametrize(("asked", "consecutive"), [(True, 2), (False, 0)])
async def test_outlier_detection_counts_them_where_it_is_told_to_and_each_on_its_own(asked: bool, consecutive: int) -> None:
    breaker, outlier = a_breaker(minimum_calls=2, count_tool_errors=not asked), an_outlier(count_tool_errors=asked)
    gate = Gate(Failing(), breaker, outlier)
    for _ in range(2):
        await outcome(gate)
    assert outlier.consecutive == consecutive
    assert breaker.state is (CLOSED if asked else OPEN)


async def test_only_results_of_tools_count_and_only_if_they_failed() -> None:
    breaker = a_breaker(minimum_calls=1, count_tool_errors=True)

    async def fine(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply.saying("isError", is_error=call.method != "tools/call")

    gate = Gate(fine, breaker)
    for method in ("tools/call", "prompts/get"):
        assert (await gate(Call(method, "x", {}))).fault is None
    assert breaker.state is CLOSED
