"""One classification for all policies: may a call be repeated, may it go elsewhere, does it speak against the backend?"""

from __future__ import annotations

import itertools

import attrs
import msgspec
import pytest

from sluicegate.protocol import faults
from sluicegate.protocol.fault import Cause, Fault
from sluicegate.protocol.messages import Raw
from sluicegate.routing.access.denied import no_role, not_permitted


@attrs.frozen
class Judged:
    """A fault and all that policies ask of it."""

    fault: Fault
    counts: bool
    elsewhere: bool
    safe_again: bool
    """Whether it may be repeated where that does no harm."""
    any_again: bool
    """Whether it may be repeated whatever it does."""
    in_doubt: bool = False


def error(code: int) -> Fault:
    return faults.backend_error("b", Raw(b'{"code":%d,"message":"m"}' % code))


NO, YES = False, True
TABLE = {
    # the backend's own errors: its own trouble counts, a client's mistake does not (DEC-5, LIM-13)
    "internal error": Judged(error(-32603), YES, YES, YES, NO),
    "server error, first": Judged(error(-32000), YES, YES, YES, NO),
    "server error, last": Judged(error(-32099), YES, YES, YES, NO),
    "just above the server errors": Judged(error(-31999), NO, YES, NO, NO),
    "just below the server errors": Judged(error(-32100), NO, YES, NO, NO),
    "invalid params": Judged(error(-32602), NO, NO, NO, NO),
    "invalid request": Judged(error(-32600), NO, NO, NO, NO),
    "unknown method": Judged(error(-32601), NO, YES, NO, NO),
    "no such resource": Judged(error(-32002), NO, NO, NO, NO),
    "a step still to take": Judged(error(-32042), NO, NO, NO, NO),
    "cancelled behind us": Judged(error(-32800), NO, NO, NO, NO),
    "parse error": Judged(error(-32700), NO, YES, NO, NO),
    "the backend's own number": Judged(error(7), NO, YES, NO, NO),
    # the way there
    "broken while it ran": Judged(faults.lost("b", "eof"), YES, YES, YES, NO, in_doubt=YES),
    "broken before it left": Judged(faults.lost("b", "eof", started=False), YES, YES, YES, YES),
    "no usable answer": Judged(faults.unreadable("b", "noise"), YES, YES, YES, NO, in_doubt=YES),
    "too slow": Judged(faults.timed_out("look", 3), YES, YES, YES, NO, in_doubt=YES),
    "not there": Judged(faults.unavailable("b", "starting"), NO, YES, YES, YES),
    # our own doing says nothing about the backend (DEC-5, RES-22)
    "no turn": Judged(faults.overloaded("look", "waited"), NO, YES, YES, YES),
    "no token": Judged(faults.rate_limited(1.5), NO, YES, YES, YES),
    "no room to wait": Judged(faults.queue_full("b", 9), NO, YES, YES, YES),
    "no place in time": Judged(faults.queue_timed_out("b", 2), NO, YES, YES, YES),
    "breaker open": Judged(faults.circuit_open("b", 30), NO, YES, NO, NO),
    "unfit": Judged(faults.unfit("b", "/a"), NO, YES, NO, NO),
    "ejected": Judged(faults.ejected("b", 30), NO, YES, NO, NO),
    "hidden": Judged(faults.not_available("tool", "x"), NO, NO, NO, NO),
    "without a scope": Judged(faults.insufficient_scope("x", ("a",)), NO, NO, NO, NO),
    "nameless": Judged(faults.unknown_caller(), NO, NO, NO, NO),
    "not permitted": Judged(not_permitted("Token is", "call tool", "x"), NO, NO, NO, NO),
    "without a role": Judged(no_role(), NO, NO, NO, NO),
    "without a header": Judged(faults.missing_header("X-Tenant"), NO, NO, NO, NO),
    # whose mistake it is
    "client's mistake": Judged(faults.client_mistake("no"), NO, NO, NO, NO),
    "unknown name": Judged(faults.unknown_name("tool", "x"), NO, NO, NO, NO),
    "cancelled": Judged(faults.cancelled(), NO, NO, NO, NO),
    "our bug": Judged(faults.bug("look"), NO, NO, NO, NO),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_fault_says_what_may_be_done_about_it(name: str) -> None:
    """DEC-5, RES-1, RES-2, RES-44, RES-50, LIM-13: only what the backend itself failed at is repeated or counted."""
    judged = TABLE[name]
    fault = judged.fault

    assert judged.counts == fault.counts_against_backend
    assert judged.elsewhere == fault.may_go_elsewhere
    assert judged.safe_again == fault.may_be_repeated(safe=True)
    assert judged.any_again == fault.may_be_repeated(safe=False)
    assert judged.in_doubt == fault.is_in_doubt


def test_the_table_has_every_cause() -> None:
    assert {judged.fault.cause for judged in TABLE.values()} == set(Cause)


CODES = (-32800, -32700, -32603, -32602, -32601, -32600, -32100, -32099, -32042, -32022, -32013, -32002, -32000, -31999, 0, 404)


@pytest.mark.parametrize(("cause", "code", "started"), list(itertools.product(Cause, CODES, (True, False))))
def test_the_answers_never_contradict_each_other(cause: Cause, code: int, started: bool) -> None:
    """Whatever the cause and the code, also in faults that a program makes itself."""
    fault = Fault(cause, code, "m", started=started)

    assert fault.may_be_repeated(safe=True) >= fault.may_be_repeated(safe=False)  # who may repeat anything may repeat what is harmless
    assert fault.may_go_elsewhere >= fault.may_be_repeated(safe=True)  # what may be over soon may also be better elsewhere
    assert fault.may_go_elsewhere >= fault.counts_against_backend  # nobody is blamed for what would happen anywhere
    assert not (fault.is_in_doubt and fault.may_be_repeated(safe=False))  # what may have been done is not done again
    if cause is not Cause.BACKEND:  # only a backend's own code says anything; ours follow from the cause
        assert fault.counts_against_backend == Fault(cause, 0, "m").counts_against_backend


def data_of(fault: Fault, attempts: int = 0) -> dict[str, object]:
    data = msgspec.json.decode(fault.encode(attempts=attempts))["data"]
    assert isinstance(data, dict)
    return data


def test_an_error_says_in_data_what_a_program_needs() -> None:
    """RES-E10, DEC-6: reason, code, backend, attempts, when to come again, and what to do."""
    assert data_of(faults.circuit_open("b", 1.2344), attempts=3) == {
        "reason": "circuit_open",
        "code": "SG-601",
        "backend": "b",
        "attempts": 3,
        "retryAfterMs": 1234,
        "hint": "it was not sent; try again after retryAfterMs, or in a while",
    }


def test_an_error_that_leaves_doubt_says_so() -> None:
    assert data_of(faults.lost("b", "eof"))["outcome"] == "unknown"
    assert "outcome" not in data_of(faults.lost("b", "eof", started=False))


def test_a_hint_of_its_own_goes_before_the_general_one() -> None:
    assert data_of(faults.unavailable("b", "down", "turn it on"))["hint"] == "turn it on"
    assert data_of(faults.unavailable("b", "down"))["hint"] == "it is being connected to; try again in a while"


def test_a_moment_is_never_rounded_to_nothing() -> None:
    assert data_of(faults.rate_limited(0.0001))["retryAfterMs"] == 1


def test_a_single_attempt_and_an_unknown_moment_are_not_mentioned() -> None:
    assert not {"attempts", "retryAfterMs"} & data_of(faults.ejected("b", None), attempts=1).keys()


def test_what_a_program_calls_its_own_fault_stays_without_a_code() -> None:
    assert data_of(Fault(Cause.POLICY, -32602, "closed on Sundays", "sunday")) == {"reason": "sunday"}
    assert data_of(Fault(Cause.POLICY, -32602, "closed on Sundays")) == {"reason": "policy"}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"code":-32603,"message":"m"}',
        b'{ "message" : "m", "code" : -32000, "data": {"code": "SG-401", "reason": 3}, "x":1}',
        b'{"code":7,"message":"\\u00e9","data":null}',
    ],
)
def test_a_backends_own_error_stays_byte_for_byte(raw: bytes) -> None:
    """LIM-13: no code of ours, no attempts, nothing is put into what a backend has said (RES-E7)."""
    assert faults.backend_error("b", Raw(raw)).encode(attempts=4) == raw


@pytest.mark.parametrize(("attempts", "told"), [(0, None), (1, None), (2, 2)])
def test_attempts_are_told_where_there_was_more_than_one(attempts: int, told: int | None) -> None:
    assert data_of(faults.circuit_open("b", 1.0), attempts=attempts).get("attempts") == told


@pytest.mark.parametrize(("for_operator", "hides"), [("", False), ("it failed", False), ("it failed: secret", True)])
def test_a_fault_hides_something_where_the_operator_is_told_more(for_operator: str, hides: bool) -> None:
    fault = Fault(Cause.TRANSPORT, -32603, "it failed", for_operator=for_operator)
    assert fault.hides_something is hides
    assert fault.told == (for_operator or "it failed")


def test_a_fault_of_which_nothing_else_is_said_may_have_begun_and_may_pass() -> None:
    fault = Fault(Cause.TIMEOUT, -32010, "late")
    assert (fault.started, fault.is_in_doubt, fault.counts_against_backend) == (True, True, True)
    assert (fault.may_be_repeated(safe=True), fault.may_be_repeated(safe=False), fault.may_go_elsewhere) == (True, False, True)
