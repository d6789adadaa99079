"""After what the next in line is asked, and for how long who has answered is asked first (LIM-19)."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate import Builder, Gateway
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.fault import Cause, Fault
from sluicegate.protocol.messages import Raw
from sluicegate.routing.failover import Candidate, Failover, Preference
from sluicegate.settings.stand_ins import FAILOVER_AFTER
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, RpcError, ToolFails

Clock = trio.testing.MockClock
TOOL_ERROR = Reply.saying("no", is_error=True)
FAULTS: dict[str, Fault] = {
    "unavailable": faults.unavailable("a", "starting"),
    "lost": faults.lost("a", "it ended"),
    "timeout": faults.timed_out("look", 1, backend="a"),
    "overload": faults.queue_full("a", 9),
    "error": faults.backend_error("a", Raw(b'{"code":-32603,"message":"no"}')),
}
BARRED = faults.circuit_open("a", 30)


@attrs.define(eq=False)
class Member:
    """Answers these, the last one again and again."""

    name: str
    replies: list[Reply]
    calls: int = 0
    up: bool = True

    async def __call__(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        del call
        self.calls += 1
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def candidate(self, **settings: Any) -> Candidate:
        return Candidate(self.name, self, lambda: self.up, **settings)


def member(name: str, *said: Reply | Fault | str) -> Member:
    return Member(
        name, [one if isinstance(one, Reply) else Reply.failed(one) if isinstance(one, Fault) else Reply.saying(one) for one in said]
    )


def texts(replies: list[Reply]) -> list[str]:
    return [reply.text if reply.fault is None else reply.fault.reason or reply.fault.message for reply in replies]


@pytest.mark.parametrize(("trigger", "after"), [*itertools.product(FAULTS, [*FAULTS, "tool_error"])])
async def test_the_next_is_asked_after_what_is_named_and_after_nothing_else(trigger: str, after: Any) -> None:
    """LIM-19."""
    one, two = member("a", FAULTS[trigger]), member("b", "b")
    reply = await Failover(one.candidate(), (two.candidate(),), (after,))(Call.tool("look"))
    assert (reply.fault is None, two.calls) == ((True, 1) if trigger == after else (False, 0))


def test_what_is_usual_is_all_but_a_tools_error() -> None:
    one, two = member("a", "a"), member("b", "b")
    assert set(Failover(one.candidate(), (two.candidate(),)).after) == set(FAILOVER_AFTER) == set(FAULTS)


async def test_who_is_not_to_be_asked_now_is_unavailable() -> None:
    one, two = member("a", BARRED), member("b", "b")
    assert (await Failover(one.candidate(), (two.candidate(),), ["unavailable"])(Call.tool("look"))).text == "b"
    assert (await Failover(one.candidate(), (two.candidate(),), ["lost"])(Call.tool("look"))).fault is BARRED


async def test_one_that_is_away_or_ejected_is_asked_all_the_same_where_that_is_no_reason() -> None:
    one, two = member("a", FAULTS["unavailable"]), member("b", "b")
    one.up = False
    for primary in (one.candidate(), one.candidate(is_ejected=lambda: True)):
        failover = Failover(primary, (two.candidate(),), ["timeout"])
        assert (await failover(Call.tool("look"))).fault is FAULTS["unavailable"]
        assert not failover.can_take(Call.tool("look"), "a"), "so a retry waits for its restart"
    assert (one.calls, two.calls) == (2, 0)


async def test_a_callers_mistake_is_one_whatever_is_named() -> None:
    one, two = member("a", faults.client_mistake("no")), member("b", "b")
    reply = await Failover(one.candidate(), (two.candidate(),), (*FAILOVER_AFTER, "tool_error"))(Call.tool("look"))
    assert (reply.fault is not None and reply.fault.cause, two.calls) == (Cause.CLIENT, 0)


@pytest.mark.parametrize(("then", "expected"), [("b", "b"), (FAULTS["lost"], "no"), (TOOL_ERROR, "no")])
async def test_a_tools_error_has_the_next_asked_where_that_is_named_and_says_more_than_a_fault(then: Any, expected: str) -> None:
    one, two = member("a", TOOL_ERROR), member("b", then)
    assert (await Failover(one.candidate(), (two.candidate(),), ["tool_error"])(Call.tool("look"))).text == expected or then is FAULTS[
        "lost"
    ]
    assert two.calls == 1
    again = Failover(one.candidate(), (two.candidate(),), (*FAILOVER_AFTER, "tool_error"))
    assert (await again(Call.tool("look"))).text == expected


async def test_what_may_have_become_a_task_is_not_made_again_for_its_tools_error() -> None:
    one, two = member("a", TOOL_ERROR), member("b", "b")
    reply = await Failover(one.candidate(only_once=lambda _call: True), (two.candidate(),), ["tool_error"])(Call.tool("look"))
    assert (reply is TOOL_ERROR, two.calls) == (True, 0)


async def test_who_has_answered_in_the_place_of_another_is_asked_first_for_a_while(autojump_clock: Clock) -> None:
    """LIM-19."""
    one, two, three = member("a", FAULTS["lost"], FAULTS["lost"], "a"), member("b", FAULTS["lost"], "b"), member("c", "c")
    failover = Failover(one.candidate(), (two.candidate(), three.candidate()), preference=Preference(10))
    assert [await failover(Call.tool("look")) for _ in range(3)] == [three.replies[0]] * 3
    assert (one.calls, two.calls, three.calls) == (1, 1, 3)
    await trio.sleep(10)
    assert texts([await failover(Call.tool("look")) for _ in range(2)]) == ["b", "b"], "then its primary is asked again, and fails again"
    await trio.sleep(10)
    assert texts([await failover(Call.tool("look")) for _ in range(2)]) == ["a", "a"]
    assert (one.calls, two.calls, three.calls) == (4, 3, 3)


async def test_who_is_asked_first_and_cannot_either_leads_back_to_the_order(autojump_clock: Clock) -> None:
    one, two = member("a", FAULTS["lost"], "a"), member("b", "b", FAULTS["timeout"], "b")
    failover = Failover(one.candidate(), (two.candidate(),), preference=Preference(10))
    assert texts([await failover(Call.tool("look")) for _ in range(4)]) == ["b", "a", "a", "a"]
    assert two.calls == 2, "it is asked no more while the primary answers"
    two.up = False
    assert texts([await failover(Call.tool("look"))]) == ["a"], "and one that is away meanwhile is passed over"


async def test_without_a_time_the_primary_is_asked_first(autojump_clock: Clock) -> None:
    one, two = member("a", FAULTS["lost"]), member("b", "b")
    failover = Failover(one.candidate(), (two.candidate(),))
    assert texts([await failover(Call.tool("look")) for _ in range(3)]) == ["b"] * 3
    assert (one.calls, two.calls) == (3, 3)


async def asked(gateway: Gateway, times: int = 1) -> list[str]:
    return texts([await gateway.call_tool("a_echo") for _ in range(times)])


async def test_both_are_settings_of_the_primary_and_what_is_remembered_outlives_other_changes(autojump_clock: Clock) -> None:
    primary, spare = ScriptedBackend(ToolFails("no"), RpcError(-32603, "mine")), ScriptedBackend(Answer("spare"))
    settings: dict[str, Any] = {"failover_after": ["tool_error"], "failover_stays_seconds": 60}
    builder = Builder("x").backend("a", primary.connector, **settings).backend("s", spare.connector, failover_for="a")
    async with builder.open() as gateway:
        await gateway.ready()
        assert await asked(gateway, 2) == ["spare"] * 2
        configs = [attrs.evolve(one, priority=3) if one.name == "s" else one for one in gateway.config.backends]
        await gateway.apply(configs)
        assert await asked(gateway) == ["spare"]
        await trio.sleep(60)
        assert await asked(gateway) == ["mine"], "which was not named"
        assert (primary.calls, spare.calls) == (2, 3)


async def test_a_dead_primary_costs_one_call_its_time_and_not_each(autojump_clock: Clock) -> None:
    primary, spare = ScriptedBackend(Delay(50)), ScriptedBackend(Answer("spare"))
    timeout = {"seconds": 30, "per_attempt_seconds": 5}
    builder = Builder("x").backend("a", primary.connector, timeout=timeout, failover_stays_seconds=300)
    async with builder.backend("s", spare.connector, failover_for="a").open() as gateway:
        await gateway.ready()
        began = trio.current_time()
        assert await asked(gateway, 10) == ["spare"] * 10
        assert trio.current_time() - began == pytest.approx(5)
