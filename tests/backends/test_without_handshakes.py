"""Backends of 2026-07-28: found out, spoken to with an introduction around each request, and asked again once their questions are answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.backends.handshake import Handshake, HandshakeFailed
from sluicegate.backends.modern.discovery import Discovery, Either
from sluicegate.backends.modern.introduced import Introduced
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.fault import Fault
from sluicegate.protocol.messages import Params, Raw, encode
from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, Offer
from sluicegate.protocol.question import Question
from sluicegate.protocol.why import Why

NEW = "2026-07-28"
OLD = "2025-11-25"
PREFIX = "io.modelcontextprotocol/"
DISCOVERED = {"supportedVersions": [NEW], "capabilities": {"tools": {"listChanged": True}}, "instructions": "be nice"}
HELLO = {"protocolVersion": OLD, "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
QUESTION = {"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {}}}

Answer = dict[str, Any] | Fault


def error(code: int, **data: object) -> Fault:
    return faults.backend_error("b", Raw(encode({"code": code, "message": "no", "data": data})))


@attrs.define(eq=False)
class Scripted:
    """The far end of a session (implements `BackendSession`): one answer after the other for each method, the last one for ever."""

    is_open = True
    answers: dict[str, list[Answer]]
    seen: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    spoken: list[str] = attrs.field(factory=list)
    calls: list[Call] = attrs.field(factory=list)

    async def request(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        call.sent_at = trio.current_time()
        self.calls.append(call)
        self.seen.append((call.method, {name: json.loads(bytes(raw)) for name, raw in call.params.items()}))
        waiting = self.answers.get(call.method)
        if waiting is None:
            return Reply.failed(error(-32601))
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return Reply.failed(answer) if isinstance(answer, Fault) else Reply.of(answer)

    def speak(self, version: str) -> None:
        self.spoken.append(version)

    def tell(self, method: str, params: Params) -> None:
        self.seen.append((method, dict(params)))

    async def wait_closed(self) -> Why:
        await trio.sleep_forever()
        raise AssertionError

    def methods(self) -> list[str]:
        return [method for method, _params in self.seen]


def opener(revision: str | None = None) -> Either:
    return Either(Handshake("gate", "1.0"), Discovery("gate", "1.0", "b"), revision)


async def test_a_backend_that_knows_both_is_spoken_to_with_a_handshake() -> None:
    session = Scripted({"initialize": [HELLO], "server/discover": [DISCOVERED]})
    hello, opened = await opener()(session, {})
    assert (hello.version, opened) == (OLD, session)
    assert session.methods() == ["initialize", "notifications/initialized"]


async def test_unless_the_settings_want_it_otherwise() -> None:
    session = Scripted({"initialize": [HELLO], "server/discover": [DISCOVERED]})
    hello, opened = await opener(NEW)(session, {})
    assert (hello.version, hello.instructions, isinstance(opened, Introduced)) == (NEW, "be nice", True)
    assert session.methods() == ["server/discover"]
    assert session.spoken == [NEW]
    meta = session.seen[0][1]["_meta"]
    assert meta == {
        PREFIX + "protocolVersion": NEW,
        PREFIX + "clientCapabilities": {},
        PREFIX + "clientInfo": {"name": "gate", "version": "1.0"},
    }


@pytest.mark.parametrize(
    "refusal", [error(-32601), error(-32602), error(-32600), error(-32020), error(-32022, supported=[NEW], requested=OLD)]
)
async def test_a_backend_without_a_handshake_is_found_out_once(refusal: Fault) -> None:
    either, session = opener(), Scripted({"initialize": [refusal], "server/discover": [DISCOVERED]})
    assert (await either(session, {}))[0].version == NEW
    assert session.methods()[-1] == "server/discover"
    again = Scripted({"server/discover": [DISCOVERED]})
    assert (await either(again, {}))[0].version == NEW
    assert again.methods() == ["server/discover"]


async def test_a_program_that_has_been_exchanged_since_is_found_out_anew() -> None:
    either = opener()
    await either(Scripted({"initialize": [error(-32601)], "server/discover": [DISCOVERED]}), {})
    old = Scripted({"initialize": [HELLO]})
    with pytest.raises(HandshakeFailed):
        await either(old, {})
    assert (await either(old, {}))[0].version == OLD


async def test_who_knows_neither_is_told_of_with_what_he_said_first() -> None:
    session = Scripted({"initialize": [faults.backend_error("b", Raw(b'{"code":-32600,"message":"first"}'))]})
    with pytest.raises(HandshakeFailed) as failed:
        await opener()(session, {})
    assert failed.value.fault is not None
    assert failed.value.fault.message == "first"


async def test_a_fault_of_the_way_is_no_sign_of_a_revision() -> None:
    session = Scripted({"initialize": [faults.lost("b", "it broke")], "server/discover": [DISCOVERED]})
    with pytest.raises(HandshakeFailed):
        await opener()(session, {})
    assert session.methods() == ["initialize"]


@pytest.mark.parametrize(
    "answer",
    [
        {"supportedVersions": ["2099-01-01"], "capabilities": {}},
        {"capabilities": {}},
        {"supportedVersions": 7, "capabilities": {}},
        {"supportedVersions": {NEW: 1}, "capabilities": {}},
        {"supportedVersions": [{"old": NEW}], "capabilities": {}},
    ],
)
async def test_who_speaks_no_common_revision_is_refused(answer: Answer) -> None:
    with pytest.raises(HandshakeFailed, match="no revision without a handshake"):
        await opener(NEW)(Scripted({"server/discover": [answer]}), {})


# -- calls


@attrs.define(eq=False)
class Person:
    """A client that is asked, and says what the test wants."""

    answers: Callable[[Question], Reply | Fault | None]
    asked: list[Question] = attrs.field(factory=list)

    def note(self, message: bytes) -> None:
        raise AssertionError(message)

    def ask(self, question: Question) -> Fault | None:
        self.asked.append(question)
        answer = self.answers(question)
        if isinstance(answer, Fault):
            return answer
        if answer is not None:
            question.settle(answer)
        return None

    def hold(self, question: Question) -> None:
        raise AssertionError(question)


def accepting(_question: Question) -> Reply:
    return Reply.of({"action": "accept", "content": {"name": "Ada"}})


def introduced(*answers: Answer, method: str = "tools/call") -> tuple[Scripted, Introduced]:
    session = Scripted({method: list(answers), "server/discover": [DISCOVERED]})
    return session, Introduced(session, "b", NEW, Raw(b'{"name":"gate","version":"1.0"}'))


def call(era: str = OLD, person: Person | None = None, **params: object) -> Call:
    capabilities = {"elicitation": Raw(b'{"form":{}}'), "tasks": Raw(b"{}"), "experimental": Raw(b"{}")}
    made = Call(
        "tools/call", "t", {"name": Raw(b'"t"')} | {key: Raw(encode(value)) for key, value in params.items()}, Caller(era, capabilities)
    )
    if person is not None:
        made.back = person
    return made


QUESTIONS: dict[str, Any] = {"resultType": "input_required", "inputRequests": {"who": QUESTION}, "requestState": "s1"}
DONE: Answer = {
    "resultType": "complete",
    "content": [],
    "ttlMs": 5,
    "cacheScope": "public",
    "_meta": {PREFIX + "serverInfo": {"name": "s"}, "own": 1},
}


async def test_a_request_says_who_asks_and_what_he_can_do_as_far_as_it_can_be_carried() -> None:
    session, outer = introduced(DONE)
    made = call(_meta={"progressToken": 7, "own": 1.10})
    await outer.request(made)
    (_, sent), *_ = session.seen
    assert sent["_meta"][PREFIX + "clientCapabilities"] == {"elicitation": {"form": {}}}
    assert sent["_meta"][PREFIX + "logLevel"] == "info"
    assert (sent["_meta"]["progressToken"], sent["_meta"]["own"]) == (7, 1.10)
    assert made.sent_at is not None  # whoever waits for it knows that it has left
    assert "resultType" not in made.params


async def test_what_earlier_revisions_do_not_know_is_left_out_for_their_clients() -> None:
    _session, outer = introduced(DONE)
    assert (await outer.request(call())).value == {"content": [], "_meta": {"own": 1}}
    _session, outer = introduced({"resultType": "complete", "content": [], "_meta": {PREFIX + "serverInfo": {"name": "s"}}})
    assert (await outer.request(call())).value == {"content": []}
    _session, outer = introduced({"content": [{"type": "text", "text": "1.10"}]})
    assert (await outer.request(call())).value == {"content": [{"type": "text", "text": "1.10"}]}


async def test_a_client_of_the_same_revision_gets_the_answer_as_it_is_and_its_own_level() -> None:
    session, outer = introduced(QUESTIONS)
    made = call(NEW)
    made.caller = attrs.evolve(made.caller, log_level="error")
    assert (await outer.request(made)).value == QUESTIONS
    assert session.seen[0][1]["_meta"][PREFIX + "logLevel"] == "error"
    made.caller = attrs.evolve(made.caller, log_level=None)
    await outer.request(made)
    assert PREFIX + "logLevel" not in session.seen[1][1]["_meta"]


async def test_a_client_of_an_earlier_revision_is_asked_and_the_call_sent_again() -> None:
    session, outer = introduced(QUESTIONS, {**QUESTIONS, "requestState": "s2"}, DONE)
    person = Person(accepting)
    reply = await outer.request(call(person=person))
    assert reply.value["content"] == []
    assert [question.method for question in person.asked] == ["elicitation/create"] * 2
    first, second, third = (sent for _method, sent in session.seen)
    assert "requestState" not in first
    assert (second["requestState"], second["inputResponses"]) == ("s1", {"who": {"action": "accept", "content": {"name": "Ada"}}})
    assert third["requestState"] == "s2"


async def test_a_state_that_was_not_given_is_not_given_back_and_a_round_may_ask_nothing() -> None:
    session, outer = introduced({"resultType": "input_required", "inputRequests": {"who": QUESTION}}, DONE)
    await outer.request(call(person=Person(accepting)))
    assert "requestState" not in session.seen[1][1]
    session, outer = introduced({"resultType": "input_required", "requestState": "later"}, DONE)
    await outer.request(call(person=Person(accepting)))
    assert (session.seen[1][1]["requestState"], session.seen[1][1]["inputResponses"]) == ("later", {})


async def test_who_asks_ten_times_is_not_asked_an_eleventh() -> None:
    session, outer = introduced(QUESTIONS)
    reply = await outer.request(call(person=Person(accepting)))
    assert reply.fault is not None
    assert "10 times" in reply.fault.told
    assert len(session.seen) == 10


async def test_a_client_that_cannot_be_asked_or_refuses_ends_the_call() -> None:
    _session, outer = introduced(QUESTIONS)
    reply = await outer.request(call(person=Person(lambda _question: faults.cannot_ask("nobody is there"))))
    assert reply.fault is not None
    assert "has a question: nobody is there" in reply.fault.message
    _session, outer = introduced(QUESTIONS)
    reply = await outer.request(call(person=Person(lambda _question: Reply.failed(error(-1)))))
    assert reply.fault is not None
    assert reply.fault.code == -1
    _session, outer = introduced(QUESTIONS)
    assert (await outer.request(call())).fault is not None  # nobody is behind it


@pytest.mark.parametrize(
    "requests",
    [{"who": {"params": {}}}, {"who": 7}, 7, {f"q{number}": QUESTION for number in range(33)}, {"who": {"method": "x", "params": 7}}],
)
async def test_questions_that_cannot_be_read_or_are_too_many_end_the_call(requests: object) -> None:
    _session, outer = introduced({"resultType": "input_required", "inputRequests": requests})
    person = Person(accepting)
    reply = await outer.request(call(person=person))
    assert reply.fault is not None
    assert reply.fault.reason == "bad_answer"
    assert person.asked == []


async def test_thirty_two_questions_at_once_are_not_too_many() -> None:
    _session, outer = introduced({"resultType": "input_required", "inputRequests": {f"q{n}": QUESTION for n in range(32)}}, DONE)
    person = Person(accepting)
    assert (await outer.request(call(person=person))).fault is None
    assert len(person.asked) == 32


async def test_questions_are_withdrawn_when_the_call_is_cut(autojump_clock: trio.testing.MockClock) -> None:
    _session, outer = introduced(QUESTIONS)
    person = Person(lambda _question: None)
    with trio.move_on_after(1):
        await outer.request(call(person=person))
    assert [question.is_over for question in person.asked] == [True]


async def test_the_first_refusal_withdraws_what_else_was_asked(autojump_clock: trio.testing.MockClock) -> None:
    _session, outer = introduced({"resultType": "input_required", "inputRequests": {"a": QUESTION, "b": QUESTION}})
    person = Person(lambda question: None if len(person.asked) == 1 else Reply.failed(error(-1)))
    reply = await outer.request(call(person=person))
    assert reply.fault is not None
    assert all(question.is_over for question in person.asked)


async def test_a_ping_is_the_least_that_can_be_asked() -> None:
    session, outer = introduced()
    assert (await outer.request(Call("ping", "ping", {}))).fault is None
    assert session.methods() == ["server/discover"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"region": "eu", "in": {"n": 7, "on": True}}, (("region", "eu"), ("n", "7"), ("on", "true"))),
        ({"region": None, "in": {"n": 7.0}}, (("n", "7"),)),
        ({"in": "flat"}, ()),
        ({}, ()),
    ],
)
async def test_arguments_that_a_tool_wants_repeated_are(arguments: dict[str, object], expected: tuple[tuple[str, str], ...]) -> None:
    session, outer = introduced(DONE)
    inside = {"n": {"type": "integer", "x-mcp-header": "N"}, "on": {"type": "boolean", "x-mcp-header": "On"}}
    schema = {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "in": {"type": "object", "properties": inside}}}
    tool = Item("t", {"name": Raw(b'"t"'), "inputSchema": Raw(encode(schema))})
    outer.know(Offer(Hello(NEW, {}, {}), {kind: (tool,) if kind is TOOLS else () for kind in KINDS}))
    await outer.request(call(arguments=arguments))
    assert session.calls[0].repeated == expected


async def test_a_url_gets_the_id_that_earlier_revisions_demand() -> None:
    url = {"method": "elicitation/create", "params": {"mode": "url", "url": "https://x.example", "message": "m"}}
    first, second = ({"resultType": "input_required", "inputRequests": {"a": url, "b": url}, "requestState": state} for state in "xy")
    _session, outer = introduced(first, second, DONE)
    person = Person(accepting)
    await outer.request(call(person=person))
    ids = [bytes(question.params["elicitationId"]) for question in person.asked]
    assert len(set(ids)) == len(ids) == 4


async def test_what_it_says_about_keeping_an_answer_is_known_where_its_client_is_not_told() -> None:
    """P-29, P-84: a client of an earlier revision knows no such members, but who keeps answers has to go by them."""
    said = {"content": [], "resultType": "complete", "ttlMs": 1500, "cacheScope": "private"}
    session = Scripted({"server/discover": [DISCOVERED], "tools/call": [said]})
    _hello, opened = await opener(NEW)(session, {})
    reply = await opened.request(Call("tools/call", "t", {"name": Raw(b'"t"')}, Caller(OLD)))
    assert reply.value == {"content": []}
    assert (reply.hints.seconds, reply.hints.is_private, reply.hints.is_answer) == (1.5, True, True)
