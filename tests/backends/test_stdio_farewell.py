"""How a child is sent home: exact times on a virtual clock, and nothing left whenever the block is cut."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

import pytest
import trio
import trio.testing
from tests.kit.heard import Heard

from sluicegate.backends.stdio import StdioConnector
from sluicegate.outside import ProcessSpec
from sluicegate.protocol.calls import Call
from sluicegate.testing.processes import MemoryProcess, ProcessTable

Source = trio.abc.ReceiveStream
Sink = trio.abc.SendStream


async def polite(stdin: Source, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    """Ends with its input."""
    async for _ in stdin:
        pass
    return 0


async def stubborn(stdin: Source, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    """Does not care about its input."""
    await trio.sleep(3600)
    return 0


async def slow(stdin: Source, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    """Needs a while, and talks about it."""
    await polite(stdin, stdout, stderr, spec)
    for _ in range(15):
        await stderr.send_all(b"saving\n" * 1000)
        await stdout.send_all(b"saving\n" * 1000)
        await trio.sleep(0.1)
    return 0


async def launcher(stdin: Source, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    """Ends at once."""
    return 0


@pytest.fixture
def table(nursery: trio.Nursery) -> ProcessTable:
    table = ProcessTable(nursery)
    table.add("polite", polite)
    table.add("slow", slow)
    table.add("lazy", stubborn)
    table.add("stubborn", stubborn, ignores={SIGTERM})
    table.add("polite parent", polite, leaves=stubborn)
    table.add("polite parent of a stubborn one", polite, leaves=stubborn, ignores={SIGTERM})
    table.add("launcher", launcher, leaves=stubborn)
    table.add("launcher of a stubborn one", launcher, leaves=stubborn, ignores={SIGTERM})
    return table


FAREWELLS = [
    ("polite", 0.0, 0),
    ("slow", 1.5, 0),
    ("lazy", 2.0, -SIGTERM),
    ("stubborn", 4.0, -SIGKILL),
    ("polite parent", 2.0, 0),
    ("polite parent of a stubborn one", 4.0, 0),
    ("launcher", 0.0, 0),
    ("launcher of a stubborn one", 2.0, 0),
]


@pytest.mark.parametrize(("command", "seconds", "returncode"), FAREWELLS)
async def test_a_farewell_takes_as_long_as_the_group_needs_and_no_longer(
    table: ProcessTable, autojump_clock: trio.testing.MockClock, command: str, seconds: float, returncode: int
) -> None:
    async with StdioConnector("x", command, open_process=table.open_process)(Heard()) as session:
        if command.startswith("launcher"):
            assert str(await session.wait_closed()) == "exited with status 0"
        began = trio.current_time()

    assert seconds == pytest.approx(trio.current_time() - began)
    assert returncode == table.started[0].returncode
    assert table.running == []


@pytest.mark.parametrize(
    ("command", "signals"),
    [("polite", []), ("slow", []), ("lazy", [SIGTERM]), ("stubborn", [SIGTERM, SIGKILL]), ("launcher", [SIGTERM])],
)
async def test_a_group_that_has_ended_gets_no_further_signal(
    table: ProcessTable, command: str, signals: list[int], monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Its number may be that of another one by then. What is closed is killed in any case, in memory."""
    sent: list[int] = []
    through = MemoryProcess.signal_group

    def signal_group(child: MemoryProcess, sig: int) -> None:
        sent.append(sig)
        through(child, sig)

    monkeypatch.setattr(MemoryProcess, "signal_group", signal_group)
    async with StdioConnector("x", command, open_process=table.open_process)(Heard()) as session:
        if command == "launcher":
            await session.wait_closed()
    assert sent == [*signals, SIGKILL]
    assert table.running == []


@pytest.mark.parametrize(("command", "seconds", "returncode"), FAREWELLS)
async def test_a_farewell_is_the_same_when_the_block_is_cancelled(
    table: ProcessTable, autojump_clock: trio.testing.MockClock, command: str, seconds: float, returncode: int
) -> None:
    with trio.move_on_after(1) as scope:
        async with StdioConnector("x", command, open_process=table.open_process)(Heard()):
            await trio.sleep_forever()

    assert scope.cancelled_caught
    assert 1 + seconds == pytest.approx(trio.current_time())
    assert returncode == table.started[0].returncode
    assert table.running == []


async def test_the_grace_is_a_setting(table: ProcessTable, autojump_clock: trio.testing.MockClock) -> None:
    async with StdioConnector("x", "stubborn", open_process=table.open_process, grace=7)(Heard()):
        pass

    assert trio.current_time() == 14


async def test_impatience_does_not_cut_a_farewell_short(table: ProcessTable, autojump_clock: trio.testing.MockClock) -> None:
    """Its scope is cancelled a second time while it goes on."""
    with trio.CancelScope() as outer, trio.move_on_after(1):
        outer.deadline = 2
        async with StdioConnector("x", "stubborn", open_process=table.open_process)(Heard()):
            await trio.sleep_forever()

    assert trio.current_time() == 5
    assert table.running == []


@pytest.mark.parametrize("command", [command for command, _, _ in FAREWELLS])
async def test_a_cancellation_after_any_checkpoint_leaves_nothing(
    table: ProcessTable, autojump_clock: trio.testing.MockClock, command: str
) -> None:
    steps, into_the_farewell = 0, 0
    while into_the_farewell < 10:
        connect = StdioConnector("x", command, open_process=table.open_process, grace=0.5)
        into_the_farewell += await cut_after(steps, connect)
        assert table.running == []
        steps += 1

    assert 20 < steps < 200


async def cut_after(steps: int, connect: StdioConnector) -> bool:
    """Open, call and leave, cancelled after that many scheduler steps; whether it was leaving by then."""
    leaving = False

    async def converse() -> None:
        nonlocal leaving
        async with connect(Heard()) as session:
            session.tell("notifications/x", {})
            with trio.move_on_after(0):
                await session.request(Call("tools/call", "t", {}))
            for _ in range(10):
                await trio.lowlevel.checkpoint()
            leaving = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        was_leaving = leaving
        nursery.cancel_scope.cancel()
    return was_leaving
