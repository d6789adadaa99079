"""Real children and what they grow: who is signalled, when a group has ended, and that neither a process nor a zombie is left of it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from sluicegate.outside import Child, ProcessSpec, open_process

pytestmark = pytest.mark.slow

SUBREAPER = 36
"""``PR_SET_CHILD_SUBREAPER`` of Linux."""
CAT_BEHIND = "exec 3<&0; cat <&3 >/dev/null & exit 0"
"""Ends at once, and leaves a grandchild that ends with its input."""


@asynccontextmanager
async def started(script: str, *args: str) -> AsyncGenerator[Child, None]:
    """A shell that does this; in the end neither a process nor a zombie is left that was not there before."""
    before = own_children()
    with trio.fail_after(20):
        child = await open_process(ProcessSpec("/bin/sh", ("-c", script, "child", *args), {"PATH": os.environ["PATH"]}))
        try:
            yield child
        finally:
            await child.aclose()
    assert own_children() == before
    assert running(child.pid) == []


def listed() -> list[tuple[int, int, int, str]]:
    """Process, parent, group and state of each process there is; zombies too, but not ``ps``."""
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat=,comm="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 4) for line in done.stdout.splitlines()]
    return [(int(pid), int(parent), int(group), state) for pid, parent, group, state, name in rows if name != "ps"]


def own_children() -> set[int]:
    return {pid for pid, parent, _, _ in listed() if parent == os.getpid()}


def running(group: int) -> list[int]:
    return [pid for pid, _, its_group, state in listed() if its_group == group and not state.startswith("Z")]


async def line_of(child: Child) -> bytes:
    said = b""
    while not said.endswith(b"\n"):
        said += await child.stdout.receive_some()
    return said


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Grandchildren whose parents are gone are ours, where the system knows that; we notice their end when this is over."""
    library = ctypes.CDLL(None)
    if sys.platform == "linux":
        assert library.prctl(SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        if sys.platform == "linux":
            assert library.prctl(SUBREAPER, 0, 0, 0, 0) == 0


@pytest.mark.parametrize("after", [0.03, 0.8])
async def test_the_end_of_a_grandchild_is_noticed_soon_however_long_it_lived(after: float) -> None:
    async with started(CAT_BEHIND) as child:
        assert await child.wait() == 0
        noticed = list[float]()

        async def wait() -> None:
            await child.wait_group()
            noticed.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.sleep(after)
            assert noticed == []
            await child.stdin.aclose()
            closed_at = trio.current_time()
        assert noticed[0] - closed_at < 0.5


async def test_where_nothing_tells_of_processes_the_end_of_a_group_is_noticed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no /proc on macOS."""
    monkeypatch.setattr("sluicegate.outside.process.PROC", tmp_path)
    async with started(CAT_BEHIND) as child:
        await child.wait()
        with trio.move_on_after(0.1) as scope:
            await child.wait_group()
        assert scope.cancelled_caught
        await child.stdin.aclose()
        with trio.fail_after(5):
            await child.wait_group()


async def test_a_grandchild_that_has_ended_is_gone_though_nobody_took_note_of_it() -> None:
    """As in a container whose first process cares for nobody."""
    with adopting_orphans():
        async with started("(read -r line; exit 0) <&0 & echo $!; read -r line; exit 0") as child:
            orphan = int(await line_of(child))
            os.kill(child.pid, signal.SIGKILL)
            await child.wait()
            await child.stdin.aclose()
            try:
                with trio.fail_after(5):
                    await child.wait_group()
                if sys.platform == "linux":
                    assert [state[:1] for pid, _, _, state in listed() if pid == orphan] == ["Z"]
            finally:
                if sys.platform == "linux":
                    os.waitpid(orphan, 0)  # noqa: ASYNC222  it has ended


async def test_a_signal_reaches_the_whole_group_each_time_it_is_sent() -> None:
    one = 'trap "echo term" TERM; echo up; while :; do sleep 0.01; done'
    async with started(f"({one}) & {one}") as child:
        said = b""
        while said.count(b"up") < 2:
            said += await line_of(child)
        for times in (1, 2):
            child.signal_group(signal.SIGTERM)
            while said.count(b"term") < 2 * times:
                said += await line_of(child)
        assert child.returncode is None


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_ends_all_that_ignores_every_signal_but_one(cancelled: bool) -> None:
    """Also where the caller has been cancelled: neither the child, nor its children, nor the guardian beside them is left."""
    stubborn = 'trap "" TERM INT HUP; echo up; while :; do sleep 0.05; done'
    async with started(f"({stubborn}) & {stubborn}") as child:
        assert await line_of(child) in (b"up\n", b"up\nup\n")
        with trio.CancelScope() as scope:
            if cancelled:
                scope.cancel()
            await child.aclose()
        assert child.returncode == -signal.SIGKILL
        assert running(child.pid) == []


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.006, 0.012])
async def test_a_child_that_exits_while_it_is_ended_leaves_nothing(delay: float) -> None:
    async with started("sleep 1 & read -r line; exit 3") as child:
        await child.stdin.send_all(b"end\n")
        await trio.sleep(delay)
        child.signal_group(signal.SIGTERM)
        child.signal_group(signal.SIGTERM)
        await child.aclose()
        assert child.returncode in (3, -signal.SIGTERM, -signal.SIGKILL)


async def test_a_pipe_takes_at_once_what_fits_and_nothing_where_nobody_reads() -> None:
    async with started("read -r go; exec 0<&-; echo closed; sleep 5") as child:
        send_now = getattr(child.stdin, "send_now", None)
        assert send_now is not None
        assert send_now(b"x") == 1
        taken = send_now(b"x" * 10_000_000)
        assert 0 < taken < 10_000_000
        while taken := send_now(b"x" * 10_000_000):
            assert taken < 10_000_000
    async with started("exec 0<&-; echo closed; sleep 5") as child:
        assert await line_of(child) == b"closed\n"
        assert child.stdin.send_now(b"x") == 0  # type: ignore[attr-defined]
        with pytest.raises(trio.BrokenResourceError):
            await child.stdin.send_all(b"x")


async def test_who_reads_from_a_child_whose_pipes_are_closed_is_told_so() -> None:
    async with started("read -r line; echo $line; sleep 5") as child:
        await child.stdin.send_all(b"abcdef\n")
        assert await child.stdout.receive_some(3) == b"abc"
        assert await child.stdout.receive_some(100) == b"def\n"

        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await child.stdout.receive_some()

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            await child.stdout.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await child.stdout.receive_some()


async def test_who_is_waited_for_is_not_signalled(tmp_path: Path) -> None:
    """Looking whether a group has ended must not end it."""
    told = tmp_path / "told"
    signals = "HUP INT TERM USR1"
    async with started(
        f"exec 3<&0; (trap 'echo told > {told}' {signals}; echo there; while read -r line <&3; do :; done) & exit 0"
    ) as child:
        await line_of(child)
        with trio.move_on_after(0.2) as scope:
            await child.wait_group()
        assert scope.cancelled_caught
        assert not told.exists()
        await child.stdin.aclose()
