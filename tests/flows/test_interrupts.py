"""What ends a program leaves a gateway as it came, wherever it strikes."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate import Builder, Call, Handler, Reply
from sluicegate.testing.backend import ScriptedBackend

Clock = trio.testing.MockClock


@pytest.mark.parametrize("end", [KeyboardInterrupt("now"), SystemExit(3), ValueError("a mistake")], ids=lambda end: type(end).__name__)
async def test_what_is_raised_inside_leaves_as_itself(end: BaseException, autojump_clock: Clock) -> None:
    backend = ScriptedBackend()
    with pytest.raises(type(end)) as caught:  # noqa: PT012  it is about leaving the block
        async with Builder("x").backend("b", backend.connector).open() as gateway:
            await gateway.settled()
            raise end
    assert caught.value is end
    assert backend.sessions == [], "nothing runs any more"


@pytest.mark.parametrize("end", [KeyboardInterrupt("now"), SystemExit(3)], ids=lambda end: type(end).__name__)
async def test_what_strikes_a_task_of_the_gateways_leaves_as_itself_too(end: BaseException, autojump_clock: Clock) -> None:
    backend = ScriptedBackend()

    def strike(_method: str) -> None:
        raise end

    with pytest.raises(type(end)) as caught:  # noqa: PT012  it is about leaving the block
        async with Builder("x").backend("b", backend.connector).on_list_changed(strike).open() as gateway:
            await gateway.settled()
            await trio.sleep_forever()
    assert caught.value is end
    assert backend.sessions == []


async def test_what_strikes_a_call_leaves_as_itself(autojump_clock: Clock) -> None:
    def layer(_inner: Handler) -> Handler:
        async def handler(_call: Call) -> Reply:
            await trio.lowlevel.checkpoint()
            raise SystemExit(4)

        return handler

    with pytest.raises(SystemExit) as caught:  # noqa: PT012  it is about leaving the block
        async with Builder("x").backend("b", ScriptedBackend().connector).layer(layer).open() as gateway:
            await gateway.settled()
            await gateway.call_tool("b_echo")
    assert caught.value.code == 4
