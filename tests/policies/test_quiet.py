"""A backend whose notes are withheld: it is asked for none, and what it says all the same goes nowhere."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.heard import Heard

from sluicegate import Builder, open_gateway
from sluicegate.policies.quiet import Quiet
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.question import Question
from sluicegate.settings.composite_tools import CompositeConfig
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Note


@pytest.mark.parametrize(
    ("meta", "left"),
    [
        (b'{"progressToken":7,"other":null}', b'{"other":null}'),
        (b'{"other":1}', b'{"other":1}'),
        (b"[1]", b"[1]"),
        (b'{"progressToken":null}', b"{}"),
    ],
)
async def test_the_call_goes_on_without_its_token_and_all_else(meta: bytes, left: bytes) -> None:
    seen: list[Call] = []

    async def inner(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        seen.append(call)
        call.back.note(b"note")
        return Reply()

    back, question = Heard(), Question("roots/list", {}, lambda _reply: None)
    call = Call("tools/call", "t", {"name": Raw(b'"t"'), "_meta": Raw(meta)}, back=back)
    await Quiet(inner)(call)

    assert {key: bytes(raw) for key, raw in seen[0].params.items()} == {"name": b'"t"', "_meta": left}
    assert (back.notes, seen[0] is call) == ([], True)
    assert seen[0].back.ask(question) is None
    assert back.questions == [question]


@pytest.mark.parametrize(("progress", "notes"), [("auto", 1), ("off", 0)])
async def test_a_backend_is_quiet_where_its_settings_say_so(progress: str, notes: int, autojump_clock: trio.testing.MockClock) -> None:
    scripted, back = ScriptedBackend(Note(0.5, Answer("done"))), Heard()
    async with Builder("x").backend("a", scripted.connector, progress=progress).open() as gateway:
        await gateway.ready("a")
        call = Call("tools/call", "a_echo", {"name": Raw(b'"a_echo"'), "_meta": Raw(b'{"progressToken":"mine"}')}, back=back)
        assert (await gateway.handler(call)).text == "done"
    assert len(back.notes) == notes


LOOK = {"name": "echo", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


@pytest.mark.parametrize("shared", [{}, {"coalesce_requests": True}, {"cache": {"tool_ttl_seconds": 60}}])
async def test_each_call_of_a_quiet_backend_is_told_that_it_gets_one_document(
    shared: dict[str, Any], autojump_clock: trio.testing.MockClock
) -> None:
    """In time, also where several get one answer: else it would begin a stream for having nothing to say."""
    scripted = ScriptedBackend(Delay(10), tools=[LOOK])
    calls = [Call.tool("a_echo"), Call.tool("a_echo")]
    settings: dict[str, Any] = {"progress": "off"} | shared
    async with Builder("x").backend("a", scripted.connector, **settings).open(strict=True) as gateway, trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(gateway.handler, call)
        await trio.sleep(1)
        assert [call.trail.whole for call in calls] == [True, True]


@pytest.mark.parametrize(("progress", "whole"), [("auto", False), ("off", True)])
async def test_a_composite_with_a_part_at_a_quiet_backend_gets_one_document_too(
    progress: str, whole: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """It holds that backend's answer, so it is no smaller; and what it would say itself would begin a stream as well."""
    loud, quiet = ScriptedBackend(Delay(1)), ScriptedBackend(Delay(10))
    builder = Builder("x").backend("a", loud.connector).backend("b", quiet.connector, progress=progress)
    config = attrs.evolve(builder.config(), composite_tools=(CompositeConfig("both", "Asks two.", ("a_echo", "b_echo")),))
    back = Heard()
    async with open_gateway(config, servers={"a": loud.connector, "b": quiet.connector}, strict=True) as gateway:
        call = Call.tool("both")
        call.params["_meta"], call.back = Raw(b'{"progressToken":7}'), back
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.handler, call)
            await trio.sleep(0.5)
            assert call.trail.whole is whole
    assert len(back.notes) == (0 if whole else 2)
