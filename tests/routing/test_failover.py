"""Who is asked next, and when nobody is."""

import logging
from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing

from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Fault
from sluicegate.protocol.messages import Raw
from sluicegate.routing.failover import Candidate, Failover


@attrs.define(eq=False)
class Scripted:
    """Answers in the given order, the last answer for ever."""

    name: str
    replies: list[Reply]
    asked: list[Call] = attrs.field(factory=list)
    meanwhile: Callable[[Call], None] = lambda _call: None

    async def __call__(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.asked.append(call)
        self.meanwhile(call)
        return self.replies[min(len(self.asked), len(self.replies)) - 1]


def ok(name: str) -> Scripted:
    return Scripted(name, [Reply(Raw(b'"%b"' % name.encode()))])


def failing(name: str, fault: Fault) -> Scripted:
    return Scripted(name, [Reply.failed(fault)])


def error(code: int, message: str = "m") -> Fault:
    return faults.backend_error("b", Raw(b'{"code":%d,"message":"%b","data":1}' % (code, message.encode())))


def failover(*backends: Scripted, down: tuple[str, ...] = (), listing: tuple[str, ...] = ()) -> Failover:
    candidates = [
        Candidate(
            backend.name,
            backend,
            lambda name=backend.name: name not in down,  # type: ignore[misc]
            lambda method, local, name=backend.name: (method, local) == ("tools/call", "now") and name in listing,  # type: ignore[misc]
        )
        for backend in backends
    ]
    return Failover(candidates[0], tuple(candidates[1:]))


def a_call() -> Call:
    return Call("tools/call", "time_now", {"name": Raw(b'"now"'), "arguments": Raw(b"{}")})


async def test_without_stand_ins_the_primarys_answer_is_the_answer() -> None:
    primary = failing("time", faults.lost("time", "gone"))

    assert primary.replies[0] is await failover(primary)(a_call())


async def test_while_the_primary_answers_nobody_else_is_asked() -> None:
    primary, backup = ok("time"), ok("backup")

    reply = await failover(primary, backup)(a_call())

    assert bytes(reply.result) == b'"time"'
    assert backup.asked == []


@pytest.mark.parametrize(
    "fault",
    [
        faults.unavailable("time", "down"),
        faults.lost("time", "gone"),
        faults.unreadable("time", "garbage"),
        faults.timed_out("now", 1),
        faults.overloaded("now", "full"),
        error(-32603),
        error(-32000),
        error(-32601),
        error(-32700),
        error(7),
    ],
    ids=lambda fault: f"{fault.cause.value} {fault.code}",
)
async def test_a_stand_in_answers_when_the_primary_cannot(fault: Fault) -> None:
    reply = await failover(failing("time", fault), ok("backup"))(a_call())

    assert bytes(reply.result) == b'"backup"'


@pytest.mark.parametrize(
    "fault",
    [
        error(-32600),
        error(-32602),
        faults.client_mistake("wrong"),
        faults.not_available("tool", "now"),
        faults.cancelled(),
        faults.bug("now"),
    ],
    ids=lambda fault: f"{fault.cause.value} {fault.code}",
)
async def test_what_would_fail_anywhere_is_not_tried_elsewhere(fault: Fault) -> None:
    backup = ok("backup")

    reply = await failover(failing("time", fault), backup)(a_call())

    assert fault is reply.fault
    assert backup.asked == []


async def test_a_backend_that_lists_a_tool_and_does_not_know_the_method_has_spoken() -> None:
    backup = ok("backup")

    reply = await failover(failing("time", error(-32601)), backup, listing=("time",))(a_call())

    assert reply.fault is not None
    assert backup.asked == []


async def test_a_tool_that_reports_an_error_has_answered() -> None:
    primary, backup = Scripted("time", [Reply(Raw(b'{"content":[],"isError":true}'))]), ok("backup")

    reply = await failover(primary, backup)(a_call())

    assert primary.replies[0] is reply
    assert backup.asked == []


async def test_stand_ins_are_asked_in_the_given_order() -> None:
    broken = error(-32603)
    order: list[str] = []
    backends = [failing("time", broken), failing("one", broken), ok("two"), ok("three")]
    for backend in backends:
        backend.meanwhile = lambda _call, name=backend.name: order.append(name)  # type: ignore[misc]

    reply = await failover(*backends)(a_call())

    assert bytes(reply.result) == b'"two"'
    assert order == ["time", "one", "two"]


async def test_when_all_fail_the_last_error_is_given_unchanged() -> None:
    backends = [failing("time", error(-32603)), failing("one", error(-32001, "one")), failing("two", error(-32002, "two"))]

    reply = await failover(*backends)(a_call())

    assert reply.fault is not None
    assert reply.fault.encode() == b'{"code":-32002,"message":"two","data":1}'


async def test_the_error_of_the_last_one_asked_wins_over_those_that_were_passed_over() -> None:
    primary, down = failing("time", error(-32001, "mine")), ok("down")

    reply = await failover(primary, down, down=("down",))(a_call())

    assert primary.replies[0] is reply
    assert down.asked == []


async def test_a_backend_that_is_down_is_passed_over() -> None:
    primary, down, backup = ok("time"), ok("down"), ok("backup")

    reply = await failover(primary, down, backup, down=("time", "down"))(a_call())

    assert bytes(reply.result) == b'"backup"'
    assert (primary.asked, down.asked) == ([], [])


async def test_when_all_are_down_the_primary_says_why() -> None:
    fault = faults.unavailable("time", "down")

    reply = await failover(failing("time", fault), ok("backup"), down=("time", "backup"))(a_call())

    assert fault is reply.fault


async def test_every_attempt_carries_the_whole_request_in_a_copy_of_its_own() -> None:
    """Continuation state and unknown members reach a stand-in like the primary."""
    primary, backup = failing("time", error(-32603)), ok("backup")
    original = a_call()
    original.params |= {"requestState": Raw(b'"s"'), "inputResponses": Raw(b"{}")}
    original.extras["trace"] = Raw(b"1")

    await failover(primary, backup)(original)

    first, second = primary.asked[0], backup.asked[0]
    assert original.params == first.params == second.params
    assert original.extras == second.extras
    assert original.trail is second.trail
    assert len({id(original), id(first), id(second)}) == 3


async def test_once_a_person_was_asked_nobody_else_is() -> None:
    primary, backup = failing("time", error(-32603)), ok("backup")
    primary.meanwhile = lambda call: setattr(call.trail, "asked", True)

    reply = await failover(primary, backup)(a_call())

    assert primary.replies[0] is reply
    assert backup.asked == []


async def test_a_primary_that_recovers_is_asked_first_again() -> None:
    primary = Scripted("time", [Reply.failed(error(-32603)), Reply(Raw(b'"time"'))])
    policy = failover(primary, ok("backup"))

    assert [bytes((await policy(a_call())).result) for _call in range(2)] == [b'"backup"', b'"time"']


async def test_every_hop_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    broken = failing("one", error(-32603, "broken"))

    with caplog.at_level(logging.WARNING, "sluicegate.failover"):
        await failover(ok("time"), broken, ok("two"), down=("time",))(a_call())

    said = [(record.__dict__["primary"], record.__dict__["member"], record.__dict__["cause"]) for record in caplog.records]
    assert said == [("time", "one", "time is down"), ("time", "two", "one: broken")]


async def test_a_candidate_alone_needs_only_a_handler() -> None:
    async def unknown(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply.failed(error(-32601))

    policy = Failover(Candidate("a", unknown), (Candidate("b", ok("b")),))

    assert bytes((await policy(a_call())).result) == b'"b"'
    assert unknown is policy.inner


async def test_a_cancelled_caller_is_no_reason_to_ask_anybody_else(autojump_clock: trio.testing.MockClock) -> None:
    async def hanging(call: Call) -> Reply:
        await trio.sleep_forever()
        raise AssertionError(call)

    backup = ok("backup")
    with trio.move_on_after(1) as scope:
        await Failover(Candidate("time", hanging), (Candidate("backup", backup),))(a_call())

    assert scope.cancelled_caught
    assert backup.asked == []
