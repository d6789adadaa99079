"""What a block may leave behind: nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import trio
import trio.testing
from tests.kit.doors import RawDoor

from sluicegate import Builder
from sluicegate.testing import MemoryNetwork, ScriptedBackend, memory_pair, no_leaks, open_outside


async def test_a_gateway_leaves_nothing_behind(autojump_clock: trio.testing.MockClock) -> None:
    async with no_leaks(), open_outside() as world, trio.open_nursery() as nursery:
        door = RawDoor(world.network)
        async with Builder("x").backend("b", ScriptedBackend().connector).listen("localhost", 8080).open(outside=world.outside) as gateway:
            await nursery.start(gateway.serve)
            await gateway.settled()
            await gateway.call_tool("b_echo")
            async with door.request("GET", {}, b"") as response:
                await response.read_all()
        await door.aclose()


async def test_a_task_is_told_with_the_place_where_it_waits() -> None:
    async def lost_sheep() -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        with pytest.raises(
            AssertionError, match=r"left behind:\n  task .*lost_sheep, started in a nursery of .*test_a_task.*waits at test_leaks.py:\d+"
        ):
            async with no_leaks():
                nursery.start_soon(lost_sheep)
        nursery.cancel_scope.cancel()


async def test_a_task_that_is_about_to_end_is_none() -> None:
    async with trio.open_nursery() as nursery, no_leaks():
        nursery.start_soon(trio.lowlevel.checkpoint)


async def test_an_end_in_memory_is_told_with_who_opened_it() -> None:
    network = MemoryNetwork()
    (listener,) = await network.listen("localhost", 80)

    async def forgetful() -> None:
        await network.open_stream("localhost", 80)
        await (await listener.accept()).aclose()

    with pytest.raises(
        AssertionError, match=r"\n  end of a connection in memory, opened by task .*forgetful, memory_wire.py:.*test_leaks.py:\d+ forgetful"
    ):
        async with no_leaks(), trio.open_nursery() as nursery:
            nursery.start_soon(forgetful)


async def test_ends_that_were_there_before_are_not_meant() -> None:
    memory_pair()
    async with no_leaks():
        pass


def test_a_file_descriptor_is_told_with_what_it_leads_to() -> None:
    reader = writer = -1
    with pytest.raises(AssertionError, match=r"(?s)file descriptor \d+: .*\n  file descriptor \d+: "), no_leaks():
        reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)


@pytest.mark.slow
def test_a_child_process_is_told_with_its_command() -> None:
    with pytest.raises(AssertionError, match=r"child process \d+: .*sleep\(60\)"), no_leaks():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    child.kill()
    child.wait()


async def fail_in_the_middle() -> None:
    async with no_leaks():
        memory_pair()
        raise KeyError


async def test_an_exception_is_not_hidden_by_what_it_left() -> None:
    with pytest.raises(KeyError):
        await fail_in_the_middle()
    with pytest.raises(KeyError), no_leaks():
        raise KeyError(memory_pair())


def test_a_whole_run_can_be_watched() -> None:
    async def run() -> None:
        memory_pair()

    with pytest.raises(AssertionError, match=r"opened by task .*run"), no_leaks():
        trio.run(run)
