"""Requests that are the same, and answered with one call."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.heard import Heard

from sluicegate import Builder, Gateway
from sluicegate.config.model import PerformanceConfig, TimeoutSettings
from sluicegate.gateway.opening import open_gateway
from sluicegate.policies.coalesce import Coalesce
from sluicegate.protocol.calls import Call, Caller, Hop, Reply
from sluicegate.protocol.messages import Raw, encode, encode_notification
from sluicegate.protocol.principal import Principal
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, Hang, Note, RpcError, Step

Clock = trio.testing.MockClock
_SCHEMA: dict[str, object] = {"inputSchema": {"type": "object"}}
LOOK = _SCHEMA | {"name": "look", "annotations": {"readOnlyHint": True}}
SLOW = Delay(1)


def scripted(*steps: Step) -> ScriptedBackend:
    return ScriptedBackend(*(steps or (SLOW,)), tools=[LOOK, "act"], resources=["file:///a"], prompts=["ask"])


def opened(backend: ScriptedBackend, **settings: Any) -> Any:
    return Builder("x").backend("b", backend.connector, **{"coalesce_requests": True} | settings).open(strict=True)


def look(tool: str = "look", /, meta: dict[str, object] | None = None, who: str = "", **arguments: object) -> Call:
    call = Call.tool(f"b_{tool}", arguments)
    call.caller = Caller("2025-11-25", principal=Principal(who))
    if meta is not None:
        call.params["_meta"] = Raw(encode(meta))
    return call


async def together(gateway: Gateway, *calls: Call) -> list[Reply]:
    """The replies to calls that come at the same time."""
    replies: dict[int, Reply] = {}

    async def run(number: int, call: Call) -> None:
        replies[number] = await gateway.handler(call)

    async with trio.open_nursery() as nursery:
        for number, call in enumerate(calls):
            nursery.start_soon(run, number, call)
    return [replies[number] for number in range(len(calls))]


def policy(gateway: Gateway) -> Coalesce:
    coalesce = gateway.policies["b"].coalesce
    assert coalesce is not None
    return coalesce


async def test_what_comes_at_the_same_time_is_asked_once(autojump_clock: Clock) -> None:
    """COA-2, COA-4, TST-U9: exactly one, however close they come."""
    async with opened(backend := scripted()) as gateway:
        replies = await together(gateway, look(at=1), look(at=1), look(at=1))
        assert [reply.text for reply in replies] == ['look {"at":1} #1'] * 3
        assert (policy(gateway).joined, policy(gateway).flying) == (2, 0)
        await gateway.handler(look(at=1))
    assert backend.calls == 2, "what comes later is asked anew"


@pytest.mark.parametrize(
    "calls",
    [
        (look(at=1), look(at=2)),
        (look("act"), look("act")),
        (look(who="ann"), look(who="bob")),
        (look(meta={"progressToken": 1}), look()),
        (look(meta={"x": 1}), look()),
    ],
    ids=["arguments", "may do harm", "principals", "one is told how far it is", "metadata"],
)
async def test_what_differs_or_may_do_harm_is_asked_for_each(calls: tuple[Call, Call], autojump_clock: Clock) -> None:
    """COA-2, COA-3, LIM-30."""
    async with opened(backend := scripted()) as gateway:
        await together(gateway, *(call.copy() for call in calls))
    assert backend.calls == 2


async def test_each_knows_who_has_answered(autojump_clock: Clock) -> None:
    """Also where somebody else was asked before, and whoever the attempt is told to."""
    calls = [look(), look()]
    for call in calls:
        call.trail.hops.append(Hop("other", "timeout", 1.0))
    async with opened(scripted()) as gateway:
        await together(gateway, *calls)
        assert [call.trail.answerer for call in calls] == ["b", "b"]
        assert sorted(len(call.trail.hops) for call in calls) == [1, 2], "it is counted once"
        for call in calls:
            call.trail.hops.append(Hop("other", "ok", 1.0))
            assert call.trail.answerer == "other"


@pytest.mark.parametrize("key", ["requestState", "inputResponses"])
async def test_a_part_of_something_longer_flies_alone(key: str, autojump_clock: Clock) -> None:
    async with opened(backend := scripted()) as gateway:
        calls = [look(), look()]
        for call in calls:
            call.params[key] = Raw(b"{}")
        await together(gateway, *calls)
    assert backend.calls == 2


async def test_resources_and_prompts_are_led_together_too(autojump_clock: Clock) -> None:
    async with opened(backend := scripted()) as gateway, trio.open_nursery() as nursery:
        uri = str(gateway.list_resources()[0]["uri"])
        for _ in range(3):
            nursery.start_soon(gateway.read_resource, uri)
            nursery.start_soon(gateway.get_prompt, "b_ask")
    assert backend.calls == 2


async def test_a_failure_is_everybodys(autojump_clock: Clock) -> None:
    """COA-2."""
    async with opened(backend := scripted(Delay(1, RpcError(-32000, "no")))) as gateway:
        replies = await together(gateway, look(), look())
    assert [reply.fault and reply.fault.message for reply in replies] == ["no", "no"]
    assert backend.calls == 1


@pytest.mark.parametrize("leaves", [0, 1, 2])
async def test_who_is_cancelled_leaves_and_the_others_get_their_answer(leaves: int, autojump_clock: Clock) -> None:
    """COA-5, LIM-31: the first one, too."""
    async with opened(backend := scripted()) as gateway:
        calls = [look(), look(), look()]
        async with trio.open_nursery() as nursery:
            for number, call in enumerate(calls):
                if number != leaves:
                    nursery.start_soon(_well, gateway, call)
                else:
                    nursery.start_soon(gateway.handler, call)
            await trio.sleep(0.5)
            calls[leaves].trail.cut = "the caller cancelled it"
            calls[leaves].scope.cancel()
    assert (backend.calls, backend.cancelled) == (1, [])


async def _well(gateway: Gateway, call: Call) -> None:
    assert (await gateway.handler(call)).text == "look {} #1"


async def test_a_flight_for_which_nobody_waits_is_cancelled_down_to_the_backend(autojump_clock: Clock) -> None:
    async with opened(backend := scripted(Hang(), SLOW)) as gateway, trio.open_nursery() as nursery:
        calls = [look(), look()]
        for call in calls:
            nursery.start_soon(gateway.handler, call)
        await trio.sleep(0.5)
        for call in calls:
            assert backend.cancelled == []
            call.scope.cancel()
            await trio.sleep(0.1)
        assert backend.cancelled == [1]
        assert policy(gateway).flying == 0
        assert (await gateway.handler(look())).text == "look {} #2"


async def test_who_comes_late_into_a_call_that_hangs_begins_another(autojump_clock: Clock) -> None:
    async with opened(backend := scripted(Hang(), SLOW), timeout=TimeoutSettings(10)) as gateway, trio.open_nursery() as nursery:
        hung = look()
        nursery.start_soon(gateway.handler, hung)
        await trio.sleep(5.5)
        assert (await gateway.handler(look())).text == "look {} #2"
        await trio.sleep(5)
        assert hung.trail.sent
    assert backend.cancelled == [1]


async def test_who_joins_has_his_own_time(autojump_clock: Clock) -> None:
    async with opened(scripted(Delay(12)), timeout=TimeoutSettings(10)) as gateway:
        replies: list[Reply] = []

        async def late() -> None:
            await trio.sleep(4)
            replies.append(await gateway.handler(look()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(late)
            first = await gateway.handler(look())
    assert first.fault is not None
    assert first.fault.reason == "timeout"
    assert replies[0].text == "look {} #1"


async def test_who_comes_after_something_has_changed_joins_nothing_that_began_before(autojump_clock: Clock) -> None:
    """Else who was told of a change would be answered with what was before it."""
    async with opened(backend := scripted(Delay(4), SLOW)) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(gateway.handler, look())
        await trio.sleep(1)
        backend.notify("notifications/prompts/list_changed")
        await trio.sleep(0.1)
        nursery.start_soon(gateway.handler, look())
        await trio.sleep(0.1)
        assert (backend.calls, policy(gateway).joined) == (1, 1)
        backend.notify("notifications/tools/list_changed")
        await trio.sleep(0.1)
        assert (await gateway.handler(look())).text == "look {} #2"


@pytest.mark.parametrize("cut", [False, True])
async def test_who_has_changed_something_joins_nothing_that_began_before(cut: bool, autojump_clock: Clock) -> None:
    async with opened(backend := scripted(Delay(4), SLOW)) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(gateway.handler, look())
        await trio.sleep(1)
        with trio.move_on_after(0.5 if cut else 2):
            await gateway.handler(look("act"))
        assert (await gateway.handler(look())).text == "look {} #3"
    assert backend.calls == 3


@pytest.mark.parametrize(("status", "joined"), [("working", 1), ("failed", 0)])
async def test_who_has_seen_a_task_end_joins_nothing_that_began_before(status: str, joined: int, autojump_clock: Clock) -> None:
    async def behind(call: Call) -> Reply:
        await trio.sleep(0 if call.method == "tasks/get" else 4)
        return Reply.of({"taskId": "t", "status": status})

    async with opened(scripted()) as gateway, trio.open_nursery() as nursery:
        policy(gateway).inner = behind
        nursery.start_soon(gateway.handler, look())
        await trio.sleep(1)
        await policy(gateway)(Call("tasks/get", "t", {"taskId": Raw(b'"t"')}))
        await gateway.handler(look())
        assert policy(gateway).joined == joined


async def test_each_is_told_how_far_it_is_under_his_own_token(autojump_clock: Clock) -> None:
    step = Delay(1, Note(0.5, then=Note(message=encode_notification("notifications/message", {"data": Raw(b'"x"')}), then=SLOW)))
    async with opened(scripted(step)) as gateway:
        heard = [Heard(), Heard()]
        calls = [look(meta={"progressToken": token}) for token in ("one", 2)]
        for call, back in zip(calls, heard, strict=True):
            call.back = back
        await together(gateway, *calls)
    tokens = [[json.loads(message)["params"].get("progressToken") for message in one.notes] for one in heard]
    assert [one[0] for one in tokens] == ["one", 2]


@pytest.mark.parametrize(
    ("metas", "tokens", "calls"),
    [
        ((b'{"progress\\u0054oken":7}', None), ([7], []), 2),
        ((b'{"progress\\u0054oken":7}', b'{"progressToken":8}'), ([7], [8]), 1),
        ((b'{"progressToken":null}', b'{"progressToken":8}'), ([], [8]), 2),
        ((b'{"progressToken":null}', None), ([], []), 1),
    ],
)
async def test_a_token_is_one_however_it_is_spelled_and_null_is_none(
    metas: tuple[bytes | None, ...], tokens: tuple[list[int], ...], calls: int, autojump_clock: Clock
) -> None:
    """P-25: what is sent under no token is no message at all."""
    async with opened(backend := scripted(Note(0.5, then=SLOW))) as gateway:
        heard = [Heard(), Heard()]
        both = [look(), look()]
        for call, back, meta in zip(both, heard, metas, strict=True):
            call.back = back
            call.params |= {} if meta is None else {"_meta": Raw(meta)}
        await together(gateway, *both)
    assert tuple([message["params"]["progressToken"] for message in one.messages] for one in heard) == tokens
    assert backend.calls == calls


async def test_the_attempts_are_told_once_and_who_answered_to_all(autojump_clock: Clock) -> None:
    async with opened(scripted()) as gateway:
        calls = [look(), look(), look()]
        await together(gateway, *calls)
    assert sorted(len(call.trail.hops) for call in calls) == [0, 0, 1]
    assert {call.trail.answerer for call in calls} == {"b"}
    assert all(call.trail.sent for call in calls)


async def test_a_bug_behind_costs_those_who_wait_and_not_the_gateway(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    backend = scripted()

    async def bug(_call: Call) -> Reply:
        await trio.sleep(1)
        raise ZeroDivisionError

    async with opened(backend) as gateway:
        policy(gateway).inner = bug
        replies = await together(gateway, look(), look())
        assert [reply.fault and reply.fault.reason for reply in replies] == ["bug", "bug"]
        assert "ZeroDivisionError" in caplog.text


async def test_it_can_be_turned_on_for_all_and_off_for_one(autojump_clock: Clock) -> None:
    """CFG-110."""
    one, two = scripted(), scripted()
    config = Builder("x").backend("a", one.connector).backend("b", two.connector, coalesce_requests=False).config()
    config = attrs.evolve(config, performance=PerformanceConfig(coalesce_requests=True))
    async with open_gateway(config, servers={"a": one.connector, "b": two.connector}, strict=True) as gateway:
        assert [gateway.policies[name].coalesce is not None for name in "ab"] == [True, False]
        await gateway.apply([attrs.evolve(gateway.config.backends[0], coalesce_requests=False), gateway.config.backends[1]])
        assert gateway.policies["a"].coalesce is None
