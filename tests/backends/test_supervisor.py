"""The life of a backend: bounded starts, restarts with pauses, crash loops, lists that stay fresh."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from sluicegate.backends.backend import Backend
from sluicegate.backends.health import Health
from sluicegate.backends.link import Link, Phase, State, StateChange
from sluicegate.backends.session import Connector
from sluicegate.backends.supervisor import Supervisor
from sluicegate.policies.settings import HealthSettings, RestartSettings
from sluicegate.protocol.calls import Call
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, Hang


@attrs.define(eq=False)
class Watched:
    """A supervised backend and the states it went through."""

    backend: Backend
    changes: list[StateChange]

    @property
    def states(self) -> list[str]:
        return [change.new.value for change in self.changes]


@asynccontextmanager
async def supervised(
    connector: Connector, *, connect_seconds: float = 5, health: Health | None = None, **restarts: float
) -> AsyncGenerator[Watched, None]:
    changes: list[StateChange] = []
    backend = Backend(Link("b", connector, changes.append, health=health))
    settings = RestartSettings(**{"initial_seconds": 1.0, "max_seconds": 8.0, "crash_limit": 3, "crash_window_seconds": 60.0, **restarts})  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor(backend.link, settings, connect_seconds, random.Random(1)).run)
        yield Watched(backend, changes)
        nursery.cancel_scope.cancel()


async def ready(watched: Watched) -> None:
    with trio.fail_after(100):
        await watched.backend.wait_for(lambda backend: backend.state is State.READY)


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """Which tasks went on."""

    taken: list[trio.lowlevel.Task] = attrs.field(factory=list)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.taken.append(task)


@pytest.mark.parametrize("waits", [True, False])
async def test_the_end_of_a_call_wakes_only_who_waits_for_it(waits: bool, autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend(tools=["one"])
    async with supervised(scripted.connector) as watched, trio.open_nursery() as nursery:
        await ready(watched)
        if waits:
            nursery.start_soon(watched.backend.wait_for, lambda backend: backend.restarts, name="waits")
        await trio.testing.wait_all_tasks_blocked()
        steps, own = Steps(), trio.lowlevel.current_task()
        trio.lowlevel.add_instrument(steps)
        await watched.backend(Call("tools/call", "one", {}))
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(steps)
        woken = {task.name for task in steps.taken if task is not own and "ScriptedBackend" not in task.name}
        assert woken == ({"waits"} if waits else set())
        nursery.cancel_scope.cancel()


async def test_a_backend_that_is_there_becomes_ready_and_answers(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend(tools=["one", "two"], instructions="be kind")
    async with supervised(scripted.connector) as watched:
        await ready(watched)
        offer = watched.backend.offer
        assert offer is not None
        assert [item.key for item in offer.lists[TOOLS]] == ["one", "two"]
        assert offer.hello.instructions == "be kind"
        reply = await watched.backend(Call("tools/call", "one", {}))
        assert reply.fault is None
    assert watched.states == ["ready", "stopped"]
    assert scripted.sessions == []


async def test_a_lost_connection_is_a_restart_and_the_offer_stays_in_the_meantime(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend()
    async with supervised(scripted.connector) as watched:
        await ready(watched)
        scripted.crash("exit status 9")
        await watched.backend.wait_for(lambda backend: backend.state is State.RESTARTING)
        assert watched.backend.offer is not None
        refused = await watched.backend(Call("tools/call", "one", {}))
        assert refused.fault is not None
        assert "exit status 9" in refused.fault.message
        await ready(watched)
        assert watched.backend.restarts == 1
    assert watched.states == ["ready", "restarting", "ready", "stopped"]


async def test_a_backend_that_cannot_be_reached_is_tried_again_with_growing_pauses(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend()
    scripted.refuse = "connection refused"
    async with supervised(scripted.connector) as watched:
        await trio.sleep(30)
        assert (
            watched.backend.state,
            watched.backend.phase,
            watched.backend.error,
        ) == (State.RESTARTING, Phase.CONNECT, "connection refused")
        tries = watched.backend.restarts
        assert 5 <= tries <= 10  # pauses of 1, 2, 4, 8, 8 … seconds, each between half and whole
        scripted.refuse = ""
        await ready(watched)


async def test_a_backend_that_never_answers_the_handshake_is_given_up_in_time(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend()
    scripted.mute = True
    async with supervised(scripted.connector, connect_seconds=5) as watched:
        await watched.backend.wait_for(lambda backend: backend.state is State.RESTARTING)
        assert trio.current_time() == 5
        assert Phase.INITIALIZE is watched.backend.phase
        assert watched.backend.error == "no answer within 5 s while trying to initialize"
    assert scripted.sessions == []


async def test_a_backend_that_went_away_after_a_handshake_that_failed_is_told_to_be_out_of_reach(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """How far it came is about the last attempt; the pause before the next is told in hundredths of a second."""
    scripted = ScriptedBackend()
    scripted.mute = True
    async with supervised(scripted.connector, connect_seconds=5) as watched:
        await watched.backend.wait_for(lambda backend: backend.state is State.RESTARTING)
        assert watched.backend.phase.value == "initialize"
        scripted.refuse = "connection refused"
        await watched.backend.wait_for(lambda backend: backend.error == "connection refused")
        assert watched.backend.phase.value == "connect"
    pauses = [record.__dict__["retry_seconds"] for record in caplog.records if "retry_seconds" in record.__dict__]
    assert len(pauses) == 2
    assert all(0.5 <= pause == int(pause * 100 + 0.5) / 100 for pause in pauses)


async def test_a_protocol_nobody_knows_is_refused_with_the_ones_we_speak(autojump_clock: trio.testing.MockClock) -> None:
    async with supervised(ScriptedBackend(version="1999-01-01").connector) as watched:
        await watched.backend.wait_for(lambda backend: backend.state is State.RESTARTING)
        assert "1999-01-01" in watched.backend.error
        assert "2025-11-25" in watched.backend.error


async def test_a_backend_that_keeps_dying_is_called_crash_looping_and_tried_rarely(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend()
    async with supervised(scripted.connector) as watched:
        for _ in range(3):
            await ready(watched)
            scripted.crash()
            await watched.backend.wait_for(lambda backend: backend.state is not State.READY)
        assert State.CRASH_LOOPING is watched.backend.state
        assert watched.backend.offer is None
        before = trio.current_time()
        await ready(watched)
        assert 4 <= trio.current_time() - before <= 8


@pytest.mark.parametrize(("up", "state"), [(59.5, State.CRASH_LOOPING), (60.0, State.RESTARTING)])
async def test_whoever_has_stayed_up_for_as_long_as_crashes_are_remembered_crashes_no_more(
    up: float, state: State, autojump_clock: trio.testing.MockClock
) -> None:
    scripted = ScriptedBackend()
    async with supervised(scripted.connector, initial_seconds=0.0, max_seconds=0.0, crash_window_seconds=60.0) as watched:
        for _ in range(3):
            await ready(watched)
            scripted.crash()
            await watched.backend.wait_for(lambda backend: backend.state is not State.READY)
        assert watched.backend.state.value == "crash_looping"
        await ready(watched)
        await trio.sleep(up)
        scripted.crash()
        await watched.backend.wait_for(lambda backend: backend.state is not State.READY)
        assert watched.backend.state is state


async def test_a_changed_list_is_read_again(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend(tools=["one"])
    async with supervised(scripted.connector) as watched:
        await ready(watched)
        scripted.lists["tools"].append({"name": "two", "inputSchema": {}})
        scripted.notify("notifications/tools/list_changed")
        await trio.testing.wait_all_tasks_blocked()
        assert watched.backend.lists("tools/call", "two")


async def test_what_is_safe_is_what_the_list_of_the_moment_says(autojump_clock: trio.testing.MockClock) -> None:
    """RES-4: tools by their annotations, as they were read last; what only looks is always safe."""
    tool = {"name": "one", "inputSchema": {}, "annotations": {"readOnlyHint": True}}
    scripted = ScriptedBackend(tools=[tool, "two"], resources=["file:///a"])
    async with supervised(scripted.connector) as watched:
        backend = watched.backend
        assert not backend.is_safe("tools/call", "one")  # it has not been read yet
        await ready(watched)
        assert [backend.is_safe("tools/call", name) for name in ("one", "two", "three")] == [True, False, False]
        assert [backend.is_safe(method, "x") for method in ("resources/read", "prompts/get", "completion/complete")] == [True] * 3
        assert [backend.is_safe(method, "one") for method in ("tools/list", "resources/subscribe", "")] == [False] * 3
        scripted.lists["tools"] = [{"name": "two", "inputSchema": {}, "annotations": {"idempotentHint": True}}, {"name": "one"}]
        scripted.notify("notifications/tools/list_changed")
        await trio.testing.wait_all_tasks_blocked()
        assert [backend.is_safe("tools/call", name) for name in ("one", "two")] == [False, True]
        scripted.crash()
        await backend.wait_for(lambda backend: not backend.is_up)
        assert backend.is_safe("tools/call", "two")  # what it offered is still the best that is known


async def test_what_a_template_begins_with_is_listed(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend(resources=["file:///a"], templates=["log://{day}"])
    async with supervised(scripted.connector) as watched:
        assert not watched.backend.lists("resources/read", "file:///a")
        await ready(watched)
        assert [watched.backend.lists("resources/read", uri) for uri in ("file:///a", "log://1", "file:///b")] == [True, True, False]


async def test_a_backend_that_hangs_is_unhealthy_and_is_started_anew_if_that_is_wanted(autojump_clock: trio.testing.MockClock) -> None:
    """HC-7: it is up, but not available; while it hangs it cannot be connected to either."""
    scripted = ScriptedBackend()
    async with supervised(scripted.connector, health=Health("b", HealthSettings(reconnect=True))) as watched:
        await ready(watched)
        assert watched.backend.is_available
        scripted.mute = True
        await watched.backend.wait_for(lambda backend: not backend.is_available)
        assert trio.current_time() == 35
        await watched.backend.wait_for(lambda backend: backend.error.startswith("no answer within 5 s"))
        scripted.mute = False
        await watched.backend.wait_for(lambda backend: backend.is_available)
    assert watched.states == ["ready", "restarting", "restarting", "ready", "stopped"]
    assert [change.cause for change in watched.changes][1:3] == [
        "unhealthy: request timed out: 'ping' took longer than 5 s",
        "no answer within 5 s while trying to initialize",
    ]
    assert scripted.sessions == []


async def test_stopping_in_mid_call_leaves_nothing_behind(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend(Delay(5, Hang()))
    async with supervised(scripted.connector) as watched:
        await ready(watched)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watched.backend, Call("tools/call", "one", {}))
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert watched.backend.in_flight == 0
        await trio.testing.wait_all_tasks_blocked()
        assert scripted.cancelled == [1]
    assert scripted.sessions == []


class Lists(dict[str, list[Mapping[str, object]]]):
    """What a backend offers; counts how often its tools are asked for."""

    asked = 0

    def __getitem__(self, member: str) -> list[Mapping[str, object]]:
        self.asked += member == "tools"
        return super().__getitem__(member)


async def test_a_list_that_changed_once_is_read_once(autojump_clock: trio.testing.MockClock) -> None:
    """Not again and again, and not by the next session either, which has read it as it began."""
    scripted = ScriptedBackend(tools=["one"])
    lists = scripted.lists = Lists(scripted.lists)
    async with supervised(scripted.connector) as watched:
        await ready(watched)
        assert lists.asked == 1
        scripted.notify("notifications/tools/list_changed")
        await trio.sleep(100)
        assert lists.asked == 2
        for _ in range(2):  # the second one comes while it rests
            scripted.notify("notifications/tools/list_changed")
            await trio.testing.wait_all_tasks_blocked()
        assert lists.asked == 3
        scripted.crash()
        await watched.backend.wait_for(lambda backend: backend.state is State.RESTARTING)
        await ready(watched)
        await trio.sleep(100)
        assert lists.asked == 4


async def test_between_two_readings_of_lists_that_always_change_there_is_a_rest(autojump_clock: trio.testing.MockClock) -> None:
    """A server that says whenever it is read that its list has changed is read twice a second."""
    scripted = ScriptedBackend(tools=["one"])

    class Restless(Lists):
        def __getitem__(self, member: str) -> list[Mapping[str, object]]:
            if member == "tools":
                assert self.asked < 1000
                scripted.notify("notifications/tools/list_changed")
            return super().__getitem__(member)

    lists = scripted.lists = Restless(scripted.lists)
    async with supervised(scripted.connector) as watched:
        await ready(watched)
        await trio.sleep(9.75)
        assert lists.asked == 1 + 20
