"""A backend whose notes are withheld: it is asked for none, and what it says all the same goes nowhere."""

from __future__ import annotations

import pytest
import trio
from tests.kit.heard import Heard

from sluicegate import Builder
from sluicegate.policies.quiet import Quiet
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.question import Question
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Note


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
