"""Starting: the listener does not wait, lists wait a little, and who comes late is told."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate import BackendFailed, Builder, State
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend


async def test_an_unreachable_and_a_hanging_backend_do_not_hold_up_the_others(autojump_clock: trio.testing.MockClock) -> None:
    """LIM-34."""
    good, absent, hanging = ScriptedBackend(), ScriptedBackend(), ScriptedBackend()
    absent.refuse, hanging.mute = "connection refused", True
    told: list[str] = []
    builder = Builder("x").backend("good", good.connector).backend("absent", absent.connector).backend("hanging", hanging.connector)
    async with builder.on_list_changed(told.append).open() as gateway:
        await gateway.backends["good"].wait_for(lambda backend: backend.is_up)
        assert trio.current_time() == 0
        assert (await gateway.call_tool("good_echo")).fault is None
        await gateway.settled()
        assert trio.current_time() == 10, "the first list waits for the hanging one, but not for ever"
        assert list(gateway.catalogue.names(TOOLS)) == ["good_echo"]
        await gateway.settled()
        assert trio.current_time() == 10, "and only once"
        await gateway.backends["hanging"].wait_for(lambda backend: backend.state is State.RESTARTING)
        assert [str(skipped) for skipped in gateway.skipped] == [
            "[absent] Connect failed: connection refused",
            "[hanging] Initialize failed: no answer within 30 s while trying to initialize",
        ]
        told.clear()
        absent.refuse, hanging.mute = "", False
        await gateway.backends["absent"].wait_for(lambda backend: backend.is_up)
        await gateway.backends["hanging"].wait_for(lambda backend: backend.is_up)
        assert told == ["notifications/tools/list_changed"] * 2
        assert list(gateway.catalogue.names(TOOLS)) == ["good_echo", "absent_echo", "hanging_echo"]
        assert gateway.skipped == []


async def test_a_required_backend_that_is_absent_fails_the_start(autojump_clock: trio.testing.MockClock) -> None:
    absent = ScriptedBackend()
    absent.refuse = "connection refused"
    with pytest.raises(BackendFailed, match="connection refused"):
        async with Builder("x").backend("absent", absent.connector, required=True).open():
            raise AssertionError


async def test_a_gateway_whose_backends_are_all_down_stays_up(autojump_clock: trio.testing.MockClock) -> None:
    absent = ScriptedBackend()
    absent.refuse = "connection refused"
    async with Builder("x").backend("absent", absent.connector).open() as gateway:
        await gateway.settled()
        fault = (await gateway.call_tool("absent_echo")).fault
        assert fault is not None
        assert "connection refused" in fault.told
        assert "connection refused" not in fault.message


async def test_state_changes_can_be_watched(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend()
    async with Builder("x").backend("b", scripted.connector).open() as gateway, gateway.changes() as changes:
        first = await changes.receive()
        scripted.crash("exit status 3")
        second = await changes.receive()
        assert [(first.backend, first.new), (second.backend, second.new)] == [("b", State.READY), ("b", State.RESTARTING)]
        assert second.cause == "exit status 3"


async def test_an_error_in_the_block_comes_out_as_it_is_and_nothing_runs_any_more(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend()

    async def stumble() -> None:
        async with Builder("x").backend("b", scripted.connector).open() as gateway:
            await gateway.settled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stumble()
    assert scripted.sessions == []
