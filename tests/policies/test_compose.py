"""Putting policies around a handler."""

import attrs
import trio

from sluicegate.policies.compose import chain, stack
from sluicegate.protocol.calls import Call, Handler, Reply


@attrs.frozen(eq=False)
class Noting:
    """Writes its name down before and after the call."""

    inner: Handler
    name: str
    notes: list[str]

    async def __call__(self, call: Call) -> Reply:
        self.notes.append(self.name)
        reply = await self.inner(call)
        self.notes.append(self.name.upper())
        return reply


REPLY = Reply()


async def innermost(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return REPLY


async def test_the_first_layer_sees_a_call_first_and_its_answer_last() -> None:
    notes: list[str] = []
    handler = stack(lambda inner: Noting(inner, "a", notes), lambda inner: Noting(inner, "b", notes), around=innermost)

    assert REPLY is await handler(Call("m", "t", {}))
    assert notes == ["a", "b", "B", "A"]


def test_no_layers_leave_the_handler_itself() -> None:
    assert innermost is stack(around=innermost)
    assert innermost is stack(None, None, around=innermost)


def test_a_layer_that_is_not_there_is_left_out() -> None:
    handler = stack(None, lambda inner: Noting(inner, "a", []), None, around=innermost)

    assert [handler, innermost] == list(chain(handler))


def test_the_chain_lists_every_layer_from_the_outside() -> None:
    handler = stack(lambda inner: Noting(inner, "a", []), lambda inner: Noting(inner, "b", []), around=innermost)

    assert ["a", "b", innermost] == [getattr(step, "name", step) for step in chain(handler)]
