"""What a backend says that nobody asked for, and what fails beside calls: each reaches whom it must, and nobody else."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing
from tests.kit.gate import open_gate

from sluicegate import Call, State
from sluicegate.protocol.fault import Fault
from sluicegate.protocol.messages import Raw, Request, decode
from sluicegate.protocol.question import Question
from sluicegate.testing import AskBack, Forgotten, Hang, ListStorm, Oversize, ProgressFlood, Refuse, RpcError, Rule, ScriptedBackend
from sluicegate.testing.injections.noise import noise_of
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
WAYS = pytest.mark.parametrize("way", Transport)


@attrs.define
class Heard:
    """A way home that keeps what is told on it (implements `Back`)."""

    notes: list[bytes] = attrs.field(factory=list)

    def note(self, message: bytes) -> None:
        self.notes.append(message)

    def ask(self, question: Question) -> Fault | None:
        raise AssertionError(question)

    def hold(self, question: Question) -> None:
        raise AssertionError(question)


def heard_call(token: bytes | None) -> tuple[Call, Heard]:
    call, heard = Call.tool("b_echo"), Heard()
    call.back = heard
    if token is not None:
        call.params = call.params | {"_meta": Raw(b'{"progressToken":%b}' % token)}
    return call, heard


@WAYS
async def test_a_flood_of_progress_reaches_who_asked_for_it_under_his_own_token(way: Transport, autojump_clock: Clock) -> None:
    async with open_gate(way, Rule(ProgressFlood(50))) as gate:
        call, heard = heard_call(b'"mine"')
        assert (await gate.gateway.handler(call)).fault is None
        assert len(heard.notes) == 50
        assert all(b'"progressToken":"mine"' in note for note in heard.notes)


@WAYS
async def test_a_flood_of_progress_that_nobody_asked_for_reaches_nobody(way: Transport, autojump_clock: Clock) -> None:
    async with open_gate(way, Rule(ProgressFlood(50))) as gate:
        call, heard = heard_call(None)
        assert (await gate.gateway.handler(call)).fault is None
        assert heard.notes == []


@WAYS
async def test_a_storm_of_changed_lists_is_read_a_few_times_and_not_each_time(way: Transport, autojump_clock: Clock) -> None:
    async with open_gate(way, Rule(ListStorm(500), numbers=[1])) as gate:
        assert (await gate.outcome())[0] == 'echo {"n":0} #1'
        await trio.sleep(10)
        lists = [message for message in gate.scripted.received if isinstance(message, Request) and message.method == "tools/list"]
        assert len(lists) <= 3
        assert gate.gateway.backends["b"].restarts == 0


@WAYS
async def test_a_question_to_nobody_is_answered_by_the_gateway(way: Transport, autojump_clock: Clock) -> None:
    async with open_gate(way, Rule(AskBack("elicitation/create"), numbers=[1])) as gate:
        assert (await gate.outcome())[0] == 'echo {"n":0} #1'
        await trio.testing.wait_all_tasks_blocked()
        if way is Transport.FRAMES:
            [answer] = gate.scripted.answers
            assert (answer.key, answer.result) == ("asked-1", None)
        assert gate.gateway.backends["b"].restarts == 0


@pytest.mark.parametrize("fault", [RpcError(-32603, "no"), Hang(), Refuse()])
async def test_a_handshake_fails_where_a_rule_names_it(fault: RpcError | Hang | Refuse, autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b")
    async with open_gate(Transport.FRAMES, Rule(fault, method="initialize", numbers=[2]), backend=backend) as gate:
        backend.crash()
        await gate.gateway.backends["b"].wait_for(lambda one: one.state is State.RESTARTING)
        await gate.gateway.ready()
        assert [one.fault for one in gate.faults.injectors["b"].log] == [fault]
        assert (await gate.outcome())[0] == 'echo {"n":0} #1'
        hellos = [message for message in backend.received if isinstance(message, Request) and message.method == "initialize"]
        assert len(hellos) == 2, "the one that failed never reached it"


async def test_a_list_fails_where_a_rule_names_it_and_draws_of_calls_stay_as_they_were(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(name="b")
    calls = [Rule(RpcError(-1), percent=50)]
    outcomes: list[list[str]] = []
    for rules in (calls, [*calls, Rule(RpcError(-32603, "no list"), method="tools/list", first=2)]):
        async with open_gate(Transport.FRAMES, *rules, backend=backend) as gate:
            backend.notify("notifications/tools/list_changed")
            outcomes.append([(await gate.outcome())[0].partition(" #")[0] for _ in range(20)])
    assert outcomes[0] == outcomes[1]
    assert len(set(outcomes[0])) == 2
    assert gate.faults.injected > outcomes[1].count("-1")


async def test_a_rule_without_a_method_is_about_calls_alone(autojump_clock: Clock) -> None:
    async with open_gate(Transport.FRAMES, Rule(RpcError(-1))) as gate:
        assert gate.faults.injected == 0
        assert (await gate.outcome())[0] == "-1"


@pytest.mark.parametrize("status", [400, 500, 422])
async def test_a_forgotten_session_is_said_with_that_status(status: int, autojump_clock: Clock) -> None:
    async with open_gate(Transport.HTTP, Rule(Forgotten(status, message="who?"), numbers=[1])) as gate:
        reply = await gate.call()
        assert reply.fault is None or "who?" in reply.fault.message


async def test_an_oversized_answer_costs_its_call_and_not_the_child(autojump_clock: Clock) -> None:
    async with open_gate(Transport.CHILD, Rule(Oversize(), numbers=[1])) as gate:
        assert (await gate.outcome())[0] == "bad_answer"
        assert (await gate.outcome())[0] == 'echo {"n":0} #1'
        assert gate.gateway.backends["b"].restarts == 0


def test_what_no_noise_is_makes_none() -> None:
    request = decode(b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}')
    assert isinstance(request, Request)
    assert noise_of(Hang(), request) == []
