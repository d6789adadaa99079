"""Who is asked next, and when nobody is."""

import logging
from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call

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
    """All stand-ins list the tool; the primary does if it is in ``listing``."""
    candidates = [
        Candidate(
            backend.name,
            backend,
            lambda name=backend.name: name not in down,  # type: ignore[misc]
            lambda method, local, lists=backend is not backends[0] or backend.name in listing: (  # type: ignore[misc]
                lists and (method, local) == ("tools/call", "now")
            ),
        )
        for backend in backends
    ]
    return Failover(candidates[0], tuple(candidates[1:]))


async def test_without_stand_ins_the_primarys_answer_is_the_answer() -> None:
    primary = failing("time", faults.lost("time", "gone"))

    assert primary.replies[0] is await failover(primary)(a_call("time_now"))


async def test_while_the_primary_answers_nobody_else_is_asked() -> None:
    primary, backup = ok("time"), ok("backup")

    reply = await failover(primary, backup)(a_call("time_now"))

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
    reply = await failover(failing("time", fault), ok("backup"))(a_call("time_now"))

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

    reply = await failover(failing("time", fault), backup)(a_call("time_now"))

    assert fault is reply.fault
    assert backup.asked == []


async def test_a_backend_that_lists_a_tool_and_does_not_know_the_method_has_spoken() -> None:
    backup = ok("backup")

    reply = await failover(failing("time", error(-32601)), backup, listing=("time",))(a_call("time_now"))

    assert reply.fault is not None
    assert backup.asked == []


async def test_a_tool_that_reports_an_error_has_answered() -> None:
    primary, backup = Scripted("time", [Reply(Raw(b'{"content":[],"isError":true}'))]), ok("backup")

    reply = await failover(primary, backup)(a_call("time_now"))

    assert primary.replies[0] is reply
    assert backup.asked == []


async def test_stand_ins_are_asked_in_the_given_order() -> None:
    broken = error(-32603)
    order: list[str] = []
    backends = [failing("time", broken), failing("one", broken), ok("two"), ok("three")]
    for backend in backends:
        backend.meanwhile = lambda _call, name=backend.name: order.append(name)  # type: ignore[misc]

    reply = await failover(*backends)(a_call("time_now"))

    assert bytes(reply.result) == b'"two"'
    assert order == ["time", "one", "two"]


async def test_when_all_fail_the_last_error_is_given_unchanged() -> None:
    backends = [failing("time", error(-32603)), failing("one", error(-32001, "one")), failing("two", error(-32002, "two"))]

    reply = await failover(*backends)(a_call("time_now"))

    assert reply.fault is not None
    assert reply.fault.encode() == b'{"code":-32002,"message":"two","data":1}'


async def test_the_error_of_the_last_one_asked_wins_over_those_that_were_passed_over() -> None:
    primary, down = failing("time", error(-32001, "mine")), ok("down")

    reply = await failover(primary, down, down=("down",))(a_call("time_now"))

    assert primary.replies[0] is reply
    assert down.asked == []


async def test_a_backend_that_is_down_is_passed_over() -> None:
    primary, down, backup = ok("time"), ok("down"), ok("backup")

    reply = await failover(primary, down, backup, down=("time", "down"))(a_call("time_now"))

    assert bytes(reply.result) == b'"backup"'
    assert (primary.asked, down.asked) == ([], [])


async def test_when_all_are_down_the_primary_says_why() -> None:
    fault = faults.unavailable("time", "down")

    reply = await failover(failing("time", fault), ok("backup"), down=("time", "backup"))(a_call("time_now"))

    assert fault is reply.fault


async def test_every_attempt_carries_the_whole_request_in_a_copy_of_its_own() -> None:
    """Continuation state and unknown members reach a stand-in like the primary."""
    primary, backup = failing("time", error(-32603)), ok("backup")
    original = a_call("time_now")
    original.params |= {"requestState": Raw(b'"s"'), "inputResponses": Raw(b"{}")}

    await failover(primary, backup)(original)

    first, second = primary.asked[0], backup.asked[0]
    assert original.params == first.params == second.params
    assert original.trail is second.trail
    assert len({id(original), id(first), id(second)}) == 3


async def test_once_a_person_was_asked_nobody_else_is() -> None:
    primary, backup = failing("time", error(-32603)), ok("backup")
    primary.meanwhile = lambda call: setattr(call.trail, "asked", True)

    reply = await failover(primary, backup)(a_call("time_now"))

    assert primary.replies[0] is reply
    assert backup.asked == []


async def test_a_primary_that_recovers_is_asked_first_again() -> None:
    primary = Scripted("time", [Reply.failed(error(-32603)), Reply(Raw(b'"time"'))])
    policy = failover(primary, ok("backup"))

    assert [bytes((await policy(a_call("time_now"))).result) for _call in range(2)] == [b'"backup"', b'"time"']


async def test_every_hop_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    broken = failing("one", error(-32603, "broken"))

    with caplog.at_level(logging.WARNING, "sluicegate.failover"):
        await failover(ok("time"), broken, ok("two"), down=("time",))(a_call("time_now"))

    said = [(record.__dict__["primary"], record.__dict__["member"], record.__dict__["cause"]) for record in caplog.records]
    assert said == [("time", "one", "time is not available"), ("time", "two", "one: broken")]


async def test_a_candidate_alone_needs_only_a_handler() -> None:
    async def unknown(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply.failed(error(-32601))

    policy = Failover(Candidate("a", unknown), (Candidate("b", ok("b")),))

    assert bytes((await policy(a_call("time_now"))).result) == b'"b"'
    assert unknown is policy.inner


async def test_a_cancelled_caller_is_no_reason_to_ask_anybody_else(autojump_clock: trio.testing.MockClock) -> None:
    async def hanging(call: Call) -> Reply:
        await trio.sleep_forever()
        raise AssertionError(call)

    backup = ok("backup")
    with trio.move_on_after(1) as scope:
        await Failover(Candidate("time", hanging), (Candidate("backup", backup),))(a_call("time_now"))

    assert scope.cancelled_caught
    assert backup.asked == []


# -- ejected ones, and the allowance


@attrs.define(eq=False)
class Purse:
    """An allowance of so many attempts."""

    left: int

    def draw(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def reserve(self) -> bool:
        return self.left > 0

    def release(self) -> None:
        """It has kept nothing."""


def with_ejected(*backends: Scripted, ejected: set[str], down: set[str] | None = None) -> Failover:
    """A failover order whose two sets may change while it runs."""
    candidates = [
        Candidate(
            backend.name,
            backend,
            lambda name=backend.name: name not in (down or ()),  # type: ignore[misc]
            is_ejected=lambda name=backend.name: name in ejected,  # type: ignore[misc]
        )
        for backend in backends
    ]
    return Failover(candidates[0], tuple(candidates[1:]))


def in_turn(backends: list[Scripted]) -> list[str]:
    """The names of those that are asked, filled in as they are."""
    order: list[str] = []
    for backend in backends:
        backend.meanwhile = lambda _call, name=backend.name: order.append(name)  # type: ignore[misc]
    return order


async def test_an_ejected_stand_in_is_asked_when_nobody_else_is_left() -> None:
    """FO-3: members whose breaker is open, or that are down or unhealthy, are passed over; the ejected come last."""
    backends = [failing("time", error(-32603)), ok("one"), failing("two", error(-32603)), ok("three")]
    order = in_turn(backends)

    reply = await with_ejected(*backends, ejected={"one"}, down={"three"})(a_call("time_now"))

    assert bytes(reply.result) == b'"one"'
    assert order == ["time", "two", "one"]


async def test_an_ejected_primary_is_asked_after_its_stand_ins_but_before_ejected_stand_ins() -> None:
    backends = [ok("time"), failing("one", error(-32603)), ok("two")]
    order = in_turn(backends)

    reply = await with_ejected(*backends, ejected={"time", "two"})(a_call("time_now"))

    assert bytes(reply.result) == b'"time"'
    assert order == ["one", "time"]


async def test_when_all_are_ejected_the_order_is_the_given_one(caplog: pytest.LogCaptureFixture) -> None:
    backends = [failing("time", error(-32603, "broken")), ok("one")]
    order = in_turn(backends)

    with caplog.at_level(logging.WARNING, "sluicegate.failover"):
        reply = await with_ejected(*backends, ejected={"time", "one"})(a_call("time_now"))

    assert bytes(reply.result) == b'"one"'
    assert order == ["time", "one"]
    assert [(record.__dict__["member"], record.__dict__["cause"]) for record in caplog.records] == [("one", "time: broken")]


async def test_who_is_ejected_or_down_is_looked_at_when_its_turn_comes() -> None:
    """LIM-19: unavailable members are skipped, also those that became so a moment ago."""
    ejected, down = {"three"}, set[str]()
    backends = [failing("time", error(-32603)), ok("one"), ok("two"), ok("three")]
    order = in_turn(backends)

    def change(_call: Call) -> None:
        order.append("time")
        ejected.add("two")
        down.update(("one", "three"))

    backends[0].meanwhile = change

    reply = await with_ejected(*backends, ejected=ejected, down=down)(a_call("time_now"))

    assert bytes(reply.result) == b'"two"'
    assert order == ["time", "two"]


async def test_the_refusal_of_a_gate_says_less_than_what_a_backend_said() -> None:
    """FO-2: all failed, so the error of the last one that was really asked, code and message unchanged."""
    backends = [
        failing("time", faults.ejected("time", 3)),
        failing("one", error(-32001, "one")),
        failing("two", faults.circuit_open("two", 3)),
    ]

    reply = await with_ejected(*backends, ejected={"time"})(a_call("time_now"))

    assert backends[1].replies[0] is reply


async def test_when_all_gates_refuse_the_primarys_refusal_is_the_answer() -> None:
    backends = [failing("time", faults.ejected("time", 3)), failing("one", faults.ejected("one", 9))]

    reply = await with_ejected(*backends, ejected={"time", "one"})(a_call("time_now"))

    assert backends[0].replies[0] is reply


@pytest.mark.parametrize(("allowed", "asked"), [(0, 1), (1, 2), (2, 3), (5, 3)])
async def test_every_attempt_beyond_the_first_is_drawn_from_the_allowance(allowed: int, asked: int) -> None:
    """RES-5: and when it is used up, what was said so far is the answer."""
    backends = [failing(name, error(-32000 - number)) for number, name in enumerate(("time", "one", "two"))]
    call = a_call("time_now")
    call.trail.allowance = purse = Purse(allowed)

    reply = await failover(*backends)(call)

    assert [len(backend.asked) for backend in backends] == [1] * asked + [0] * (3 - asked)
    assert backends[asked - 1].replies[0] is reply
    assert purse.left == max(allowed - 2, -1)


async def test_the_first_attempt_is_free_whoever_gets_it() -> None:
    primary, backup = ok("time"), ok("backup")
    call = a_call("time_now")
    call.trail.allowance = purse = Purse(0)

    assert bytes((await failover(primary, backup, down=("time",))(call)).result) == b'"backup"'
    assert purse.left == 0


async def test_nothing_is_drawn_where_nobody_is_left_to_be_asked() -> None:
    call = a_call("time_now")
    call.trail.allowance = purse = Purse(1)

    await failover(failing("time", error(-32603)), ok("one"), down=("one",))(call)

    assert purse.left == 1


async def test_one_that_comes_up_while_another_is_asked_is_asked_too() -> None:
    down = {"one"}
    backends = [failing("time", error(-32603)), ok("one")]
    backends[0].meanwhile = lambda _call: down.clear()

    assert bytes((await with_ejected(*backends, ejected=set(), down=down)(a_call("time_now"))).result) == b'"one"'


async def test_an_ejected_one_that_went_down_meanwhile_is_passed_over() -> None:
    """FO-3: those that are down are skipped, however late their turn comes."""
    down = set[str]()
    backends = [failing("time", error(-32603)), ok("out"), failing("one", error(-32000))]
    backends[2].meanwhile = lambda _call: down.add("out")

    reply = await with_ejected(*backends, ejected={"out"}, down=down)(a_call("time_now"))

    assert backends[2].replies[0] is reply
    assert backends[1].asked == []


@pytest.mark.parametrize(("bound", "answered"), [("backup", "backup"), ("time", "time"), ("stranger", "time")])
async def test_a_call_that_carries_what_one_has_said_goes_to_that_one_alone(bound: str, answered: str) -> None:
    """P-101: also where it is down; one that is none of them is refused by the primary itself."""
    backends = {name: failing(name, faults.lost(name, "gone")) for name in ("time", "backup", "third")}
    call = a_call("time_now")
    call.trail.bound_to = bound

    reply = await failover(*backends.values(), down=("time", "backup"), listing=("time",))(call)

    assert reply.fault is not None
    assert {name: len(one.asked) for name, one in backends.items() if one.asked} == {answered: 1}
