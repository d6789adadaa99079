"""Trio's scheduler on a seed, and what is kept out of virtual time."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import hypothesis
import hypothesis.strategies
import pytest
import trio
import trio.testing

from sluicegate import Outside, Sources
from sluicegate.outside import ProcessSpec
from sluicegate.testing import determinism
from sluicegate.testing.determinism import deterministic
from sluicegate.testing.network import open_outside, run_inline


async def order_of_tasks() -> str:
    """In which of its many orders Trio runs some tasks."""
    order = []

    async def run(name: str) -> None:
        for _ in range(3):
            order.append(name)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for name in "abcdefgh":
            nursery.start_soon(run, name)
    return "".join(order)


def played(seed: int) -> str:
    with deterministic(seed):
        return trio.run(order_of_tasks)


def test_this_release_of_trio_still_has_what_decides_about_its_order() -> None:
    """If this fails, Trio has moved its private parts: `deterministic` must be taught where they are."""
    with deterministic(1):
        pass


def test_a_seed_decides_about_the_order_of_tasks() -> None:
    assert [played(seed) for seed in range(20)] == [played(seed) for seed in range(20)]
    assert len({played(seed) for seed in range(20)}) > 10


@hypothesis.given(hypothesis.strategies.integers(), hypothesis.strategies.integers(0, 50))
@hypothesis.settings(max_examples=20, deadline=None)
def test_what_ran_before_does_not_matter(seed: int, before: int) -> None:
    first = played(seed)
    for other in range(before % 3):
        played(other)
    assert played(seed) == first


def test_afterwards_everything_is_as_it_was_and_blocks_can_be_nested() -> None:
    with deterministic(1):
        first = trio.run(order_of_tasks)
        second = trio.run(order_of_tasks)
    with deterministic(1):
        assert trio.run(order_of_tasks) == first
        with deterministic(1):
            assert trio.run(order_of_tasks) == first
        assert trio.run(order_of_tasks) == second


@pytest.mark.parametrize("name", ["_FLAG", "_CHANCE"])
def test_a_release_that_keeps_them_elsewhere_is_told_in_so_many_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(determinism, name, "_elsewhere")
    with (
        pytest.raises(RuntimeError, match=r"Trio \d+\.\d+.* has no .*_elsewhere.*change sluicegate/testing/determinism.py"),
        deterministic(1),
    ):
        pass


REAL: dict[str, tuple[Callable[[], Awaitable[object]], str]] = {
    "connections": (lambda: Outside().open_stream("localhost", 80), r"Outside\(open_stream=MemoryNetwork"),
    "listening": (lambda: Outside().listen("127.0.0.1", 0), r"Outside\(listen=MemoryNetwork"),
    "a Unix socket": (lambda: Outside().listen_unix("/tmp/never", 0o600), "an outside world in memory"),
    "sockets of systemd's": (lambda: Outside().listen_inherited(), "an outside world in memory"),
    "processes": (lambda: Outside().open_process(ProcessSpec(sys.executable)), r"Outside\(open_process=ProcessTable"),
    "threads": (lambda: Outside().run_blocking(int), "run_inline"),
}


@pytest.mark.parametrize("what", REAL)
async def test_the_real_world_is_refused_under_a_mock_clock(what: str, autojump_clock: trio.testing.MockClock) -> None:
    act, instead = REAL[what]
    with pytest.raises(RuntimeError, match=f"not under a mock clock.*{instead}.*sluicegate.testing.open_outside"):
        await act()


async def test_work_that_blocks_is_done_in_a_thread_or_inline() -> None:
    assert await Outside().run_blocking(lambda: 7) == 7
    assert await run_inline(lambda: 7) == 7


async def test_an_outside_world_in_memory_has_it_all(autojump_clock: trio.testing.MockClock) -> None:
    async def program(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
        return 3

    async with open_outside() as world:
        world.processes.add("three", program)
        outside = world.outside
        child = await outside.open_process(ProcessSpec("three"))
        assert await child.wait() == 3
        (listener,) = await outside.listen_unix("/run/gate.sock", 0o600)
        stream = await world.open_unix("/run/gate.sock")
        await (await listener.accept()).send_all(b"hello")
        assert await stream.receive_some() == b"hello"
        assert await outside.run_blocking(lambda: 7) == 7
        with pytest.raises(OSError, match="systemd"):
            await outside.listen_inherited()


async def test_the_time_of_day_goes_with_the_virtual_clock(autojump_clock: trio.testing.MockClock) -> None:
    wall = Sources.virtual(1).wall
    before = wall()
    await trio.sleep(60)
    assert wall() - before == 60
