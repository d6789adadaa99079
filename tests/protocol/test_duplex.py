"""A conversation in which both sides ask: whose a message is, and what is open in each direction."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from sluicegate.protocol.duplex import Duplex, Incoming, Outgoing, Requests, receive
from sluicegate.protocol.messages import Malformed, Notification, Raw, Request, Response, decode
from sluicegate.protocol.why import Why


@attrs.define(eq=False)
class Open:
    """Something open on either side, and what became of it."""

    name: str
    log: list[tuple[Any, ...]]

    def lose(self, why: Why) -> None:
        self.log.append(("lost", self.name, why.public))

    def cancel(self) -> None:
        self.log.append(("cancelled", self.name))

    def abort(self, why: str) -> None:
        self.log.append(("aborted", self.name, why))


@attrs.define
class Party:
    """One side, which remembers what it was told (implements `Side`)."""

    duplex: Duplex[Open, Open]
    log: list[tuple[Any, ...]] = attrs.field(factory=list)

    def hear(self, data: bytes, way: str = "way") -> list[tuple[Any, ...]]:
        """Receive one message; what came of it."""
        self.log.clear()
        receive(decode(data), data, self, self.duplex.ours, way)
        return list(self.log)

    def answered(self, request: Open, response: Response) -> None:
        self.log.append(("answered", request.name, bytes(response.result or response.error or b"")))

    def progressed(self, request: Open, note: Notification) -> None:
        self.log.append(("progressed", request.name, bytes(note.params["progress"])))

    def unclaimed(self, key: int | str | None) -> None:
        self.log.append(("unclaimed", key))

    def requested(self, request: Request, asked: Requests[Open], way: str) -> None:
        assert asked is self.duplex.ours
        self.log.append(("requested", request.method, way))

    def cancelled(self, key: int | str | None) -> None:
        self.log.append(("taken back", key))
        self.duplex.theirs.cancel(key)

    def notified(self, note: Notification, asked: Requests[Open], way: str) -> None:
        assert asked is self.duplex.ours
        self.log.append(("notified", note.method, way))

    def garbled(self, message: Malformed, data: bytes | Raw, asked: Requests[Open], way: str) -> None:
        assert asked is self.duplex.ours
        self.log.append(("garbled", message.code, bytes(data), way))


@pytest.fixture
def party() -> Party:
    """One that has asked two things, and was asked two."""
    party = Party(Duplex(Incoming(3)))
    for name in ("first", "second"):
        party.duplex.ours.asked[party.duplex.ours.count()] = Open(name, party.log)
    party.duplex.theirs.running |= {7: Open("seven", party.log), "7": Open("text", party.log)}
    return party


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', ("answered", "first", b"{}")),
        (b'{"jsonrpc":"2.0","id":"2","error":{"code":1}}', ("answered", "second", b'{"code":1}')),
        (b'{"jsonrpc":"2.0","id":3,"result":{}}', ("unclaimed", 3)),
        (b'{"jsonrpc":"2.0","id":null,"error":{"code":1}}', ("unclaimed", None)),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', ("requested", "ping", "way")),
        (b'{"jsonrpc":"2.0","method":"x/y"}', ("notified", "x/y", "way")),
        (b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":5}}', ("progressed", "second", b"5")),
        (b"nonsense", ("garbled", -32700, b"nonsense", "way")),
    ],
)
def test_each_message_goes_to_whom_it_belongs(data: bytes, expected: tuple[object, ...], party: Party) -> None:
    assert party.hear(data) == [expected]


@pytest.mark.parametrize("token", [b"3", b'"first"', b"null", b"1.5", b"-1", b"{}", b"1111111111111111111111"])
def test_progress_of_nothing_that_is_open_is_dropped(token: bytes, party: Party) -> None:
    assert party.hear(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%b,"progress":5}}' % token) == []
    assert party.hear(b'{"jsonrpc":"2.0","method":"notifications/progress"}') == []


@pytest.mark.parametrize(
    ("id", "heard"),
    [
        (b"7", [("taken back", 7), ("cancelled", "seven")]),
        (b'"7"', [("taken back", "7"), ("cancelled", "text")]),
        (b"8", [("taken back", 8)]),
        (b"null", [("taken back", None)]),
        (b"[]", [("taken back", None)]),
    ],
)
def test_what_is_taken_back_is_cancelled_under_its_own_id(id: bytes, heard: list[tuple[object, ...]], party: Party) -> None:
    assert party.hear(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%b}}' % id) == heard


def test_numbers_are_never_used_twice_and_may_go_on_from_another_conversation() -> None:
    ours: Outgoing[Open] = Outgoing()
    assert [ours.count(), ours.count()] == [1, 2]
    assert Outgoing[Open](last=ours.last).count() == 3


def test_a_late_answer_is_known_once_and_only_so_many_are() -> None:
    ours: Outgoing[Open] = Outgoing()
    expected = [ours.expects_late]
    for number in range(300):
        ours.give_up(number)
    assert [*expected, ours.expects_late] == [False, True]
    assert [ours.was_given_up(key) for key in (0, 299, 299, "298", None, "x")] == [False, True, False, True, False, False]


@pytest.mark.parametrize(("key", "reason"), [(7, "duplicate_id"), ("7", "duplicate_id"), (8, None)])
def test_an_id_that_is_open_is_refused(key: int | str, reason: str | None, party: Party) -> None:
    fault = party.duplex.theirs.refusal(key, "x", "calls")
    assert (fault and fault.reason) == reason


def test_one_request_too_many_is_refused(party: Party) -> None:
    theirs = party.duplex.theirs
    theirs.running[9] = Open("nine", party.log)
    fault = theirs.refusal(10, "x", "calls")
    assert fault is not None
    assert (fault.reason, fault.message) == ("overloaded", "'x' was not sent: this session has 3 open calls")


def test_the_end_is_told_to_all_that_is_open_and_once(party: Party) -> None:
    for ending in party.duplex.close(Why("gone", "gone, and more")):
        ending()
    assert party.log == [("aborted", "seven", "gone"), ("aborted", "text", "gone"), ("lost", "first", "gone"), ("lost", "second", "gone")]
    assert party.duplex.close(Why("again")) == []
    assert party.duplex.why == Why("gone", "gone, and more")
