"""Copies that nobody waits for."""

import itertools
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.heard import Heard

from sluicegate.policies.mirror import Mirror, Shadow
from sluicegate.protocol import faults
from sluicegate.protocol.calls import SILENT, Call, Caller, Reply
from sluicegate.protocol.messages import Raw, decode_object, encode

PRIMARY = Reply(Raw(b'"primary"'))


async def primary(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return PRIMARY


@attrs.define(eq=False)
class Recorder:
    """A mirror that remembers what it saw."""

    seconds: float = 0
    reply: Reply = attrs.field(factory=Reply)
    calls: list[Call] = attrs.field(factory=list)

    async def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        await trio.sleep(self.seconds)
        return self.reply

    @property
    def params(self) -> list[Any]:
        return [json.loads(encode(call.params)) for call in self.calls]


def now(method: str = "tools/call", /, **params: Any) -> Call:
    raw = decode_object(encode({"name": "now"} | params))
    assert isinstance(raw, dict)
    return Call(method, "time_now", raw, Caller("2025-11-25"))


async def test_the_caller_gets_the_primarys_answer() -> None:
    """TST-U19."""
    async with trio.open_nursery() as background:
        assert PRIMARY is await Mirror(primary, (Shadow("shadow", Recorder()),), background)(now())


async def test_a_hundred_percent_is_every_call() -> None:
    shadow = Recorder()
    async with trio.open_nursery() as background:
        mirror = Mirror(primary, (Shadow("shadow", shadow, slots=100),), background)
        for _call in range(100):
            await mirror(now())

    assert len(shadow.calls) == 100


@pytest.mark.parametrize("percent", [1, 3, 10, 33, 50, 67, 99, 100, 0])
def test_of_any_hundred_calls_in_a_row_exactly_so_many_are_copied(percent: int) -> None:
    """MIR-2, DEC-9, TST-U19: 0 is off."""
    shadow = Shadow("shadow", Recorder(), percent)
    due = [shadow.wants() for _call in range(350)]

    assert {percent} == {sum(due[start : start + 100]) for start in range(251)}


def test_copies_are_evenly_spread() -> None:
    """MIR-2, LIM-21."""
    shadow = Shadow("shadow", Recorder(), 10)
    due = [number for number in range(100) if shadow.wants()]

    assert {10} == {later - earlier for earlier, later in itertools.pairwise(due)}


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_share_that_is_none_is_refused(percent: int) -> None:
    with pytest.raises(ValueError, match="percent"):
        Shadow("shadow", Recorder(), percent)


@pytest.mark.parametrize("method", ["tools/call", "resources/read", "prompts/get"])
async def test_a_copy_keeps_arguments_and_continuation(method: str) -> None:
    """MIR-1, TST-U19, GMW-7."""
    shadow = Recorder()
    params = {"arguments": {"zone": "UTC"}, "requestState": "s", "inputResponses": {"q": 1}, "_meta": {"trace": [1]}}
    original = now(method, **params)
    async with trio.open_nursery() as background:
        await Mirror(primary, (Shadow("shadow", shadow),), background)(original)

    (copy,) = shadow.calls
    assert [{"name": "now", **params}] == shadow.params
    assert (method, "time_now", original.caller) == (copy.method, copy.target, copy.caller)


async def test_a_copy_has_no_progress_token_no_task_and_nobody_to_ask() -> None:
    shadow = Recorder()
    original = now(_meta={"progressToken": 1, "x": 2}, task={"ttl": 1})
    original.back = Heard()
    async with trio.open_nursery() as background:
        await Mirror(primary, (Shadow("shadow", shadow),), background)(original)

    (copy,) = shadow.calls
    assert shadow.params == [{"name": "now", "_meta": {"x": 2}}]
    assert copy.back is SILENT
    assert {"name", "_meta", "task"} == original.params.keys()


async def test_metadata_that_is_no_object_is_the_backends_business() -> None:
    shadow = Recorder()
    async with trio.open_nursery() as background:
        await Mirror(primary, (Shadow("shadow", shadow),), background)(now(_meta=[1]))

    assert shadow.params == [{"name": "now", "_meta": [1]}]


@pytest.mark.parametrize("method", ["tools/list", "completion/complete", "ping"])
async def test_only_calls_reads_and_prompts_are_copied(method: str) -> None:
    """MIR-1, TST-U19: no list."""
    shadow = Recorder()
    async with trio.open_nursery() as background:
        assert PRIMARY is await Mirror(primary, (Shadow("shadow", shadow),), background)(now(method))

    assert shadow.calls == []


async def test_a_call_is_copied_once_however_many_attempts_it_takes() -> None:
    """Two members of a failover order share the source's mirror; the second attempt is not even counted."""
    shadow = Shadow("shadow", Recorder(), 50)
    async with trio.open_nursery() as background:
        first, second = (Mirror(primary, (shadow,), background) for _member in range(2))
        for _call in range(4):
            call = now()
            await first(call.copy())
            await second(call.copy())

    assert shadow.sent == 2


async def test_several_mirrors_each_have_their_own_share() -> None:
    """MIR-3, LIM-21."""
    shadows = Shadow("all", Recorder()), Shadow("some", Recorder(), 25), Shadow("none", Recorder(), 0)
    async with trio.open_nursery() as background:
        mirror = Mirror(primary, shadows, background)
        for _call in range(8):
            await mirror(now())

    assert [shadow.sent for shadow in shadows] == [8, 2, 0]


async def test_a_slow_mirror_does_not_delay_the_caller(autojump_clock: trio.testing.MockClock) -> None:
    shadow = Shadow("shadow", Recorder(seconds=100), seconds=5)
    async with trio.open_nursery() as background:
        await Mirror(primary, (shadow,), background)(now())
        assert trio.current_time() == 0

    assert trio.current_time() == 5
    assert (shadow.failed, shadow.running) == (1, 0)


async def test_a_full_house_drops_and_counts(autojump_clock: trio.testing.MockClock) -> None:
    """MIR-1, LIM-21, TST-G4."""
    recorder = Recorder(seconds=1)
    shadow = Shadow("shadow", recorder, slots=2)
    async with trio.open_nursery() as background:
        mirror = Mirror(primary, (shadow,), background)
        for _call in range(5):
            await mirror(now())
        await trio.sleep(2)
        await mirror(now())

    assert (shadow.sent, shadow.dropped, shadow.running) == (3, 3, 0)
    assert len(recorder.calls) == 3


async def test_copies_that_have_not_begun_take_their_slots(autojump_clock: trio.testing.MockClock) -> None:
    """A burst whose answers are there at once leaves the background no time to begin."""

    async def at_once(_call: Call) -> Reply:
        return PRIMARY

    shadow = Shadow("shadow", Recorder(seconds=1), slots=2)
    async with trio.open_nursery() as background:
        mirror = Mirror(at_once, (shadow,), background)
        for _call in range(5):
            await mirror(now())

    assert (shadow.sent, shadow.dropped, shadow.running) == (2, 3, 0)


async def test_cancelling_the_call_leaves_its_copy_alone(autojump_clock: trio.testing.MockClock) -> None:
    async def hanging(call: Call) -> Reply:
        await trio.sleep_forever()
        raise AssertionError(call)

    shadow = Shadow("shadow", Recorder(seconds=2))
    call = now()
    async with trio.open_nursery() as background:
        with call.scope:
            call.scope.deadline = 1
            await Mirror(hanging, (shadow,), background)(call)

    assert trio.current_time() == 2
    assert (shadow.sent, shadow.failed) == (1, 0)


async def failing(call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    call.trail.asked = call.trail.sent = True
    return Reply.failed(faults.lost("shadow", "gone"))


async def buggy(call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    raise ZeroDivisionError(call.method)


@pytest.mark.parametrize(("handler", "level"), [(failing, logging.DEBUG), (buggy, logging.ERROR)])
async def test_whatever_goes_wrong_with_a_copy_stays_there(
    handler: Callable[[Call], Awaitable[Reply]], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    shadow, call = Shadow("shadow", handler), now()
    with caplog.at_level(logging.DEBUG, "sluicegate.mirror"):
        async with trio.open_nursery() as background:
            assert PRIMARY is await Mirror(primary, (shadow,), background)(call)

    assert (shadow.failed, shadow.running) == (1, 0)
    assert (call.trail.asked, call.trail.sent, call.trail.hops) == (False, False, [])
    assert level == max(record.levelno for record in caplog.records)


async def test_ending_the_background_ends_every_copy() -> None:
    """MIR-1: none is left behind at the end."""
    shadow = Shadow("shadow", Recorder(seconds=1000))
    async with trio.open_nursery() as background:
        await Mirror(primary, (shadow,), background)(now())
        await trio.testing.wait_all_tasks_blocked()
        background.cancel_scope.cancel()

    assert (shadow.running, shadow.failed) == (0, 0)
